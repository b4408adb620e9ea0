//! One thing at a time.

use crate::dealer::{DeadLetters, Dealer, Group, deal};
use crate::records::{RECORD_MS, concat, file_batch, headers_of, plain_batch};
use crate::*;
use bytes::Bytes;
use kafka_wire::batch::RecordHeaders;
use kafka_wire::compression::Compression;
use pipelines::pipeline::Pipeline;
use pipelines::worker::source::{CommitError, DeadLetter, Event, Retention};
use pipelines::worker::{Choice, Settings, Worker};
use prometheus_client::registry::Registry;

pub struct Table {
    pub dealer: Dealer,
    pub sink: Arc<GatedSink>,
    dead_letters: Arc<DeadLetters>,
    pub worker: Worker,
}

pub fn table(open: bool, settings: Settings) -> Table {
    let (dealer, hand) = deal(Arc::<Mutex<Group>>::default());
    let sink = GatedSink::new(open);
    let dead_letters = Arc::new(DeadLetters::default());
    let worker = Worker::start_on(hand, dead_letters.clone(), settings, sink.clone(), &mut Registry::default());
    Table { dealer, sink, dead_letters, worker }
}

pub fn quick() -> Settings {
    Settings { commit_every: Duration::from_millis(5), ..Settings::default() }
}

fn pipeline(text: &str) -> Choice {
    Choice::Pipeline(Arc::new(Pipeline::parse("test", text).expect("the pipeline is sound")))
}

pub fn fetched(number: i32, position: i64, records: Bytes) -> Event {
    Event::Fetched { partition: partition(number), records, position, high_watermark: 1000 }
}

#[tokio::test]
async fn a_record_becomes_a_document() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let lines = file_batch(0, &["hello", "w\u{f6}rld"], "shop", Compression::Lz4);
    table.dealer.send(fetched(0, 0, concat(&[lines, plain_batch(2, &["other"])])));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(3)).await;
    let documents = table.sink.documents();
    let document = documents.iter().find(|document| document["message"] == "hello").expect("the document");
    for (path, want) in [
        ("/@timestamp", serde_json::json!("2026-11-18T11:06:40.000Z")),
        ("/host/name", "web-1".into()),
        ("/log/file/path", "/var/log/app.log".into()),
        ("/log/offset", 0.into()),
        ("/event/dataset", "shop".into()),
    ] {
        assert_eq!(document.pointer(path), Some(&want), "{path}");
    }
    assert!(document.pointer("/ecs/version").is_some());
    let ids = table.sink.ids.lock().expect("no panic").clone();
    assert_eq!(
        ids.iter().map(|(index, _)| &**index).collect::<Vec<_>>(),
        ["sluice-shop-2026.11", "sluice-shop-2026.11", "sluice-generic-2026.11"]
    );
    assert!(ids.iter().all(|(_, id)| id.len() == 24));
    let progress = table.worker.stop(DEADLINE).await;
    assert_eq!((progress.records_read, progress.documents_delivered, progress.rejected), (3, 3, 0));
    assert!(table.dealer.group.lock().expect("no panic").left);
}

#[tokio::test]
async fn only_what_is_done_without_a_gap_is_committed() {
    let table = table(false, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    // Three units: each fetch begins one.
    table.sink.free.lock().expect("no panic").extend(["\"b\"".into(), "\"c\"".into()]);
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    table.dealer.send(fetched(0, 1, plain_batch(1, &["b"])));
    table.dealer.send(fetched(0, 2, plain_batch(2, &["c", "c2"])));
    until("two units", || table.sink.documents().len() == 3).await;
    until("all wait", || table.sink.waiting() == 3).await;
    until("it is told", || table.worker.delivered() == [(partition(0), 0)]).await;
    assert_eq!(table.dealer.committed(&partition(0)), None);
    table.sink.gate.add_permits(1);
    until("a commit", || table.dealer.committed(&partition(0)) == Some(4)).await;
    until("it is told", || table.worker.delivered() == [(partition(0), 4)]).await;
    until("it is known", || table.worker.committed() == [(partition(0), 4)]).await;
}

#[tokio::test]
async fn what_was_read_before_the_position_is_skipped() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 2)])));
    table.dealer.send(fetched(0, 2, concat(&[plain_batch(0, &["a", "b", "c", "d"]), plain_batch(4, &["e"])])));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(5)).await;
    let messages: Vec<_> = table.sink.documents().iter().map(|document| document["message"].clone()).collect();
    assert_eq!(messages, ["c", "d", "e"]);
}

