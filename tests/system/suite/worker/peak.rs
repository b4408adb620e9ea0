//! A peak: lines come ten times as fast as Elasticsearch can take them. They wait in the topic, not in memory.

use super::start;
use crate::harness::destination::Destination;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{http, ports, sluice, topic, wait};
use anyhow::{Context, ensure};
use elasticsearch_stand_in::Fault;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Documents that the server takes in a second.
const RATE: u64 = 1_000;
/// Lines come so many times as fast.
const PEAK: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(60);
/// The worker's bound for what it holds of records and documents.
const MEMORY_BYTES_MAX: u64 = 12 << 20;
/// What the process has beside that: a debug binary's code, buffers of requests, what the allocator keeps.
const PROCESS_BYTES: u64 = 120 << 20;
/// What the server does not take while nothing comes, it takes later, up to this.
const SLACK: Duration = Duration::from_millis(500);

pub fn is_worked_off(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("worker::peak");
    // Longer than the worker looks back for its rates: before that the peak is in them, and the lag seems to grow.
    let lines = RATE * PEAK * soak(4, 60);
    let destination = Destination::stand_in();
    let Destination::StandIn(server) = &destination else { unreachable!("it is the stand-in") };
    // A server with one thread for bulk requests: each keeps it busy for as long as its documents take.
    let mut free_at = Instant::now();
    server.fault_source(Box::new(move |_, items| {
        let now = Instant::now();
        free_at = free_at.max(now.checked_sub(SLACK).unwrap_or(now));
        free_at += Duration::from_secs_f64(items.len() as f64 / RATE as f64);
        std::thread::sleep(free_at.saturating_duration_since(now));
        Fault::None
    }));
    let broker = sluice::broker(scene)?;
    topic::create(&broker.address, "logs", 4, &[])?;
    scene.file("sluice.yaml", format!("worker: {{memory_bytes_max: {MEMORY_BYTES_MAX}}}\n"));
    let plan = Plan {
        rotation: Rotation::Rename,
        streams: 4,
        lines_per_stream: lines / 4,
        lines_per_rotation: 100_000,
        lines_per_second: RATE * PEAK,
    };
    let (worker, status) = start(scene, "worker", &broker.address, &["--elasticsearch", &destination.url()]);
    let mut agent = sluice::command(["agent", "--broker", &broker.address, "--checkpoints", "checkpoints"]);
    agent.args(["--status-listen", &ports::free_address()]).arg(scene.path("logs/app-*"));
    let writing = writing::start(&scene.directory("logs"), plan, Random::new(random.next()))?;
    let _agent = scene.start("agent", agent);

    let health = || -> anyhow::Result<Value> {
        let (_, body) = http::get(&format!("http://{status}/health"))?;
        let health: Value = serde_json::from_str(&body)?;
        Ok(health["worker"].clone())
    };
    wait::until_count("records in the topic", PATIENCE, lines, || topic::count(&broker.address, "logs"))?;
    // The backlog is known, although little of it is being fetched.
    let before = wait::until("the lag of the backlog", PATIENCE, || {
        let lag = health().ok()?["lag_records"].as_u64()?;
        // Of what is left: a slow machine's agent takes a while for the lines, in which many are delivered.
        let left = lines - server.document_count() as u64;
        (lag > 0 && lag >= left / 2).then_some(lag)
    })?;
    let begin = Instant::now();
    let (mut was_told_left, mut held) = (false, 0);
    loop {
        let told = health()?;
        if told["lag_records"] == 0 {
            break;
        }
        ensure!(begin.elapsed() < Duration::from_secs(lines / RATE) * 10, "the backlog is not worked off: {told}");
        let left = told["seconds_left"].as_f64().is_some_and(|left| left > 0.0);
        was_told_left |= left && told["lag_seconds"].as_f64() > Some(0.0);
        held = held.max(memory_in_use(&status)?);
        std::thread::sleep(Duration::from_millis(100));
    }
    let rate = before as f64 / begin.elapsed().as_secs_f64();
    // In the short form a debug binary shares the machine with other tests; bench/peak_shaving.py measures.
    let busy = soak(0.25, 0.95);
    ensure!(rate >= busy * RATE as f64, "{rate:.0} documents a second; want {busy} of {RATE}");
    ensure!(was_told_left, "nobody told how long it would take");
    ensure!(held > 0 && held <= MEMORY_BYTES_MAX * 5 / 4, "{held} bytes were held; the bound is {MEMORY_BYTES_MAX}");
    let peak = worker.peak_rss_bytes()?;
    ensure!(peak <= MEMORY_BYTES_MAX + PROCESS_BYTES, "the worker had {peak} bytes");
    destination.check(&writing.finish()?)?;
    eprintln!(
        "worker::peak: {lines} lines, {rate:.0} documents/s of {RATE}, {held} bytes held, {peak} bytes of memory"
    );
    Ok(())
}

fn memory_in_use(status: &str) -> anyhow::Result<u64> {
    let (_, metrics) = http::get(&format!("http://{status}/metrics"))?;
    let gauges = metrics.lines().filter(|line| line.starts_with("sluice_worker_memory_bytes{"));
    gauges.map(|line| line.rsplit(' ').next().context("a value")?.parse::<u64>().context("a number")).sum()
}
