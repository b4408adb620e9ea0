//! Every client with every codec, producing and consuming, on our broker and on Apache Kafka. kcat and librdkafka are in
//! `clients`, those of other languages and versions in `client_programs`; here are Kafka's console tools and our own.

use crate::harness::destination::Destination;
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice, topic, wait};
use crate::real::{self, KafkaTools};
use anyhow::ensure;
use std::time::Duration;

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
/// Lines of one codec that the Java client produces and consumes.
const JAVA_LINES: usize = 300;
/// Lines of one codec that our agent ships.
const LINES: u64 = 1_000;
const DELIVERY: Duration = Duration::from_secs(60);

pub fn java(scene: &Scene) -> anyhow::Result<()> {
    java_on(scene, &sluice::broker(scene)?.address)
}

pub fn apache_kafka_java(scene: &Scene) -> anyhow::Result<()> {
    java_on(scene, &real::kafka()?.address)
}

pub fn own(scene: &Scene) -> anyhow::Result<()> {
    own_on(scene, &sluice::broker(scene)?.address)
}

pub fn apache_kafka_own(scene: &Scene) -> anyhow::Result<()> {
    own_on(scene, &real::kafka()?.address)
}

/// The Java producer with its defaults, which is idempotent, and the Java consumer in a group.
fn java_on(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let mut tools = KafkaTools::start()?;
    for codec in CODECS {
        let name = scene.own_name(&format!("java-{codec}"));
        let lines: Vec<String> = (0..JAVA_LINES).map(|number| format!("{codec} line {number}")).collect();
        let to = ["--bootstrap-server", broker, "--topic", &name];
        let produce = [&to[..], &["--compression-codec", codec]].concat();
        let produced = tools.run("org.apache.kafka.tools.ConsoleProducer", &produce, &(lines.join("\n") + "\n"))?;
        ensure!(produced.code == 0, "produce {codec}: {produced:?}");
        let count = JAVA_LINES.to_string();
        let until = ["--group", &name, "--from-beginning", "--max-messages", &count, "--timeout-ms", "60000"];
        let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
        let consumed = tools.run(class, &[&to[..], &until].concat(), "")?;
        let (mut got, mut wanted): (Vec<&str>, Vec<&str>) =
            (consumed.stdout.lines().collect(), lines.iter().map(String::as_str).collect());
        got.sort_unstable();
        wanted.sort_unstable();
        ensure!(got == wanted, "consume {codec}: {consumed:?}");
    }
    Ok(())
}

/// Our producer in the agent, our consumer in the worker.
fn own_on(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let topics: Vec<String> = CODECS.iter().map(|codec| scene.own_name(&format!("own-{codec}"))).collect();
    let mut written = Vec::new();
    for (number, (codec, name)) in (0..).zip(CODECS.iter().zip(&topics)) {
        topic::create(broker, name, 2, &[])?;
        let mut file = LogFile::create(scene.path(&format!("{codec}.log")), Stream::new(number, 1))?;
        file.write(LINES)?;
        let checkpoints = scene.path(&format!("checkpoints-{codec}"));
        let status = ports::free_address();
        let (checkpoints, path) = (checkpoints.to_string_lossy(), file.path().to_string_lossy());
        let arguments = [
            "agent",
            "--broker",
            broker,
            "--topic",
            name,
            "--compression",
            codec,
            "--once",
            "--checkpoints",
            &checkpoints,
            "--status-listen",
            &status,
            &path,
        ];
        let ended = scene.start(&format!("agent-{codec}"), sluice::command(arguments)).wait(DELIVERY)?;
        ensure!(ended.success(), "the agent with {codec}: {ended}");
        let count = topic::read(broker, name)?.len() as u64;
        ensure!(count == LINES, "{codec}: want {LINES} records; got {count}");
        written.push(file.written());
    }
    let destination = Destination::stand_in();
    let (url, status, group) = (destination.url(), ports::free_address(), scene.own_name("own"));
    let named = topics.iter().flat_map(|name| ["--topic", name]);
    let arguments =
        ["worker", "--broker", broker, "--group", &group, "--elasticsearch", &url, "--status-listen", &status];
    let _worker = scene.start("worker", sluice::command(arguments.into_iter().chain(named)));
    let total = LINES * CODECS.len() as u64;
    wait::until_equal("documents", DELIVERY, total, || destination.count())?;
    destination.check(&written)?;
    Ok(())
}