#[tokio::test]
async fn what_is_rejected_becomes_a_dead_letter() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(3), 10)])));
    table.dealer.send(fetched(
        3,
        10,
        concat(&[plain_batch(10, &["a", "bad", "c"]), plain_batch(13, &["d", "bad too"])]),
    ));
    until("a commit", || table.dealer.committed(&partition(3)) == Some(15)).await;
    let letters = table.dead_letters.letters.lock().expect("no panic").clone();
    let id = table.sink.ids.lock().expect("no panic")[1].1.clone();
    let mut headers = RecordHeaders::new();
    for (key, value) in [
        ("sluice.dead.status", "400"),
        ("sluice.dead.type", "k"),
        ("sluice.dead.reason", "r"),
        ("sluice.dead.index", "sluice-generic-2026.11"),
        ("sluice.dead.id", &id),
        ("sluice.dead.attempts", "1"),
        ("sluice.dead.topic", "logs"),
        ("sluice.dead.partition", "3"),
        ("sluice.dead.offset", "11"),
        ("sluice.dead.timestamp", &RECORD_MS.to_string()),
    ] {
        headers.push(key, Some(value.as_bytes()));
    }
    let want = DeadLetter { key: Some(Bytes::from_static(b"key")), value: Some(Bytes::from_static(b"bad")), headers };
    assert_eq!(letters[0], ("logs.dead".to_owned(), 3, want));
    assert_eq!(table.dead_letters.values(), ["bad", "bad too"]);
    assert_eq!(table.worker.progress().rejected, 2);
}

#[tokio::test]
async fn pipelines_are_chosen_by_dataset() {
    let pipelines = vec![
        ("noise".into(), pipeline("processors: [{drop: {}}]")),
        ("fails".into(), pipeline("processors: [{set: {field: half, value: done}}, {fail: {message: no}}]")),
        (
            "own".into(),
            pipeline("processors: [{set: {field: _id, value: mine}}, {set: {field: _index, value: there}}]"),
        ),
        ("*".into(), pipeline("processors: [{set: {field: rest, value: yes}}]")),
    ];
    let table = table(true, Settings { pipelines, ..quick() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let batches = ["noise", "fails", "own", "shop"]
        .iter()
        .enumerate()
        .map(|(n, dataset)| file_batch(n as i64, &["x"], dataset, Compression::None));
    table.dealer.send(fetched(0, 0, concat(&batches.collect::<Vec<_>>())));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(4)).await;
    let documents = table.sink.documents();
    assert_eq!(documents.len(), 3);
    assert_eq!((&documents[0]["message"], documents[0].get("half")), (&"x".into(), None));
    assert!(documents[0].pointer("/error/message").is_some() && documents[0]["tags"].is_array());
    assert_eq!(table.sink.ids.lock().expect("no panic")[1], ("there".into(), "mine".into()));
    assert_eq!(documents[2]["rest"], "yes");
    let progress = table.worker.progress();
    assert_eq!((progress.dropped, progress.failed, progress.documents_delivered), (1, 1, 3));
}

#[tokio::test]
async fn a_batch_that_cannot_be_read_becomes_a_dead_letter() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let mut damaged = plain_batch(1, &["lost", "lost too"]).to_vec();
    *damaged.last_mut().expect("bytes") ^= 1;
    let batches = [plain_batch(0, &["a"]), damaged.clone().into(), plain_batch(3, &["b"])];
    table.dealer.send(fetched(0, 0, concat(&batches)));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(4)).await;
    assert_eq!(table.sink.documents().len(), 2);
    assert_eq!(table.worker.progress().unreadable_batches, 1);
    let letters = table.dead_letters.letters.lock().expect("no panic").clone();
    let [(topic, 0, letter)] = &letters[..] else { panic!("want one letter; got {letters:?}") };
    assert_eq!((topic.as_str(), letter.value.as_deref()), ("logs.dead", Some(&damaged[..])));
    let headers = headers_of(letter);
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
    assert_eq!(header("sluice.dead.type"), "unreadable_batch");
    assert_eq!((header("sluice.dead.offset"), header("sluice.dead.last_offset")), ("1", "2"));
    assert!(header("sluice.dead.reason").contains("crc"), "{headers:?}");
}

#[tokio::test]
async fn rubbish_is_reported_and_does_not_move_the_offset() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, concat(&[plain_batch(0, &["a"]), vec![0xff; 100].into()])));
    until("a problem", || !table.worker.problems().is_empty()).await;
    assert!(
        table.worker.problems()[0].contains("what follows offset 1 is no record batch"),
        "{:?}",
        table.worker.problems()
    );
    until("a commit", || table.dealer.committed(&partition(0)) == Some(1)).await;
}

