//! A real Prometheus with the files of docs/: it scrapes every part, its rules hold, and the dashboard's queries have answers.

use crate::harness::destination::Destination;
use crate::harness::scene::Scene;
use crate::harness::{http, ports, sluice, wait};
use crate::real;
use anyhow::{Context, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");
/// For Prometheus to scrape and to evaluate a few times, beside other tests on two cores.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two scrapes: long enough for a debug binary on a loaded machine to answer in.
const SCRAPE_S: u64 = 2;
/// Queries without an answer while nothing is refused and there is no dead letter topic.
const WITHOUT_ANSWER: [&str; 2] = ["sluice_sink_bulk_item_errors_total", "sluice_worker_dead_letters"];

/// Scrapes `up`, broker, agent and worker; rules and queries are evaluated; one part that ends is noticed.
pub fn scrapes_every_part(scene: &Scene) -> anyhow::Result<()> {
    real::need("Prometheus", Command::new("prometheus").arg("--version"))?;
    real::need("promtool", Command::new("promtool").arg("--version"))?;
    // What docs/prometheus/scrape.yaml says, and where that is in this test.
    let [up, broker, agent, worker] = [9600, 9601, 9602, 9603].map(|port| (port, ports::free_address()));
    let log = scene.file("app.log", "a line\n".repeat(1000));
    let log = log.to_string_lossy();
    let (data, store) = (scene.path("up"), ports::free_address());
    let mut command = sluice::command(["up", "--listen", &ports::free_address(), "--status-listen", &up.1]);
    command.args(["--search-listen", &store, &log, "--data"]).arg(&data);
    let _up = scene.start("up", command);
    let listen = ports::free_address();
    let mut command = sluice::command(["broker", "--listen", &listen, "--status-listen", &broker.1, "--data"]);
    command.arg(scene.path("broker"));
    let mut broker_process = scene.start("broker", command);
    sluice::wait_for_broker(&mut broker_process, &listen)?;
    let mut command = sluice::command(["agent", "--broker", &listen, "--status-listen", &agent.1, &log]);
    command.arg("--checkpoints").arg(scene.path("checkpoints"));
    let _agent = scene.start("agent", command);
    let elasticsearch = Destination::stand_in();
    let mut command = sluice::command(["worker", "--broker", &listen, "--status-listen", &worker.1]);
    command.args(["--elasticsearch", &elasticsearch.url()]);
    let _worker = scene.start("worker", command);
    elasticsearch.wait(1000, PATIENCE)?;

    let mut config = fs::read_to_string(format!("{DOCS}/prometheus/scrape.yaml"))?;
    for (port, address) in [&up, &broker, &agent, &worker] {
        let known = format!("\"127.0.0.1:{port}\"");
        ensure!(config.contains(&known), "scrape.yaml does not name {known}");
        config = config.replace(&known, &format!("{address:?}"));
    }
    let global =
        format!("global: {{scrape_interval: {SCRAPE_S}s, scrape_timeout: {SCRAPE_S}s, evaluation_interval: 1s}}\n");
    let config = scene.file("prometheus.yaml", global + &config);
    let rules = scene.path("alerts.yaml");
    fs::copy(format!("{DOCS}/prometheus/alerts.yaml"), &rules)?;
    for (what, file) in [("config", &config), ("rules", &rules)] {
        let checked = Command::new("promtool").args(["check", what]).arg(file).stdin(Stdio::null()).output()?;
        ensure!(checked.status.success(), "promtool check {what}: {}", String::from_utf8_lossy(&checked.stderr));
    }
    let address = ports::free_address();
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", scene.path("tsdb").display()));
    command.arg(format!("--web.listen-address={address}"));
    let mut prometheus = scene.start("prometheus", command);
    wait::until("Prometheus is ready", PATIENCE, || {
        let ready = http::get(&format!("http://{address}/-/ready")).is_ok_and(|(status, _)| status == 200);
        (ready || !prometheus.is_running()).then_some(ready)
    })?
    .then_some(())
    .with_context(|| format!("Prometheus ended: {}", prometheus.stderr()))?;

    let ask = |path: &str| -> anyhow::Result<Value> {
        let (status, body) = http::get(&format!("http://{address}/api/v1/{path}"))?;
        let answer: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
        ensure!(status == 200 && answer["status"] == "success", "{path}: {body}");
        Ok(answer["data"].clone())
    };
    let query = |expression: &str| -> anyhow::Result<Vec<Value>> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let found = ask(&format!("query?query={encoded}")).with_context(|| expression.to_owned())?;
        Ok(found["result"].as_array().cloned().unwrap_or_default())
    };
    wait::until_equal("parts that are scraped", PATIENCE, 4, || Ok(query("up{job=~\"sluice-.*\"} == 1")?.len()))?;
    let failed = query("scrape_samples_scraped == 0")?;
    ensure!(failed.is_empty(), "nothing in it: {failed:?}");

    // Each query of the dashboard, as Grafana would ask it.
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(format!("{DOCS}/grafana/sluice.json"))?)?;
    let panels = dashboard["panels"].as_array().context("a dashboard has panels")?;
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let mut queries: BTreeSet<String> = targets.filter_map(|target| target["expr"].as_str()).map(in_force).collect();
    ensure!(queries.len() > 30, "only {queries:?}");
    queries.retain(|query| !WITHOUT_ANSWER.iter().any(|name| query.contains(name)));
    for name in WITHOUT_ANSWER {
        query(name)?;
    }
    wait::until_equal("queries without an answer", PATIENCE, Vec::new(), || {
        let mut unanswered = Vec::new();
        for expression in &queries {
            if query(expression)?.is_empty() {
                unanswered.push(expression.clone());
            }
        }
        Ok(unanswered)
    })?;
    // The broker's groups, by name; and no pool is said to be beyond its limit.
    let groups = query("sluice_broker_group_lag_records{group=\"sluice\",topic=\"logs\"}")?;
    ensure!(groups.len() == 2, "{groups:?}");

    let rules = || -> anyhow::Result<Vec<Value>> {
        let groups = ask("rules?type=alert")?;
        let groups = groups["groups"].as_array().cloned().unwrap_or_default();
        Ok(groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default()).collect())
    };
    wait::until_equal("rules that could not be evaluated", PATIENCE, Vec::new(), || {
        let rules = rules()?;
        ensure!(rules.len() >= 13, "only {} rules", rules.len());
        Ok(rules.into_iter().filter(|rule| rule["health"] != "ok").collect())
    })?;
    let alerts = |name: &str| -> anyhow::Result<Vec<String>> {
        let found = rules()?.into_iter().filter(|rule| rule["name"] == *name);
        let alerts = found.flat_map(|rule| rule["alerts"].as_array().cloned().unwrap_or_default());
        Ok(alerts.filter_map(|alert| alert["labels"]["instance"].as_str().map(str::to_owned)).collect())
    };
    ensure!(alerts("SluiceAway")?.is_empty(), "all parts are there");
    broker_process.kill()?;
    wait::until_equal("the alert for the part that has ended", PATIENCE, vec![broker.1], || alerts("SluiceAway"))
}

/// With Grafana's variables replaced.
fn in_force(expression: &str) -> String {
    expression.replace("$instance", ".*").replace("$__rate_interval", "1m")
}
