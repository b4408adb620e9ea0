//! The whole chain for a minute, or an hour with `SLUICE_SOAK=full`: kill -9 of a random part every few seconds, rotation, a
//! far end that cuts connections, is slow or away, once until the disk is full. Afterwards every line is in the index once.

use crate::harness::destination::Destination;
use crate::harness::process::Process;
use crate::harness::proxy::Proxy;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{http, ports, sluice, wait};
use crate::real;
use anyhow::{Context, ensure};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

const LASTS: Duration = Duration::from_secs(60);
const LASTS_FULL: Duration = Duration::from_secs(3600);
/// More lines than are written in the time: it is what ends the writing.
const PLAN: Plan = Plan {
    rotation: Rotation::Rename,
    streams: 4,
    lines_per_stream: 100_000_000,
    lines_per_rotation: 8_000,
    lines_per_second: 2_000,
};
/// Between two blows, in milliseconds.
const PAUSE_MS: std::ops::Range<u64> = 1_000..4_000;
/// How long the far end is away, in milliseconds.
const AWAY_MS: std::ops::Range<u64> = 2_000..8_000;
/// A standstill of this after the last blow is a failure.
const PATIENCE: Duration = Duration::from_secs(120);
/// In this order a stop hands on what is there.
const PARTS: [&str; 3] = ["agent", "worker", "broker"];

pub fn whole_chain(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("soak");
    let server = real::opensearch()?;
    let target: SocketAddr = server.url.trim_start_matches("http://").parse().context("the address of OpenSearch")?;
    let index = scene.own_name("kill-soak");
    let destination = Destination::real(server, &index);
    let (listen, proxy_port, broker_status) = (ports::free_address(), ports::free(), ports::free_address());
    // A batch is about half a MiB, and each of the four partitions keeps its last one.
    scene.file(
        "sluice.yaml",
        format!(
            "agent: {{broker: \"{listen}\", checkpoints: checkpoints, inputs: [{{paths: [\"logs/app-*\"]}}]}}\n\
             broker:\n  listen: [\"{listen}\"]\n  data: data\n  disk_max: 4MiB\n  guard: [soak]\n  set:\n\
             \x20   {{log.segment.bytes: 131072, log.retention.bytes: 131072, log.retention.check.interval.ms: 500}}\n\
             worker:\n  broker: \"{listen}\"\n  group: soak\n  index: \"{index}-<yyyy.MM>\"\n\
             \x20 elasticsearch: {{urls: [\"http://127.0.0.1:{proxy_port}\"]}}\n"
        ),
    );
    let writing = writing::start(&scene.directory("logs"), PLAN, Random::new(random.next()))?;
    let start = |part: &str| {
        let free = ports::free_address();
        let status = if part == "broker" { &broker_status } else { &free };
        scene.start(part, sluice::command([part, "--status-listen", status]))
    };
    let mut processes: HashMap<&str, Process> = PARTS.map(|part| (part, start(part))).into();
    // The far end is away until the disk is full: the agent waits, and the lines wait in their files.
    let health = format!("http://{broker_status}/health");
    wait::until("the disk limit", PATIENCE, || {
        http::get(&health).is_ok_and(|(code, said)| code == 503 && said.contains("disk_max")).then_some(())
    })?;
    let mut proxy = Some(Proxy::start(proxy_port, target, Random::new(random.next()))?);

    let end = Instant::now() + soak(LASTS, LASTS_FULL);
    let (mut deaths, mut absences, mut throttled) = (0, 1, 0);
    while Instant::now() < end {
        // Not to wait for something: the moment is what is random.
        thread::sleep(Duration::from_millis(random.of(PAUSE_MS)));
        match random.of(0..9) {
            0 => {
                drop(proxy.take());
                thread::sleep(Duration::from_millis(random.of(AWAY_MS)));
                proxy = Some(listening_again(proxy_port, target, &mut random)?);
                absences += 1;
            }
            mood @ 1..4 => {
                let proxy = proxy.as_ref().context("the proxy listens")?;
                proxy.be_bad(mood == 1);
                proxy.be_slow(mood == 2);
                throttled += u32::from(mood == 2);
            }
            number => {
                let part = PARTS[usize::try_from(number % 3)?];
                processes.remove(part).context("every part runs")?.kill()?;
                processes.insert(part, start(part));
                deaths += 1;
            }
        }
    }
    let proxy = proxy.context("the proxy listens")?;
    proxy.be_bad(false);
    proxy.be_slow(false);
    let written = writing.end()?;
    let lines: u64 = written.iter().map(|written| written.lines).sum();
    eprintln!("soak: {lines} lines, {deaths} deaths, {absences} absences, {throttled} times slow");
    ensure!(deaths >= 3 && lines > 10_000, "too little happened: {deaths} deaths, {lines} lines");
    destination.wait(lines, PATIENCE)?;
    destination.check_many(&written)?;
    for part in PARTS {
        let process = processes.remove(part).context("every part runs")?;
        process.interrupt()?;
        let ended = process.wait(PATIENCE)?;
        ensure!(ended.success(), "the {part} ended with {ended} after Ctrl-C");
    }
    Ok(())
}

/// The port is free again as soon as the proxy before has noticed its end.
fn listening_again(port: u16, target: SocketAddr, random: &mut Random) -> anyhow::Result<Proxy> {
    let seed = random.next();
    wait::until("the port of the proxy", PATIENCE, || Proxy::start(port, target, Random::new(seed)).ok())
}
