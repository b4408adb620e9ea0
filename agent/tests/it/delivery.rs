//! What the broker does to batches, and what a crash does to the agent: each line is there once all the same.

use crate::broker::PARTITIONS;
use crate::fixture::{Fixture, caught_up, glob, until};
use agent::{Agent, Input, SendError, StartError};
use kafka_wire::compression::Compression;
use prometheus_client::registry::Registry;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DRAIN: Duration = Duration::from_secs(10);

fn lines(prefix: &str, count: usize) -> (String, Vec<String>) {
    let lines: Vec<String> = (0..count).map(|n| format!("{prefix} {n:05}")).collect();
    (lines.iter().map(|line| format!("{line}\n")).collect(), lines)
}

/// The broker has exactly these lines, in this order.
async fn expect_in_order(fixture: &Fixture, lines: &[String]) {
    fixture.until(|| fixture.broker.count() >= lines.len()).await;
    assert_eq!(fixture.broker.values(), lines);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_acknowledgements_and_a_crash_repeat_batches_byte_for_byte() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd, Compression::Gzip, Compression::Snappy]
    {
        for headers in [true, false] {
            let mut fixture = Fixture::new();
            fixture.config.compression = compression;
            fixture.config.headers = headers;
            let (text, lines) = lines("line", 1000);
            fixture.append("a.log", text);
            fixture.broker.lose_acknowledgements(true);
            let agent = fixture.start().await;
            fixture.until(|| fixture.broker.count() > 20).await;
            drop(agent);
            fixture.broker.lose_acknowledgements(false);
            let agent = fixture.start().await;
            caught_up(&agent).await;
            expect_in_order(&fixture, &lines).await;
            assert!(fixture.broker.repeated() > 0, "{compression}: something was sent again");
            drop(agent);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_too_large_is_halved_until_it_fits() {
    let fixture = Fixture::new();
    let (text, lines) = lines("line", 500);
    fixture.append("a.log", text);
    fixture.broker.batch_bytes_max(400);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    expect_in_order(&fixture, &lines).await;
    assert!(agent.problems().is_empty(), "{:?}", agent.problems());
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_too_large_for_the_broker_is_cut_and_marked() {
    let mut fixture = Fixture::new();
    fixture.config.compression = Compression::None;
    fixture.append("a.log", format!("one\n{}\nthree\n", "x".repeat(900)));
    fixture.broker.batch_bytes_max(800);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    let got = fixture.broker.got();
    assert_eq!((got.len(), got[1].value.len(), got[1].header("sluice.cut")), (3, 450, "true"));
    assert_eq!((got[2].value.as_slice(), got[2].header("sluice.cut")), (&b"three"[..], ""));
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_batch_holds_its_file_and_no_other() {
    let mut fixture = Fixture::new();
    let (text, lines) = lines("line", 300);
    fixture.append("a.log", text);
    fixture.broker.refuse(SendError::Refused("not allowed".into()));
    let agent = fixture.start().await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("not allowed"))).await;
    assert_eq!(fixture.broker.count(), 0);
    // Enough other files that one shares the partition.
    for n in 0..3 * PARTITIONS {
        fixture.append(&format!("other{n}.log"), "other\n");
    }
    fixture.until(|| fixture.broker.count() == 3 * PARTITIONS as usize).await;
    assert!(fixture.broker.values().iter().all(|value| value == "other"));
    drop(agent);
    // What was held is tried again.
    fixture.config.rescan = Duration::from_millis(50);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 300 + 3 * PARTITIONS as usize).await;
    let values: Vec<String> = fixture.broker.values().into_iter().filter(|value| value != "other").collect();
    assert_eq!(values, lines);
    fixture.until(|| agent.problems().is_empty()).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_batch_that_the_broker_may_have_is_sent_again_as_it_is() {
    let mut fixture = Fixture::new();
    let (text, lines) = lines("line", 100);
    fixture.append("a.log", text);
    fixture.broker.lose_acknowledgements(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() > 0).await;
    drop(agent);
    fixture.broker.lose_acknowledgements(false);
    for _ in 0..2 {
        fixture.broker.refuse(SendError::Refused("not allowed for a while".into()));
    }
    let agent = fixture.start().await;
    fixture.until(|| agent.problems().iter().any(|problem| problem.contains("not allowed for a while"))).await;
    caught_up(&agent).await;
    expect_in_order(&fixture, &lines).await;
    fixture.until(|| agent.problems().is_empty()).await;
    drop(agent);
    // As does one that is never accepted, and --once ends all the same.
    fixture.config.once = true;
    fixture.append("a.log", "more\n");
    fixture.broker.lose_acknowledgements(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.count() == 101).await;
    drop(agent);
    fixture.broker.lose_acknowledgements(false);
    fixture.broker.refuse(SendError::Refused("not allowed".into()));
    let agent = fixture.start().await;
    caught_up(&agent).await;
    let unread = agent.unread();
    assert!(unread.len() == 1 && unread[0].contains("a.log") && unread[0].contains("not allowed"), "{unread:?}");
    agent.stop(DRAIN).await;
    let agent = fixture.start().await;
    caught_up(&agent).await;
    assert_eq!((agent.unread().len(), fixture.broker.count()), (0, 101));
}

/// The client knows of attempts that it made itself; what an earlier one left unclear, the agent has to remember.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_may_have_stays_unclear_over_the_next_refusal() {
    let fixture = Fixture::new();
    let (text, lines) = lines("line", 100);
    fixture.append("a.log", text);
    fixture.broker.refuse(SendError::Unsure("the connection broke off".into()));
    fixture.broker.refuse(SendError::Refused("not allowed for a while".into()));
    let agent = fixture.start().await;
    expect_in_order(&fixture, &lines).await;
    assert!(agent.files().iter().all(|file| file.problem.is_none()), "{:?}", agent.files());
    agent.stop(DRAIN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_producer_gets_a_new_identity() {
    let fixture = Fixture::new();
    let (text, mut lines) = lines("line", 300);
    fixture.append("a.log", text);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.broker.forget_producers();
    fixture.append("a.log", "after\n");
    lines.push("after".into());
    expect_in_order(&fixture, &lines).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_gets_what_was_in_flight_under_a_new_identity() {
    let fixture = Fixture::new();
    let (text, lines) = lines("line", 300);
    fixture.append("a.log", text);
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 0).await;
    drop(agent);
    fixture.broker.become_cluster("two");
    fixture.broker.stall(false);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    expect_in_order(&fixture, &lines).await;
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_flight_and_is_gone_is_a_reported_gap() {
    let fixture = Fixture::new();
    fixture.append("a.log", "one\ntwo\n");
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 0).await;
    drop(agent);
    let backup = fixture.backup("a.log");
    fs::remove_file(fixture.path("a.log")).expect("removed");
    fixture.append("b.log", "three\n");
    fixture.broker.become_cluster("one");
    fixture.broker.stall(false);
    let agent = fixture.start().await;
    fixture.expect(&["three"]).await;
    fixture.until(|| !agent.losses().is_empty()).await;
    let loss = &agent.losses()[0];
    assert_eq!((loss.start, loss.end, loss.path.clone()), (0, 8, fixture.path("a.log")));
    drop(agent);
    assert_eq!(fixture.gaps(&backup), [(0, 8)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_broker_stops_the_reading_and_loses_nothing_at_rotation() {
    let mut fixture = Fixture::new();
    fixture.config.blocks_bytes_max = 64 * 1024;
    fixture.config.compression = Compression::None;
    fixture.broker.stall(true);
    let (first, mut all) = lines("old", 20_000);
    let (second, new) = lines("new", 1000);
    fixture.append("a.log", &first[..first.len() / 2 + 3]);
    let agent = fixture.start().await;
    fixture.until(|| agent.progress().bytes_read > 0).await;
    fixture.append("a.log", &first[first.len() / 2 + 3..]);
    fixture.rename("a.log", "gone");
    fixture.append("a.log", &second);
    fixture.until(|| agent.files().len() == 2).await;
    let read = agent.progress().bytes_read;
    assert!(read < 100 * 1024, "memory bounds what is read: {read}");
    fixture.broker.stall(false);
    all.extend(new);
    fixture.until(|| fixture.broker.count() >= all.len()).await;
    let got = fixture.broker.values();
    for prefix in ["old", "new"] {
        let of = |lines: &[String]| lines.iter().filter(|line| line.starts_with(prefix)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&got), of(&all));
    }
    drop(agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_ends_in_time_with_a_stalled_broker_and_the_next_start_goes_on() {
    let fixture = Fixture::new();
    let (text, lines) = lines("line", 100);
    fixture.append("a.log", text);
    fixture.broker.stall(true);
    let agent = fixture.start().await;
    fixture.until(|| fixture.broker.waiting() > 0).await;
    let before = Instant::now();
    let stopped = agent.stop(Duration::from_millis(100)).await;
    assert!(before.elapsed() < Duration::from_secs(5));
    assert!(stopped.undelivered_records > 0);
    fixture.broker.stall(false);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    expect_in_order(&fixture, &lines).await;
    assert_eq!(agent.stop(DRAIN).await.undelivered_batches, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_is_refused() {
    let fixture = Fixture::new();
    let _agent = fixture.start().await;
    let mut registry = Registry::default();
    let refused = Agent::start_with(
        fixture.config.clone(),
        &mut registry,
        Arc::new(fixture.broker.clone()),
        agent::Clock(Arc::new(|| 0)),
    );
    assert!(matches!(refused.await, Err(StartError::Checkpoints(agent::OpenError::Locked(_)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_its_partition() {
    let mut fixture = Fixture::new();
    fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "*")], ..Input::default() }];
    for n in 0..20 {
        fixture.append(&format!("{n}.log"), format!("{n}\n"));
    }
    let agent = fixture.start().await;
    caught_up(&agent).await;
    drop(agent);
    for n in 0..20 {
        fixture.append(&format!("{n}.log"), format!("{n}\n"));
    }
    let agent = fixture.start().await;
    until(|| fixture.broker.count() == 40).await;
    let got = fixture.broker.got();
    let partitions: std::collections::BTreeSet<i32> = got.iter().map(|got| got.partition).collect();
    assert!(partitions.len() > 1);
    for one in &got {
        assert!(got.iter().filter(|other| other.value == one.value).all(|other| other.partition == one.partition));
    }
    drop(agent);
}

/// Batches whose acknowledgement was lost have become too large meanwhile: whether the broker has them or not, they are
/// parted, and each line is there once.
#[tokio::test(flavor = "multi_thread")]
async fn batches_that_may_be_there_and_are_too_large_now_are_parted_safely() {
    for written in [true, false] {
        for kill_again in [false, true] {
            let mut fixture = Fixture::new();
            let (text, lines) = lines("line", 300);
            fixture.append("a.log", &text);
            if written {
                fixture.broker.lose_acknowledgements(true);
            } else {
                fixture.broker.stall(true);
            }
            let agent = fixture.start().await;
            let sent = || if written { fixture.broker.count() } else { fixture.broker.waiting() };
            fixture.until(|| sent() >= if written { 40 } else { 5 }).await;
            drop(agent);
            if !written {
                // What an agent had sent and nobody has read goes with its connection.
                fixture.broker.cut_off();
            }
            fixture.broker.lose_acknowledgements(false);
            fixture.broker.stall(false);
            fixture.broker.batch_bytes_max(400);
            if kill_again {
                // The journal has parts, of which nothing is known.
                fixture.broker.stall(true);
                let agent = fixture.start().await;
                fixture.until(|| fixture.broker.waiting() > 0).await;
                fixture.broker.stall(false);
                drop(agent);
            }
            fixture.config.once = true;
            let agent = fixture.start().await;
            caught_up(&agent).await;
            fixture.append("a.log", "last\n");
            let want: Vec<String> = lines.iter().cloned().chain(["last".to_owned()]).collect();
            agent.stop(DRAIN).await;
            let agent = fixture.start().await;
            caught_up(&agent).await;
            assert_eq!(fixture.broker.values(), want, "written before: {written}, killed again: {kill_again}");
            assert_eq!(agent.problems(), Vec::<String>::new());
        }
    }
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("listed") {
        let entry = entry.expect("entry");
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_machine_starts_an_agent_of_its_own() {
    let mut fixture = Fixture::new();
    let host = |machine| Some(agent::HostIdentity { machine: Some(machine), ..Default::default() });
    fixture.config.host_identity = host(1);
    let (text, lines) = lines("line", 300);
    fixture.append("a.log", &text[..text.len() / 2]);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    fixture.broker.stall(true);
    fixture.append("a.log", &text[text.len() / 2..]);
    fixture.until(|| fixture.broker.waiting() > 0).await;
    drop(agent);
    let first = fixture.config.checkpoints.clone();
    let second = fixture.folder.path().join("copied");
    copy_folder(&first, &second);
    fixture.broker.stall(false);
    // The copy alone would go on where the first one was; the first one still lives.
    fixture.broker.watch(&second);
    fixture.config.checkpoints = second;
    fixture.config.host_identity = host(2);
    let copy = fixture.start().await;
    caught_up(&copy).await;
    let by_file = |got: Vec<crate::broker::Got>| {
        let mut by_file = std::collections::BTreeMap::<String, Vec<String>>::new();
        for got in got {
            let id = got.header("sluice.file.id").to_owned();
            by_file.entry(id).or_default().push(String::from_utf8_lossy(&got.value).into_owned());
        }
        by_file
    };
    let ids = by_file(fixture.broker.got());
    assert_eq!(ids.len(), 2, "the copy has identities of its own");
    let copy_id = copy.files()[0].id.to_string();
    let of_copy = &ids[&copy_id];
    assert_eq!(of_copy.as_slice(), &lines[lines.len() - of_copy.len()..], "nothing is lost");
    assert!(of_copy.len() >= 150 && of_copy.len() < 300);
    copy.stop(DRAIN).await;
    // Only once: the next start of the copy knows its machine.
    let copy = fixture.start().await;
    caught_up(&copy).await;
    assert_eq!(copy.files()[0].id.to_string(), copy_id);
    drop(copy);
    // The first machine goes on with what it had in flight, under its own producer.
    fixture.broker.watch(&first);
    fixture.config.checkpoints = first;
    fixture.config.host_identity = host(1);
    let agent = fixture.start().await;
    caught_up(&agent).await;
    let ids = by_file(fixture.broker.got());
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[&agent.files()[0].id.to_string()], lines);
}