#[tokio::test]
async fn a_partition_is_paused_while_its_share_is_used_up() {
    let table = table(false, Settings { memory_bytes_max: 8 * 1024 * 1024, ..quick() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0), (partition(1), 0)])));
    let long = "x".repeat(200 * 1024);
    for n in 0..6 {
        table.dealer.send(fetched(0, n, plain_batch(n, &[&long])));
    }
    until("paused", || table.dealer.is_paused(&partition(0))).await;
    assert!(!table.dealer.is_paused(&partition(1)));
    table.sink.gate.add_permits(10);
    until("resumed", || !table.dealer.is_paused(&partition(0))).await;
}

#[tokio::test]
async fn a_commit_that_fails_is_a_problem_and_tried_again() {
    let table = table(true, quick());
    let refusals = [CommitError::Failed("coordinator is loading".into()), CommitError::Stale];
    table.dealer.group.lock().expect("no panic").refusals.extend(refusals);
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(1)).await;
    until("no problem", || table.worker.problems().is_empty()).await;
}

#[tokio::test]
async fn a_gap_in_the_topic_is_passed() {
    let table = table(false, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || table.sink.waiting() == 1).await;
    table.dealer.send(Event::OutOfRange { partition: partition(0), wanted: 1, reset_to: 50 });
    table.dealer.send(fetched(0, 50, plain_batch(50, &["b"])));
    until("both wait", || table.sink.waiting() == 2).await;
    table.sink.gate.add_permits(2);
    until("a commit", || table.dealer.committed(&partition(0)) == Some(51)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partitions_documents_reach_the_sink_in_order() {
    let table = table(true, Settings { threads: 4, ..quick() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let mut want = Vec::new();
    for n in 0..200 {
        // Of very different sizes, so that later ones are made before earlier ones.
        let line = format!("{n} {}", "x".repeat(if n % 3 == 0 { 100_000 } else { 1 }));
        table.dealer.send(fetched(0, n, plain_batch(n, &[&line])));
        want.push(line);
    }
    until("a commit", || table.dealer.committed(&partition(0)) == Some(200)).await;
    let got: Vec<_> =
        table.sink.documents().iter().map(|it| it["message"].as_str().unwrap_or_default().to_owned()).collect();
    assert!(got == want, "not in order: {:?}", got.iter().map(|line| line.split(' ').next()).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_held_document_pauses_its_partition_at_a_number_of_offsets_and_no_other() {
    let table = table(false, Settings { open_offsets_max: 100, ..quick() });
    table.sink.free.lock().expect("no panic").extend((1..500).map(|n| format!("\"{n}\"")));
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0), (partition(1), 0)])));
    for n in 0..99 {
        table.dealer.send(fetched(0, n, plain_batch(n, &[&n.to_string()])));
    }
    until("all but one are delivered", || table.sink.documents().len() == 98).await;
    assert!(!table.dealer.is_paused(&partition(0)));
    table.dealer.send(fetched(0, 99, plain_batch(99, &["99"])));
    until("paused", || table.dealer.is_paused(&partition(0))).await;
    assert_eq!((table.dealer.committed(&partition(0)), table.dealer.is_paused(&partition(1))), (None, false));
    for n in 0..300 {
        table.dealer.send(fetched(1, n, plain_batch(n, &[&(n + 1).to_string()])));
    }
    until("the other goes on", || table.dealer.committed(&partition(1)) == Some(300)).await;
    table.sink.gate.add_permits(1);
    until("a commit", || table.dealer.committed(&partition(0)) == Some(100)).await;
    until("resumed", || !table.dealer.is_paused(&partition(0))).await;
}

#[tokio::test]
async fn more_documents_than_fit_are_made_in_parts() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let long = "x".repeat(1 << 20);
    let lines: Vec<String> = (0..20).map(|n| format!("{n} {long}")).collect();
    let batch = file_batch(0, &lines.iter().map(String::as_str).collect::<Vec<_>>(), "shop", Compression::Lz4);
    table.dealer.send(fetched(0, 0, batch));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(20)).await;
    let numbers: Vec<_> = table
        .sink
        .documents()
        .iter()
        .map(|it| it["message"].as_str().and_then(|line| line.split(' ').next()?.parse().ok()).unwrap_or(99))
        .collect();
    assert_eq!(numbers, (0..20).collect::<Vec<_>>());
    assert!(table.sink.waiting() > 1, "all were in one part");
}

