//! Everything at once: a failing Elasticsearch, rebalances, refused commits and sudden deaths. Each record ends exactly
//! once in the index, or in the dead letters, or is dropped by its pipeline; and no commit is ahead of that.

use crate::dealer::{DeadLetters, Dealer, Group, deal};
use crate::records::{RECORD_MS, file_headers, seal};
use crate::*;
use bytes::Bytes;
use elasticsearch_stand_in::{ItemFault, StandIn, mixture};
use fastrand::Rng;
use kafka_wire::batch::{BatchWriter, RecordHeaders};
use kafka_wire::compression::Compression;
use pipelines::pipeline::Pipeline;
use pipelines::worker::source::{CommitError, Event};
use pipelines::worker::{Choice, Settings, Worker};
use prometheus_client::registry::Registry;
use sink_elasticsearch::{Config, ElasticsearchSink};
use std::collections::{BTreeMap, BTreeSet};

const PARTITIONS: i32 = 3;
const RECORDS_PER_PARTITION: usize = 600;
/// Rebalances, deaths and refused commits before the rest may run in peace.
const TROUBLES: usize = 40;

/// The seed of the run: `SLUICE_SEED`, or a fresh one.
fn seed() -> u64 {
    let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    seed
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Indexed,
    DeadLetter,
    Dropped,
}

/// One partition's log.
struct Log {
    /// First offset and bytes.
    batches: Vec<(i64, Bytes)>,
    /// By offset.
    lines: Vec<(String, Fate)>,
}

fn log(partition: i32, random: &mut Rng) -> Log {
    let mut log = Log { batches: Vec::new(), lines: Vec::new() };
    while log.lines.len() < RECORDS_PER_PARTITION {
        let base = log.lines.len() as i64;
        let codec = random.u8(0..5);
        let mut writer = BatchWriter::new(Compression::from_codec(codec).expect("one of five codecs"));
        let noise = random.u8(0..10) == 0;
        let headers = match random.bool() {
            true => file_headers(partition as u64, if noise { "noise" } else { "shop" }),
            false => RecordHeaders::new(),
        };
        let is_file = headers != RecordHeaders::new();
        for n in 0..random.i64(1..30) {
            let fate = match random.u8(0..20) {
                _ if noise && is_file => Fate::Dropped,
                0 => Fate::DeadLetter,
                _ => Fate::Indexed,
            };
            let word = if fate == Fate::DeadLetter { "bad" } else { "good" };
            let line = format!("{word} {partition}-{}", base + n);
            let position = is_file.then_some((base + n) as u64);
            writer.push(RECORD_MS + n, None, Some(line.as_bytes()), &headers, position);
            log.lines.push((line, fate));
        }
        log.batches.push((base, seal(&mut writer, base)));
    }
    log
}

/// The far ends, which live on while workers die.
struct Far {
    server: StandIn,
    dead_letters: Arc<DeadLetters>,
}

