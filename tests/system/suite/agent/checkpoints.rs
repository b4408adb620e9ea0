//! The checkpoints: never ahead of the broker, damaged between runs, and copied to another machine.

use crate::harness::agent::{DELIVERY, Setup, check_positions};
use crate::harness::lines::Stream;
use crate::harness::log_file::{LogFile, Written};
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::soak::soak;
use crate::harness::topic::{self, Record};
use crate::harness::writing::{self, Plan, Rotation};
use crate::harness::{oracle, ports, sluice};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Duration;

const TOPIC: &str = "logs";

/// What the checkpoints do not send again is in the topic: after kill -9 a broker that knows nothing gets the rest, and
/// both have every line.
pub fn never_ahead(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::checkpoints");
    let logs = scene.directory("logs");
    let plan = Plan {
        rotation: Rotation::Rename,
        streams: 3,
        lines_per_stream: 1_000_000,
        lines_per_rotation: 5_000,
        lines_per_second: 5_000,
    };
    for round in 0..soak(3, 30) {
        let folder = logs.join(round.to_string());
        fs::create_dir(&folder)?;
        let name = format!("agent-{round}");
        let paths = format!("logs/{round}/app-*");
        let data = |which: &str| scene.path(&format!("{which}-{round}"));
        let first = sluice::broker_at(scene, &ports::free_address(), &data("first"), &[])?;
        let mut setup = Setup::named(scene, &name, &first.address, TOPIC, &[&paths]);
        let writing = writing::start(&folder, plan.clone(), Random::new(random.next()))?;
        let agent = setup.start();
        setup.wait_for(1)?;
        // A random moment is what this is about, so there is nothing to wait for.
        thread::sleep(Duration::from_millis(random.of(0..1_500)));
        // From here on batches are sent that the broker never gets to see.
        first.process.signal(Signal::STOP)?;
        agent.wait_for_metric("held_bytes", |bytes| bytes > 0)?;
        agent.kill()?;
        first.process.kill()?;
        let first = sluice::broker_at(scene, &first.address, &data("first"), &[])?;
        let before = topic::read(&first.address, TOPIC)?;
        let written = writing.end()?;
        let second = sluice::broker_at(scene, &ports::free_address(), &data("second"), &[])?;
        setup.broker = second.address.clone();
        setup.once()?;
        let after = topic::read(&second.address, TOPIC)?;
        let known: HashSet<&[u8]> = before.iter().map(|record| &*record.value).collect();
        let (again, rest): (Vec<_>, Vec<_>) = after.iter().partition(|record| known.contains(&*record.value));
        ensure!(!rest.is_empty(), "round {round}: the agent had read everything before it was killed");
        // What was in flight goes to the second broker, too, since nobody can know that the first one has it.
        ensure!(again.len() < before.len().max(1), "round {round}: all {} lines came again", again.len());
        let all = before.iter().chain(rest).cloned().map(Record::arrived);
        oracle::compare(&written, all).check(&format!("round {round}: both brokers"))?;
    }
    Ok(())
}

/// Bits are flipped and files are cut in the checkpoints' folder between runs: nothing is lost or torn, and the agent
/// works with what is sound. Only what the damage made it forget may come again.
pub fn damaged(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("agent::checkpoints");
    let broker = sluice::broker(scene)?;
    let setup = Setup::new(scene, &broker.address, TOPIC, &["app.log"]);
    let mut file = LogFile::create(scene.path("app.log"), Stream::new(0, random.next()))?;
    for round in 0..soak(12, 200) {
        file.write(100)?;
        setup.once().with_context(|| format!("round {round}"))?;
        let damaged = damage(&setup.checkpoints(), &mut random)?;
        eprintln!("agent::checkpoints: round {round}: {damaged}");
    }
    setup.once()?;
    let mut seen = HashSet::new();
    let records = topic::read(&broker.address, TOPIC)?;
    let once: Vec<Record> = records.iter().filter(|record| seen.insert(&record.value)).cloned().collect();
    oracle::compare(&[file.written()], once.iter().cloned().map(Record::arrived)).check("records")?;
    ensure!(records.len() == once.len(), "{} lines came again", records.len() - once.len());
    Ok(())
}

/// Damages one of the files, not the lock, and says how.
fn damage(folder: &Path, random: &mut Random) -> anyhow::Result<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_empty = entry.metadata()?.len() == 0;
        if entry.file_type()?.is_file() && entry.file_name() != "lock" && !is_empty {
            files.push(entry.path());
        }
    }
    // In the order of their names, so that a seed means the same files.
    files.sort();
    let file = &files[usize::try_from(random.of(0..files.len() as u64))?];
    let mut bytes = fs::read(file)?;
    let at = usize::try_from(random.of(0..bytes.len() as u64))?;
    let how = match random.once_in(2) {
        true => {
            bytes.truncate(at);
            format!("cut {file:?} at byte {at}")
        }
        false => {
            bytes[at] ^= 1 << random.of(0..8);
            format!("flipped a bit of byte {at} in {file:?}")
        }
    };
    fs::write(file, bytes)?;
    Ok(how)
}

/// The folder is copied, as with a machine's image, and both agents go on: each under identities of its own.
pub fn copied(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let first = Setup::named(scene, "first", &broker.address, TOPIC, &["logs/*.log"]);
    let second = Setup::named(scene, "second", &broker.address, TOPIC, &["logs/*.log"]);
    let mut file = LogFile::create(scene.directory("logs").join("app.log"), Stream::new(0, 27))?;
    file.write(2_000)?;
    let agent = first.start();
    first.wait_for(2_000)?;
    agent.kill()?;
    copy_folder(&first.checkpoints(), &second.checkpoints())?;
    file.write(1_000)?;
    let original = first.start();
    first.wait_for(3_000)?;
    let mut copy = second.start();
    copy.process.wait_for_stderr("another machine", DELIVERY)?;
    // What the copy does not read again it has as delivered.
    first.wait_for(4_000)?;
    file.write(500)?;
    first.wait_for(5_000)?;
    original.end()?;
    copy.end()?;
    let records = topic::read(&broker.address, TOPIC)?;
    let id_of = |record: &Record| record.header("sluice.file.id").map(str::to_owned);
    let original = id_of(&records[0]);
    let (own, others): (Vec<Record>, Vec<Record>) = records.into_iter().partition(|record| id_of(record) == original);
    oracle::compare(&[file.written()], own.iter().cloned().map(Record::arrived)).check("the original's records")?;
    check_positions(&own)?;
    let ids: HashSet<_> = others.iter().map(id_of).collect();
    ensure!(ids.len() == 1, "want one identity of the copy's; got {ids:?}");
    let lines: Vec<&[u8]> = others.iter().map(|record| &*record.value).collect();
    let Written { stream, lines: total } = file.written();
    let begin = total - lines.len() as u64;
    let wanted: Vec<String> = (begin..total).map(|sequence| stream.line(sequence)).collect();
    ensure!(
        lines.iter().copied().eq(wanted.iter().map(String::as_bytes)),
        "the copy's lines are others or in disorder"
    );
    ensure!(begin <= 2_000, "the copy's lines begin at {begin}; the copied checkpoint says 2000");
    Ok(())
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            File::create(to.join(entry.file_name()))?.write_all(&fs::read(entry.path())?)?;
        }
    }
    Ok(())
}
