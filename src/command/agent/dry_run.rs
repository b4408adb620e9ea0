//! `sluice agent --dry-run`: which files would be read, and from where.

use crate::failure::Failure;
use crate::files::{count, size};
use crate::followed::write_columns;
use agent::{Config, Kind, Plan, PlanError, PlannedFile, Start};
use anyhow::Context;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

pub fn run(config: &Config, as_json: bool) -> anyhow::Result<ExitCode> {
    let plan = agent::plan(config, SystemTime::now()).map_err(|error| match error {
        PlanError::Config(error) => super::wrong_config(error).into(),
        error => anyhow::Error::new(error),
    })?;
    let mut out = io::stdout().lock();
    match as_json {
        true => {
            serde_json::to_writer_pretty(&mut out, &json(&plan)).map_err(io::Error::from).and_then(|()| writeln!(out))
        }
        false => write_plan(&mut out, &plan),
    }
    .context("write to standard output")?;
    if plan.files.is_empty() && plan.streams.is_empty() {
        return Err(Failure::new(format!("no file matches {}", plan.unmatched.join(", ")), super::NO_MATCH_HINT).into());
    }
    Ok(ExitCode::SUCCESS)
}

fn write_plan(out: &mut impl Write, plan: &Plan) -> io::Result<()> {
    let mut rows = vec![["POSITION", "SIZE", "KIND", "IDENTITY", "TOPIC", "FILE", "WHY"].map(str::to_owned)];
    rows.extend(plan.files.iter().map(row));
    if !plan.files.is_empty() {
        write_columns(out, &rows, 2)?;
    }
    if let Some(why) = plan.copied {
        writeln!(
            out,
            "the checkpoints come from another machine: {why}; a new agent would begin here, with identities of its own"
        )?;
    }
    for named in &plan.unmatched {
        writeln!(out, "no file matches {named:?} yet")?;
    }
    for stream in &plan.streams {
        writeln!(out, "stream {stream} is read as it comes")?;
    }
    if plan.files.is_empty() {
        return Ok(());
    }
    let read: Vec<&PlannedFile> = plan.files.iter().filter(|file| file.start.position().is_some()).collect();
    let rest = |file: &&&PlannedFile| match file.kind {
        // How much comes out of it is not known, and neither is where in it the position lies.
        Some(Kind::Gzip) => 0,
        _ => file.size.saturating_sub(file.start.position().unwrap_or(file.size)),
    };
    let bytes = read.iter().map(|file| rest(&file)).sum();
    let archives: u64 = read.iter().filter(|file| file.kind == Some(Kind::Gzip)).map(|file| file.size).sum();
    write!(out, "{} of {} files would be read, {}", read.len(), plan.files.len(), size(bytes))?;
    match archives {
        0 => writeln!(out),
        archives => writeln!(out, " and what is in {} compressed", size(archives)),
    }
}

fn row(file: &PlannedFile) -> [String; 7] {
    let dash = || "-".to_owned();
    [
        file.start.position().map_or_else(dash, count),
        count(file.size),
        kind(file).unwrap_or("-").to_owned(),
        match (&file.id, file.kind) {
            (Some(id), _) => id.to_string(),
            (None, Some(_)) => "new".to_owned(),
            (None, None) => dash(),
        },
        if file.topic.is_empty() { dash() } else { file.topic.clone() },
        file.path.display().to_string(),
        why(file),
    ]
}

fn kind(file: &PlannedFile) -> Option<&'static str> {
    file.kind.map(|kind| match kind {
        Kind::Plain => "plain",
        Kind::Gzip => "gzip",
    })
}

fn why(file: &PlannedFile) -> String {
    match &file.start {
        Start::Beginning { why } if why == "new" => "beginning".to_owned(),
        Start::Beginning { why } => format!("beginning: {why}"),
        Start::End { .. } => "end: asked for".to_owned(),
        Start::Checkpoint { position, .. } if file.kind == Some(Kind::Plain) && *position == file.size => {
            "checkpoint: nothing new".to_owned()
        }
        Start::Checkpoint { position, acknowledged } if acknowledged < position => {
            format!("checkpoint; {} before it are sent again first", size(position - acknowledged))
        }
        Start::Checkpoint { .. } => "checkpoint".to_owned(),
        Start::Never { why } => format!("not read: {why}"),
    }
}

fn json(plan: &Plan) -> Value {
    let files: Vec<Value> = plan
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path.to_string_lossy(),
                "kind": kind(file),
                "id": file.id.map(|id| id.to_string()),
                "size": file.size,
                "topic": Some(&file.topic).filter(|topic| !topic.is_empty()),
                "dataset": file.dataset,
                "position": file.start.position(),
                "why": why(file),
            })
        })
        .collect();
    json!({ "files": files, "unmatched": plan.unmatched, "streams": plan.streams, "copied": plan.copied })
}
