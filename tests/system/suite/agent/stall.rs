//! A broker that says nothing for a while: nothing is lost, nothing grows without end, and the agent can be ended.

use crate::harness::agent::{DELIVERY, Setup};
use crate::harness::lines::Stream;
use crate::harness::log_file::LogFile;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::{sluice, topic};
use anyhow::ensure;
use rustix::process::Signal;
use std::thread;
use std::time::{Duration, Instant};

const TOPIC: &str = "logs";
const MIB: u64 = 1 << 20;
/// Lines of one write.
const CHUNK_LINES: u64 = 4_000;
/// The 32 MiB that the agent may hold between file and acknowledgement, and the program around them.
const RSS_BYTES_MAX: u64 = 100 * MIB;

/// Rename and create while the broker stalls: afterwards everything is there, old before new.
pub fn rename_and_create(scene: &Scene) -> anyhow::Result<()> {
    let (bytes, silence) = soak((50 * MIB, Duration::ZERO), (2048 * MIB, Duration::from_secs(120)));
    let broker = sluice::broker(scene)?;
    topic::create(&broker.address, TOPIC, 1, &[])?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["app.log"]);
    let stream = Stream::new(0, scene.random("agent::stall").next());
    let mut file = LogFile::create(scene.path("app.log"), stream)?;
    file.write(1_000)?;
    let agent = setup.start();
    setup.wait_for(1_000)?;
    broker.process.signal(Signal::STOP)?;
    let begin = Instant::now();
    for part in 1..=4 {
        while file.bytes() < bytes * part / 4 {
            file.write(CHUNK_LINES)?;
        }
        // What the name leads to now must be known before it is rotated away to where nobody looks.
        agent.wait_for_metric("files_followed", |files| files == part)?;
        if part < 4 {
            file.rotate(100)?;
        }
    }
    // The length of the silence is what this is about.
    thread::sleep(silence.saturating_sub(begin.elapsed()));
    broker.process.signal(Signal::CONT)?;
    setup.wait_for(file.written().lines)?;
    let peak = agent.process.peak_rss_bytes()?;
    ensure!(peak < RSS_BYTES_MAX, "a peak of {peak} bytes of memory; want less than {RSS_BYTES_MAX}");
    agent.end()?;
    let mut next = 0;
    topic::each(&broker.address, TOPIC, |record| {
        let line = String::from_utf8_lossy(&record.value);
        ensure!(line == stream.line(next), "want line {next}, since there is one partition; got {record:?}");
        next += 1;
        Ok(())
    })?;
    ensure!(next == file.written().lines, "want {} lines; got {next}", file.written().lines);
    Ok(())
}

/// SIGTERM: the agent ends within the time that it was given, and the next one goes on.
pub fn sigterm(scene: &Scene) -> anyhow::Result<()> {
    const DRAIN: Duration = Duration::from_secs(2);
    /// For a process to end beside others: without an end to its waiting it would not end at all.
    const SLACK: Duration = Duration::from_secs(20);
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["app.log"]).set("drain_s: 2");
    let mut file = LogFile::create(scene.path("app.log"), Stream::new(0, 22))?;
    file.write(1_000)?;
    let agent = setup.start();
    setup.wait_for(1_000)?;
    broker.process.signal(Signal::STOP)?;
    file.write(50_000)?;
    agent.wait_for_metric("held_bytes", |bytes| bytes > 0)?;
    let begin = Instant::now();
    agent.process.signal(Signal::TERM)?;
    agent.process.wait(DELIVERY)?;
    let took = begin.elapsed();
    ensure!(took < DRAIN + SLACK, "ended after {took:?}; want {DRAIN:?}");
    ensure!(took > DRAIN / 2, "ended after {took:?}, without waiting for acknowledgements");
    broker.process.signal(Signal::CONT)?;
    let agent = setup.start();
    setup.finish(agent, &[file.written()])?;
    Ok(())
}
