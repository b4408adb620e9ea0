//! Other far ends: a file, and a topic for other applications.

use super::{produce, start};
use crate::harness::scene::Scene;
use crate::harness::{sluice, topic, wait};
use anyhow::ensure;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const LINES: usize = 3_000;

pub fn file_and_topic(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let broker = broker.address.as_str();
    let lines: BTreeSet<String> = (0..LINES).map(|n| format!("line {n}")).collect();
    produce(broker, "logs", lines.clone())?;
    let message = |document: &str| -> anyhow::Result<String> {
        Ok(serde_json::from_str::<Value>(document)?["message"].as_str().unwrap_or_default().to_owned())
    };

    let (worker, _) = start(scene, "to-file", broker, &["--output", "file:out.ndjson"]);
    let written = || std::fs::read_to_string(scene.path("out.ndjson")).unwrap_or_default();
    wait::until_equal("lines of the file", PATIENCE, LINES, || Ok(written().lines().count()))?;
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");
    let got = written().lines().map(message).collect::<anyhow::Result<BTreeSet<_>>>()?;
    ensure!(got == lines, "{} different lines in the file", got.len());

    // Another group reads the same topic.
    scene.file("sluice.yaml", "worker: {group: other, output: {kafka: {topic: parsed, compression: zstd}}}\n");
    let mut command = sluice::command(["worker", "--broker", broker, "--topic", "logs"]);
    command.args(["--status-listen", &crate::harness::ports::free_address()]);
    let worker = scene.start("to-topic", command);
    wait::until_count("records of the topic", PATIENCE, LINES as u64, || topic::count(broker, "parsed"))?;
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");
    let records = topic::read(broker, "parsed")?;
    let got = records
        .iter()
        .map(|it| message(&String::from_utf8_lossy(&it.value)))
        .collect::<anyhow::Result<BTreeSet<_>>>()?;
    ensure!(got == lines && records.len() == LINES, "{} records, {} different", records.len(), got.len());
    let keys: BTreeSet<_> = records.iter().filter_map(|it| it.key.clone()).collect();
    ensure!(keys.len() == LINES, "{} different keys", keys.len());
    ensure!(records.iter().all(|it| it.timestamp.is_some_and(|ms| ms > 1_700_000_000_000)), "times of events");
    ensure!(records[0].header("sluice.index").is_some_and(|index| index.starts_with("sluice-")), "{:?}", records[0]);
    Ok(())
}
