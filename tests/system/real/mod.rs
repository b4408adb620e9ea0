//! The real parts: servers that are fetched once, started at the first use, shared by all tests, and ended at the end.

mod client;
mod kafka;
mod kafka_node;
mod kafka_tools;
mod kcat;
mod search;
mod search_node;

pub use client::{client, kafka_python};
pub use kafka::{kafka, kafka_tool};
pub use kafka_node::KafkaNode;
pub use kafka_tools::KafkaTools;
pub use kcat::kcat;
pub use search::{SearchServer, elasticsearch, opensearch};
pub use search_node::SearchNode;

use crate::harness::process::{self, Process};
use crate::harness::scene::Skipped;
use crate::harness::wait;
use anyhow::{Context, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// For a server to be fetched and to answer: a JVM that starts beside others on two cores, after a download of 70 MB.
const START: Duration = Duration::from_secs(300);

/// Whether a test that cannot run is a failure: CI says so, where everything is installed.
pub fn is_required() -> bool {
    std::env::var("SLUICE_REAL").is_ok_and(|value| value == "require")
}

/// A script of tests/real.
fn script(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/real").join(name)
}

/// Says why a test cannot run here, if it cannot.
pub fn need(what: &str, probe: &mut Command) -> anyhow::Result<()> {
    match probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Skipped { reason: format!("needs {what}") }.into()),
    }
}

/// Java of a version that the part runs on, and Maven to fetch it with.
fn need_java(version: &str) -> anyhow::Result<()> {
    need(&format!("a JDK {version} or later"), Command::new(script("jdk")).arg(version))?;
    need("Maven", Command::new("mvn").arg("--version"))
}

/// A server that all tests share: nothing, or running, or why it does not run.
struct Shared<S: 'static> {
    state: Mutex<Option<Result<&'static S, String>>>,
}

impl<S> Shared<S> {
    const fn new() -> Self {
        Self { state: Mutex::new(None) }
    }

    /// The running server; the first caller starts it while the others wait. A failed start is not tried again.
    fn get(&self, start: impl FnOnce() -> anyhow::Result<S>) -> anyhow::Result<&'static S> {
        let mut state = self.state.lock().expect("starting a server does not panic");
        let started = state.get_or_insert_with(|| match start() {
            Ok(server) => Ok(Box::leak(Box::new(server))),
            Err(error) => Err(format!("{error:?}")),
        });
        match started {
            Ok(server) => Ok(*server),
            Err(error) => bail!("{error}"),
        }
    }
}

/// Processes of the shared servers with their folders, to be ended with the tests.
static RUNNING: Mutex<Vec<(Process, TempDir)>> = Mutex::new(Vec::new());

/// Starts `part` by its script and waits until `answers`.
fn start(part: &str, ports: [u16; 2], answers: impl Fn() -> bool) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix(&format!("sluice-{part}-")).tempdir().context("make a folder")?;
    let mut command = Command::new(script("run"));
    command.arg(part).arg(folder.path().join("state")).args(ports.map(|port| port.to_string()));
    let mut process = process::start(command, &folder.path().join(part))?;
    let ready = wait::until(&format!("{part} on port {}", ports[0]), START, || {
        let ready = answers();
        (ready || !process.is_running()).then_some(ready)
    });
    if !matches!(ready, Ok(true)) {
        bail!("{part} does not start: {ready:?}\n{}\n{}", process.stdout(), process.stderr());
    }
    RUNNING.lock().expect("nobody panics while holding the list").push((process, folder));
    Ok(())
}

/// Ends every shared server.
pub fn end_all() {
    RUNNING.lock().expect("nobody panics while holding the list").clear();
}
