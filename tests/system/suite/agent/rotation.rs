//! Rotation to names that the globs do not match, while the agent is there, stopped, behind, or away.

use crate::harness::agent::{Agent, DELIVERY, Setup};
use crate::harness::lines::Stream;
use crate::harness::log_file::{LogFile, Written};
use crate::harness::scene::Scene;
use crate::harness::sluice::{self, Broker};
use crate::harness::soak::soak;
use crate::harness::{compress, topic};
use anyhow::ensure;
use rustix::process::Signal;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// `app.log` with a thousand lines that were delivered, and only its own name is followed.
fn begin<'a>(scene: &'a Scene) -> anyhow::Result<(Broker, Setup<'a>, LogFile, Agent)> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, "logs", &["logs/app.log"]).set("rotated_grace_s: 5");
    let stream = Stream::new(0, scene.random("agent::rotation").next());
    let mut file = LogFile::create(scene.directory("logs").join("app.log"), stream)?;
    file.write(1_000)?;
    let agent = setup.start();
    setup.wait_for(1_000)?;
    Ok((broker, setup, file, agent))
}

/// Renamed, and the program writes on to the old descriptor for a while: all of it; then the file is let go.
pub fn late_writes(scene: &Scene) -> anyhow::Result<()> {
    let (_broker, setup, mut file, agent) = begin(scene)?;
    let (begin, late) = (Instant::now(), soak(Duration::from_secs(3), Duration::from_secs(30)));
    // The length of the program's delay is what this is about: it writes in its own pace.
    file.rotate_late(|file| {
        while begin.elapsed() < late {
            file.write(20)?;
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })?;
    file.write(1_000)?;
    setup.wait_for(file.written().lines)?;
    let rotated = file.rotated_path();
    agent.wait_for_open(&rotated, false)?;
    setup.finish(agent, &[file.written()])?;
    Ok(())
}

/// Renamed while no agent is there: the rest once, then the new file.
pub fn renamed_while_away(scene: &Scene) -> anyhow::Result<()> {
    away(scene, |_| Ok(()))
}

/// Renamed and compressed while no agent is there.
pub fn compressed_while_away(scene: &Scene) -> anyhow::Result<()> {
    away(scene, |file| compress::gzip(&file.rotated_path()))
}

fn away(scene: &Scene, then: impl Fn(&LogFile) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (_broker, setup, mut file, mut agent) = begin(scene)?;
    for _ in 0..3 {
        agent.kill()?;
        file.write(1_500)?;
        file.rotate(20)?;
        then(&file)?;
        file.write(1_000)?;
        agent = setup.start();
        setup.wait_for(file.written().lines)?;
    }
    let records = setup.finish(agent, &[file.written()])?;
    let files = records.iter().filter(|record| record.header("log.offset") == Some("0")).count();
    ensure!(files == 4, "want 4 files; got {files}");
    Ok(())
}

/// The agent is stopped, the file copied and truncated, and grown beyond where the agent was: from 0, and no fragment.
pub fn truncated_while_stopped(scene: &Scene) -> anyhow::Result<()> {
    let (_broker, setup, mut file, agent) = begin(scene)?;
    for round in 1..=3 {
        agent.pause()?;
        file.copy_and_truncate()?;
        file.write(1_000 + round * 500)?;
        agent.resume()?;
        setup.wait_for(file.written().lines)?;
    }
    setup.finish(agent, &[file.written()])?;
    Ok(())
}

/// The same, while no agent is there.
pub fn truncated_while_away(scene: &Scene) -> anyhow::Result<()> {
    let (_broker, setup, mut file, mut agent) = begin(scene)?;
    for round in 1..=3 {
        agent.kill()?;
        file.write(300)?;
        file.copy_and_truncate()?;
        file.write(1_000 + round * 500)?;
        agent = setup.start();
        setup.wait_for(file.written().lines)?;
    }
    setup.finish(agent, &[file.written()])?;
    Ok(())
}

/// What an agent may hold that is to fall behind.
const BLOCKS_BYTES: u64 = 1_000_000;

/// `app.log` with a thousand lines, and an agent, not started yet, that cannot hold much.
fn begin_behind<'a>(scene: &'a Scene) -> anyhow::Result<(Broker, Setup<'a>, LogFile)> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, "logs", &["logs/app.log"]);
    let setup = setup.set(&format!("blocks_bytes_max: {BLOCKS_BYTES}"));
    let stream = Stream::new(0, scene.random("agent::rotation").next());
    let mut file = LogFile::create(scene.directory("logs").join("app.log"), stream)?;
    file.write(1_000)?;
    Ok((broker, setup, file))
}

