//! `sluice explain`: where single lines are now.

use super::bar::asking;
use super::paint::{Paint, safe};
use super::whereabouts::{Chain, Fate, Found, Line, Opened, Standing, Unseen, decide};
use crate::cli::{ExplainArgs, FileLine};
use crate::config::ConfigFile;
use crate::failure::Failure;
use crate::files::count;
use crate::screen::Screen;
use agent::KnownFile;
use anyhow::Context;
use pipelines::worker::document_id;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const LEFT_OUT: &str = "the input's include_lines or exclude_lines leave it out";

/// A line, and what is known of it.
struct Explained {
    asked: FileLine,
    position: u64,
    known: Option<KnownFile>,
    /// The record that the line is in, which begins at another position where lines are grouped.
    line: Option<Line>,
    found: Option<Result<Found, String>>,
    standing: Standing,
}

pub async fn run(args: ExplainArgs, config: ConfigFile, screen: &Screen) -> anyhow::Result<ExitCode> {
    let files: Vec<PathBuf> = args.lines.iter().map(|line| line.file.clone()).collect();
    let chain = Chain::open(&args.chain, config, &files).await?;
    let mut explained = Vec::with_capacity(args.lines.len());
    for asked in args.lines {
        explained.push(in_file(&chain, asked)?);
    }
    asking(screen, "broker and index", in_topics(&chain, &mut explained)).await;
    let mut out = io::stdout().lock();
    for it in &explained {
        let written = match args.json {
            true => writeln!(out, "{}", it.to_json()),
            false => it.write(&chain, &mut out),
        };
        written.context("write to standard output")?;
    }
    out.flush().context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// What file and agent say.
fn in_file(chain: &Chain, asked: FileLine) -> anyhow::Result<Explained> {
    let (owner, path) = (Unseen::of(chain.owner(&asked.file)?), asked.file.clone());
    let known = owner.as_ref().ok().cloned();
    let reading = || format!("read {path:?}");
    let Some((position, end)) = chain.agent.line(&path, known.as_ref(), asked.line).with_context(reading)? else {
        let message = format!("{} has no line {}", path.display(), count(asked.line));
        return Err(Failure::new(message, "lines are counted from 1; a rotated file has another name").into());
    };
    let mut explained = Explained {
        asked,
        position,
        known,
        line: None,
        found: None,
        standing: Standing::Unread { why: String::new() },
    };
    explained.standing = match owner {
        Err(unseen) => unseen.standing(position),
        Ok(_) if end == position => Standing::Unread { why: "the line has no end yet".to_owned() },
        Ok(known) => match record_at(chain, &path, &known, position).with_context(reading)? {
            Some(line) => {
                explained.line = Some(line);
                return Ok(explained);
            }
            None => Standing::LeftOut { why: LEFT_OUT.to_owned() },
        },
    };
    Ok(explained)
}

/// The record that covers `position`.
fn record_at(chain: &Chain, path: &Path, known: &KnownFile, position: u64) -> io::Result<Option<Line>> {
    let mut found = None;
    chain.agent.records(path, Some(known), |record| {
        if record.position > position {
            return ControlFlow::Break(());
        }
        if position < record.end {
            let id = document_id(known.id.0, record.position, record.value).unwrap_or_default();
            found = Some(Line { position: record.position, id });
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// What topics and index say, of the lines that are known to be records.
async fn in_topics(chain: &Chain, explained: &mut [Explained]) {
    let mut opened = Opened::default();
    for it in explained.iter_mut() {
        regroup(chain, it, &mut opened).await;
    }
    for it in explained.iter_mut() {
        let (Some(known), Some(line)) = (&it.known, &it.line) else { continue };
        it.found = Some(match opened.topic(&chain.topics, &known.topic).await {
            Ok(Some(topic)) => topic.find(known, line.position).await.map_err(|error| format!("{error:#}")),
            Ok(None) => Ok(Found::NoTopic),
            Err(why) => Err(why),
        });
    }
    for it in explained.iter().filter(|it| it.line.is_some()) {
        if let (Some(known), Some(Ok(_))) = (&it.known, &it.found)
            && let Err(why) = opened.letters(&chain.topics, &known.topic).await
        {
            tracing::warn!("{why}");
        }
    }
    let ids: Vec<String> = explained.iter().filter_map(|it| Some(it.line.as_ref()?.id.clone())).collect();
    if ids.is_empty() {
        return;
    }
    chain.documents.refresh().await;
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let documents = chain.documents.find(&ids).await.map_err(|error| format!("{error:#}"));
    for it in explained.iter_mut() {
        let (Some(known), Some(line), Some(found)) = (&it.known, &it.line, &it.found) else { continue };
        let letters = match found {
            Ok(_) => opened.letters(&chain.topics, &known.topic).await.ok(),
            Err(_) => None,
        };
        let letter = |id: &str| letters.as_ref().and_then(|letters| letters.get(id));
        let documents = match &documents {
            Ok(documents) => Ok(documents.get(line.id.as_str()).map_or(&[][..], Vec::as_slice)),
            Err(why) => Err(why.as_str()),
        };
        let fate = match (found, documents, letter(&line.id)) {
            (Ok(Found::Done { partition, offset }), Ok([]), None) => {
                fate(chain, known, (*partition, *offset), &mut opened).await
            }
            _ => None,
        };
        let letter = letter(&line.id).or_else(|| letter(fate.as_ref()?.id()?));
        it.standing = decide(known, line, found.as_ref().map_err(String::as_str), letter, documents, fate.as_ref());
    }
}

/// A group of lines may have been sent before all of it was written: what came later is a record of its own then, which the
/// file does not say. So where lines are grouped, the topic says where the line's record begins.
async fn regroup(chain: &Chain, it: &mut Explained, opened: &mut Opened) {
    let Some(known) = &it.known else { return };
    let is_grouped = !chain.agent.is_plain(&it.asked.file, Some(known));
    let begins = it.line.as_ref().map(|line| line.position);
    if !is_grouped {
        return;
    }
    if it.position >= known.acknowledged {
        // What is acknowledged has its end.
        if let Some(line) = it.line.as_mut().filter(|line| line.position < known.acknowledged) {
            line.position = known.acknowledged;
        }
        return;
    }
    let Ok(Some(topic)) = opened.topic(&chain.topics, &known.topic).await else { return };
    match topic.around(known, it.position).await {
        Ok(Some((position, id))) if begins.is_none_or(|begins| position >= begins) => {
            it.line = Some(Line { position, id })
        }
        Ok(_) => {}
        Err(error) => tracing::warn!("{error:#}"),
    }
}

/// What the pipelines make of a record that the workers are done with.
async fn fate(chain: &Chain, known: &KnownFile, place: (i32, i64), opened: &mut Opened) -> Option<Fate> {
    let topic = opened.topic(&chain.topics, &known.topic).await.ok()??;
    match chain.fates.of(&topic, &chain.documents, &BTreeSet::from([place])).await {
        Ok(mut fates) => fates.remove(&place),
        Err(error) => {
            tracing::warn!("{error:#}");
            None
        }
    }
}

impl Explained {
    fn write(&self, chain: &Chain, out: &mut impl Write) -> io::Result<()> {
        let paint = Paint::for_stdout();
        let sentence = safe(&self.standing.sentence());
        let sentence = match &self.standing {
            Standing::Indexed(_) => paint.good(sentence),
            // A part does not answer: nothing is wrong with the line itself.
            Standing::Unknown { .. } => paint.changed(sentence),
            standing if standing.is_wrong() => paint.bad(sentence),
            _ => paint.changed(sentence),
        };
        let place = format!("{}:{}", safe(&self.asked.file.to_string_lossy()), self.asked.line);
        writeln!(out, "{}: {sentence}", paint.strong(place))?;
        let record = self.line.as_ref().map(|line| line.position).filter(|position| *position != self.position);
        let record = record.map_or_else(String::new, |record| format!(", in the record that begins at {record}"));
        writeln!(out, "  line      position {}{record}", self.position)?;
        if let Some(known) = &self.known {
            let copy = if known.is_copy { ", of which this is a copy" } else { "" };
            writeln!(out, "  file      {}, read as {}{copy}", known.id, safe(&known.path.to_string_lossy()))?;
            writeln!(out, "  agent     everything before position {} is acknowledged", known.acknowledged)?;
        }
        match (&self.found, &self.known) {
            (Some(Ok(Found::Waiting { partition, offset } | Found::Done { partition, offset })), Some(known)) => {
                writeln!(out, "  topic     {}, partition {partition}, offset {offset}", safe(&known.topic))?;
                let done = matches!(self.found, Some(Ok(Found::Done { .. })));
                let word = if done { "has committed it" } else { "has not committed it" };
                writeln!(out, "  worker    group {} {word}", safe(&chain.topics.group))?;
            }
            (Some(Err(why)), _) => writeln!(out, "  topic     {}", safe(why))?,
            _ => {}
        }
        if let Some(line) = &self.line {
            writeln!(out, "  document  _id {}, asked for in {}", line.id, safe(&chain.documents.describe()))?;
        }
        Ok(())
    }

    fn to_json(&self) -> Value {
        let mut value = self.standing.to_json();
        value["file"] = self.asked.file.to_string_lossy().into();
        value["line"] = self.asked.line.into();
        value["position"] = self.position.into();
        if let Some(known) = &self.known {
            value["agent"] = json!({
                "file_id": known.id.to_string(), "path": known.path.to_string_lossy(), "topic": known.topic,
                "acknowledged": known.acknowledged, "is_copy": known.is_copy,
            });
        }
        if let Some(Ok(Found::Waiting { partition, offset } | Found::Done { partition, offset })) = &self.found {
            value["record"] = json!({ "partition": partition, "offset": offset });
        }
        if let Some(line) = &self.line {
            value["document_id"] = line.id.clone().into();
        }
        value
    }
}
