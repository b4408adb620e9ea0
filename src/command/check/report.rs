//! How `sluice check` shows what it found: for people, and as JSON.

use super::Checked;
use super::probe::Probe;
use crate::command::paint;
use crate::config::{Level, Problem};
use anyhow::Context;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

pub fn write(path: Option<&Path>, checked: &Checked, probes: &[Probe], as_json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let written = match as_json {
        true => writeln!(out, "{:#}", of_all(path, checked, probes)),
        false => write_text(&mut out, path, checked, probes),
    };
    written.context("write to standard output")
}

fn word(level: Option<Level>) -> &'static str {
    match level {
        None => "ok",
        Some(Level::Warning) => "warning",
        Some(Level::Error) => "error",
    }
}

pub fn write_problem(out: &mut impl Write, problem: &Problem) -> io::Result<()> {
    let shown = problem.to_string();
    let (first, rest) = shown.split_once('\n').map_or((shown.as_str(), None), |(first, rest)| (first, Some(rest)));
    writeln!(out, "{}: {}", word(Some(problem.level)), paint::safe(first))?;
    if let Some(rest) = rest {
        writeln!(out, "{rest}")?;
    }
    writeln!(out, "hint: {}", paint::safe(&problem.hint))
}

fn write_text(out: &mut impl Write, path: Option<&Path>, checked: &Checked, probes: &[Probe]) -> io::Result<()> {
    for problem in &checked.problems {
        write_problem(out, problem)?;
        writeln!(out)?;
    }
    for probe in probes {
        writeln!(out, "{:<8} {}: {}", word(probe.level), paint::safe(&probe.what), paint::safe(&probe.says))?;
        if let Some(hint) = &probe.hint {
            writeln!(out, "         hint: {}", paint::safe(hint))?;
        }
    }
    let name = path.map_or_else(
        || "no sluice.yaml was found: all keys have their defaults".to_owned(),
        |path| path.display().to_string(),
    );
    let count = |level: Level| {
        let problems = checked.problems.iter().filter(|problem| problem.level == level).count();
        problems + probes.iter().filter(|probe| probe.level == Some(level)).count()
    };
    let number = |count: usize, word: &str| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    match (count(Level::Error), count(Level::Warning)) {
        (0, 0) => writeln!(out, "{name}: nothing is wrong"),
        (errors, warnings) => writeln!(out, "{name}: {}, {}", number(errors, "error"), number(warnings, "warning")),
    }
}

fn of_all(path: Option<&Path>, checked: &Checked, probes: &[Probe]) -> Value {
    let problems: Vec<Value> = checked
        .problems
        .iter()
        .map(|problem| {
            json!({
                "level": word(Some(problem.level)), "file": problem.file, "line": problem.place.map(|place| place.line),
                "column": problem.place.map(|place| place.column), "key": problem.key, "cause": problem.cause,
                "hint": problem.hint,
            })
        })
        .collect();
    let probes: Vec<Value> = probes
        .iter()
        .map(|probe| json!({ "level": word(probe.level), "what": probe.what, "says": probe.says, "hint": probe.hint }))
        .collect();
    json!({ "file": path.map(|path| path.display().to_string()), "problems": problems, "probes": probes })
}