impl Far {
    /// How often each message is in the index.
    fn messages(&self) -> BTreeMap<String, usize> {
        let mut messages = BTreeMap::new();
        for document in self.server.documents().values() {
            *messages.entry(document["message"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        messages
    }
}

fn check_done(logs: &[Log], far: &Far, offsets: &[(TopicPartition, i64)]) {
    let messages = far.messages();
    let dead: BTreeSet<_> = far.dead_letters.values().into_iter().collect();
    for (name, offset) in offsets {
        for (line, fate) in &logs[name.partition as usize].lines[..*offset as usize] {
            let done = match fate {
                Fate::Indexed => messages.contains_key(line),
                Fate::DeadLetter => dead.contains(line),
                Fate::Dropped => true,
            };
            assert!(done, "offset {offset} of {name:?} is committed, but {line:?} is not done");
        }
    }
}

fn start(group: &Arc<Mutex<Group>>, far: &Far, random: &mut Rng) -> (Dealer, Worker) {
    let mut registry = Registry::default();
    let config = Config {
        linger: Duration::from_millis(1),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        bulk_documents_max: random.usize(5..100),
        ..Config::new([far.server.url()])
    };
    let sink = ElasticsearchSink::new(config, &mut registry).expect("the configuration is sound");
    let drop_all = Pipeline::parse("drop", "processors: [{drop: {}}]").expect("the pipeline is sound");
    let settings = Settings {
        pipelines: vec![("noise".into(), Choice::Pipeline(Arc::new(drop_all))), ("*".into(), Choice::ByDataset)],
        commit_every: Duration::from_millis(5),
        session_timeout: Duration::from_millis(random.u64(1..300)),
        ..Settings::default()
    };
    let (dealer, hand) = deal(group.clone());
    (dealer, Worker::start_on(hand, far.dead_letters.clone(), settings, sink, &mut registry))
}

/// What the source has read of each partition.
fn assign(dealer: &Dealer, positions: &mut BTreeMap<TopicPartition, i64>, names: &[TopicPartition]) {
    let places: Vec<_> = names.iter().map(|name| (name.clone(), dealer.committed(name).unwrap_or_default())).collect();
    dealer.send(Event::Assigned(assigned(&places)));
    positions.extend(places);
}

fn fetch(logs: &[Log], dealer: &Dealer, positions: &mut BTreeMap<TopicPartition, i64>, random: &mut Rng) {
    let number = random.i32(0..PARTITIONS);
    let (name, log) = (partition(number), &logs[number as usize]);
    let end = log.lines.len() as i64;
    let position = positions[&name];
    if position >= end || dealer.is_paused(&name) {
        return;
    }
    let first = log.batches.partition_point(|(base, _)| *base <= position) - 1;
    let last = (first + random.usize(1..6)).min(log.batches.len());
    let records = log.batches[first..last].iter().map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>().concat();
    dealer.send(Event::Fetched { partition: name.clone(), records: records.into(), position, high_watermark: end });
    positions.insert(name, log.batches.get(last).map_or(end, |(base, _)| *base));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_record_ends_exactly_once() {
    let mut random = Rng::with_seed(seed());
    let far = Arc::new(Far { server: StandIn::start().await, dead_letters: Arc::default() });
    far.server.fault_source(mixture(random.fork()));
    far.server.refuse(Box::new(|item| {
        let message = item.source.as_ref().ok()?.get("message")?.as_str()?;
        message.starts_with("bad").then(|| ItemFault::error(400, "document_parsing_exception", "it is bad"))
    }));
    let logs: Arc<Vec<Log>> = Arc::new((0..PARTITIONS).map(|number| log(number, &mut random)).collect());
    let names: Vec<_> = (0..PARTITIONS).map(partition).collect();
    let group = Arc::new(Mutex::new(Group {
        witness: Some(Box::new({
            let (logs, far) = (logs.clone(), far.clone());
            move |offsets| check_done(&logs, &far, offsets)
        })),
        ..Group::default()
    }));

    let mut positions = BTreeMap::new();
    let (mut dealer, mut worker) = start(&group, &far, &mut random);
    assign(&dealer, &mut positions, &names);
    for _ in 0..TROUBLES {
        for _ in 0..random.usize(0..12) {
            fetch(&logs, &dealer, &mut positions, &mut random);
        }
        let seen = far.server.requests().len() + random.usize(0..4);
        until("some requests", || far.server.requests().len() >= seen || worker.progress().lag.records == 0).await;
        let name = partition(random.i32(0..PARTITIONS));
        match random.u8(0..6) {
            0 => {
                let before = dealer.acknowledged_revocations();
                dealer.send(Event::Revoked(vec![name.clone()]));
                until("given back", || dealer.acknowledged_revocations() > before).await;
                assign(&dealer, &mut positions, &[name]);
            }
            1 => {
                dealer.send(Event::Lost(vec![name.clone()]));
                assign(&dealer, &mut positions, &[name]);
            }
            2 => {
                drop(worker);
                (dealer, worker) = start(&group, &far, &mut random);
                assign(&dealer, &mut positions, &names);
            }
            3 => group.lock().expect("no panic").refusals.push_back(CommitError::Stale),
            4 => group.lock().expect("no panic").refusals.push_back(CommitError::Failed("not now".into())),
            _ => {}
        }
    }
    let end = Instant::now() + DEADLINE;
    let is_done = |dealer: &Dealer| {
        names.iter().all(|name| dealer.committed(name) == Some(logs[name.partition as usize].lines.len() as i64))
    };
    while !is_done(&dealer) {
        assert!(Instant::now() < end, "not all is committed: {:?}", group.lock().expect("no panic").committed);
        fetch(&logs, &dealer, &mut positions, &mut random);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    worker.stop(DEADLINE).await;

    let messages = far.messages();
    let dead: BTreeSet<_> = far.dead_letters.values().into_iter().collect();
    let mut indexed = 0;
    for (line, fate) in logs.iter().flat_map(|log| &log.lines) {
        let got = (messages.get(line).copied().unwrap_or_default(), dead.contains(line));
        assert_eq!(got, (usize::from(*fate == Fate::Indexed), *fate == Fate::DeadLetter), "{line}");
        indexed += got.0;
    }
    assert_eq!(messages.len(), indexed, "documents that nobody wrote");
    assert_eq!(far.server.violations(), Vec::<String>::new());
}
