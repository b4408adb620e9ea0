//! `sluice verify`: the lines of files beside the documents.

use super::bar::{Bar, asking};
use super::paint::{Paint, safe};
use super::whereabouts::{Chain, Fate, Found, Line, Opened, Rejection, Standing, Unseen, WRONG, Waiting, decide};
use crate::cli::VerifyArgs;
use crate::config::ConfigFile;
use crate::files::{count, size};
use crate::screen::Screen;
use agent::{FileRecordAt, KnownFile, Whereabouts};
use anyhow::Context;
use pipelines::worker::document_id;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Lines that are looked up at once.
const LINES_AT_ONCE: usize = 1000;
/// Portions that are read ahead.
const READ_AHEAD: usize = 4;
/// Exit code of lines that are on their way, where nothing is wrong.
const EXIT_ON_THE_WAY: u8 = 3;

/// What was found, in the order in which it is shown.
const WORDS: [(&str, &str); 11] = [
    ("indexed", "documents"),
    ("waiting", "in the topic, waiting for a worker"),
    ("in_flight", "sent, not acknowledged yet"),
    ("unread", "not read yet"),
    ("left_out", "left out"),
    ("dropped", "dropped by their pipeline"),
    ("rejected", "dead letters"),
    ("doubled", "doubled"),
    ("lost", "lost, as reported"),
    ("missing", "missing"),
    ("unknown", "not known"),
];

/// A line that is not simply a document.
struct Odd {
    file: PathBuf,
    /// Counted from 1; `None` where several lines make a record.
    number: Option<u64>,
    position: u64,
    standing: Standing,
}

/// Everything that was compared.
#[derive(Default)]
struct Sums {
    lines: u64,
    by_word: BTreeMap<&'static str, u64>,
    odd: Vec<Odd>,
    /// Files that end within a line.
    unfinished: Vec<PathBuf>,
}

pub async fn run(args: VerifyArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let chain = asking(screen, "the agent", Chain::open(&args.chain, config, &args.files)).await?;
    let mut sums = Sums::default();
    // Of all files before the first question to the index: what has left one place by then is found at the next.
    let owners = args.files.iter().map(|path| chain.owner(path).map(Unseen::of)).collect::<Result<Vec<_>, _>>()?;
    let mut opened = Opened::default();
    let backlogs = opened.waiting(&chain.topics, owners.iter().flatten());
    let waiting = asking(screen, "the broker", backlogs).await;
    let total: u64 = args.files.iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum();
    let mut progress = Progress { bar: Bar::new(screen), total, done: 0 };
    for (path, owner) in args.files.iter().zip(&owners) {
        let owner = owner.as_ref().map(|known| (known, &waiting[&known.id]));
        file(&chain, path, owner, args.limit, &mut opened, &mut sums, &mut progress).await?;
    }
    progress.bar.end();
    let mut out = io::stdout().lock();
    match args.json {
        true => writeln!(out, "{}", sums.to_json()),
        false => sums.write(args.limit, &mut out),
    }
    .and_then(|()| out.flush())
    .context("write to standard output")?;
    Ok(sums.exit_code())
}

struct Progress {
    bar: Bar,
    /// Bytes on the disk.
    total: u64,
    /// Bytes of content, which of compressed files are more.
    done: u64,
}

/// One record of a file.
struct Portioned {
    number: Option<u64>,
    end: u64,
    line: Line,
}

