//! What retention does to a worker: an alarm before it, and a gap after it that is said and counted.

use super::start;
use crate::harness::destination::Destination;
use crate::harness::scene::Scene;
use crate::harness::{http, ports, sluice, topic, wait};
use anyhow::ensure;
use elasticsearch_stand_in::Fault;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Produces lines that were written so long ago.
fn produce_old(broker: &str, lines: Range<usize>, age: Duration) -> anyhow::Result<()> {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", broker).create()?;
    let written = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)? - age;
    for line in lines {
        let value = format!("line {line}");
        let record = BaseRecord::<(), _>::to("logs").payload(&value).timestamp(i64::try_from(written.as_millis())?);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    Ok(())
}

pub fn of_retention(scene: &Scene) -> anyhow::Result<()> {
    let Destination::StandIn(server) = Destination::stand_in() else { unreachable!("it is the stand-in") };
    let address = ports::free_address();
    let data = scene.path("broker-data");
    let settings = ["--set", "log.retention.check.interval.ms=100"];
    let _broker = sluice::broker_at(scene, &address, &data, &settings)?;
    topic::create(&address, "logs", 1, &[("retention.ms", "86400000")])?;
    let url = server.url();

    // While Elasticsearch takes nothing, a backlog grows old: two thirds of the retention.
    let is_stuck = Arc::new(AtomicBool::new(true));
    let stuck = is_stuck.clone();
    server.fault_source(Box::new(move |_, _| match stuck.load(Ordering::Relaxed) {
        true => Fault::Close,
        false => Fault::None,
    }));
    produce_old(&address, 0..100, 16 * HOUR)?;
    let (worker, status) = start(scene, "worker-1", &address, &["--elasticsearch", &url]);
    let health = || http::get(&format!("http://{status}/health")).map(|(_, body)| body).unwrap_or_default();
    wait::until("an alarm", PATIENCE, || health().contains("% of what the topic keeps").then_some(()))?;
    is_stuck.store(false, Ordering::Relaxed);
    server.wait_for_documents(100, PATIENCE);
    wait::until("no alarm", PATIENCE, || (!health().contains("what the topic keeps")).then_some(()))?;
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");

    // While no worker is there, records grow older than the topic keeps them.
    produce_old(&address, 100..150, 48 * HOUR)?;
    let start_offset = || Ok(topic::offsets(&address, "logs")?[&0].0);
    // All that is there goes, also what was worked on.
    topic::alter(&address, "logs", ("retention.ms", "3600000"))?;
    wait::until_equal("the log start offset", PATIENCE, 150, start_offset)?;
    produce_old(&address, 150..200, Duration::ZERO)?;
    let (mut worker, status) = start(scene, "worker-2", &address, &["--elasticsearch", &url]);
    worker.wait_for_stderr("records 100 to 149 are gone, deleted before they were read", PATIENCE)?;
    server.wait_for_documents(150, PATIENCE);
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    ensure!(metrics.contains("sluice_worker_lost_records_total 50\n"), "{metrics}");
    let documents = server.documents();
    let has = |line: usize| documents.values().any(|it| it["message"] == format!("line {line}"));
    ensure!((0..100).chain(150..200).all(has) && !(100..150).any(has), "{} documents", documents.len());
    Ok(())
}
