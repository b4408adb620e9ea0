//! Agent and worker on their own: on our broker, and unchanged on Apache Kafka and Elasticsearch.

use crate::harness::destination::Destination;
use crate::harness::lines::Stream;
use crate::harness::log_file::{LogFile, Written};
use crate::harness::scene::Scene;
use crate::harness::topic::{self, Record};
use crate::harness::{http, oracle, ports, sluice, wait};
use crate::real;
use anyhow::{Context, ensure};
use std::time::Duration;

const LINES: u64 = 5_000;
/// For the worker to deliver them.
const DELIVERY: Duration = Duration::from_secs(60);
const HEADERS: [&str; 5] = ["host.name", "log.file.path", "event.dataset", "sluice.file.id", "log.offset"];

pub fn our_broker(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    agent_and_worker(scene, &broker.address, &Destination::stand_in())
}

pub fn apache_kafka(scene: &Scene) -> anyhow::Result<()> {
    let index = scene.own_name("apart");
    agent_and_worker(scene, &real::kafka()?.address, &Destination::real(real::elasticsearch()?, &index))
}

/// The three parts from one `sluice.yaml` without a flag; each tells its health and its counters.
pub fn from_one_config_file(scene: &Scene) -> anyhow::Result<()> {
    let destination = Destination::stand_in();
    let (broker, url) = (ports::free_address(), destination.url());
    let status = ["broker", "agent", "worker"].map(|part| (part, ports::free_address()));
    let [(_, of_broker), (_, of_agent), (_, of_worker)] = &status;
    let config = format!(
        "host_name: web-1\n\
         broker: {{listen: [\"{broker}\"], data: data, status_listen: \"{of_broker}\"}}\n\
         agent:\n  broker: {broker}\n  topic: shop\n  checkpoints: checkpoints\n  status_listen: \"{of_agent}\"\n  \
           inputs: [{{paths: [\"*.log\"], exclude: [\"not-*\"], dataset: shop.lines}}]\n\
         worker:\n  broker: {broker}\n  topics: [shop]\n  group: shop\n  status_listen: \"{of_worker}\"\n  \
           pipelines: {{shop.lines: ./shop.yml}}\n  elasticsearch: {{urls: [\"{url}\"]}}\n"
    );
    scene.file("sluice.yaml", config);
    scene.file("shop.yml", "processors: [{set: {field: shop, value: books}}]\n");
    scene.file("not-this.log", "a line to leave out\n");
    let mut file = LogFile::create(scene.path("lines.log"), Stream::new(0, 1))?;
    file.write(100)?;
    let parts = status.each_ref().map(|(part, _)| scene.start(part, sluice::command([*part])));
    destination.wait(100, DELIVERY)?;
    for found in destination.check(&[file.written()])? {
        ensure!(found.index.starts_with("sluice-shop.lines-"), "index {}", found.index);
        for (field, wanted) in [("/shop", "books"), ("/host/name", "web-1"), ("/event/dataset", "shop.lines")] {
            let is_right = found.source.pointer(field).is_some_and(|value| value == wanted);
            ensure!(is_right, "want {field} {wanted:?} in {:#}", found.source);
        }
    }
    for (part, address) in &status {
        let health = || Ok(http::get(&format!("http://{address}/health"))?.0);
        wait::until_equal(&format!("health of the {part}"), DELIVERY, 200, health)?;
        let (code, metrics) = http::get(&format!("http://{address}/metrics"))?;
        ensure!(code == 200 && metrics.contains("# TYPE ") && metrics.ends_with("# EOF\n"), "{part}: {metrics}");
    }
    drop(parts);
    Ok(())
}