async fn file(
    chain: &Chain,
    path: &Path,
    owner: Result<(&KnownFile, &Waiting), &Unseen>,
    limit: usize,
    opened: &mut Opened,
    sums: &mut Sums,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let begun = progress.done;
    let letters = match owner {
        Ok((known, Ok(_))) => opened.letters(&chain.topics, &known.topic).await.unwrap_or_else(|why| {
            tracing::warn!("{why}");
            Arc::default()
        }),
        _ => Arc::default(),
    };
    chain.documents.refresh().await;
    let (sender, mut portions) = mpsc::channel(READ_AHEAD);
    let (agent, path_read) = (Arc::clone(&chain.agent), path.to_owned());
    let known_read = owner.ok().map(|(known, _)| known.clone());
    let reading = tokio::task::spawn_blocking(move || read(&agent, &path_read, known_read.as_ref(), &sender));
    while let Some(portion) = portions.recv().await {
        let portion: Vec<Portioned> = portion;
        let standings = match owner {
            Ok((known, waiting)) => standings(chain, known, &portion, waiting, &letters, opened).await?,
            Err(unseen) => portion.iter().map(|portioned| unseen.standing(portioned.line.position)).collect(),
        };
        for (portioned, standing) in portion.iter().zip(standings) {
            sums.add(path, portioned, standing, limit);
        }
        progress.done = begun + portion.last().map_or(0, |last| last.end);
        let Progress { bar, total, done } = &mut *progress;
        bar.show(*done, *total, || format!("of {} · lines {}", size(*total), count(sums.lines)));
    }
    let end = reading.await.context("read the file")?.with_context(|| format!("read {path:?}"))?;
    if end.is_unfinished {
        sums.unfinished.push(path.to_owned());
    }
    Ok(())
}

/// How the reading of a file ended.
struct End {
    is_unfinished: bool,
}

