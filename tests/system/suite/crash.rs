//! A server with a heap of 256 MB: requests above what it takes at all, and kill -9 of it and of the worker in mid-bulk.

use super::setup;
use crate::harness::destination::Destination;
use crate::harness::process::Process;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{http, ports, sluice, wait};
use crate::real::SearchNode;
use anyhow::{Context, ensure};
use std::fs::File;
use std::io::Write;
use std::time::Duration;

const PLAN: Plan = Plan {
    rotation: Rotation::Rename,
    streams: 4,
    lines_per_stream: 50_000,
    lines_per_rotation: 20_000,
    lines_per_second: 40_000,
};
const LINES: u64 = PLAN.streams as u64 * PLAN.lines_per_stream;
/// As small as an operator can get away with.
const HEAP_MIB: u32 = 256;
/// Lines of a megabyte: together three times what the server takes at once (a tenth of its heap).
const WIDE_LINES: u64 = 75;
const WIDE_LINE_BYTES: usize = 1_000_000;
/// Deaths of the worker between two of the server.
const WORKER_DEATHS: u32 = 4;
/// Each start of a server takes longer than all the rest; `SLUICE_SOAK=full` kills it more often.
const SERVER_DEATHS: u32 = 1;
const SERVER_DEATHS_FULL: u32 = 4;
/// A standstill of this is a failure: a server that collects garbage beside other tests.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn elasticsearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, "elasticsearch")
}

pub fn opensearch(scene: &Scene) -> anyhow::Result<()> {
    on(scene, "opensearch")
}

/// Both, on a node of `part`.
pub fn on(scene: &Scene, part: &'static str) -> anyhow::Result<()> {
    let mut random = scene.random("crash");
    let mut node = SearchNode::start(scene, part, HEAP_MIB)?;
    let broker = sluice::broker(scene)?;
    setup::setup(scene, &node.url(), "crash-<dataset>", &[])?;
    above_what_it_takes(scene, &node, &broker.address)?;
    killed_in_mid_bulk(scene, &mut node, &broker.address, &mut random)
}

/// Requests of up to 64 MiB for a server that never takes more than 25: each line arrives all the same.
fn above_what_it_takes(scene: &Scene, node: &SearchNode<'_>, broker: &str) -> anyhow::Result<()> {
    let path = scene.path("wide.log");
    let mut file = File::create(&path)?;
    for number in 0..WIDE_LINES {
        writeln!(file, "{number} {}", "word ".repeat(WIDE_LINE_BYTES / 5))?;
    }
    agent(scene, "wide", broker, &path.to_string_lossy(), true)?
        .wait(PATIENCE)?
        .success()
        .then_some(())
        .context("agent --once fails")?;
    let url = node.url();
    scene.file(
        "sluice.yaml",
        format!(
            "worker:\n  elasticsearch: {{urls: [\"{url}\"], bulk_bytes_max: 67108864, linger_ms: 5000, compression: none}}\n\
             \x20 pipelines: {{\"*\": generic}}\n"
        ),
    );
    let worker = worker(scene, "wide", broker, "crash-wide", &ports::free_address());
    let destination = Destination::Real { url, pattern: "crash-wide*".into() };
    destination.wait(WIDE_LINES, PATIENCE)?;
    ensure!(destination.count()? == WIDE_LINES, "want {WIDE_LINES} documents; got {}", destination.count()?);
    worker.interrupt()?;
    ensure!(worker.wait(PATIENCE)?.success(), "the worker ends well");
    Ok(())
}

fn killed_in_mid_bulk(
    scene: &Scene,
    node: &mut SearchNode<'_>,
    broker: &str,
    random: &mut Random,
) -> anyhow::Result<()> {
    let url = node.url();
    // Small requests, so that there is something left to do after each death.
    let section =
        format!("worker:\n  elasticsearch: {{urls: [\"{url}\"], bulk_documents_max: 2000, compression: gzip}}\n");
    scene.file("sluice.yaml", section);
    let folder = scene.directory("logs");
    let writing = writing::start(&folder, PLAN, Random::new(random.next()))?;
    let agent = agent(scene, "lines", broker, &format!("{}/app-*", folder.display()), false)?;
    let status = ports::free_address();
    let start = || worker(scene, "lines", broker, "crash-lines", &status);
    let mut worker = start();
    for _ in 0..soak(SERVER_DEATHS, SERVER_DEATHS_FULL) {
        for _ in 0..WORKER_DEATHS {
            wait_for_a_bulk_request(&status, random)?;
            worker.kill()?;
            worker = start();
        }
        wait_for_a_bulk_request(&status, random)?;
        node.kill()?;
        node.again()?;
    }
    let written = writing.finish()?;
    let destination = Destination::Real { url, pattern: "crash-lines*".into() };
    destination.wait(LINES, PATIENCE)?;
    destination.check(&written)?;
    for (name, process) in [("agent", agent), ("worker", worker)] {
        process.interrupt()?;
        let ended = process.wait(PATIENCE)?;
        ensure!(ended.success(), "the {name} ended with {ended} after Ctrl-C");
    }
    Ok(())
}

/// Returns while a bulk request is on its way, or just after: at a random moment of its life.
fn wait_for_a_bulk_request(status: &str, random: &mut Random) -> anyhow::Result<()> {
    let metrics = format!("http://{status}/metrics");
    wait::until("a bulk request in flight", PATIENCE, || {
        let text = http::get(&metrics).ok()?.1;
        let in_flight = text.lines().find_map(|line| line.strip_prefix("sluice_sink_requests_in_flight "))?;
        (in_flight.trim() != "0").then_some(())
    })?;
    // Not to wait for something: the moment is what is random.
    std::thread::sleep(Duration::from_millis(random.of(0..50)));
    Ok(())
}

fn agent(scene: &Scene, topic: &str, broker: &str, paths: &str, once: bool) -> anyhow::Result<Process> {
    let (status, checkpoints) = (ports::free_address(), format!("checkpoints-{topic}"));
    let mut command = sluice::command(["agent", "--broker", broker, "--topic", topic, "--status-listen", &status]);
    command.args(["--checkpoints", &checkpoints]);
    if once {
        command.arg("--once");
    }
    command.arg(paths);
    Ok(scene.start(&format!("agent-{topic}"), command))
}

fn worker(scene: &Scene, topic: &str, broker: &str, index: &str, status: &str) -> Process {
    let arguments = ["worker", "--broker", broker, "--topic", topic, "--group", topic, "--index", index];
    let mut command = sluice::command(arguments);
    command.args(["--status-listen", status]);
    scene.start(&format!("worker-{topic}"), command)
}
