//! A disk without room: a real small file system that is full, and the limit of `--disk-max`. Produce is refused with Kafka's
//! error and a clear alarm, reads go on, and producers go on by themselves when there is room again. And a process that may
//! have few files open.

use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::process::{Ended, Process};
use crate::harness::scene::Scene;
use crate::harness::{http, ports, process, sluice, topic, wait};
use crate::real;
use anyhow::ensure;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// Makes a small file system at `$0` that only this process and its children see, and becomes the rest of the arguments.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=8m tmpfs \"$0\" && exec \"$@\"";
/// Leaves two of its eight mebibytes.
const FILLER_BYTES: usize = 6 << 20;
const RECORD_BYTES: usize = 50_000;
const PATIENCE: Duration = Duration::from_secs(120);

/// What the broker has answered to each record.
#[derive(Default)]
struct Answers(Mutex<Vec<Option<RDKafkaErrorCode>>>);

impl ClientContext for Answers {}

impl ProducerContext for Answers {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let error = result.as_ref().err().map(|(error, _)| match error {
            KafkaError::MessageProduction(code) => *code,
            _ => RDKafkaErrorCode::Unknown,
        });
        self.0.lock().expect("nobody panics while holding the list").push(error);
    }
}

/// Sends one record of zeros without a second try; gives the broker's answer.
fn send(producer: &BaseProducer<Answers>, name: &str) -> anyhow::Result<Option<RDKafkaErrorCode>> {
    let value = vec![0; RECORD_BYTES];
    producer.send(BaseRecord::<(), [u8]>::to(name).partition(0).payload(&value)).map_err(|(error, _)| error)?;
    producer.flush(PATIENCE)?;
    let answer = producer.context().0.lock().expect("nobody panics while holding the list").pop();
    answer.ok_or_else(|| anyhow::anyhow!("a record without an answer"))
}

fn producer(broker: &str) -> anyhow::Result<BaseProducer<Answers>> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker).set("acks", "all").set("retries", "0");
    Ok(config.create_with_context(Answers::default())?)
}

pub fn full(scene: &Scene) -> anyhow::Result<()> {
    let data = scene.directory("small");
    let small = ["unshare", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK];
    let mounted = data.to_string_lossy();
    let probe = [&small[1..], &[&mounted, "true"]].concat();
    real::need("the right to mount a tmpfs (root, or user namespaces)", Command::new("unshare").args(&probe))?;

    let (address, status) = (ports::free_address(), ports::free_address());
    let folder = data.join("broker");
    let mut command = process::prefixed(
        &[&small[..], &[&mounted]].concat(),
        &sluice::command(["broker", "--listen", &address, "--status-listen", &status, "--data"]),
    );
    command.arg(&folder);
    let mut broker = scene.start("broker", command);
    sluice::wait_for_broker(&mut broker, &address)?;
    topic::create(&address, "logs", 1, &[("segment.bytes", "300000")])?;
    // Its file system as the process sees it.
    let filler = PathBuf::from(format!("/proc/{}/root{}", broker.pid(), data.join("filler").display()));
    std::fs::write(&filler, vec![1; FILLER_BYTES])?;

    let producer = producer(&address)?;
    let mut written = 0;
    let refused = loop {
        match send(&producer, "logs")? {
            None => written += 1,
            Some(code) => break code,
        }
        ensure!(written * RECORD_BYTES < 8 << 20, "{written} records on a disk of 8 MiB");
    };
    ensure!(refused == RDKafkaErrorCode::KafkaStorageError, "refused by {refused}");
    ensure!(written > 20, "only {written} records before that");
    ensure!(broker.is_running(), "the broker ended:\n{}", broker.stderr());
    let health = format!("http://{status}/health");
    // It looks once a second.
    wait::until("a word about it", PATIENCE, || {
        let said = http::get(&health).is_ok_and(|(code, said)| code == 503 && said.contains("produce is refused"));
        (said && matches!(send(&producer, "logs"), Ok(Some(_)))).then_some(())
    })?;
    let read = topic::read(&address, "logs")?.len();
    ensure!(read == written, "want {written} records; got {read}");
    // Tried again, and again nothing of it is there.
    ensure!(send(&producer, "logs")?.is_some(), "there was no room");
    ensure!(topic::count(&address, "logs")? == written as u64, "a refused record is there");

    std::fs::remove_file(&filler)?;
    for _ in 0..10 {
        let answer = send(&producer, "logs")?;
        ensure!(answer.is_none(), "with room again: {answer:?}");
    }
    let read = topic::read(&address, "logs")?.len();
    ensure!(read == written + 10, "want {} records; got {read}", written + 10);
    wait::until_equal("health", PATIENCE, 200, || Ok(http::get(&health)?.0))?;
    end(broker)
}

