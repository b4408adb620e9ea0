//! What the agent has reported as lost is called that, not missing, also by those who ask after its restart.

use super::super::page::with_store;
use crate::harness::agent::Setup;
use crate::harness::scene::Scene;
use crate::harness::{sluice, topic};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Output;

const TOPIC: &str = "lost";
const DELIVERED: &str = "one\ntwo\nthree\n";
const IN_FLIGHT: &str = "four\nfive\nsix\n";

pub fn reported(scene: &Scene) -> anyhow::Result<()> {
    // Before there is a config, which the store would take for its own.
    let (search, _store) = with_store(scene)?;
    let broker = sluice::broker(scene)?;
    let address = broker.address.clone();
    topic::create(&address, TOPIC, 1, &[])?;
    let log = scene.file("app.log", DELIVERED);
    let setup = Setup::new(scene, &address, TOPIC, &["app.log"]);
    let agent = setup.start();
    setup.wait_for(3)?;

    // Read and written down, never acknowledged, and gone before they could be sent again. Somebody has a copy.
    broker.process.kill()?;
    OpenOptions::new().append(true).open(&log)?.write_all(IN_FLIGHT.as_bytes())?;
    agent.wait_for_metric("held_bytes", |bytes| bytes > 0)?;
    agent.kill()?;
    fs::create_dir(scene.path("backup"))?;
    let backup = scene.path("backup/app.log");
    fs::copy(&log, &backup)?;
    fs::remove_file(&log)?;
    let _broker = sluice::broker_at(scene, &address, &scene.path("broker-data"), &[])?;
    let agent = setup.start();
    agent.wait_for_metric("lost_bytes_total", |bytes| bytes == IN_FLIGHT.len() as u64)?;
    agent.kill()?;

    let run = |arguments: &[&str]| -> anyhow::Result<Output> {
        let mut command = sluice::command(arguments);
        command.args(["--config", "agent.yaml", "--broker", &address, "--elasticsearch", &search]);
        Ok(command.current_dir(scene.folder()).output()?)
    };
    let (start, end) = (DELIVERED.len(), DELIVERED.len() + IN_FLIGHT.len());
    // From the journal; and from a checkpoint, which the next end and start write.
    for checkpointed in [false, true] {
        if checkpointed {
            for _ in 0..2 {
                let agent = setup.start();
                agent.wait_for_metric("lost_bytes_total", |bytes| bytes == 0)?;
                agent.end()?;
            }
        }
        let verified = run(&["verify", "--json", "backup/app.log"])?;
        ensure!(verified.status.code() == Some(1), "{verified:?}");
        let answer: Value = serde_json::from_slice(&verified.stdout).with_context(|| format!("{verified:?}"))?;
        let sums = &answer["sums"];
        ensure!(sums["waiting"] == 3 && sums["lost"] == 3 && sums["missing"] == 0, "{answer}");
        let explained = run(&["explain", "--json", "backup/app.log:3", "backup/app.log:5"])?;
        let lines = String::from_utf8_lossy(&explained.stdout).into_owned();
        let states: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
        let states = states.with_context(|| format!("{explained:?}"))?;
        ensure!(states.len() == 2 && states[0]["state"] == "waiting", "{lines}");
        let lost = &states[1];
        ensure!(lost["state"] == "lost" && lost["start"] == json!(start) && lost["end"] == json!(end), "{lines}");
    }
    let verified = run(&["verify", "backup/app.log"])?;
    let text = String::from_utf8_lossy(&verified.stdout).into_owned();
    ensure!(text.contains("3 lost, as reported") && text.contains(&format!("bytes {start} to {end}")), "{text}");
    Ok(())
}