/// The broker stalls, the agent's memory is full, the file is copied and truncated: the rest comes from the copy.
pub fn backlog_in_the_copy(scene: &Scene) -> anyhow::Result<()> {
    let (broker, setup, mut file) = begin_behind(scene)?;
    let agent = setup.start();
    setup.wait_for(1_000)?;
    broker.process.signal(Signal::STOP)?;
    file.write(20_000)?;
    agent.wait_for_metric("held_bytes", |bytes| bytes > 0)?;
    file.copy_and_truncate()?;
    file.write(2_000)?;
    broker.process.signal(Signal::CONT)?;
    setup.wait_for(file.written().lines)?;
    ensure!(agent.metric("lost_bytes")? == 0, "bytes are said to be lost");
    setup.finish(agent, &[file.written()])?;
    Ok(())
}

/// The copy is deleted before the agent could see it: a gap, said with file and range; the lines before it and the new
/// content are there.
pub fn deleted_copy(scene: &Scene) -> anyhow::Result<()> {
    let (broker, setup, mut file) = begin_behind(scene)?;
    let mut agent = setup.start();
    setup.wait_for(1_000)?;
    broker.process.signal(Signal::STOP)?;
    let delivered = fs::metadata(file.path())?.len();
    file.write(20_000)?;
    let size = fs::metadata(file.path())?.len();
    // It must have seen that the file is longer than what it can hold.
    agent.wait_for_metric("held_bytes", |bytes| bytes > 0)?;
    agent.wait_for_metric("lag_bytes", |bytes| bytes == size - delivered)?;
    agent.pause()?;
    file.copy_and_truncate()?;
    fs::remove_file(file.rotated_path())?;
    let mut next = LogFile::adopt(file.path(), Stream::new(1, 1))?;
    next.write(800)?;
    agent.resume()?;
    broker.process.signal(Signal::CONT)?;
    let lost = agent.wait_for_metric("lost_bytes", |bytes| bytes > 0)?;
    agent.wait_for_metric("lag_bytes", |bytes| bytes == 0)?;
    for said in [format!("start={}", size - lost), format!("end={size}"), format!("path={:?}", file.path())] {
        agent.process.wait_for_stderr(&said, DELIVERY)?;
    }
    agent.end()?;
    let arrived = topic::count(&setup.broker, &setup.topic)? - 800;
    let before = Written { lines: arrived, ..file.written() };
    let bytes: usize = (0..arrived).map(|line| before.stream.line(line).len() + 1).sum();
    ensure!(bytes as u64 == size - lost, "want the {} bytes before the gap; got {bytes}", size - lost);
    setup.check(&[before, next.written()])?;
    Ok(())
}

/// A program that does not append: after a truncation it writes on where it was, behind a hole of NULs.
pub fn hole(scene: &Scene) -> anyhow::Result<()> {
    use std::os::unix::fs::FileExt;
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, "logs", &["hole.log"]);
    let path = scene.file("hole.log", "");
    let file = fs::File::options().write(true).open(&path)?;
    let (mut position, mut wanted) = (0, Vec::new());
    let mut write = |text: &str| -> anyhow::Result<()> {
        file.write_all_at(text.as_bytes(), position)?;
        position += text.len() as u64;
        Ok(())
    };
    let mut agent = setup.start();
    for round in 0..4 {
        for number in 0..200 {
            let line = format!("round {round} line {number} {}", "x".repeat(100));
            write(&format!("{line}\n"))?;
            wanted.push(line);
        }
        setup.wait_for(wanted.len() as u64)?;
        if round == 2 {
            agent.kill()?;
            file.set_len(0)?;
            agent = setup.start();
        } else {
            file.set_len(0)?;
        }
    }
    setup.finish_with(agent, wanted)
}
