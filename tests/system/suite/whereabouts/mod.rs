//! `sluice explain` and `sluice verify` in random situations: what they say of a line is where the model has put it.
//!
//! Agent, broker and worker run apart, so that each can be stopped with lines before it; the index is the embedded store of
//! a `sluice up` that follows nothing else.

mod lost;
mod model;

pub use lost::reported;

use crate::harness::process::Process;
use crate::harness::random::Random;
use crate::harness::scene::Scene;
use crate::harness::{compress, ports, sluice, soak, topic, wait};
use anyhow::{Context, ensure};
use kafka_client::{Client, ClientConfig, TopicPartition};
use model::{File, Kind, Line, Stage};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// For a debug binary on a loaded machine to pass on some hundred lines.
const DELIVERY: Duration = Duration::from_secs(120);
/// Rounds of writing, stopping and asking; `SLUICE_SOAK=full` asks 1,000 times and more.
const ROUNDS: usize = 4;
const ROUNDS_FULL: usize = 40;
/// Lines that are asked about after each step.
const ASKED: u64 = 12;
/// Files with plain lines, and the one with groups of lines and a filter behind them.
const PLAIN_FILES: usize = 3;
const TOPIC: &str = "logs";
const GROUP: &str = "whereabouts";

struct World<'a> {
    scene: &'a Scene,
    random: Random,
    broker_address: String,
    files: Vec<File>,
    broker: Option<Process>,
    agent: Option<Process>,
    worker: Option<Process>,
    asked: u64,
}

pub fn random_situations(scene: &Scene) -> anyhow::Result<()> {
    let mut random = scene.random("whereabouts");
    let is_full = soak::is_full();
    let broker_address = ports::free_address();
    // Before there is a config, which the store would take for its own.
    let (search, _store) = super::page::with_store(scene)?;
    let logs = scene.directory("logs");
    scene.file(
        "pipeline.yml",
        "processors:\n  - drop: {if: \"ctx.message.startsWith('drop')\"}\n\
         \x20 - set: {field: _index, value: NOT-ALLOWED, if: \"ctx.message.startsWith('reject')\"}\n\
         \x20 - set: {field: _id, value: \"{{message}}\", if: \"ctx.message.startsWith('own')\"}\n",
    );
    scene.file(
        "sluice.yaml",
        format!(
            "agent:\n  broker: {broker_address}\n  checkpoints: checkpoints\n  inputs:\n\
             \x20   - paths: [\"{logs}/plain-*\"]\n      exclude: [\"*.skip\"]\n\
             \x20   - paths: [\"{logs}/grouped-*\"]\n      exclude_lines: [\"^filter\"]\n\
             \x20     multiline: {{continuation: \"^ \", timeout_ms: 200}}\n\
             worker:\n  broker: {broker_address}\n  group: {GROUP}\n  index: \"places-<yyyy.MM>\"\n\
             \x20 pipelines: {{\"*\": ./pipeline.yml}}\n  elasticsearch: {{urls: [\"{search}\"]}}\n",
            logs = logs.display(),
        ),
    );
    let files = (0..=PLAIN_FILES).map(|number| {
        let is_grouped = number == PLAIN_FILES;
        let name = if is_grouped { "grouped-0.log".to_owned() } else { format!("plain-{number}.log") };
        File { path: logs.join(name), lines: Vec::new(), is_grouped, known: false, rotations: 0, records: 0 }
    });
    let seed = random.next();
    let mut world = World {
        scene,
        random: Random::new(seed),
        broker_address,
        files: files.collect(),
        broker: None,
        agent: None,
        worker: None,
        asked: 0,
    };
    world.start_broker()?;
    fs::write(logs.join("plain-9.skip"), "never read\n")?;
    for round in 0..if is_full { ROUNDS_FULL } else { ROUNDS } {
        world.round(round).with_context(|| format!("round {round}"))?;
    }
    let skipped = world.explain(&[format!("{}:1", logs.join("plain-9.skip").display())])?;
    ensure!(skipped[0]["state"] == "unread" && skipped[0]["why"] == "left out by exclude of its input", "{skipped:?}");
    eprintln!("whereabouts: {} situations were right", world.asked);
    ensure!(!is_full || world.asked >= 1000, "only {} situations", world.asked);
    Ok(())
}

