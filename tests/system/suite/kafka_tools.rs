//! Kafka's own console tools on our broker, and on Apache Kafka, which shows that the script itself is right.

use crate::harness::scene::Scene;
use crate::harness::sluice;
use crate::real;
use anyhow::{Context, ensure};
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

/// Runs a tool and gives what it printed, or fails with that.
fn tool(class: &str, arguments: &[&str], input: &str) -> anyhow::Result<String> {
    let output = real::kafka_tool(class, arguments, input.as_bytes())?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{class} {}: {}\n{stdout}\n{stderr}", arguments.join(" "), output.status);
    Ok(stdout.into_owned())
}

fn console_on(scene: &Scene, broker: &str) -> anyhow::Result<()> {
    let topic = &scene.own_name("tools");
    let on = |class: &str, arguments: &[&str], input: &str| -> anyhow::Result<String> {
        tool(class, &[&["--bootstrap-server", broker], arguments].concat(), input)
    };
    let contains = |what: &str, text: &str, wanted: &str| -> anyhow::Result<()> {
        ensure!(text.contains(wanted), "{what}: want {wanted:?}; got:\n{text}");
        Ok(())
    };

    on(TOPICS, &["--create", "--topic", topic, "--partitions", "2"], "")?;
    let listed = on(TOPICS, &["--list"], "")?;
    ensure!(listed.lines().any(|line| line == topic), "list: want {topic}; got:\n{listed}");
    let described = on(TOPICS, &["--describe", "--topic", topic], "")?;
    contains("describe", &described, "PartitionCount: 2\tReplicationFactor: 1")?;
    contains("describe", &described, "Partition: 1\tLeader: 0\tReplicas: 0\tIsr: 0")?;

    let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    on(PRODUCER, &["--topic", topic, "--compression-codec", "zstd"], &(lines.join("\n") + "\n"))?;
    let offsets = on(OFFSETS, &["--topic", topic], "")?;
    let ends = offsets.lines().filter_map(|line| line.rsplit(':').next()?.parse::<u64>().ok()).collect::<Vec<_>>();
    ensure!(ends.len() == 2 && ends.iter().sum::<u64>() == 100, "offsets: want 100 in 2 partitions; got:\n{offsets}");

    for group in ["tools-first", "tools-second"] {
        let group = &format!("{group}-{topic}");
        let consume =
            ["--topic", topic, "--group", group, "--from-beginning", "--max-messages", "100", "--timeout-ms", "20000"];
        let consumed = on(CONSUMER, &consume, "")?;
        let mut got: Vec<&str> = consumed.lines().collect();
        got.sort_by_key(|line| line.split(' ').nth(1).and_then(|number| number.parse::<u32>().ok()));
        ensure!(got == lines, "consume in {group}: want every line once; got:\n{consumed}");
        let described = on(GROUPS, &["--describe", "--group", group], "")?;
        let lag = described.lines().filter(|line| line.starts_with(group.as_str())).map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            (columns.get(3).and_then(|offset| offset.parse::<u64>().ok()), columns.get(5).copied())
        });
        let lag: Vec<_> = lag.collect();
        let committed: u64 = lag.iter().filter_map(|(committed, _)| *committed).sum();
        ensure!(
            committed == 100 && lag.iter().all(|(_, lag)| *lag == Some("0")),
            "describe {group}: got:\n{described}"
        );
    }

    let bootstrap = format!("bootstrap.servers={broker}");
    let records = PERFORMANCE_RECORDS.to_string();
    let performance = ["--topic", topic, "--num-records", &records, "--record-size", "200", "--throughput", "-1"];
    let properties = ["--producer-props", &bootstrap, "acks=all", "compression.type=lz4"];
    let performed = tool(PERFORMANCE, &[&performance[..], &properties].concat(), "")?;
    contains("ProducerPerformance", &performed, &format!("{PERFORMANCE_RECORDS} records sent"))?;

    on(TOPICS, &["--delete", "--topic", topic], "")?;
    let listed = on(TOPICS, &["--list"], "")?;
    ensure!(!listed.lines().any(|line| line == topic), "list after delete: got:\n{listed}");
    Ok(())
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

    let mut counted = 0;
    let mut indexes = 0;
    for file in files_below(&scene.path("broker-data"))? {
        let name = file.to_string_lossy().into_owned();
        match file.extension().and_then(|extension| extension.to_str()) {
            Some("log") if name.contains("dumped-") => {
                let dumped = tool(DUMP, &["--deep-iteration", "--files", &name], "")?;
                ensure!(!dumped.contains("isvalid: false"), "{name}: {dumped}");
                counted += dumped.lines().filter(|line| line.trim_start().starts_with("| offset:")).count();
            }
            Some("index" | "timeindex") if name.contains("dumped-") => {
                let dumped = tool(DUMP, &["--index-sanity-check", "--files", &name], "")?;
                contains_no_mismatch(&dumped).with_context(|| name.clone())?;
                indexes += 1;
            }
            _ => {}
        }
    }
    ensure!(counted == produced, "want {produced} records in the segments; got {counted}");
    ensure!(indexes > 0, "no index file is there");
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
