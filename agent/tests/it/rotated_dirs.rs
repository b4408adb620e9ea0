//! Rotation into another directory, as logrotate's `olddir` does it: what was not read yet is read there.

use crate::fixture::{Fixture, caught_up};
use crate::gzip::{gzip, lines, text};
use std::fs::{self, OpenOptions};

/// How a file gets into the directory for rotated ones.
#[derive(Debug, Clone, Copy)]
enum Rotation {
    Rename,
    Compress,
    Copy,
    CopyCompressed,
}

fn rotate(fixture: &Fixture, rotation: Rotation) {
    let (log, old) = (fixture.path("a.log"), fixture.path("../old"));
    fs::create_dir_all(&old).expect("made");
    let content = fs::read(&log).expect("read");
    match rotation {
        Rotation::Rename => fs::rename(&log, old.join("a.log.1")).expect("renamed"),
        Rotation::Compress => {
            fs::write(old.join("a.log.1.gz"), gzip(content)).expect("written");
            fs::remove_file(&log).expect("removed");
        }
        Rotation::Copy | Rotation::CopyCompressed => {
            match rotation {
                Rotation::Copy => fs::write(old.join("a.log.1"), content).expect("written"),
                _ => fs::write(old.join("a.log.1.gz"), gzip(content)).expect("written"),
            }
            OpenOptions::new().write(true).truncate(true).open(&log).expect("truncated");
        }
    }
}

/// Item 6 and item 8 with `olddir`: half read, then rotated into a directory beside the logs; the rest comes once, then
/// the new file.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_rotated_into_another_directory_is_read_on_there() {
    let all = [Rotation::Rename, Rotation::Compress, Rotation::Copy, Rotation::CopyCompressed];
    for (rotation, while_down) in all.into_iter().flat_map(|rotation| [(rotation, true), (rotation, false)]) {
        let mut fixture = Fixture::new();
        fixture.config.blocks_bytes_max = 64 * 1024;
        fixture.config.inputs[0].rotated_dirs = vec!["../old".into()];
        let (first, rest, new) = (lines("first", 100), lines("rest", 6000), lines("new", 50));
        fixture.append("a.log", text(&first));
        let mut running = Some(fixture.start().await);
        fixture.until(|| fixture.broker.count() == first.len()).await;
        if while_down {
            running = None;
        } else {
            fixture.broker.stall(true);
        }
        fixture.append("a.log", text(&rest));
        if !while_down {
            fixture.until(|| fixture.broker.waiting() > 0).await;
        }
        rotate(&fixture, rotation);
        fixture.append("a.log", text(&new));
        let agent = match running {
            Some(agent) => agent,
            None => fixture.start().await,
        };
        if !while_down {
            fixture.until(|| agent.files().len() == 2).await;
            fixture.broker.stall(false);
        }
        let want: Vec<String> = [first, rest, new].concat();
        fixture.until(|| fixture.broker.count() >= want.len()).await;
        assert_eq!(fixture.broker.values(), want, "{rotation:?}, while down: {while_down}");
        assert!(agent.losses().is_empty(), "{:?}", agent.losses());
        drop(agent);
        let agent = fixture.start().await;
        caught_up(&agent).await;
        assert_eq!(fixture.broker.count(), want.len(), "nothing comes again: {rotation:?}");
    }
}

/// A file is forgotten only when its directories prove that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_for_rotated_files_that_is_not_there_holds_nobody_up() {
    let mut fixture = Fixture::new();
    fixture.config.inputs[0].rotated_dirs = vec!["never".into(), "/never/at/all".into()];
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    drop(agent);
    fs::remove_file(fixture.path("a.log")).expect("removed");
    fixture.append("a.log", "two\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    caught_up(&agent).await;
}
