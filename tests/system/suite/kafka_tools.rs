//! Kafka's own console tools on our broker, and on Apache Kafka, which shows that the script itself is right.

use crate::harness::scene::Scene;
use crate::harness::{sluice, topic, wait};
use crate::real::{self, KafkaTools};
use anyhow::{Context, ensure};
use std::cell::RefCell;
use std::fs;
use std::path::Path;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
const PRODUCER: &str = "org.apache.kafka.tools.ConsoleProducer";
const CONSUMER: &str = "org.apache.kafka.tools.consumer.ConsoleConsumer";
const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
const OFFSETS: &str = "org.apache.kafka.tools.GetOffsetShell";
const PERFORMANCE: &str = "org.apache.kafka.tools.ProducerPerformance";
const DUMP: &str = "kafka.tools.DumpLogSegments";

/// Records that ProducerPerformance makes: some hundred batches.
const PERFORMANCE_RECORDS: u32 = 20_000;

pub fn console(scene: &Scene) -> anyhow::Result<()> {
    console_on(scene, &sluice::broker(scene)?.address)
}

pub fn apache_kafka_console(scene: &Scene) -> anyhow::Result<()> {
    console_on(scene, &real::kafka()?.address)
}

/// Lets Kafka's dump tool read files, all of them in one process; gives what it printed.
fn dump(how: &str, files: &[String]) -> anyhow::Result<String> {
    let output = real::kafka_tool(DUMP, &[how, "--files", &files.join(",")], b"")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{how} of {files:?}: {}\n{stdout}\n{stderr}", output.status);
    // None was left out.
    let left_out: Vec<_> = files.iter().filter(|file| !stdout.contains(&format!("Dumping {file}"))).collect();
    ensure!(left_out.is_empty(), "it says nothing of {left_out:?}:\n{stdout}");
    Ok(stdout.into_owned())
}

fn console_on(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let topic = &scene.own_name("tools");
    // One process for all: starting Java takes longer than most of them.
    let tools = RefCell::new(KafkaTools::start()?);
    let tool = |class: &str, arguments: &[&str], input: &str| -> anyhow::Result<String> {
        let output = tools.borrow_mut().run(class, arguments, input)?;
        ensure!(output.code == 0, "{class} {}: {output:?}", arguments.join(" "));
        Ok(output.stdout)
    };
    let on = |class: &str, arguments: &[&str], input: &str| -> anyhow::Result<String> {
        tool(class, &[&["--bootstrap-server", broker], arguments].concat(), input)
    };
    let contains = |what: &str, text: &str, wanted: &str| -> anyhow::Result<()> {
        ensure!(text.contains(wanted), "{what}: want {wanted:?}; got:\n{text}");
        Ok(())
    };

    // Apache Kafka's controller answers before its broker, which is asked, has heard of what changed.
    let known = |what: &str, check: &dyn Fn() -> anyhow::Result<()>| wait::until_ok(what, topic::KNOWN, check);

    on(TOPICS, &["--create", "--topic", topic, "--partitions", "2"], "")?;
    known("list", &|| {
        let listed = on(TOPICS, &["--list"], "")?;
        ensure!(listed.lines().any(|line| line == topic), "list: want {topic}; got:\n{listed}");
        Ok(())
    })?;
    known("describe", &|| {
        let described = on(TOPICS, &["--describe", "--topic", topic], "")?;
        contains("describe", &described, "PartitionCount: 2\tReplicationFactor: 1")?;
        contains("describe", &described, "Partition: 1\tLeader: 0\tReplicas: 0\tIsr: 0")
    })?;

    let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    on(PRODUCER, &["--topic", topic, "--compression-codec", "zstd"], &(lines.join("\n") + "\n"))?;
    known("offsets", &|| {
        let offsets = on(OFFSETS, &["--topic", topic], "")?;
        let ends = offsets.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).collect::<Vec<_>>();
        let is_right = ends.len() == 2 && ends.iter().sum::<u64>() == 100;
        ensure!(is_right, "offsets: want 100 in 2 partitions; got:\n{offsets}");
        Ok(())
    })?;

    for group in ["tools-first", "tools-second"] {
        let group = &format!("{group}-{topic}");
        let consume =
            ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", "100", "--timeout-ms", "60000"];
        let consumed = on(CONSUMER, &consume, "")?;
        let mut got: Vec<&str> = consumed.lines().collect();
        got.sort_by_key(|line| line.split(' ').nth(1).and_then(|number| number.parse::<u32>().ok()));
        ensure!(got == lines, "consume in {group}: want every line once; got:\n{consumed}");
        known("what is committed", &|| {
            let described = on(GROUPS, &["--describe", "--group", group], "")?;
            let lag = described.lines().filter(|line| line.starts_with(group.as_str())).map(|line| {
                let columns: Vec<&str> = line.split_whitespace().collect();
                (columns.get(3).and_then(|offset| offset.parse::<u64>().ok()), columns.get(5).copied())
            });
            let lag: Vec<_> = lag.collect();
            let committed: u64 = lag.iter().filter_map(|(committed, _)| *committed).sum();
            let is_right = committed == 100 && lag.iter().all(|(_, lag)| *lag == Some("0"));
            ensure!(is_right, "describe {group}: got:\n{described}");
            Ok(())
        })?;
    }

    let bootstrap = format!("bootstrap.servers={broker}");
    let records = PERFORMANCE_RECORDS.to_string();
    let performance = ["--topic", topic, "--num-records", &records, "--record-size", "200", "--throughput", "-1"];
    let properties = ["--producer-props", &bootstrap, "acks=all", "compression.type=lz4"];
    let performed = tool(PERFORMANCE, &[&performance[..], &properties].concat(), "")?;
    contains("ProducerPerformance", &performed, &format!("{PERFORMANCE_RECORDS} records sent"))?;

    on(TOPICS, &["--delete", "--topic", topic], "")?;
    known("list after delete", &|| {
        let listed = on(TOPICS, &["--list"], "")?;
        ensure!(!listed.lines().any(|line| line == topic), "list after delete: got:\n{listed}");
        Ok(())
    })
}

