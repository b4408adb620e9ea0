//! What an agent tells of its files while it runs: what waits and for how long, and what went wrong.

use crate::fixture::{Fixture, caught_up};
use agent::{Agent, FileState, SendError};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);

/// The only file.
fn file(agent: &Agent) -> FileState {
    let files = agent.files();
    assert!(files.len() <= 1, "one file is followed; got {files:?}");
    files.into_iter().next().expect("it is followed")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_late_and_what_went_wrong_is_remembered() {
    let mut fixture = Fixture::new();
    fixture.config.rescan = Duration::from_millis(200);
    fixture.append("a.log", "one\ntwo\nhalf");
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| file(&agent).lag_seconds >= 1).await;
    let late = file(&agent);
    assert_eq!((late.size, late.position, late.acknowledged), (12, 8, 0));

    // The half line is not late: nobody has ended it.
    fixture.broker.stall(false);
    fixture.until(|| file(&agent).acknowledged == 8 && file(&agent).lag_seconds == 0).await;
    assert_eq!(file(&agent).last_error, None);

    fixture.broker.refuse(SendError::Refused("against the rules".to_owned()));
    fixture.append("a.log", "\n");
    fixture.until(|| file(&agent).acknowledged == 13 && file(&agent).problem.is_none()).await;
    fixture.expect(&["one", "two", "half"]).await;
    let error = file(&agent).last_error.expect("is remembered");
    assert!(error.contains("against the rules"), "{error}");
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_file_counts_with_what_lies_on_the_disk() {
    let fixture = Fixture::new();
    let mut gzip = GzEncoder::new(File::create(fixture.path("a.log")).expect("made"), Compression::fast());
    let text = "a line that repeats itself\n".repeat(1000);
    gzip.write_all(text.as_bytes()).and_then(|()| gzip.try_finish()).expect("written");
    let bytes = std::fs::metadata(fixture.path("a.log")).expect("is there").len();
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.until(|| file(&agent).archive.is_some_and(|archive| archive.read == bytes)).await;
    let state = file(&agent);
    assert_eq!((state.archive.map(|archive| archive.bytes), state.size), (Some(bytes), text.len() as u64));
    let observer = agent.observer();
    agent.stop(DRAIN).await;
    assert!(observer.files().is_empty());
}
