//! What a writer has written, file by file, and what the topic must have of it.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};

/// How much of a file's content must arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fate {
    /// Every line.
    #[default]
    Whole,
    /// It was deleted or truncated: the lines up to some point.
    Begun,
}

/// The lines of one content, of a file that had a name first.
#[derive(Debug, Default)]
struct Content {
    lines: Vec<String>,
    fate: Fate,
}

/// What was written, by the writer's name for each content of a log: `f2.5` is the sixth of log 2.
#[derive(Default)]
pub struct Written {
    contents: BTreeMap<String, Content>,
    /// A line that has been begun, per log.
    open: BTreeMap<usize, String>,
    generation: BTreeMap<usize, usize>,
    /// Contents that an agent has certainly seen under their first name.
    pub seen: BTreeSet<String>,
}

impl Written {
    pub fn name(&self, log: usize) -> String {
        format!("f{log}.{}", self.generation.get(&log).copied().unwrap_or(0))
    }

    fn content(&mut self, log: usize) -> &mut Content {
        let name = self.name(log);
        self.contents.entry(name).or_default()
    }

    /// Bytes to append: whole lines, and sometimes a piece of one.
    pub fn write(&mut self, log: usize, random: &mut Random) -> String {
        let mut text = String::new();
        for _ in 0..=random.below(40) {
            let name = self.name(log);
            let line = match self.open.remove(&log) {
                Some(begun) => {
                    // Its first half has been written.
                    text.push_str(&begun[begun.len() / 2..]);
                    begun
                }
                None => {
                    let padding = "x".repeat(random.below(90) as usize);
                    let line = format!("{name} {:06} {padding}", self.content(log).lines.len());
                    if random.one_in(12) {
                        text.push_str(&line[..line.len() / 2]);
                        self.open.insert(log, line);
                        return text;
                    }
                    text.push_str(&line);
                    line
                }
            };
            text.push_str(if random.one_in(4) { "\r\n" } else { "\n" });
            self.content(log).lines.push(line);
        }
        text
    }

    /// Ends the line that is open, so that what follows is another file's.
    pub fn finish(&mut self, log: usize) -> String {
        let Some(line) = self.open.remove(&log) else { return String::new() };
        let rest = format!("{}\n", &line[line.len() / 2..]);
        self.content(log).lines.push(line);
        rest
    }

    /// What is written from now on is another content.
    pub fn rotate(&mut self, log: usize) {
        *self.generation.entry(log).or_default() += 1;
    }

    /// The content was deleted or truncated.
    pub fn cut_off(&mut self, log: usize) {
        self.open.remove(&log);
        self.content(log).fate = Fate::Begun;
        self.rotate(log);
    }

    pub fn may_lose(&self) -> bool {
        self.contents.values().any(|content| content.fate == Fate::Begun)
    }

    /// Whether everything is there that must come.
    pub fn is_there(&self, values: &[String]) -> bool {
        let got = by_content(values);
        let mut whole = self.contents.iter().filter(|(_, content)| content.fate == Fate::Whole);
        whole.all(|(name, content)| got.get(name.as_str()).map_or(0, Vec::len) >= content.lines.len())
    }

    /// Compares line by line. `doubles`: the broker forgot a producer, so lines may be there twice.
    pub fn check(&self, values: &[String], doubles: bool, what: &str) {
        let mut got = by_content(values);
        for (name, content) in &self.contents {
            let mut lines = got.remove(name.as_str()).unwrap_or_default();
            if doubles {
                let mut seen = BTreeSet::new();
                lines.retain(|line| seen.insert(*line));
            }
            let begun = content.fate == Fate::Begun;
            let want = if begun { &content.lines[..lines.len().min(content.lines.len())] } else { &content.lines };
            if !lines.iter().copied().eq(want) {
                let at =
                    lines.iter().zip(want).position(|(got, want)| *got != want).unwrap_or(lines.len().min(want.len()));
                let near = |all: &[String]| all.iter().skip(at.saturating_sub(2)).take(5).cloned().collect::<Vec<_>>();
                let got: Vec<String> = lines.iter().map(|line| (*line).clone()).collect();
                panic!(
                    "{what}: {name} ({:?}): got {} lines, want {}; from line {at} on got {:#?}, want {:#?}",
                    content.fate,
                    got.len(),
                    want.len(),
                    near(&got),
                    near(want)
                );
            }
        }
        assert!(got.is_empty(), "{what}: lines that nobody wrote: {got:?}");
    }
}

fn by_content(values: &[String]) -> BTreeMap<&str, Vec<&String>> {
    let mut by_content: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for value in values {
        by_content.entry(value.split(' ').next().unwrap_or_default()).or_default().push(value);
    }
    by_content
}