fn read(
    agent: &Whereabouts,
    path: &Path,
    known: Option<&KnownFile>,
    sender: &mpsc::Sender<Vec<Portioned>>,
) -> io::Result<End> {
    let is_plain = agent.is_plain(path, known);
    let id = known.map(|known| known.id.0);
    let mut portion = Vec::with_capacity(LINES_AT_ONCE);
    let mut records = 0;
    let framing = agent.records(path, known, |FileRecordAt { position, end, value }| {
        records += 1;
        let id = id.and_then(|id| document_id(id, position, value)).unwrap_or_default();
        portion.push(Portioned { number: is_plain.then_some(records), end, line: Line { position, id } });
        if portion.len() == LINES_AT_ONCE {
            let full = std::mem::replace(&mut portion, Vec::with_capacity(LINES_AT_ONCE));
            if sender.blocking_send(full).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })?;
    if !portion.is_empty() {
        // Nobody waits for it when the other side has failed.
        let _ = sender.blocking_send(portion);
    }
    Ok(End { is_unfinished: framing.is_unfinished })
}

async fn standings(
    chain: &Chain,
    known: &KnownFile,
    portion: &[Portioned],
    waiting: &Waiting,
    letters: &HashMap<String, Rejection>,
    opened: &mut Opened,
) -> anyhow::Result<Vec<Standing>> {
    let ids: Vec<&str> = portion.iter().map(|portioned| portioned.line.id.as_str()).collect();
    let documents = chain.documents.find(&ids).await?;
    let places = |line: &Line| documents.get(line.id.as_str()).map_or(&[][..], Vec::as_slice);
    let is_open = |line: &Line| {
        let is_waiting = waiting.as_ref().is_ok_and(|waiting| waiting.contains_key(&line.position));
        let is_there = is_waiting || !places(line).is_empty() || letters.contains_key(&line.id);
        !is_there && line.position < known.acknowledged
    };
    let open = portion.iter().filter(|portioned| is_open(&portioned.line));
    let open: BTreeSet<u64> = open.map(|portioned| portioned.line.position).collect();
    let further = further(chain, known, &open, opened).await;
    let record = |line: &Line| -> Result<Found, String> {
        if let Some(&(partition, offset)) = waiting.as_ref().map_err(String::clone)?.get(&line.position) {
            return Ok(Found::Waiting { partition, offset });
        }
        let found = &further.as_ref().map_err(String::clone)?.found;
        Ok(found.get(&line.position).cloned().unwrap_or(Found::Nowhere))
    };
    let standing = |Portioned { line, .. }: &Portioned| {
        let record = record(line);
        let fate = match (&record, &further) {
            (Ok(Found::Done { partition, offset }), Ok(further)) => further.fates.get(&(*partition, *offset)),
            _ => None,
        };
        let record = record.as_ref().map_err(String::as_str);
        let letter = letters.get(&line.id).or_else(|| letters.get(fate?.id()?));
        decide(known, line, record, letter, Ok(places(line)), fate)
    };
    Ok(portion.iter().map(standing).collect())
}

/// What is known of records that are neither documents nor letters nor waiting.
#[derive(Default)]
struct Further {
    /// By position.
    found: HashMap<u64, Found>,
    /// By partition and offset.
    fates: HashMap<(i32, i64), Fate>,
}

async fn further(
    chain: &Chain,
    known: &KnownFile,
    positions: &BTreeSet<u64>,
    opened: &mut Opened,
) -> Result<Further, String> {
    if positions.is_empty() {
        return Ok(Further::default());
    }
    let Some(topic) = opened.topic(&chain.topics, &known.topic).await? else {
        let found = positions.iter().map(|position| (*position, Found::NoTopic)).collect();
        return Ok(Further { found, ..Further::default() });
    };
    let look = async {
        let found = topic.find_all(known, positions).await?;
        let done = found.values().filter_map(|found| match found {
            Found::Done { partition, offset } => Some((*partition, *offset)),
            _ => None,
        });
        let fates = chain.fates.of(&topic, &chain.documents, &done.collect()).await?;
        anyhow::Ok(Further { found, fates })
    };
    look.await.map_err(|error| format!("{error:#}"))
}

impl Sums {
    fn add(&mut self, path: &Path, portioned: &Portioned, standing: Standing, limit: usize) {
        self.lines += 1;
        *self.by_word.entry(standing.word()).or_default() += 1;
        if !matches!(standing, Standing::Indexed(_)) {
            let Portioned { number, line, .. } = portioned;
            let odd = Odd { file: path.to_owned(), number: *number, position: line.position, standing };
            // What is wrong comes before what is on its way.
            if self.odd.len() < limit {
                self.odd.push(odd);
            } else if odd.standing.is_wrong()
                && let Some(place) = self.odd.iter().position(|odd| !odd.standing.is_wrong())
            {
                self.odd.remove(place);
                self.odd.push(odd);
            }
        }
    }

    fn of(&self, word: &str) -> u64 {
        self.by_word.get(word).copied().unwrap_or(0)
    }

    fn exit_code(&self) -> ExitCode {
        match () {
            () if WRONG.iter().any(|word| self.of(word) > 0) => ExitCode::FAILURE,
            () if ["waiting", "in_flight", "unread"].iter().any(|word| self.of(word) > 0) => {
                ExitCode::from(EXIT_ON_THE_WAY)
            }
            () => ExitCode::SUCCESS,
        }
    }

    fn write(&self, limit: usize, out: &mut impl Write) -> io::Result<()> {
        let paint = Paint::for_stdout();
        for odd in &self.odd {
            let sentence = safe(&odd.standing.sentence());
            match odd.standing.is_wrong() {
                true => writeln!(out, "{}: {}", odd.place(), paint.bad(sentence))?,
                false => writeln!(out, "{}: {sentence}", odd.place())?,
            }
        }
        let shown = self.odd.len() as u64;
        let all = self.lines - self.of("indexed");
        if all > shown {
            writeln!(out, "... {} more; --limit N lists more than {limit}", count(all - shown))?;
        }
        for path in &self.unfinished {
            writeln!(out, "{}: the last line has no end yet, and is not counted", safe(&path.to_string_lossy()))?;
        }
        writeln!(out, "{:>12} lines", count(self.lines))?;
        for (word, text) in WORDS {
            let number = self.of(word);
            if number > 0 || ["indexed", "missing", "doubled", "rejected"].contains(&word) {
                writeln!(out, "{:>12} {text}", count(number))?;
            }
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let odd: Vec<Value> = self
            .odd
            .iter()
            .map(|odd| {
                let mut value = odd.standing.to_json();
                value["file"] = odd.file.to_string_lossy().into();
                value["line"] = odd.number.into();
                value["position"] = odd.position.into();
                value
            })
            .collect();
        let sums: BTreeMap<&str, u64> = WORDS.iter().map(|(word, _)| (*word, self.of(word))).collect();
        let unfinished: Vec<_> = self.unfinished.iter().map(|path| path.to_string_lossy()).collect();
        json!({ "lines": self.lines, "sums": sums, "listed": odd, "unfinished": unfinished })
    }
}

impl Odd {
    fn place(&self) -> String {
        let file = safe(&self.file.to_string_lossy());
        match self.number {
            Some(number) => format!("{file}:{number}"),
            None => format!("{file} at position {}", self.position),
        }
    }
}
