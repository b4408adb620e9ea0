//! Records of several lines: at the end of a file, across a rename, across restarts, and after their timeout.

use crate::harness::agent::{Agent, Setup};
use crate::harness::scene::Scene;
use crate::harness::{sluice, topic};
use anyhow::ensure;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

const TOPIC: &str = "logs";

/// A record of several lines: a first one and what belongs to it.
fn record(number: usize) -> String {
    let trace: String = (0..number % 5).map(|line| format!("\n    at place {line} of {number}")).collect();
    format!("2026-11-24 record {number}{trace}")
}

fn append(path: &Path, text: &str) -> anyhow::Result<()> {
    Ok(File::options().append(true).create(true).open(path)?.write_all(text.as_bytes())?)
}

fn setup<'a>(scene: &'a Scene, broker: &str, timeout: &str) -> Setup<'a> {
    let multiline = format!("multiline: {{start: '^\\d{{4}}-', {timeout}}}");
    Setup::new(scene, broker, TOPIC, &["logs/app.log*"]).input(&multiline)
}

/// kill -9 within records, a rename within a record, and the end of the file: each record whole and once.
pub fn restart_and_rename(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    // The timeout is to play no part here.
    let setup = setup(scene, &broker.address, "timeout_ms: 3600000");
    let logs = scene.directory("logs");
    let (path, rotated) = (logs.join("app.log"), logs.join("app.log.1"));
    let records: Vec<String> = (0..120).map(record).collect();
    let text =
        |range: std::ops::Range<usize>| -> String { records[range].iter().map(|one| one.clone() + "\n").collect() };
    // Each part ends in the middle of a record.
    let cut = |text: String| -> (String, String) {
        let at = text.len() - 20;
        (text[..at].to_owned(), text[at..].to_owned())
    };
    let (begin, rest) = cut(text(0..40));
    append(&path, &begin)?;
    let mut agent = setup.start();
    setup.wait_for(39)?;
    agent.kill()?;
    append(&path, &rest)?;
    agent = setup.start();
    let (begin, rest) = cut(text(40..80));
    append(&path, &begin)?;
    setup.wait_for(79)?;
    fs::rename(&path, &rotated)?;
    append(&rotated, &rest)?;
    append(&path, &text(80..119))?;
    // The last record of the renamed file has nothing behind it: the new file's first one shows nothing about it.
    agent.kill()?;
    agent = setup.start();
    setup.wait_for(79 + 38)?;
    append(&rotated, &(records[119].clone() + "\n"))?;
    setup.wait_for(80 + 38)?;
    agent.end()?;
    // What is left is the end of each file.
    setup.once()?;
    let mut values = setup.values()?;
    let mut wanted = records;
    values.sort();
    wanted.sort();
    ensure!(values == wanted, "want {wanted:#?}; got {values:#?}");
    Ok(())
}

/// A record that was sent because of its timeout and grows after a kill -9: neither part is lost.
pub fn grown_after_timeout(scene: &Scene) -> anyhow::Result<()> {
    let broker = sluice::broker(scene)?;
    let setup = setup(scene, &broker.address, "timeout_ms: 100");
    let path = scene.directory("logs").join("app.log");
    let mut wanted = String::new();
    let mut write = |text: &str| -> anyhow::Result<()> {
        wanted.push_str(text);
        append(&path, text)
    };
    let mut agent: Agent = setup.start();
    for round in 0..5 {
        write(&format!("2026-11-24 record {round}\n    at the first place\n"))?;
        setup.wait_for(round * 2 + 1)?;
        agent.kill()?;
        write("    at the second place\n")?;
        agent = setup.start();
        setup.wait_for(round * 2 + 2)?;
    }
    agent.end()?;
    let records = topic::read(&broker.address, TOPIC)?;
    let got: String = records.iter().map(|record| String::from_utf8_lossy(&record.value).into_owned() + "\n").collect();
    ensure!(got == wanted, "want {wanted:?}; got {got:?}");
    let mut position = 0;
    for record in &records {
        ensure!(record.header("log.offset") == Some(&position.to_string()), "want position {position} in {record:?}");
        position += record.value.len() + 1;
    }
    Ok(())
}
