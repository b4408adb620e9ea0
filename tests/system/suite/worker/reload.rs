//! Pipeline files that change while the worker runs.

use super::{produce, start, wait_for_metric};
use crate::harness::scene::Scene;
use crate::harness::{http, sluice, wait};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
/// Lines for each state of the file.
const LINES: usize = 500;

/// A changed file is used for the lines behind it, a broken one is told and the one before goes on, and each line is there once.
pub fn of_changed_and_broken(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let broker = broker.address.as_str();
    scene.file("sluice.yaml", "worker: {pipelines: {\"*\": ./own.yml}}\n");
    let write =
        |state: &str| scene.file("own.yml", format!("processors: [{{set: {{field: state, value: {state}}}}}]\n"));
    let send = |name: &str| produce(broker, "logs", (0..LINES).map(|number| format!("{name} {number}")));
    let documents = || -> anyhow::Result<Vec<Value>> {
        let text = std::fs::read_to_string(scene.path("out.ndjson")).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole.lines().map(|line| serde_json::from_str(line).context("a document")).collect()
    };
    let arrived = |count: usize| wait::until_equal("documents", PATIENCE, count, || Ok(documents()?.len()));

    write("first");
    send("before")?;
    let (worker, status) = start(scene, "worker", broker, &["--output", "file:out.ndjson"]);
    arrived(LINES)?;

    write("second");
    wait_for_metric(&status, "sluice_pipeline_reloads_total 1", PATIENCE)?;
    send("behind")?;
    arrived(2 * LINES)?;

    scene.file("own.yml", "processors: [{sett: {field: state, value: third}}]\n");
    wait_for_metric(&status, "sluice_pipeline_reload_failures_total 1", PATIENCE)?;
    // Problems are gathered at the next tick.
    wait::until_equal("health tells of the broken file", PATIENCE, true, || {
        Ok(http::get(&format!("http://{status}/health"))?.1.contains("own.yml:1: unknown processor"))
    })?;
    send("meanwhile")?;
    arrived(3 * LINES)?;
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker does not end well");

    let mut states: BTreeMap<String, String> = BTreeMap::new();
    for document in documents()? {
        let text = |field: &str| document[field].as_str().unwrap_or_default().to_owned();
        ensure!(states.insert(text("message"), text("state")).is_none(), "twice: {document}");
    }
    ensure!(states.len() == 3 * LINES, "{} different lines", states.len());
    for (message, state) in states {
        let wanted = if message.starts_with("before ") { "first" } else { "second" };
        ensure!(state == wanted, "{message}: {state}");
    }
    Ok(())
}