pub fn limit(scene: &Scene) -> anyhow::Result<()> {
    /// Four batches of an agent; a batch is a segment then.
    const BYTES_MAX: u64 = 4 << 20;
    let (address, status) = (ports::free_address(), ports::free_address());
    let arguments =
        ["broker", "--listen", &address, "--status-listen", &status, "--data", "data", "--disk-max", "4MiB"];
    let mut broker = scene.start("broker", sluice::command(arguments));
    sluice::wait_for_broker(&mut broker, &address)?;
    // Its segments would be larger than all that the log may take.
    topic::create(&address, "logs", 1, &[("segment.bytes", "1073741824")])?;

    let mut file = LogFile::create(scene.path("app.log"), Stream::new(1, 1))?;
    while file.bytes() < 2 * BYTES_MAX {
        file.write(5_000)?;
    }
    let lines = topic_lines(&file)?;
    let (checkpoints, own_status) = (scene.path("checkpoints"), ports::free_address());
    let (checkpoints, path) = (checkpoints.to_string_lossy(), file.path().to_string_lossy());
    let arguments = [
        "agent",
        "--once",
        "--broker",
        &address,
        "--topic",
        "logs",
        "--compression",
        "none",
        "--status-listen",
        &own_status,
        "--checkpoints",
        &checkpoints,
        &path,
    ];
    let mut agent = scene.start("agent", sluice::command(arguments));
    let health = format!("http://{status}/health");
    wait::until("the limit", PATIENCE, || {
        http::get(&health).is_ok_and(|(code, said)| code == 503 && said.contains("disk_max")).then_some(())
    })?;
    ensure!(agent.is_running(), "the agent waits: {}", agent.stderr());
    let there = topic::read(&address, "logs")?.len() as u64;
    ensure!(there > 0 && there < lines, "{there} of {lines} lines are there and can be read");
    // A group reads and commits all the same: its offsets are the broker's own.
    let in_group = topic::read_in_group(&address, "logs", "readers", 10, PATIENCE)?.len();
    ensure!(in_group >= 10, "{in_group} records in a group");

    topic::alter(&address, "logs", ("retention.bytes", "1000000"))?;
    let Ended { status: ended, err: said, .. } = agent.finish(PATIENCE)?;
    ensure!(ended.success(), "the agent went on: {ended}");
    let outages = said.matches("trying again").count();
    ensure!(outages < 30, "{outages} times the agent said that the broker refuses:\n{said}");
    let log_end: i64 = topic::offsets(&address, "logs")?.values().map(|(_, end)| end).sum();
    ensure!(log_end as u64 == lines, "want {lines} lines; got {log_end}");
    wait::until_equal("health", PATIENCE, 200, || Ok(http::get(&health)?.0))?;
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    let bytes = metrics.lines().find_map(|line| line.strip_prefix("sluice_broker_log_bytes ")?.parse::<u64>().ok());
    ensure!(bytes.is_some_and(|bytes| bytes > 0 && bytes < BYTES_MAX), "{bytes:?} bytes of {BYTES_MAX}");
    end(broker)
}

pub fn few_open_files(scene: &Scene) -> anyhow::Result<()> {
    const OPEN_MAX: usize = 80;
    const SEGMENTS: usize = 3 * OPEN_MAX;
    const PARTITIONS: usize = 8;
    let address = ports::free_address();
    let limited = format!("ulimit -n {OPEN_MAX} && exec \"$0\" \"$@\"");
    let start = |name: &str| -> anyhow::Result<Process> {
        let command = sluice::command(["broker", "--listen", &address, "--data", "data"]);
        let mut broker = scene.start(name, process::prefixed(&["sh", "-c", &limited], &command));
        sluice::wait_for_broker(&mut broker, &address)?;
        Ok(broker)
    };
    let broker = start("broker")?;
    // A record of this size is a segment.
    topic::create(&address, "logs", PARTITIONS as i32, &[("segment.bytes", "4096")])?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &address)
        .set("acks", "all")
        .set("batch.num.messages", "1")
        .set("request.timeout.ms", "120000");
    let producer: BaseProducer<Answers> = config.create_with_context(Answers::default())?;
    let value = vec![b'x'; 4_000];
    for number in 0..SEGMENTS {
        let record = BaseRecord::<(), [u8]>::to("logs").partition((number % PARTITIONS) as i32).payload(&value);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    producer.flush(PATIENCE)?;
    let answers = std::mem::take(&mut *producer.context().0.lock().expect("nobody panics while holding the list"));
    ensure!(answers.len() == SEGMENTS && answers.iter().all(Option::is_none), "answers: {answers:?}");
    let segments = std::fs::read_dir(scene.path("data/logs-0"))?.filter_map(Result::ok);
    let segments = segments.filter(|file| file.path().extension().is_some_and(|ending| ending == "log")).count();
    ensure!(segments == SEGMENTS / PARTITIONS, "{segments} segments in a partition");
    let read = topic::read(&address, "logs")?.len();
    ensure!(read == SEGMENTS, "want {SEGMENTS} records; got {read}");
    let open = std::fs::read_dir(format!("/proc/{}/fd", broker.pid()))?.count();
    ensure!(open < OPEN_MAX, "{open} open files");

    broker.kill()?;
    let again = start("again")?;
    let read = topic::read(&address, "logs")?.len();
    ensure!(read == SEGMENTS, "after a kill: want {SEGMENTS} records; got {read}");
    end(again)
}

fn topic_lines(file: &LogFile) -> anyhow::Result<u64> {
    Ok(std::fs::read_to_string(file.path())?.lines().count() as u64)
}

fn end(broker: Process) -> anyhow::Result<()> {
    broker.interrupt()?;
    let ended = broker.wait(PATIENCE)?;
    ensure!(ended.success(), "the broker's end: {ended}");
    Ok(())
}