fn agent_and_worker(scene: &Scene, broker: &str, destination: &Destination) -> anyhow::Result<()> {
    let name = scene.own_name("apart");
    for (number, codec) in ["none", "gzip", "snappy", "lz4", "zstd"].into_iter().enumerate() {
        let topic = &format!("{name}-{codec}");
        let stream = Stream::new(u32::try_from(number)?, 1);
        let mut file = LogFile::create(scene.path(&format!("{codec}.log")), stream)?;
        let path = file.path().to_owned();
        let agent = || {
            let mut arguments = vec!["agent", "--once", "--broker", broker, "--topic", topic, "--compression", codec];
            let (status, checkpoints) = (ports::free_address(), format!("checkpoints-{codec}"));
            arguments.extend(["--checkpoints", &checkpoints, "--status-listen", &status]);
            let mut command = sluice::command(arguments);
            command.arg(&path);
            let ended = scene.start("agent", command).wait(DELIVERY)?;
            ensure!(ended.success(), "agent --once ended with {ended}");
            anyhow::Ok(())
        };
        file.write(LINES / 2)?;
        agent()?;
        file.write(LINES / 2)?;
        agent()?;
        // Nothing new: nothing comes twice.
        agent()?;
        let written = [file.written()];
        check_records(broker, topic, &path.to_string_lossy(), &written).context(codec)?;
        if codec == "lz4" {
            deliver(scene, broker, topic, &name, destination, &written)?;
        }
    }
    Ok(())
}

fn check_records(broker: &str, topic: &str, path: &str, written: &[Written]) -> anyhow::Result<()> {
    let records = topic::read(broker, topic)?;
    let mut position = 0;
    for record in &records {
        let names: Vec<&str> = record.headers.iter().map(|(name, _)| name.as_str()).collect();
        ensure!(names == HEADERS, "headers of {record:?}");
        ensure!(record.header("log.file.path") == Some(path), "path in {record:?}");
        ensure!(record.header("log.offset") == Some(&position.to_string()), "want position {position} in {record:?}");
        ensure!(record.key.is_none(), "a key in {record:?}");
        let file = record.header("sluice.file.id").unwrap_or_default();
        ensure!(file.len() == 16 && file.bytes().all(|byte| byte.is_ascii_hexdigit()), "file id in {record:?}");
        position += record.value.len() + 1;
    }
    oracle::compare(written, records.into_iter().map(Record::arrived)).check(&format!("topic {topic}"))
}

fn deliver(
    scene: &Scene,
    broker: &str,
    topic: &str,
    name: &str,
    destination: &Destination,
    written: &[Written],
) -> anyhow::Result<()> {
    let worker = || {
        let (status, url, index) = (ports::free_address(), destination.url(), format!("{name}-<dataset>-<yyyy.MM>"));
        let arguments = ["worker", "--broker", broker, "--topic", topic, "--group", name, "--elasticsearch", &url];
        let mut command = sluice::command(arguments);
        command.args(["--index", &index, "--status-listen", &status]);
        scene.start("worker", command)
    };
    let first = worker();
    destination.wait(LINES, DELIVERY)?;
    first.interrupt()?;
    let ended = first.wait(DELIVERY)?;
    ensure!(ended.success(), "the worker ended with {ended} after Ctrl-C");
    let found = destination.check(written)?;
    let one = &found[0];
    ensure!(one.index.starts_with(&format!("{name}-nginx.access-")), "index of {one:?}");
    for (field, is_right) in [
        ("/@timestamp", one.source.pointer("/@timestamp").is_some_and(|value| value.is_string())),
        ("/event/dataset", one.source.pointer("/event/dataset").is_some_and(|value| value == "nginx.access")),
        (
            "/http/response/status_code",
            one.source.pointer("/http/response/status_code").is_some_and(|value| value.is_u64()),
        ),
        ("/log/file/path", one.source.pointer("/log/file/path").is_some_and(|value| value.is_string())),
    ] {
        ensure!(is_right, "field {field} of {:#}", one.source);
    }
    // What was committed is not delivered again: the group's offsets stand at the end.
    let uncommitted = topic::uncommitted(broker, name, topic)?;
    ensure!(uncommitted.is_empty(), "partitions, their ends and what is committed: {uncommitted:?}");
    Ok(())
}
