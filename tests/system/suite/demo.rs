//! `sluice demo`, and what `sluice up` makes of its files.

use crate::harness::process::{Ended, Process};
use crate::harness::scene::Scene;
use crate::harness::{ports, sluice, wait};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::fs;
use std::time::Duration;

/// For a debug binary to start, deliver a few thousand lines and end.
const ONCE: Duration = Duration::from_secs(60);

/// Each file, what its lines are taken for, and how a line begins that begins an entry.
const FILES: [(&str, &str, &str); 4] = [
    ("access.log", "nginx.access", ""),
    ("shop.log", "json.ecs", ""),
    ("payment.log", "java", "20"),
    ("syslog.log", "syslog", ""),
];

/// Every entry of every file becomes one document of its kind, stack traces and all, and nothing is left unparsed.
pub fn every_line_is_recognised(scene: &Scene) -> anyhow::Result<()> {
    let seed = scene.random("demo").of(0..1_000_000).to_string();
    let demo = ["demo", "--seed", &seed, "--seconds", "1", "--history", "240", "--rate", "40", "logs"];
    let demo = scene.start("demo", sluice::command(demo)).wait(ONCE)?;
    ensure!(demo.success(), "demo ended with {demo}");

    let (listen, status) = (ports::free_address(), ports::free_address());
    let up = ["up", "--once", "--data", "data", "--listen", &listen, "--status-listen", &status, "logs/*.log"];
    let Ended { status, out: printed, err: screen } = scene.start("up", sluice::command(up)).finish(ONCE)?;
    ensure!(status.success(), "up --once ended with {status}");
    let documents: Vec<Value> = printed.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;

    let text = |document: &Value, pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    for (name, dataset, beginning) in FILES {
        let file = fs::read_to_string(scene.path("logs").join(name))?;
        let entries = file.lines().filter(|line| line.starts_with(beginning)).count();
        ensure!(entries > 20, "{name} has {entries} entries");
        let of_file: Vec<&Value> = documents
            .iter()
            .filter(|document| text(document, "/log/file/path").is_some_and(|path| path.ends_with(name)))
            .collect();
        ensure!(of_file.len() == entries, "{name}: want {entries} documents; got {}", of_file.len());
        for document in of_file {
            ensure!(text(document, "/event/dataset").as_deref() == Some(dataset), "{name}: {document:#}");
            ensure!(document.get("tags").is_none(), "{name}: {document:#}");
        }
        // `access.log  nginx.access 99 %`
        let shown = screen.lines().find(|line| line.contains(&format!("{name} "))).context(name)?;
        let percent = shown.split_once(&format!("{dataset} ")).and_then(|(_, rest)| rest.split_once(" %"));
        let percent: u32 = percent.with_context(|| shown.to_owned())?.0.parse().with_context(|| shown.to_owned())?;
        ensure!((90..100).contains(&percent), "{shown}");
    }
    let traces: Vec<String> = documents.iter().filter_map(|document| text(document, "/error/stack_trace")).collect();
    ensure!(traces.iter().any(|trace| trace.contains("\nCaused by: ")), "stack traces: {traces:?}");
    let failed = documents.iter().filter(|document| document["http"]["response"]["status_code"] == 503).count();
    ensure!(failed > 50, "{failed} requests failed in the storm");
    Ok(())
}

/// Without an end it goes on until Ctrl-C, and leaves whole lines; the next one goes on in the same files, without the past.
pub fn ends_at_ctrl_c(scene: &Scene) -> anyhow::Result<()> {
    let access = scene.path("logs").join("access.log");
    let length = || fs::metadata(&access).map_or(0, |metadata| metadata.len());
    let mut before = 0;
    for history in ["10", "86400"] {
        let demo = ["demo", "--seed", "1", "--rate", "200", "--history", history, "logs"];
        let demo: Process = scene.start("demo", sluice::command(demo));
        wait::until("lines", ONCE, || (length() > before).then_some(()))?;
        let grown = length();
        wait::until("more lines", ONCE, || (length() > grown).then_some(()))?;
        demo.interrupt()?;
        let ended = demo.wait(ONCE)?;
        ensure!(ended.success(), "demo ended with {ended} after Ctrl-C");
        for (name, ..) in FILES {
            let file = fs::read_to_string(scene.path("logs").join(name))?;
            ensure!(file.is_empty() || file.ends_with('\n'), "{name} ends within a line");
        }
        before = length();
    }
    let bytes_max = 20 * 1024 * 1024;
    ensure!(before < bytes_max, "a day of history was written behind what was there: {before} bytes");
    Ok(())
}
