//! Lines come out as they went in: whatever block, batch or restart they straddle.

use crate::fixture::{Fixture, caught_up};
use agent::{From, Input};
use std::time::Duration;

const DRAIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_line_torn_by_a_crash_is_one_line() {
    let fixture = Fixture::new();
    fixture.append("a.log", "ab");
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.size == 2)).await;
    drop(agent);
    let agent = fixture.start().await;
    fixture.append("a.log", "c\n");
    fixture.expect(&["abc"]).await;
    assert_eq!(fixture.broker.got()[0].header("log.offset"), "0");
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn carriage_returns_are_split_anywhere_in_a_block() {
    let mut fixture = Fixture::new();
    fixture.config.block_bytes = 512;
    fixture.config.once = true;
    // One file for each place of the delimiter around the end of the first block.
    let mut expect = Vec::new();
    for length in 500..516 {
        let long = format!("{length:04}{}", "x".repeat(length - 4));
        fixture.append(&format!("{length}.log"), format!("{long}\r\nsecond {length}\r\nend {length}\r\n"));
        expect.extend([long, format!("second {length}"), format!("end {length}")]);
    }
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&expect.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delimiter_that_comes_in_two_writes_is_one() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\r");
    let agent = fixture.start().await;
    fixture.until(|| agent.files().iter().any(|file| file.size == 4)).await;
    fixture.append("a.log", "\ntwo\r");
    fixture.expect(&["one"]).await;
    fixture.append("a.log", "\n");
    fixture.expect(&["one", "two"]).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_is_cut_and_marked_and_the_next_one_intact_over_restarts() {
    let mut fixture = Fixture::new();
    fixture.config.line_bytes_max = 3000;
    let long = "x".repeat(10_000);
    fixture.append("a.log", format!("first\n{long}"));
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 2).await;
    drop(agent);
    fixture.append("a.log", format!("{long}\nnext\n"));
    let agent = fixture.start().await;
    fixture.expect(&["first", &long[..3000], "next"]).await;
    let got = fixture.broker.got();
    assert_eq!(got[1].header("sluice.cut"), "true");
    assert_eq!((got[0].header("sluice.cut"), got[2].header("sluice.cut")), ("", ""));
    assert_eq!(got[2].header("log.offset"), (6 + 20_000 + 1).to_string());
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ships_a_last_line_without_newline_and_follow_waits_for_it() {
    let mut fixture = Fixture::new();
    fixture.append("a.log", "one\ntwo");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["one"]).await;
    agent.stop(DRAIN).await;
    fixture.config.once = true;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["one", "two"]).await;
    assert_eq!(agent.progress().records_acknowledged, 1);
    assert_eq!(agent.stop(DRAIN).await.undelivered_batches, 0);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.expect(&["one", "two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn once_ships_what_was_renamed_while_nobody_was_there() {
    let mut fixture = Fixture::new();
    fixture.append("a.log", "one\n");
    let agent = fixture.start().await;
    fixture.expect(&["one"]).await;
    agent.stop(DRAIN).await;
    fixture.append("a.log", "two\nthree");
    fixture.rename("a.log", "a.log.1");
    fixture.config.once = true;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(agent.stop(DRAIN).await.undelivered_batches, 0);
    fixture.expect(&["one", "two", "three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_end_skips_what_was_there_but_nothing_later() {
    let mut fixture = Fixture::new();
    fixture.config.from = From::End;
    fixture.append("a.log", "old\nhalf");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.append("a.log", " of a line\nnew\n");
    fixture.append("b.log", "whole\n");
    fixture.expect(&["new", "whole"]).await;
    drop(agent);
    fixture.append("a.log", "while away\n");
    let agent = fixture.start().await;
    fixture.expect(&["new", "whole", "while away"]).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dataset_is_detected_given_and_kept() {
    let mut fixture = Fixture::new();
    fixture.config.inputs.insert(
        0,
        Input {
            paths: vec![crate::fixture::glob(&fixture.folder, "given*")],
            dataset: Some("shop".into()),
            ..Input::default()
        },
    );
    fixture.append("given.log", "{\"a\":1}\n");
    fixture.append("json.log", "{\"a\":1}\n");
    let agent = fixture.start().await;
    caught_up(&agent).await;
    drop(agent);
    fixture.append("json.log", "not json any more\nnor this\nnor that\n");
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 5).await;
    for got in fixture.broker.got() {
        let dataset = if got.header("log.file.path").ends_with("given.log") { "shop" } else { "json" };
        assert_eq!(got.header("event.dataset"), dataset);
        assert_eq!(got.header("host.name"), "web1");
        assert_eq!(got.header("sluice.file.id").len(), 16);
    }
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_and_tiny_files_and_twins_are_read_once_each() {
    let fixture = Fixture::new();
    fixture.append("empty.log", "");
    fixture.append("byte.log", "\n");
    let twin = "same line\n".repeat(500);
    fixture.append("twin1.log", &twin);
    fixture.append("twin2.log", &twin);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!(fixture.broker.count(), 1001);
    drop(agent);
    fixture.append("empty.log", "no more\n");
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 1002).await;
    drop(agent);
}
