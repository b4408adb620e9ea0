//! A random life of files, agent, broker and disk: at the end each line is there once, in its file's order.
//!
//! `SLUICE_SEED=N` repeats one; a failure prints its seed. `SLUICE_LIVES=N` lives longer.

use crate::disk::disk;
use crate::fixture::{Fixture, glob, until};
use crate::gzip::gzip;
use crate::random::{Random, seeds};
use crate::written::Written;
use agent::{Agent, Input, Loss, SendError};
use std::fs::{self, OpenOptions};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const LIVES: u64 = 12;
const STEPS: usize = 120;
const LOGS: usize = 4;
/// Of what a single record needs: no line is ever cut.
const BATCH_BYTES_MAX: usize = 900;
/// Far beyond what the rest of a life takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What may happen in a life, besides writing, renaming, stalls and kills. Not everything in each, so that a failure
/// tells more, and the strictest rule is tested often.
#[derive(Debug)]
struct Nature {
    /// Renamed files keep a name that the globs match.
    all_names: bool,
    /// Files are deleted, and truncated without a copy.
    cuts: bool,
    /// Files are copied and truncated.
    copies: bool,
    /// Rotated files are compressed, some time later.
    compresses: bool,
    /// The broker refuses batches, for their size and for nothing.
    refuses: bool,
    /// The broker forgets producers, after which lines may be there twice.
    forgets: bool,
    /// The disk of the checkpoints gets full.
    fills: bool,
}

impl Nature {
    fn of(random: &mut Random) -> Self {
        Self {
            all_names: random.one_in(2),
            cuts: random.one_in(2),
            copies: random.one_in(3),
            compresses: random.one_in(2),
            refuses: random.one_in(2),
            forgets: random.one_in(4),
            fills: random.one_in(3),
        }
    }
}

struct Life {
    random: Random,
    nature: Nature,
    fixture: Fixture,
    written: Written,
    /// Rotated files that are not compressed: their names, and those of their contents.
    rotated: Vec<(String, String)>,
    agent: Option<Agent>,
    /// Bytes that fit on the disk of the checkpoints.
    left: Arc<AtomicUsize>,
    losses: Vec<Loss>,
}

fn log_name(log: usize) -> String {
    format!("f{log}.log")
}

impl Life {
    async fn begin(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nature = Nature::of(&mut random);
        println!("{nature:?}");
        let mut fixture = Fixture::new();
        if nature.all_names {
            fixture.config.inputs = vec![Input { paths: vec![glob(&fixture.folder, "f*")], ..Input::default() }];
        }
        // Crashes come faster than graces end, and nothing may be closed as finished while its writer goes on.
        fixture.config.rotated_grace = Duration::from_secs(30);
        fixture.config.rescan = Duration::from_millis(200);
        fixture.config.copy_grace = Duration::from_secs(2);
        let (gate, left) = disk();
        fixture.config.write_gate = Some(gate);
        let mut life = Self {
            random,
            nature,
            fixture,
            written: Written::default(),
            rotated: Vec::new(),
            agent: None,
            left,
            losses: Vec::new(),
        };
        life.start().await;
        life
    }

    /// Starts an agent and waits until it has looked around.
    async fn start(&mut self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
        let agent = self.fixture.start().await;
        let there: Vec<usize> = (0..LOGS).filter(|&log| self.fixture.path(&log_name(log)).exists()).collect();
        let paths: Vec<_> = there.iter().map(|&log| self.fixture.path(&log_name(log))).collect();
        until(|| {
            let files = agent.files();
            paths.iter().all(|path| files.iter().any(|file| file.path == *path && !file.nameless))
        })
        .await;
        let names: Vec<String> = there.iter().map(|&log| self.written.name(log)).collect();
        self.written.seen.extend(names);
        self.agent = Some(agent);
    }

    fn kill(&mut self) {
        if let Some(agent) = self.agent.take() {
            self.losses.extend(agent.losses());
        }
    }

    async fn step(&mut self, step: usize) {
        let log = self.random.below(LOGS as u64) as usize;
        let name = log_name(log);
        let exists = self.fixture.path(&name).exists();
        let action = self.random.below(20);
        println!("{step}: {action} on {name}");
        match action {
            0..=6 => {
                let text = self.written.write(log, &mut self.random);
                self.fixture.append(&name, text);
            }
            7 | 8 if exists => self.rename(log, step),
            9 => self.fixture.broker.stall(true),
            10 => self.fixture.broker.stall(false),
            11 => self.fixture.broker.lose_acknowledgements(true),
            12 => {
                // Acknowledgements that were lost come only to a new connection, which here is a new agent.
                self.fixture.broker.lose_acknowledgements(false);
                self.kill();
            }
            13 => self.kill(),
            14 if exists && self.nature.cuts => {
                if self.random.one_in(2) {
                    fs::remove_file(self.fixture.path(&name)).expect("removed");
                } else {
                    let path = self.fixture.path(&name);
                    OpenOptions::new().write(true).truncate(true).open(path).expect("truncated");
                }
                self.written.cut_off(log);
            }
            15 if self.nature.refuses => match self.random.below(3) {
                0 => self.fixture.broker.refuse(SendError::Refused("not now".to_owned())),
                1 => self.fixture.broker.batch_bytes_max(BATCH_BYTES_MAX),
                _ => self.fixture.broker.batch_bytes_max(usize::MAX),
            },
            16 if self.nature.forgets && self.random.one_in(3) => self.fixture.broker.forget_producers(),
            17 if self.nature.fills => {
                let fits = if self.random.one_in(2) { self.random.below(3000) as usize } else { usize::MAX };
                self.left.store(fits, Ordering::SeqCst);
            }
            18 if exists && self.nature.copies => self.copy_and_truncate(log, step),
            19 if self.nature.compresses && !self.rotated.is_empty() => self.compress(),
            _ if self.agent.is_none() => self.start().await,
            _ => tokio::time::sleep(Duration::from_millis(self.random.below(20))).await,
        }
    }

