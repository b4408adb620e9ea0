//! kill -9 at random moments, in the middle of 200,000 lines with rotation in between: afterwards every line is in the
//! topic exactly once, in order within its file, and in the index exactly once.

use crate::harness::destination::Destination;
use crate::harness::process::Process;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::topic::{self, Record};
use crate::harness::writing::{self, Plan, Rotation, Writing};
use crate::harness::{oracle, ports, sluice};
use anyhow::ensure;
use std::collections::HashMap;
use std::process::Command;
use std::thread;
use std::time::Duration;

/// Half a minute of writing leaves time for a dozen deaths.
const PLAN: Plan = Plan {
    rotation: Rotation::Rename,
    streams: 4,
    lines_per_stream: 50_000,
    lines_per_rotation: 8_000,
    lines_per_second: 8_000,
};
const LINES: u64 = PLAN.streams as u64 * PLAN.lines_per_stream;
/// While the rest is delivered after the writing has ended, a standstill of this is a failure.
const DRAIN: Duration = Duration::from_secs(60);
/// Life of a process, in milliseconds: from before it is ready to well into its work.
const LIFE_MS: std::ops::Range<u64> = 20..3_000;
const TOPIC: &str = "logs";

/// The one process of `sluice up`.
pub fn up(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("kill::up");
    let destination = Destination::opensearch_or_stand_in("kill-up")?;
    let broker = ports::free_address();
    scene.file("sluice.yaml", "worker: {index: \"kill-up-<yyyy.MM>\"}\n");
    let writing = begin_writing(scene, &mut random)?;
    let command = || {
        let mut command = sluice::command(["up", "--listen", &broker, "--status-listen", &ports::free_address()]);
        command.args(["--data", "data", "--elasticsearch", &destination.url()]).arg(scene.path("logs/app-*"));
        command
    };
    let mut deaths = 0;
    while !writing.is_done() {
        let process = scene.start("up", command());
        live(&mut random);
        process.kill()?;
        deaths += 1;
    }
    let mut process = scene.start("up", command());
    sluice::wait_for_broker(&mut process, &broker)?;
    check(writing, &broker, &destination, deaths)?;
    process.interrupt()?;
    let ended = process.wait(sluice::START)?;
    ensure!(ended.success(), "up ended with {ended} after Ctrl-C");
    Ok(())
}

/// Agent, broker and worker as separate processes.
pub fn apart(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("kill::apart");
    let destination = Destination::opensearch_or_stand_in("kill-apart")?;
    let broker = ports::free_address();
    let writing = begin_writing(scene, &mut random)?;
    let command = |part: &str| -> Command {
        let mut command = sluice::command([part, "--status-listen", &ports::free_address()]);
        match part {
            "broker" => command.args(["--listen", &broker, "--data", "data"]),
            "agent" => command
                .args(["--broker", &broker, "--topic", TOPIC, "--checkpoints", "checkpoints"])
                .arg(scene.path("logs/app-*")),
            _ => command.args(["--broker", &broker, "--topic", TOPIC, "--group", "kill"]).args([
                "--index",
                "kill-apart-<yyyy.MM>",
                "--elasticsearch",
                &destination.url(),
            ]),
        };
        command
    };
    let parts = ["broker", "agent", "worker"];
    let mut processes: HashMap<&str, Process> = parts.map(|part| (part, scene.start(part, command(part)))).into();
    let mut deaths = 0;
    while !writing.is_done() {
        live(&mut random);
        let part = parts[usize::try_from(random.of(0..3)).expect("below three")];
        processes.remove(part).expect("every part runs").kill()?;
        processes.insert(part, scene.start(part, command(part)));
        deaths += 1;
    }
    check(writing, &broker, &destination, deaths)?;
    for part in ["agent", "worker", "broker"] {
        let process = processes.remove(part).expect("every part runs");
        process.interrupt()?;
        let ended = process.wait(sluice::START)?;
        ensure!(ended.success(), "the {part} ended with {ended} after Ctrl-C");
    }
    Ok(())
}

fn begin_writing(scene: &Scene, random: &mut Random) -> anyhow::Result<Writing> {
    writing::start(&scene.directory("logs"), PLAN, Random::new(random.next()))
}

/// Lets a process live for a while: a random moment is what this is about, so there is nothing to wait for.
fn live(random: &mut Random) {
    thread::sleep(Duration::from_millis(random.of(LIFE_MS)));
}

/// The oracle on the topic and on the index.
fn check(writing: Writing, broker: &str, destination: &Destination, deaths: u32) -> anyhow::Result<()> {
    let written = writing.finish()?;
    ensure!(deaths >= 5, "only {deaths} deaths");
    destination.wait(LINES, DRAIN)?;
    let records = topic::read(broker, TOPIC)?;
    let mut partitions: HashMap<String, i32> = HashMap::new();
    for record in &records {
        let Some(file) = record.header("sluice.file.id") else { continue };
        let first = *partitions.entry(file.to_owned()).or_insert(record.partition);
        ensure!(first == record.partition, "file {file} is in partitions {first} and {}", record.partition);
    }
    oracle::compare(&written, records.into_iter().map(Record::arrived)).check("records")?;
    destination.check(&written)?;
    let names = topic::names(broker)?;
    ensure!(names.iter().all(|name| !name.ends_with(".dead")), "there are dead letters: {names:?}");
    Ok(())
}
