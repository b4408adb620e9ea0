//! Compressed files: half read before, of several members, still being written, and bombs.

use crate::harness::agent::Setup;
use crate::harness::compress::{self, gz_path};
use crate::harness::lines::Stream;
use crate::harness::log_file::{LogFile, Written};
use crate::harness::scene::Scene;
use crate::harness::{sluice, topic};
use anyhow::ensure;
use std::fs::{self, File};
use std::io::Write;

const TOPIC: &str = "logs";
const MIB: usize = 1 << 20;
/// What a bomb holds.
const BOMB_BYTES: usize = 256 * MIB;
/// The 32 MiB that the agent may hold between file and acknowledgement, and the program around them.
const RSS_BYTES_MAX: u64 = 80 << 20;

/// Half read, then compressed, with and without an agent, matched by the globs or not: the rest once.
pub fn half_read(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    for (number, (glob, is_up)) in
        [("*.log", false), ("*.log*", false), ("*.log", true), ("*.log*", true)].into_iter().enumerate()
    {
        let topic = format!("half-{number}");
        let logs = scene.directory(&topic);
        let path = format!("{topic}/{glob}");
        let setup = Setup::named(scene, &topic, &broker.address, &topic, &[&path]);
        let mut file = LogFile::create(logs.join("app.log"), Stream::new(u32::try_from(number)?, 11))?;
        file.write(2_000)?;
        let mut agent = setup.start();
        setup.wait_for(2_000)?;
        if is_up {
            agent.pause()?;
            file.write(3_000)?;
            compress::gzip(file.path())?;
            agent.resume()?;
        } else {
            agent.kill()?;
            file.write(3_000)?;
            compress::gzip(file.path())?;
            agent = setup.start();
        }
        let records = setup.finish(agent, &[file.written()])?;
        let files = records.iter().filter(|record| record.header("log.offset") == Some("0")).count();
        ensure!(files == 1, "want one identity for both forms; got {files}");
    }
    Ok(())
}

/// Several members, cut within lines, in a file that comes in pieces, with a kill -9 in the middle.
pub fn members_and_pieces(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::compressed");
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*.gz"]);
    let logs = scene.directory("logs");
    let stream = Stream::new(0, random.next());
    let plain: String = (0..20_000).map(|sequence| stream.line(sequence) + "\n").collect();
    let mut compressed = Vec::new();
    for part in plain.as_bytes().chunks(plain.len() / 5 + 77) {
        compressed.extend(compress::member(part));
    }
    let mut file = File::options().append(true).create(true).open(logs.join("app.log.gz"))?;
    let mut agent = setup.start();
    for (number, piece) in compressed.chunks(compressed.len() / 7 + 1).enumerate() {
        file.write_all(piece)?;
        if number == 3 {
            agent.kill()?;
            agent = setup.start();
        }
        // What is there so far gives some lines before the rest comes.
        setup.wait_for(1)?;
    }
    setup.finish(agent, &[Written { stream, lines: 20_000 }])?;
    Ok(())
}

/// `--once` ships compressed files beside plain ones.
pub fn once(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*"]);
    let logs = scene.directory("logs");
    let mut written = Vec::new();
    for number in 0..4 {
        let mut file = LogFile::create(logs.join(format!("{number}.log")), Stream::new(number, 28))?;
        file.write(1_000)?;
        if number % 2 == 0 {
            compress::gzip(file.path())?;
        }
        written.push(file.written());
    }
    for _ in 0..2 {
        setup.once()?;
        setup.check(&written)?;
    }
    Ok(())
}

/// A gzip bomb: a line without an end is cut, the next line is there, other files go on, and memory stays as it is.
pub fn bomb(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["logs/*"]);
    let logs = scene.directory("logs");
    let mut bomb = Vec::new();
    for _ in 0..BOMB_BYTES / MIB {
        bomb.extend(compress::member(&vec![b'0'; MIB]));
    }
    bomb.extend(compress::member(b"\nafter\n"));
    fs::write(gz_path(&logs.join("bomb.log")), bomb)?;
    fs::write(logs.join("other.log"), "other\n")?;
    let agent = setup.start();
    setup.wait_for(3)?;
    let peak = agent.process.peak_rss_bytes()?;
    ensure!(peak < RSS_BYTES_MAX, "a peak of {peak} bytes of memory; want less than {RSS_BYTES_MAX}");
    agent.end()?;
    let mut found: Vec<_> = topic::read(&broker.address, TOPIC)?
        .into_iter()
        .map(|record| (record.value.len(), record.header("sluice.cut") == Some("true"), record.value[0]))
        .collect();
    found.sort();
    let wanted = [(5, false, b'a'), (5, false, b'o'), (MIB, true, b'0')];
    ensure!(found == wanted, "want (bytes, cut, first byte) {wanted:?}; got {found:?}");
    Ok(())
}
