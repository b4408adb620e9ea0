//! A random life of files, agent and broker: at the end each line is there once, in its file's order.
//!
//! `SLUICE_SEED=N` repeats one; a failure prints its seed.

use crate::fixture::{Fixture, until};
use agent::{Agent, Input};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

const LIVES: u64 = 12;
const STEPS: usize = 120;

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

/// What was written, by the writer's name for each generation of a file.
#[derive(Default)]
struct Written {
    lines: BTreeMap<String, Vec<String>>,
    /// A line that has been begun, per log.
    open: BTreeMap<usize, String>,
    generation: BTreeMap<usize, usize>,
    /// Generations that an agent has certainly seen under their first name.
    seen: BTreeSet<String>,
}

impl Written {
    fn name(&self, log: usize) -> String {
        format!("f{log}.{}", self.generation.get(&log).copied().unwrap_or(0))
    }

    /// Bytes to append: whole lines, and sometimes a piece of one.
    fn write(&mut self, log: usize, random: &mut Random) -> String {
        let mut text = String::new();
        for _ in 0..=random.below(40) {
            let name = self.name(log);
            let lines = self.lines.entry(name.clone()).or_default();
            let line = self.open.remove(&log).map(|begun| (begun, true)).unwrap_or_else(|| {
                let padding = "x".repeat(random.below(90) as usize);
                (format!("{name} {:06} {padding}", lines.len()), false)
            });
            if line.1 {
                // Its first half has been written.
                text.push_str(&line.0[line.0.len() / 2..]);
            } else if random.below(12) == 0 {
                text.push_str(&line.0[..line.0.len() / 2]);
                self.open.insert(log, line.0);
                return text;
            } else {
                text.push_str(&line.0);
            }
            text.push_str(if random.below(4) == 0 { "\r\n" } else { "\n" });
            lines.push(line.0);
        }
        text
    }

    /// Ends the line that is open, so that what follows is a new file's.
    fn finish(&mut self, log: usize) -> String {
        let Some(line) = self.open.remove(&log) else { return String::new() };
        let rest = format!("{}\n", &line[line.len() / 2..]);
        let name = self.name(log);
        self.lines.entry(name).or_default().push(line);
        rest
    }

    fn rotate(&mut self, log: usize) {
        *self.generation.entry(log).or_default() += 1;
    }

    fn count(&self) -> usize {
        self.lines.values().map(Vec::len).sum()
    }
}

/// Starts an agent and waits until it has looked around.
async fn start(fixture: &Fixture, written: &mut Written) -> Agent {
    let agent = fixture.start().await;
    let there: Vec<usize> = (0..4).filter(|log| fixture.path(&format!("f{log}.log")).exists()).collect();
    until(|| agent.files().len() >= there.len()).await;
    written.seen.extend(there.iter().map(|&log| written.name(log)).collect::<Vec<_>>());
    agent
}

async fn live(seed: u64) {
    println!("SLUICE_SEED={seed}");
    let mut random = Random(seed | 1);
    let mut fixture = Fixture::new();
    let all_names = random.below(2) == 0;
    if all_names {
        let paths = vec![crate::fixture::glob(&fixture.folder, "f*")];
        fixture.config.inputs = vec![Input { paths, ..Input::default() }];
    }
    // Crashes come faster than graces end, and nothing may be closed as finished while its writer goes on.
    fixture.config.rotated_grace = std::time::Duration::from_secs(30);
    fixture.config.rescan = std::time::Duration::from_millis(200);
    let mut written = Written::default();
    let mut agent: Option<Agent> = Some(start(&fixture, &mut written).await);
    for step in 0..STEPS {
        let log = random.below(4) as usize;
        let name = format!("f{log}.log");
        match random.below(14) {
            0..=6 => {
                let text = written.write(log, &mut random);
                fixture.append(&name, text);
            }
            7 => {
                // The file has a name only once it was written to; what never had a name in the globs is not followed.
                let known = all_names || written.seen.contains(&written.name(log));
                if fixture.path(&name).exists() && known {
                    if random.below(2) == 0 {
                        let rest = written.finish(log);
                        fixture.append(&name, rest);
                    }
                    let before = written.finish(log);
                    fixture.rename(&name, &format!("{name}.{step}"));
                    fixture.append(&format!("{name}.{step}"), before);
                    written.rotate(log);
                }
            }
            8 => fixture.broker.stall(true),
            9 => fixture.broker.stall(false),
            10 => fixture.broker.lose_acknowledgements(true),
            11 => {
                // Acknowledgements that were lost come only to a new connection, which here is a new agent.
                fixture.broker.lose_acknowledgements(false);
                agent = None;
            }
            12 => agent = None,
            _ => {
                if agent.is_none() {
                    agent = Some(start(&fixture, &mut written).await);
                } else {
                    tokio::time::sleep(std::time::Duration::from_millis(random.below(20))).await;
                }
            }
        }
    }
    drop(agent);
    for log in 0..4 {
        let rest = written.finish(log);
        if !rest.is_empty() {
            fixture.append(&format!("f{log}.log"), rest);
        }
    }
    fixture.broker.lose_acknowledgements(false);
    fixture.broker.stall(false);
    let agent = start(&fixture, &mut written).await;
    let mut patience = 5_000;
    until(|| {
        patience -= 1;
        fixture.broker.count() >= written.count() || patience < 0
    })
    .await;
    if patience < 0 {
        println!("{:#?} {:#?} {:#?}", agent.files(), agent.problems(), agent.losses());
    }
    agent.stop(std::time::Duration::from_secs(10)).await;
    let mut got: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for value in fixture.broker.values() {
        let name = value.split(' ').next().unwrap_or_default().to_owned();
        got.entry(name).or_default().push(value);
    }
    for (name, lines) in &written.lines {
        assert_eq!(got.get(name), Some(lines), "file {name}, SLUICE_SEED={seed}");
    }
    assert_eq!(got.values().map(Vec::len).sum::<usize>(), written.count(), "SLUICE_SEED={seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_random_life_delivers_each_line_once() {
    if let Some(seed) = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return live(seed).await;
    }
    let start = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    for life in 0..LIVES {
        live(start.wrapping_add(life * 7919)).await;
    }
}
