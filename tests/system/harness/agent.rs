//! The agent as a process of its own: its config file, its signals, its status page, and what it must have delivered.

use super::log_file::Written;
use super::process::{self, Process};
use super::scene::Scene;
use super::topic::{self, Record};
use super::{http, oracle, ports, sluice, wait};
use anyhow::{Context, ensure};
use rustix::process::Signal;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// While lines are delivered, a standstill of this is a failure: a debug binary beside other tests on two cores.
pub const DELIVERY: Duration = Duration::from_secs(60);

/// For a file to be closed that nobody writes any more: the agent's grace for late writes is a minute.
const LETS_GO: Duration = Duration::from_secs(100);

/// What an agent is told, and where its lines go.
pub struct Setup<'a> {
    scene: &'a Scene,
    /// Tells the agents of one scene apart: config file, checkpoints and logs carry it.
    name: String,
    /// `HOST:PORT` that the agent is told; the oracle reads there, too, unless it is told otherwise.
    pub broker: String,
    pub topic: String,
    /// Lines of the section `agent`.
    settings: Vec<String>,
    /// Lines of its only input.
    input: Vec<String>,
}

impl<'a> Setup<'a> {
    /// An agent that follows `paths`, absolute or within the scene.
    pub fn new(scene: &'a Scene, broker: &str, topic: &str, paths: &[&str]) -> Self {
        Self::named(scene, "agent", broker, topic, paths)
    }

    /// One of several agents in a scene.
    pub fn named(scene: &'a Scene, name: &str, broker: &str, topic: &str, paths: &[&str]) -> Self {
        let paths: Vec<String> = paths.iter().map(|path| format!("{path:?}")).collect();
        Self {
            scene,
            name: name.to_owned(),
            broker: broker.to_owned(),
            topic: topic.to_owned(),
            settings: Vec::new(),
            input: vec![format!("paths: [{}]", paths.join(", "))],
        }
    }

    /// Adds a line to the config's section `agent`, such as `rescan_s: 1`.
    pub fn set(mut self, line: &str) -> Self {
        self.settings.push(line.to_owned());
        self
    }

    /// Adds a line to the config's only input, such as `dataset: shop`.
    pub fn input(mut self, line: &str) -> Self {
        self.input.push(line.to_owned());
        self
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.scene.path(&format!("{}-checkpoints", self.name))
    }

    /// Starts the agent; it is not ready yet.
    pub fn start(&self) -> Agent {
        let (command, status) = self.command();
        Agent { process: self.scene.start(&self.name, command), status }
    }

    /// Starts the agent by a command of [`Setup::command`], whose config file stays as it is now.
    pub fn start_with(&self, (command, status): (Command, String)) -> Agent {
        Agent { process: self.scene.start(&self.name, command), status }
    }

    /// Starts the agent by another program, such as `setpriv`.
    pub fn start_within(&self, prefix: &[&str]) -> Agent {
        let (command, status) = self.command();
        Agent { process: self.scene.start(&self.name, process::prefixed(prefix, &command)), status }
    }

    /// The agent's command with its config file, and the address of its status page.
    pub fn command(&self) -> (Command, String) {
        let status = ports::free_address();
        let mut config = format!("agent:\n  broker: {}\n  topic: {}\n", self.broker, self.topic);
        config.push_str(&format!("  checkpoints: {:?}\n  status_listen: \"{status}\"\n", self.checkpoints()));
        for line in &self.settings {
            config.push_str(&format!("  {line}\n"));
        }
        config.push_str(&format!("  inputs:\n    - {}\n", self.input.join("\n      ")));
        let file = self.scene.file(&format!("{}.yaml", self.name), config);
        let mut command = sluice::command(["agent", "--config"]);
        command.arg(file);
        (command, status)
    }

    /// Ships what is there and ends.
    pub fn once(&self) -> anyhow::Result<()> {
        let (mut command, _) = self.command();
        command.arg("--once");
        let ended = self.scene.start(&self.name, command).wait(DELIVERY)?;
        ensure!(ended.success(), "agent --once ended with {ended}");
        Ok(())
    }

    /// Waits until at least `count` records are in the topic.
    pub fn wait_for(&self, count: u64) -> anyhow::Result<()> {
        wait::until_count("records", DELIVERY, count, || topic::count(&self.broker, &self.topic))
    }

    /// Waits until `count` more records are in the topic than now.
    pub fn wait_for_more(&self, count: u64) -> anyhow::Result<()> {
        let now = wait::until("an answer of the broker", DELIVERY, || topic::count(&self.broker, &self.topic).ok())?;
        self.wait_for(now + count)
    }

    /// Waits until as many records as lines are there, ends the agent, so that nothing comes any more, and checks.
    pub fn finish(&self, agent: Agent, written: &[Written]) -> anyhow::Result<Vec<Record>> {
        self.wait_for(written.iter().map(|written| written.lines).sum())?;
        agent.end()?;
        self.check(written)
    }