#[tokio::test]
async fn pipelines_are_exchanged_when_all_under_the_old_ones_is_committed() {
    let old = vec![("*".into(), pipeline("processors: [{set: {field: by, value: old}}]"))];
    let new = vec![("*".into(), pipeline("processors: [{set: {field: by, value: new}}]"))];
    let table = table(false, Settings { pipelines: old, ..quick() });
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || table.sink.waiting() == 1).await;
    let (exchanged, ()) = tokio::join!(table.worker.exchange(new), async {
        tokio::task::yield_now().await;
        table.dealer.send(fetched(0, 1, plain_batch(1, &["b"])));
        // A commit fails in between: the exchange waits for the next one.
        table.dealer.group.lock().expect("no panic").refusals.push_back(CommitError::Failed("not now".into()));
        table.sink.gate.add_permits(1);
        until("a commit", || table.dealer.committed(&partition(0)) == Some(1)).await;
    });
    assert_eq!(exchanged, Ok(()));
    until("the next one waits", || table.sink.waiting() == 2).await;
    table.sink.gate.add_permits(1);
    until("a commit", || table.dealer.committed(&partition(0)) == Some(2)).await;
    let by: Vec<_> = table.sink.documents().iter().map(|it| (it["message"].clone(), it["by"].clone())).collect();
    assert_eq!(by, [("a".into(), "old".into()), ("b".into(), "new".into())]);
}

#[tokio::test]
async fn the_lag_is_told_in_records_and_seconds() {
    let table = table(false, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    until("it waits", || table.worker.progress().lag.records == 1000).await;
    table.dealer.send(Event::HighWatermark { partition: partition(0), high_watermark: 1500 });
    until("more is heard of", || table.worker.progress().lag.records == 1500).await;
    let state = table.worker.partitions().remove(0);
    assert_eq!((state.done, state.high_watermark, state.oldest_ms), (0, 1500, Some(RECORD_MS)));
    let age = (jiff::Timestamp::now().as_millisecond() - RECORD_MS) as f64 / 1000.0;
    assert!((table.worker.lag().seconds - age.max(0.0)).abs() < 60.0, "{:?}", table.worker.lag());
    assert_eq!(table.worker.lag().seconds_left, None);
}

#[tokio::test]
async fn skipped_records_are_passed_and_counted() {
    let table = table(true, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    table.dealer.send(fetched(0, 0, plain_batch(0, &["a"])));
    table.dealer.send(Event::Skipped { partition: partition(0), first: 1, last: 9 });
    table.dealer.send(fetched(0, 10, plain_batch(10, &["b"])));
    until("a commit", || table.dealer.committed(&partition(0)) == Some(11)).await;
    assert_eq!(table.sink.documents().len(), 2);
}

#[tokio::test]
async fn a_topic_that_was_made_again_has_other_ids() {
    let table = table(true, quick());
    for id in [1u8, 2] {
        let again = Assignment { partition: partition(0), position: 0, topic_id: Some([id; 16]) };
        table.dealer.send(Event::Lost(vec![partition(0)]));
        table.dealer.send(Event::Assigned(vec![again]));
        table.dealer.send(fetched(0, 0, plain_batch(0, &["the same"])));
        until("delivered", || table.sink.documents().len() == usize::from(id)).await;
    }
    let ids = table.sink.ids.lock().expect("no panic").clone();
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn a_backlog_that_comes_near_to_the_retention_is_an_alarm() {
    let table = table(false, quick());
    table.dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let records = file_batch(0, &["late"], "shop", Compression::None);
    table.dealer.send(Event::Fetched { partition: partition(0), records, position: 0, high_watermark: 1 });
    let alarm = || table.worker.problems().into_iter().find(|problem| problem.contains("what the topic keeps"));
    let retain = |time| table.dealer.group.lock().expect("no panic").retention = Retention { time, bytes: None };
    until("the lag", || table.worker.lag().seconds > 1.0).await;
    assert_eq!(alarm(), None);
    // The record is older than that for good.
    retain(Some(Duration::from_secs(3600)));
    until("an alarm", || alarm().is_some()).await;
    retain(Some(Duration::from_secs(1000 * 365 * 86_400)));
    until("no alarm", || alarm().is_none()).await;
    retain(Some(Duration::from_secs(3600)));
    until("an alarm", || alarm().is_some()).await;
    table.sink.gate.add_permits(1);
    until("no alarm", || alarm().is_none()).await;
}
