//! What time does to the agent: clocks that jump, and files that are forgotten.

use crate::fixture::{Fixture, caught_up};
use agent::Positions;
use std::fs;
use std::time::{Duration, Instant};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn known(fixture: &Fixture) -> usize {
    Positions::read(&fixture.config.checkpoints).expect("readable").acknowledged().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_a_day_off_changes_nothing_but_timestamps() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.config.forget_after = Duration::from_secs(3600);
    let mut want = Vec::new();
    let mut agent = fixture.start().await;
    let start = fixture.now_millis();
    for (turn, forward) in [true, false, false, true, true, false].into_iter().enumerate() {
        for file in ["a.log", "b.log"] {
            let line = format!("{file} {turn}");
            fixture.append(file, format!("{line}\n"));
            want.push(line);
        }
        let written = Instant::now();
        fixture.until(|| fixture.broker.count() == want.len()).await;
        // Linger, flushes and pauses are counted by a clock that nobody sets.
        assert!(written.elapsed() < Duration::from_secs(10));
        fixture.set_clock(DAY, forward);
        // A rescan in the new time, with files in flight and without.
        fixture.until(|| agent.progress().lag_bytes == 0).await;
        if turn % 2 == 1 {
            fixture.broker.lose_acknowledgements(true);
            let line = format!("a.log in flight {turn}");
            fixture.append("a.log", format!("{line}\n"));
            want.push(line);
            fixture.until(|| fixture.broker.count() == want.len()).await;
            fixture.set_clock(DAY, !forward);
            drop(agent);
            fixture.broker.lose_acknowledgements(false);
            agent = fixture.start().await;
            caught_up(&agent).await;
            fixture.set_clock(DAY, forward);
        }
    }
    assert!(agent.losses().is_empty() && agent.problems().is_empty());
    assert!(fixture.broker.repeated() >= 3, "batches in flight were repeated byte for byte");
    for file in ["a.log", "b.log"] {
        let of = |lines: &[String]| lines.iter().filter(|line| line.starts_with(file)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&fixture.broker.values()), of(&want));
    }
    assert_eq!(fixture.broker.count(), want.len());
    let timestamps = fixture.broker.got().into_iter().map(|got| got.timestamp);
    assert!(
        timestamps.clone().any(|at| at - start > 80_000_000) && timestamps.clone().any(|at| start - at > 80_000_000)
    );
    assert_eq!(known(&fixture), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_forgotten_on_proof_that_it_is_gone_and_after_its_time() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(50);
    fixture.config.rotated_grace = Duration::from_millis(50);
    fixture.config.forget_after = Duration::from_secs(3600);
    fixture.append("a.log", "one\n");
    fixture.append("b.log", "two\n");
    let agent = fixture.start().await;
    fixture.expect(&["one", "two"]).await;
    fixture.until(|| agent.progress().lag_bytes == 0).await;
    fs::remove_file(fixture.path("a.log")).expect("removed");
    fixture.until(|| agent.files().len() == 1).await;
    // Gone, but not for long enough: some rescans later it is known still.
    let rescans = Instant::now() + Duration::from_millis(300);
    fixture.until(|| Instant::now() > rescans).await;
    assert_eq!(known(&fixture), 2);
    // The time has come for both, and only one is gone.
    fixture.set_clock(2 * Duration::from_secs(3600), true);
    fixture.until(|| known(&fixture) == 1).await;
    // While no agent runs, time passes and the whole folder is away: that is no proof.
    drop(agent);
    let (logs, away) = (fixture.folder.path().join("logs"), fixture.folder.path().join("away"));
    fs::rename(&logs, &away).expect("renamed");
    // On another device, as the folder under a mount.
    let other = tempfile::tempdir_in("/dev/shm").expect("a folder in memory");
    std::os::unix::fs::symlink(other.path(), &logs).expect("linked");
    fixture.set_clock(30 * DAY, true);
    let agent = fixture.start().await;
    let rescans = Instant::now() + Duration::from_millis(300);
    fixture.until(|| Instant::now() > rescans).await;
    assert_eq!(known(&fixture), 1);
    fs::remove_file(&logs).expect("removed");
    fs::rename(&away, &logs).expect("renamed back");
    fixture.append("b.log", "three\n");
    fixture.expect(&["one", "two", "three"]).await;
    drop(agent);
}