    /// The values of all records, partition by partition.
    pub fn values(&self) -> anyhow::Result<Vec<String>> {
        let records = topic::read(&self.broker, &self.topic)?;
        Ok(records.into_iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()).collect())
    }

    /// Waits for as many records as `wanted` has, ends the agent, and compares the values, whatever their order.
    pub fn finish_with(&self, agent: Agent, mut wanted: Vec<String>) -> anyhow::Result<()> {
        self.wait_for(wanted.len() as u64)?;
        agent.end()?;
        let mut values = self.values()?;
        wanted.sort();
        values.sort();
        let at = values.iter().zip(&wanted).take_while(|(got, want)| got == want).count();
        let [got, want] = [&values, &wanted].map(|lines| lines.get(at));
        ensure!(
            values == wanted,
            "{} lines of {}; of both in order, want {want:?}; got {got:?}",
            values.len(),
            wanted.len()
        );
        Ok(())
    }

    /// Every line is in the topic exactly once, whole, in order within its file; every file is one stretch of bytes
    /// from its beginning in one partition.
    pub fn check(&self, written: &[Written]) -> anyhow::Result<Vec<Record>> {
        let records = topic::read(&self.broker, &self.topic)?;
        oracle::compare(written, records.iter().cloned().map(Record::arrived)).check("records")?;
        check_positions(&records)?;
        Ok(records)
    }
}

/// Each file's records lie one behind the other from position 0 on, in one partition. For plain lines that end with `\n`.
pub fn check_positions(records: &[Record]) -> anyhow::Result<()> {
    let mut files: HashMap<&str, (i32, usize)> = HashMap::new();
    for record in records {
        let file = record.header("sluice.file.id").with_context(|| format!("no file id in {record:?}"))?;
        let (partition, next) = files.entry(file).or_insert((record.partition, 0));
        ensure!(*partition == record.partition, "file {file} is in partitions {partition} and {}", record.partition);
        ensure!(record.header("log.offset") == Some(&next.to_string()), "want position {next} in {record:?}");
        *next += record.value.len() + 1;
    }
    Ok(())
}

/// A running agent. Dropping it kills it.
pub struct Agent {
    pub process: Process,
    /// Address of its status page.
    status: String,
}

impl Agent {
    /// Address of its status page.
    pub fn address(&self) -> &str {
        &self.status
    }

    /// kill -9; it must have been alive.
    pub fn kill(self) -> anyhow::Result<()> {
        self.process.kill()
    }

    /// Stops its threads where they are.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::STOP)
    }

    pub fn resume(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Ctrl-C: it ends by itself, without a complaint.
    pub fn end(self) -> anyhow::Result<()> {
        self.process.interrupt()?;
        let ended = self.process.wait(sluice::START)?;
        ensure!(ended.success(), "the agent ended with {ended} after Ctrl-C");
        Ok(())
    }

    /// What its descriptors lead to. A deleted file's name ends with ` (deleted)`.
    pub fn open_files(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = format!("/proc/{}/fd", self.process.pid());
        let entries = fs::read_dir(&folder).with_context(|| format!("list {folder}"))?;
        // One may be closed while we look.
        Ok(entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()).collect())
    }

    /// Waits until it has `path` open, or has not.
    pub fn wait_for_open(&self, path: &Path, is_open: bool) -> anyhow::Result<()> {
        let matches = |open: &PathBuf| open.to_string_lossy().trim_end_matches(" (deleted)") == path.to_string_lossy();
        wait::until_equal(&format!("{path:?} open"), LETS_GO, is_open, || Ok(self.open_files()?.iter().any(matches)))
    }

    /// What a path of its status page says.
    pub fn page(&self, path: &str) -> anyhow::Result<String> {
        Ok(http::get(&format!("http://{}{path}", self.status))?.1)
    }

    /// The sum of a metric over its labels, by its name without `sluice_agent_` and `_total`.
    pub fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.page("/metrics")?;
        let names = [format!("sluice_agent_{name}"), format!("sluice_agent_{name}_total")];
        let mut values = text.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let series = series.split('{').next()?;
            names.iter().any(|name| name == series).then(|| value.parse::<u64>())
        });
        let first = values.next().with_context(|| format!("no metric {name} in {text}"))?;
        values.try_fold(first?, |sum, value| Ok(sum + value?))
    }

    /// Waits until a metric is as wanted, and says what it is.
    pub fn wait_for_metric(&self, name: &str, reached: impl Fn(u64) -> bool) -> anyhow::Result<u64> {
        wait::until(&format!("metric {name}"), DELIVERY, || self.metric(name).ok().filter(|value| reached(*value)))
    }
}
