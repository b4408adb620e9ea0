//! Rotation by rename: old before new, in one partition, and nothing of either lost or doubled.

use crate::fixture::Fixture;
use crate::gzip::{lines, text};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::Duration;

/// Item 4: the broker is stalled while a log is rotated twice; then everything comes, old before new.
#[tokio::test(flavor = "multi_thread")]
async fn old_files_come_before_new_ones_over_a_restart() {
    for restart in [false, true] {
        let mut fixture = Fixture::new();
        fixture.config.blocks_bytes_max = 64 * 1024;
        fixture.config.rotated_grace = std::time::Duration::from_secs(30);
        fixture.broker.stall(true);
        let (first, second, third) = (lines("first", 4000), lines("second", 3000), lines("third", 100));
        fixture.append("a.log", &text(&first)[..20_000]);
        let mut agent = fixture.start().await;
        fixture.until(|| agent.progress().bytes_read > 0).await;
        fixture.append("a.log", &text(&first)[20_000..]);
        fixture.rename("a.log", "a.1");
        fixture.append("a.log", text(&second));
        fixture.until(|| agent.files().len() == 2).await;
        fixture.rename("a.log", "a.2");
        fixture.append("a.log", text(&third));
        fixture.until(|| agent.files().len() == 3).await;
        if restart {
            drop(agent);
            agent = fixture.start().await;
        }
        fixture.broker.stall(false);
        let all = [first, second, third].concat();
        fixture.until(|| fixture.broker.count() >= all.len()).await;
        assert!(fixture.broker.values() == all, "in order, restart {restart}");
        let partitions: std::collections::BTreeSet<i32> =
            fixture.broker.got().iter().map(|got| got.partition).collect();
        assert_eq!(partitions.len(), 1, "one partition for all generations");
        drop(agent);
    }
}

/// Item 5: renamed out of the glob, and written to for much longer than the grace: all there; closed when the writer is
/// gone, and what somebody appends even later is read, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_does_not_reopen_is_waited_for() {
    for delete in [false, true] {
        let mut fixture = Fixture::new();
        fixture.config.rotated_grace = Duration::from_millis(50);
        fixture.config.rescan = Duration::from_millis(200);
        fixture.append("a.log", "first\n");
        let agent = fixture.start().await;
        fixture.expect(&["first"]).await;
        let mut old = OpenOptions::new().append(true).open(fixture.path("a.log")).expect("opened");
        if delete {
            fs::remove_file(fixture.path("a.log")).expect("removed");
        } else {
            fixture.rename("a.log", "elsewhere");
        }
        fixture.append("a.log", "new\n");
        fixture.until(|| agent.files().iter().any(|file| file.nameless)).await;
        let mut want = vec!["first".to_owned(), "new".to_owned()];
        for n in 0..8 {
            // Several times the grace, each half of a line.
            tokio::time::sleep(Duration::from_millis(160)).await;
            old.write_all(format!("late {n} ").as_bytes()).expect("written");
            tokio::time::sleep(Duration::from_millis(160)).await;
            old.write_all(b"and whole\n").expect("written");
            want.push(format!("late {n} and whole"));
        }
        drop(old);
        let want: Vec<&str> = want.iter().map(String::as_str).collect();
        fixture.expect(&want).await;
        fixture.until(|| agent.files().len() == 1).await;
        if !delete {
            fixture.append("elsewhere", "much later\n");
            fixture.expect(&[&want[..], &["much later"]].concat()).await;
        }
        drop(agent);
    }
}

/// A deleted file that a stalled broker does not take is kept up to a cap, then counted as lost with file and range.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_kept_up_to_a_cap() {
    for (bytes_max, given_up) in [(10_000, true), (1 << 30, false)] {
        let mut fixture = Fixture::new();
        fixture.config.blocks_bytes_max = 64 * 1024;
        fixture.config.deleted_bytes_max = bytes_max;
        let all = lines("line", 5000);
        fixture.append("a.log", text(&all));
        fixture.broker.stall(true);
        let agent = fixture.start().await;
        fixture.until(|| fixture.broker.waiting() > 0).await;
        let backup = fixture.backup("a.log");
        fs::remove_file(fixture.path("a.log")).expect("removed");
        if given_up {
            fixture.until(|| !agent.losses().is_empty()).await;
            fixture.until(|| agent.files().is_empty()).await;
        }
        fixture.broker.stall(false);
        let losses = agent.losses();
        let read = losses.first().map_or(text(&all).len(), |loss| loss.start as usize);
        let want: Vec<String> = text(&all)[..read].lines().map(str::to_owned).collect();
        fixture.until(|| fixture.broker.count() >= want.len()).await;
        assert!(fixture.broker.values() == want);
        assert_eq!(losses.len(), usize::from(given_up));
        if let Some(loss) = losses.first() {
            assert_eq!((loss.end, loss.path.clone()), (text(&all).len() as u64, fixture.path("a.log")));
        }
        drop(agent);
        // After a kill, too.
        let gaps: Vec<(u64, u64)> = losses.iter().map(|loss| (loss.start, loss.end)).collect();
        assert_eq!(fixture.gaps(&backup), gaps);
    }
}

/// Item 23: truncated under a writer that does not append: the hole is no line, in one piece or many, up and down.
#[tokio::test(flavor = "multi_thread")]
async fn the_hole_under_a_writer_that_does_not_append_is_skipped() {
    for old_bytes in [20, 700, 5000, 300_000] {
        for down in [false, true] {
            let mut fixture = Fixture::new();
            // Beyond a hole of many pages nothing is read.
            fixture.config.deleted_bytes_max = 1 << 30;
            let mut writer = fs::File::create(fixture.path("a.log")).expect("created");
            let old = lines("old", old_bytes / 25);
            let (old, old_text) = if old.is_empty() {
                (vec!["short".to_owned()], "short\n".to_owned())
            } else {
                (old.clone(), text(&old))
            };
            writer.write_all(old_text.as_bytes()).expect("written");
            let mut running = Some(fixture.start().await);
            fixture.until(|| fixture.broker.count() == old.len()).await;
            if down {
                running = None;
            }
            OpenOptions::new().write(true).truncate(true).open(fixture.path("a.log")).expect("truncated");
            let new = lines("new", 40);
            writer.write_all(text(&new).as_bytes()).expect("written");
            let agent = match running {
                Some(agent) => agent,
                None => fixture.start().await,
            };
            let all = [old, new].concat();
            fixture.until(|| fixture.broker.count() >= all.len()).await;
            assert_eq!(fixture.broker.values(), all, "{old_bytes} bytes, down {down}");
            let first_new = &fixture.broker.got()[all.len() - 40];
            assert_eq!(first_new.header("log.offset"), old_text.len().to_string());
            // And over a restart in the middle.
            fixture.until(|| agent.progress().lag_bytes == 0).await;
            drop(agent);
            let agent = fixture.start().await;
            writer.write_all(b"more\n").expect("written");
            fixture.until(|| fixture.broker.count() > all.len()).await;
            assert_eq!(fixture.broker.values()[all.len()..], ["more"]);
            drop(agent);
        }
    }
}