/// Kafka's dump tool reads our segment files: every batch valid, every record counted, the indexes in agreement.
pub fn dump_log_segments(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let mut produced = 0;
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let lines: String = (0..5_000).map(|number| format!("{codec} line {number}\n")).collect();
        real::kcat(
            &["-b", &broker.address, "-t", "dumped", "-P", "-z", codec, "-X", "batch.num.messages=100"],
            lines.as_bytes(),
        )?;
        produced += 5_000;
    }
    broker.process.interrupt()?;
    let ended = broker.process.wait(sluice::START)?;
    ensure!(ended.success(), "the broker ended with {ended}");

    let files: Vec<String> = files_below(&scene.path("broker-data"))?
        .into_iter()
        .map(|file| file.to_string_lossy().into_owned())
        .filter(|name| name.contains("dumped-"))
        .collect();
    let (logs, rest): (Vec<String>, Vec<String>) = files.into_iter().partition(|name| name.ends_with(".log"));
    let indexes: Vec<String> = rest.into_iter().filter(|name| name.ends_with("index")).collect();
    ensure!(!logs.is_empty() && !indexes.is_empty(), "no segments or no indexes are there");
    let dumped = dump("--deep-iteration", &logs)?;
    ensure!(!dumped.contains("isvalid: false"), "{dumped}");
    let counted = dumped.lines().filter(|line| line.trim_start().starts_with("| offset:")).count();
    contains_no_mismatch(&dump("--index-sanity-check", &indexes)?)?;
    ensure!(counted == produced, "want {produced} records in the segments; got {counted}");
    Ok(())
}

fn contains_no_mismatch(dumped: &str) -> anyhow::Result<()> {
    let bad = ["Mismatches", "Found timestamp mismatch", "non-consecutive", "failed"];
    ensure!(!bad.iter().any(|bad| dumped.contains(bad)), "{dumped}");
    Ok(())
}

fn files_below(directory: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(|| format!("list {directory:?}"))? {
        let path = entry?.path();
        match path.is_dir() {
            true => files.extend(files_below(&path)?),
            false => files.push(path),
        }
    }
    files.sort();
    Ok(files)
}
