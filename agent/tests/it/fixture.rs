//! A folder of logs, an agent that may be killed at any time, and the broker that it sends to.

use crate::broker::FakeBroker;
use agent::{Agent, Clock, Config, Input, Owner, StartError, Whereabouts};
use kafka_client::ClientConfig;
use prometheus_client::registry::Registry;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Far beyond what any step takes, so that only a hang gets there.
const DEADLINE: Duration = Duration::from_secs(120);

pub struct Fixture {
    pub folder: TempDir,
    pub broker: FakeBroker,
    pub config: Config,
    clock: Arc<AtomicI64>,
}

impl Fixture {
    /// Small blocks and batches, so that few lines meet many edges.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("logs")).expect("made");
        let client = ClientConfig::new(vec!["127.0.0.1:1".to_owned()]);
        let mut config = Config::new(client, "logs", folder.path().join("checkpoints"));
        config.inputs = vec![Input { paths: vec![glob(&folder, "*.log")], ..Input::default() }];
        config.host_name = "web1".to_owned();
        config.block_bytes = 1024;
        config.batch_bytes_max = 2000;
        // Also on a machine with one core.
        config.framing_threads_max = 3;
        config.linger = Duration::from_millis(1);
        config.flush_interval = Duration::from_millis(20);
        config.rotated_grace = Duration::from_millis(300);
        config.copy_grace = Duration::from_millis(300);
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let broker = FakeBroker::new();
        broker.watch(&config.checkpoints);
        Self { folder, broker, config, clock }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("logs").join(name)
    }

    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).expect("opened");
        file.write_all(text.as_ref()).expect("written");
    }

    /// Appends to a file in a folder that may not be there yet.
    pub fn append_in(&self, folder: &str, name: &str, text: &str) {
        fs::create_dir_all(self.path(folder)).expect("made");
        self.append(&format!("{folder}/{name}"), text);
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).expect("renamed");
    }

    /// What logrotate's copytruncate does.
    pub fn copytruncate(&self, name: &str, copy: &str) {
        fs::copy(self.path(name), self.path(copy)).expect("copied");
        OpenOptions::new().write(true).truncate(true).open(self.path(name)).expect("truncated");
    }

    /// A copy of a file where no agent looks for one.
    pub fn backup(&self, name: &str) -> PathBuf {
        let backup = self.folder.path().join(name);
        fs::copy(self.path(name), &backup).expect("copied");
        backup
    }

    /// What the checkpoints say was lost of a file.
    pub fn gaps(&self, path: &Path) -> Vec<(u64, u64)> {
        let whereabouts = Whereabouts::read(self.config.clone()).expect("checkpoints that can be read");
        match whereabouts.owner(path).expect("the file can be read") {
            Owner::Known(known) => known.gaps.iter().map(|gap| (gap.start, gap.end)).collect(),
            other => panic!("{path:?} is not known: {other:?}"),
        }
    }

    pub async fn start(&self) -> Agent {
        self.try_start().await.expect("starts").0
    }

    /// With its metrics.
    pub async fn start_counted(&self) -> (Agent, Registry) {
        self.try_start().await.expect("starts")
    }

    pub async fn try_start(&self) -> Result<(Agent, Registry), StartError> {
        let clock = Arc::clone(&self.clock);
        // Every look at the clock is a later time: a batch that is made again must not look.
        let clock = Clock(Arc::new(move || clock.fetch_add(1, Ordering::SeqCst)));
        let broker = Arc::new(self.broker.connect());
        let mut registry = Registry::default();
        let agent = Agent::start_with(self.config.clone(), &mut registry, broker, clock).await?;
        Ok((agent, registry))
    }

    /// Sets the clock forward, or back.
    pub fn set_clock(&self, by: Duration, forward: bool) {
        let by = by.as_millis() as i64;
        self.clock.fetch_add(if forward { by } else { -by }, Ordering::SeqCst);
    }

    /// Milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Waits until the broker has these values, in any order of files, and no others.
    pub async fn expect(&self, values: &[&str]) {
        self.until(|| self.broker.count() >= values.len()).await;
        let mut got = self.broker.values();
        let mut want: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        got.sort();
        want.sort();
        assert_eq!(got, want);
    }

    pub async fn until(&self, condition: impl FnMut() -> bool) {
        until(condition).await;
    }
}

pub fn glob(folder: &TempDir, name: &str) -> String {
    folder.path().join("logs").join(name).to_string_lossy().into_owned()
}

/// Polls a condition that has to become true.
pub async fn until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < deadline, "the condition did not become true");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Waits until an agent has caught up.
pub async fn caught_up(agent: &Agent) {
    tokio::time::timeout(DEADLINE, agent.caught_up()).await.expect("catches up");
}

/// The value of a metric of the agent.
pub fn metric(registry: &Registry, name: &str) -> u64 {
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, registry).expect("encoded");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("sluice_agent_{name} ")));
    line.expect("registered").parse().expect("a number")
}