    fn rename(&mut self, log: usize, step: usize) {
        let name = log_name(log);
        // What never had a name in the globs is not followed.
        if !self.nature.all_names && !self.written.seen.contains(&self.written.name(log)) {
            return;
        }
        if self.random.one_in(2) {
            let rest = self.written.finish(log);
            self.fixture.append(&name, rest);
        }
        let late = self.written.finish(log);
        let renamed = format!("{name}.{step}");
        self.fixture.rename(&name, &renamed);
        self.fixture.append(&renamed, late);
        self.rotated.push((renamed, self.written.name(log)));
        self.written.rotate(log);
    }

    /// What logrotate's copytruncate does, to a name that the globs may match.
    fn copy_and_truncate(&mut self, log: usize, step: usize) {
        let name = log_name(log);
        if !self.written.seen.contains(&self.written.name(log)) || !self.is_begun(&self.written.name(log)) {
            return;
        }
        let rest = self.written.finish(log);
        self.fixture.append(&name, rest);
        let copy = format!("{name}.{step}");
        self.fixture.copytruncate(&name, &copy);
        self.rotated.push((copy, self.written.name(log)));
        self.written.rotate(log);
    }

    /// An agent has read something of a content, so that it can know it again in another file; or it need not, since the
    /// other file is in the globs, too.
    fn is_begun(&self, content: &str) -> bool {
        let prefix = format!("{content} ");
        self.nature.all_names || self.fixture.broker.values().iter().any(|value| value.starts_with(&prefix))
    }

    /// What gzip does to a file that nobody writes to any more, in two writes.
    fn compress(&mut self) {
        let at = self.random.below(self.rotated.len() as u64) as usize;
        if !self.is_begun(&self.rotated[at].1) {
            return;
        }
        let (name, _) = self.rotated.swap_remove(at);
        let plain = self.fixture.path(&name);
        let archive = gzip(fs::read(&plain).expect("read"));
        let (first, second) = archive.split_at(self.random.below(archive.len() as u64) as usize);
        println!("{name} is compressed");
        self.fixture.append(&format!("{name}.gz"), first);
        self.fixture.append(&format!("{name}.gz"), second);
        fs::remove_file(plain).expect("removed");
    }

    async fn end(mut self, seed: u64) {
        self.kill();
        for log in 0..LOGS {
            let rest = self.written.finish(log);
            if !rest.is_empty() {
                self.fixture.append(&log_name(log), rest);
            }
        }
        self.fixture.broker.lose_acknowledgements(false);
        self.fixture.broker.batch_bytes_max(usize::MAX);
        self.fixture.broker.stall(false);
        self.start().await;
        let agent = self.agent.take().expect("started");
        let start = Instant::now();
        while !self.written.is_there(&self.fixture.broker.values()) {
            if start.elapsed() > PATIENCE {
                println!("{:#?} {:#?} {:#?}", agent.files(), agent.problems(), agent.losses());
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.losses.extend(agent.losses());
        agent.stop(Duration::from_secs(10)).await;
        let what = format!("SLUICE_SEED={seed}");
        self.written.check(&self.fixture.broker.values(), self.nature.forgets, &what);
        assert!(self.losses.is_empty() || self.written.may_lose(), "{what}: {:?}", self.losses);
    }
}

async fn live(seed: u64) {
    println!("SLUICE_SEED={seed}");
    let mut life = Life::begin(seed).await;
    for step in 0..STEPS {
        life.step(step).await;
    }
    life.end(seed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_life_delivers_each_line_once() {
    let lives = std::env::var("SLUICE_LIVES").ok().map(|lives| lives.parse().expect("SLUICE_LIVES is a number"));
    for seed in seeds(lives.unwrap_or(LIVES)) {
        live(seed).await;
    }
}

/// Kills under rotation.
const KILLS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_kills_under_rotation_deliver_each_line_once() {
    for seed in seeds(1) {
        println!("SLUICE_SEED={seed}");
        let mut life = Life::begin(seed).await;
        life.nature = Nature {
            all_names: life.nature.all_names,
            cuts: false,
            copies: false,
            compresses: false,
            refuses: false,
            forgets: false,
            fills: false,
        };
        for kill in 0..KILLS {
            for log in 0..2 {
                let text = life.written.write(log, &mut life.random);
                life.fixture.append(&log_name(log), text);
            }
            if kill % 3 == 0 {
                let log = life.random.below(2) as usize;
                life.rename(log, kill);
            }
            // Sometimes before anything was sent, sometimes in the middle of it.
            let more = life.fixture.broker.count() + life.random.below(60) as usize;
            let patience = Instant::now() + Duration::from_millis(life.random.below(30));
            until(|| life.fixture.broker.count() >= more || Instant::now() > patience).await;
            life.kill();
            life.start().await;
        }
        life.end(seed).await;
    }
}
