//! kill -9 of the broker while four idempotent producers send with acks=all: nothing that was acknowledged is missing, nothing
//! is there twice, and Apache Kafka's dump tool finds no fault in the files. Five kills; a hundred with `SLUICE_SOAK=full`.

use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::{ports, sluice, topic, wait};
use crate::real::KafkaTools;
use anyhow::{Context, ensure};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const PRODUCERS: usize = 4;
const PARTITIONS: i32 = 3;
/// Between two kills at least so much is acknowledged.
const ACKNOWLEDGED_MIN: u64 = 300;
const PATIENCE: Duration = Duration::from_secs(120);

/// Keys that were acknowledged, and how many were given up.
#[derive(Clone, Default)]
struct Answers {
    acknowledged: Arc<Mutex<HashSet<String>>>,
    count: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(message) => {
                let key = String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned();
                self.acknowledged.lock().expect("nobody panics while holding the set").insert(key);
                self.count.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

pub fn four_producers(scene: &Scene) -> anyhow::Result<()> {
    let kills = soak(5, 100);
    let mut random = scene.random("broker_kill::four_producers");
    let (address, data) = (ports::free_address(), scene.path("broker-data"));
    let mut broker = sluice::broker_at(scene, &address, &data, &[])?;
    topic::create(&address, "killed", PARTITIONS, &[("segment.bytes", "200000")])?;

    let (answers, stop) = (Answers::default(), Arc::new(AtomicBool::new(false)));
    let producing: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            let (answers, stop, address) = (answers.clone(), Arc::clone(&stop), address.clone());
            std::thread::spawn(move || produce(number, &address, &answers, &stop))
        })
        .collect();
    for kill in 0..kills {
        let before = answers.count.load(Ordering::Relaxed);
        let more = ACKNOWLEDGED_MIN + random.of(0..500);
        wait::until(&format!("{more} acknowledgements before kill {kill}"), PATIENCE, || {
            (answers.count.load(Ordering::Relaxed) >= before + more).then_some(())
        })?;
        broker.process.kill()?;
        broker = sluice::broker_at(scene, &address, &data, &[])?;
    }
    stop.store(true, Ordering::Relaxed);
    let mut sent = 0;
    for producer in producing {
        sent += producer.join().map_err(|_| anyhow::anyhow!("a producer panicked"))??;
    }
    ensure!(answers.failed.load(Ordering::Relaxed) == 0, "records were given up");

    let acknowledged = answers.acknowledged.lock().expect("nobody panics while holding the set");
    let mut seen = HashSet::new();
    topic::each(&address, "killed", |record| {
        let key = record.key.context("every record has a key")?;
        let key = String::from_utf8(key)?;
        ensure!(seen.insert(key.clone()), "{key} is there twice");
        Ok(())
    })?;
    let missing = acknowledged.difference(&seen).take(5).collect::<Vec<_>>();
    ensure!(missing.is_empty(), "acknowledged, and not there: {missing:?}");
    ensure!(seen.len() as u64 == sent, "{sent} records were sent and acknowledged; {} are there", seen.len());
    broker.process.interrupt()?;
    let ended = broker.process.wait(PATIENCE)?;
    ensure!(ended.success(), "the broker ended with {ended}");
    dump(&data)
}

/// Sends until it is told to stop; gives the number of records.
fn produce(number: usize, address: &str, answers: &Answers, stop: &AtomicBool) -> anyhow::Result<u64> {
    let producer: BaseProducer<Answers> = ClientConfig::new()
        .set("bootstrap.servers", address)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "2")
        .set("batch.num.messages", "50")
        .set("queue.buffering.max.messages", "1000")
        .set("message.timeout.ms", "0")
        .set("reconnect.backoff.max.ms", "200")
        .create_with_context(answers.clone())?;
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{number}-{sent}");
        let value = format!("value {key} {}", "x".repeat(sent as usize % 300));
        match producer.send(BaseRecord::to("killed").key(&key).payload(&value)) {
            Ok(()) => {
                sent += 1;
                producer.poll(Duration::ZERO);
            }
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                producer.poll(Duration::from_millis(5))
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
    producer.flush(PATIENCE)?;
    ensure!(producer.in_flight_count() == 0, "{} records without an answer", producer.in_flight_count());
    Ok(sent)
}

/// Kafka's own tool reads every segment record by record.
fn dump(data: &std::path::Path) -> anyhow::Result<()> {
    let mut tools = KafkaTools::start()?;
    for partition in 0..PARTITIONS {
        let folder = data.join(format!("killed-{partition}"));
        let mut logs = Vec::new();
        for entry in std::fs::read_dir(&folder).with_context(|| format!("list {folder:?}"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                logs.push(path.to_string_lossy().into_owned());
            }
        }
        let dumped = tools.run("kafka.tools.DumpLogSegments", &["--deep-iteration", "--files", &logs.join(",")], "")?;
        ensure!(dumped.code == 0, "{folder:?}: {}", dumped.stderr);
        for bad in ["isvalid: false", "Found", "failed"] {
            ensure!(!dumped.stdout.contains(bad), "{folder:?}: {bad} in the dump");
        }
    }
    Ok(())
}
