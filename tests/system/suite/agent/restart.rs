//! Restarts in the middle of a line, a short one and one of 50 MiB.

use crate::harness::agent::Setup;
use crate::harness::scene::Scene;
use crate::harness::{sluice, topic};
use anyhow::ensure;
use std::fs::File;
use std::io::Write;

const TOPIC: &str = "logs";
const MIB: usize = 1 << 20;
/// Longer lines are cut: the agent's default.
const LINE_BYTES_MAX: usize = MIB;
/// The 32 MiB that the agent may hold between file and acknowledgement, and the program around them.
const RSS_BYTES_MAX: u64 = 80 << 20;

/// "ab", kill -9, restart, "c\n": one line "abc" at position 0.
pub fn half_line(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["half.log", "whole.log"]);
    let mut half = File::options().append(true).create(true).open(scene.path("half.log"))?;
    half.write_all(b"ab")?;
    scene.file("whole.log", "whole\n");
    let agent = setup.start();
    setup.wait_for(1)?;
    agent.wait_for_metric("files_followed", |files| files == 2)?;
    agent.kill()?;
    let agent = setup.start();
    agent.wait_for_metric("files_followed", |files| files == 2)?;
    half.write_all(b"c\n")?;
    setup.wait_for(2)?;
    agent.end()?;
    let records = topic::read(&broker.address, TOPIC)?;
    let mut found: Vec<_> = records.iter().map(|record| (&*record.value, record.header("log.offset"))).collect();
    found.sort();
    let wanted: [(&[u8], _); 2] = [(b"abc", Some("0")), (b"whole", Some("0"))];
    ensure!(found == wanted, "want abc and whole, each at position 0; got {records:?}");
    Ok(())
}

/// A line of 50 MiB with a restart in its middle: one record, cut and marked; the next line whole; little memory.
pub fn long_line(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["long.log"]);
    let mut long = File::options().append(true).create(true).open(scene.path("long.log"))?;
    let write = |long: &mut File, letter: u8| long.write_all(&vec![letter; 25 * MIB]);
    write(&mut long, b'a')?;
    let agent = setup.start();
    setup.wait_for(1)?;
    let peak = agent.process.peak_rss_bytes()?;
    agent.kill()?;
    write(&mut long, b'b')?;
    long.write_all(b"\nnext\n")?;
    let agent = setup.start();
    setup.wait_for(2)?;
    let peak = agent.process.peak_rss_bytes()?.max(peak);
    ensure!(peak < RSS_BYTES_MAX, "a peak of {peak} bytes of memory; want less than {RSS_BYTES_MAX}");
    agent.end()?;
    let records = topic::read(&broker.address, TOPIC)?;
    let described: Vec<_> = records
        .iter()
        .map(|record| (record.value.len(), record.header("sluice.cut"), record.header("log.offset")))
        .collect();
    let next = (50 * MIB + 1).to_string();
    let wanted = [(LINE_BYTES_MAX, Some("true"), Some("0")), (4, None, Some(&*next))];
    ensure!(described == wanted, "want {wanted:?} (bytes, cut, position); got {described:?}");
    ensure!(records[0].value.iter().all(|byte| *byte == b'a'), "the cut record has other bytes than the line's first");
    ensure!(records[1].value == b"next", "the next line is {:?}", records[1]);
    Ok(())
}