impl World<'_> {
    fn round(&mut self, round: usize) -> anyhow::Result<()> {
        // What nobody has read.
        self.write(Stage::Written)?;
        self.rotate()?;
        self.check()?;
        // What no worker has.
        if round > 0 && self.random.once_in(3) {
            self.without_broker()?;
        }
        self.start_agent();
        self.all_acknowledged()?;
        self.check()?;
        if self.random.once_in(2) {
            self.write(Stage::InTopic)?;
            self.all_acknowledged()?;
        }
        if self.random.once_in(3) {
            self.lose()?;
            self.check()?;
        }
        // What has its end.
        self.start_worker();
        self.all_done()?;
        self.check()?;
        for process in [self.worker.take(), self.agent.take()].into_iter().flatten() {
            process.interrupt()?;
            ensure!(process.wait(DELIVERY)?.success(), "a part ends well");
        }
        Ok(())
    }

    /// Appends lines to some files, which are in `stage` when it is waited for.
    fn write(&mut self, stage: Stage) -> anyhow::Result<()> {
        for number in 0..self.files.len() {
            let count = self.random.of(0..30);
            let file = &mut self.files[number];
            // Nobody writes to what is compressed.
            if file.path.extension().is_some_and(|extension| extension == "gz") {
                continue;
            }
            let mut out = OpenOptions::new().create(true).append(true).open(&file.path)?;
            let mut kind = Kind::Good;
            for at in 0..count {
                // All before it is acknowledged, so the agent takes it for a record of its own. What was filtered nobody
                // acknowledges.
                let may_be_late = file.lines.last().is_some_and(|line| line.kind != Kind::Filtered);
                let is_continuation = file.is_grouped && (at > 0 || may_be_late) && self.random.once_in(3);
                let is_late = is_continuation && at == 0;
                if is_late {
                    kind = Kind::Good;
                } else if !is_continuation {
                    kind = match self.random.of(0..8) {
                        0 => Kind::Rejected,
                        1 => Kind::Dropped,
                        2 if !file.is_grouped => Kind::Own,
                        2 if file.is_grouped => Kind::Filtered,
                        _ => Kind::Good,
                    };
                }
                let word = match kind {
                    _ if is_continuation => " and more",
                    Kind::Good => "good",
                    Kind::Rejected => "reject",
                    Kind::Dropped => "drop",
                    Kind::Own => "own",
                    Kind::Filtered => "filter",
                };
                let place = file.lines.len();
                let rotations = file.rotations;
                writeln!(out, "{word} line {place} of file {number}, {rotations}, {}", self.random.next())?;
                if is_late {
                    let group = file.lines.iter().rposition(|line| line.begins).unwrap_or(0);
                    file.lines[group..].iter_mut().for_each(|line| line.is_parted = true);
                }
                let begins = is_late || !is_continuation;
                let is_parted = is_late || is_continuation && file.lines.last().is_some_and(|line| line.is_parted);
                file.lines.push(Line { kind, stage, begins, is_parted });
                file.records += u64::from(begins && kind != Kind::Filtered);
            }
        }
        Ok(())
    }

    /// Gives a file another name, and sometimes compresses it; another one begins under its old name.
    fn rotate(&mut self) -> anyhow::Result<()> {
        if !self.random.once_in(2) {
            return Ok(());
        }
        let number = usize::try_from(self.random.of(0..PLAIN_FILES as u64))?;
        let file = &mut self.files[number];
        // A file without a line could not be told from the next one.
        if file.lines.is_empty() || !file.known {
            return Ok(());
        }
        let rotations = file.rotations + 1;
        let path = file.path.clone();
        let to = path.with_extension(format!("log.{rotations}"));
        fs::rename(&path, &to)?;
        file.path = to.clone();
        if self.random.once_in(2) {
            compress::gzip(&to)?;
            file.path = compress::gz_path(&to);
        }
        let next = File { path, lines: Vec::new(), is_grouped: false, known: false, rotations, records: 0 };
        let rotated = std::mem::replace(&mut self.files[number], next);
        self.files.push(rotated);
        Ok(())
    }

    /// The agent reads while nobody takes what it sends.
    fn without_broker(&mut self) -> anyhow::Result<()> {
        // It has the partitions of what it knows; a file at first sight waits for the broker.
        self.start_agent();
        self.all_acknowledged()?;
        self.broker.take().context("the broker runs")?.kill()?;
        self.write(Stage::Held)?;
        self.check()?;
        self.start_broker()?;
        self.all_acknowledged()
    }

    /// Removes all records from the topic, also what no worker has had.
    fn lose(&mut self) -> anyhow::Result<()> {
        if self.files.iter().all(|file| file.records == 0) {
            return Ok(());
        }
        let ends = topic::offsets(&self.broker_address, TOPIC)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for (&partition, &(_, end)) in &ends {
            let brokers = ClientConfig::new(vec![self.broker_address.clone()]);
            let place = TopicPartition::new(TOPIC, partition);
            runtime.block_on(async {
                let client = Client::new(brokers);
                client.refresh(&[TOPIC.into()], false).await?;
                client.delete_records(&place, end).await
            })?;
        }
        for line in self.files.iter_mut().flat_map(|file| &mut file.lines) {
            line.stage = match line.stage {
                Stage::InTopic => Stage::Lost,
                Stage::Done => Stage::Forgotten,
                stage => stage,
            };
        }
        Ok(())
    }

    fn start_broker(&mut self) -> anyhow::Result<()> {
        let (data, settings) = (self.scene.path("broker-data"), ["--set", "num.partitions=3"]);
        self.broker = Some(sluice::broker_at(self.scene, &self.broker_address, &data, &settings)?.process);
        Ok(())
    }

    fn start_agent(&mut self) {
        if self.agent.is_none() {
            let command = sluice::command(["agent", "--status-listen", &ports::free_address()]);
            self.agent = Some(self.scene.start("agent", command));
        }
    }

    fn start_worker(&mut self) {
        let command = sluice::command(["worker", "--status-listen", &ports::free_address()]);
        self.worker = Some(self.scene.start("worker", command));
    }

    /// Waits until the topic has a record of every line that makes one.
    fn all_acknowledged(&mut self) -> anyhow::Result<()> {
        let records: u64 = self.files.iter().map(|file| file.records).sum();
        if records > 0 {
            wait::until_equal("records in the topic", DELIVERY, records, || {
                let ends = topic::offsets(&self.broker_address, TOPIC)?;
                Ok(ends.values().map(|(_, end)| u64::try_from(*end).unwrap_or(0)).sum())
            })?;
        }
        for file in self.files.iter_mut().filter(|file| file.records > 0) {
            file.known = true;
            for line in &mut file.lines {
                if matches!(line.stage, Stage::Written | Stage::Held) {
                    line.stage = Stage::InTopic;
                }
            }
        }
        Ok(())
    }

    /// Waits until the worker has committed all that is in the topic.
    fn all_done(&mut self) -> anyhow::Result<()> {
        if self.files.iter().all(|file| file.records == 0) {
            return Ok(());
        }
        topic::wait_until_committed(&self.broker_address, GROUP, TOPIC, DELIVERY)?;
        for line in self.files.iter_mut().flat_map(|file| &mut file.lines) {
            if line.stage == Stage::InTopic {
                line.stage = Stage::Done;
            }
        }
        Ok(())
    }

    /// Asks about random lines, and about the sums of a file and of all that have plain lines.
    fn check(&mut self) -> anyhow::Result<()> {
        let with_lines: Vec<usize> = (0..self.files.len()).filter(|file| !self.files[*file].lines.is_empty()).collect();
        if with_lines.is_empty() {
            return Ok(());
        }
        let mut asked = Vec::new();
        for _ in 0..ASKED {
            let file = with_lines[usize::try_from(self.random.of(0..with_lines.len() as u64))?];
            let line = usize::try_from(self.random.of(0..self.files[file].lines.len() as u64))?;
            asked.push((file, line));
        }
        let away = self.broker.is_none();
        let places = asked.iter().map(|(file, line)| format!("{}:{}", self.files[*file].path.display(), line + 1));
        let places: Vec<String> = places.collect();
        for ((file, line), answer) in asked.iter().zip(self.explain(&places)?) {
            let expected = self.files[*file].expected(*line, away);
            let state = answer["state"].as_str().unwrap_or_default();
            let (kind, stage) = (self.files[*file].lines[*line].kind, self.files[*file].lines[*line].stage);
            ensure!(expected.contains(&state), "want {expected:?} of a line {kind:?}, {stage:?}; got {answer}");
            self.asked += 1;
        }
        let file = &self.files[with_lines[usize::try_from(self.random.of(0..with_lines.len() as u64))?]];
        if !file.is_grouped && !away {
            self.verify(&[file])?;
        }
        let plain = with_lines.iter().map(|file| &self.files[*file]).filter(|file| !file.is_grouped);
        let plain: Vec<&File> = plain.collect();
        if plain.len() > 1 && !away {
            self.verify(&plain)?;
        }
        Ok(())
    }

    fn explain(&self, places: &[String]) -> anyhow::Result<Vec<Value>> {
        let output = self.run(sluice::command(["explain", "--json"]).args(places))?;
        ensure!(output.0 == Some(0), "explain ended with {:?}: {}", output.0, output.2);
        let answers = output.1.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>()?;
        ensure!(answers.len() == places.len(), "want {} answers; got {}", places.len(), output.1);
        Ok(answers)
    }

    fn verify(&self, files: &[&File]) -> anyhow::Result<()> {
        let mut want: BTreeMap<&str, u64> = BTreeMap::new();
        for (file, number) in files.iter().flat_map(|file| (0..file.lines.len()).map(move |number| (file, number))) {
            *want.entry(file.expected(number, false)[0]).or_default() += 1;
        }
        let paths: Vec<&PathBuf> = files.iter().map(|file| &file.path).collect();
        let (code, text, errors) = self.run(sluice::command(["verify", "--json"]).args(&paths))?;
        let answer: Value = serde_json::from_str(&text).with_context(|| format!("{text}{errors}"))?;
        let sums = answer["sums"].as_object().context("sums")?;
        let got: BTreeMap<&str, u64> =
            sums.iter().filter_map(|(word, sum)| Some((word.as_str(), sum.as_u64().filter(|sum| *sum > 0)?))).collect();
        ensure!(got == want, "verify {paths:?}: want {want:?}; got {answer}");
        let is_wrong = ["missing", "rejected"].iter().any(|word| want.contains_key(word));
        let is_on_the_way = ["waiting", "unread"].iter().any(|word| want.contains_key(word));
        let want = if is_wrong {
            1
        } else if is_on_the_way {
            3
        } else {
            0
        };
        ensure!(code == Some(want), "verify: want exit code {want}; got {code:?}");
        Ok(())
    }

    /// Exit code, standard output and standard error.
    fn run(&self, command: &mut Command) -> anyhow::Result<(Option<i32>, String, String)> {
        let output = command.current_dir(self.scene.folder()).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
    }
}
