//! `sluice pipeline test DIR`: what a pipeline makes of sample events, against what is expected.

use super::cases::{self, Case, Config, Event};
use super::changes::{changes, shown};
use super::suites::{self, Suite};
use crate::command::paint::{Paint, safe};
use crate::failure::Failure;
use anyhow::Context as _;
use jiff::Timestamp;
use pipelines::document::Document;
use pipelines::pipeline::{Context, MissingYear, Outcome, Pipeline, Settings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// What came of all cases.
#[derive(Debug, Default)]
struct Tally {
    files: usize,
    events: usize,
    different: usize,
    /// Files that cannot be compared, for example since nothing says what is expected.
    broken: usize,
    skipped: usize,
    written: usize,
}

#[derive(Debug, Deserialize, Serialize)]
struct Expected {
    expected: Vec<Value>,
}

/// How one run goes about it.
#[derive(Clone, Copy)]
struct Run {
    now: Timestamp,
    update: bool,
    paint: Paint,
}

pub fn run(folder: &Path, named: Option<&str>, settings: &Settings, update: bool) -> anyhow::Result<ExitCode> {
    let run = Run { now: Timestamp::now(), update, paint: Paint::for_stdout() };
    let mut tally = Tally::default();
    for suite in suites::find(folder, named)? {
        let mut report = String::new();
        run.suite(&suite, settings, &mut report, &mut tally)?;
        print!("{report}");
    }
    if tally.files == 0 {
        let message = format!("no samples in {}", folder.display());
        return Err(
            Failure::new(message, "they are called NAME.log (raw lines) or NAME.json ({\"events\": [..]})").into()
        );
    }
    println!("{}", tally.summary(run.paint));
    Ok(match tally.different + tally.broken {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

impl Run {
    fn suite(self, suite: &Suite, settings: &Settings, report: &mut String, tally: &mut Tally) -> anyhow::Result<()> {
        let pipeline = Pipeline::load_with(&suite.pipeline, settings)?;
        for path in Case::find(&suite.folder)? {
            let case = Case::read(&path)?;
            tally.files += 1;
            let name = safe(&path.display().to_string());
            if let Some(reason) = &case.config.skip {
                tally.skipped += 1;
                let _ = writeln!(report, "{} {name}: {}", self.paint.changed("skipped"), safe(reason));
                continue;
            }
            let mut differences = String::new();
            let (different, written) = self.case(&pipeline, &case, &mut differences)?;
            tally.events += case.events.len();
            let word = match different {
                Ok(0) if written => self.paint.changed("written"),
                Ok(0) => self.paint.good("ok"),
                Ok(_) | Err(()) => self.paint.bad("FAILED"),
            };
            match different {
                Ok(different) => tally.different += different,
                Err(()) => tally.broken += 1,
            }
            tally.written += usize::from(written);
            let _ = writeln!(report, "{word} {name} ({} events)", case.events.len());
            report.push_str(&differences);
        }
        Ok(())
    }

    /// How many documents are not as expected, or an error when they cannot be compared; and whether a file was written.
    fn case(self, pipeline: &Pipeline, case: &Case, out: &mut String) -> anyhow::Result<(Result<usize, ()>, bool)> {
        let got: Vec<Result<Value, String>> =
            case.events.iter().map(|event| self.document(pipeline, &event.document)).collect();
        let mut failed = 0;
        for (event, got) in case.events.iter().zip(&got) {
            if let Err(reason) = got {
                failed += 1;
                self.head(out, event);
                let _ = writeln!(out, "    {}", self.paint.bad(safe(reason)));
            }
        }
        let path = case.expected_path();
        let expected = match path.exists() {
            true => {
                let text = cases::read(&path)?;
                let Expected { expected } =
                    serde_json::from_str(&text).with_context(|| format!("read {}", path.display()))?;
                Some(expected)
            }
            false => None,
        };
        let mut differences = String::new();
        let different = match &expected {
            Some(expected) => self.compare(case, &got, expected, &mut differences),
            None => Err(()),
        };
        if different == Ok(0) && failed == 0 {
            return Ok((Ok(0), false));
        }
        if self.update && failed == 0 {
            let expected = got.into_iter().map(|got| sorted(got.unwrap_or_default())).collect();
            write(&path, &Expected { expected })?;
            return Ok((Ok(0), true));
        }
        out.push_str(&differences);
        match different {
            Ok(different) => Ok((Ok(different + failed), false)),
            Err(()) if expected.is_none() => {
                let path = safe(&path.display().to_string());
                let _ = writeln!(out, "  {path} is missing; --update writes it");
                Ok((Err(()), false))
            }
            Err(()) => Ok((Err(()), false)),
        }
    }

    /// Shows how documents differ, and counts those that do; those of failed pipelines have been counted.
    fn compare(
        self,
        case: &Case,
        got: &[Result<Value, String>],
        expected: &[Value],
        out: &mut String,
    ) -> Result<usize, ()> {
        let mut different = 0;
        for ((event, got), expected) in case.events.iter().zip(got).zip(expected) {
            let Ok(got) = got else { continue };
            let wrong = wrong_dynamic_fields(got, &case.config);
            let (expected, got) = (stripped(expected, &case.config), stripped(got, &case.config));
            let changes = changes(&expected, &got);
            if changes.is_empty() && wrong.is_empty() {
                continue;
            }
            different += 1;
            self.head(out, event);
            changes.iter().for_each(|change| change.write(out, "    ", self.paint));
            for line in wrong {
                let _ = writeln!(out, "    {}", self.paint.bad(line));
            }
        }
        if expected.len() != got.len() {
            let _ = writeln!(out, "  {} events, and {} documents are expected", got.len(), expected.len());
            return Err(());
        }
        Ok(different)
    }

    fn head(self, out: &mut String, event: &Event) {
        let message = event.document.get("message").unwrap_or(&event.document);
        let _ = writeln!(out, "  {} {}", self.paint.strong(&event.place), self.paint.faint(shown(message)));
    }

    /// The document that comes out; null when it was dropped.
    fn document(self, pipeline: &Pipeline, event: &Value) -> Result<Value, String> {
        let mut document = Document::from_json(&event.to_string()).map_err(|error| error.to_string())?;
        // Where the sample says when it was, times without a year are the same in every year.
        let reference = event.get("@timestamp").and_then(Value::as_str).and_then(|text| text.parse().ok());
        let reference = reference.unwrap_or(self.now);
        let context = Context { reference, now: self.now, year: MissingYear::Nearest };
        match pipeline.run(&mut document, &context) {
            Outcome::Done => {
                let mut json = Vec::new();
                document.write_json(&mut json);
                serde_json::from_slice(&json).map_err(|error| error.to_string())
            }
            Outcome::Dropped => Ok(Value::Null),
            Outcome::Failed(failure) => Err(failure.to_string()),
        }
    }
}

impl Tally {
    fn summary(&self, paint: Paint) -> String {
        let mut text = format!("{} files, {} events: ", self.files, self.events);
        match self.different + self.broken {
            0 => text.push_str(&paint.good("all documents are as expected").to_string()),
            _ => {
                let mut parts = Vec::new();
                if self.different > 0 {
                    parts.push(format!("{} documents are not as expected", self.different));
                }
                if self.broken > 0 {
                    parts.push(format!("{} files cannot be compared", self.broken));
                }
                text.push_str(&paint.bad(parts.join(", ")).to_string());
            }
        }
        if self.written > 0 {
            let _ = write!(text, "; {} files written", self.written);
        }
        if self.skipped > 0 {
            let _ = write!(text, "; {} files skipped", self.skipped);
        }
        text
    }
}

/// The document without its dynamic fields.
fn stripped(document: &Value, config: &Config) -> Value {
    let mut document = document.clone();
    for (path, _) in &config.dynamic_fields {
        if let Some(fields) = document.as_object_mut() {
            remove(fields, path);
        }
    }
    document
}

/// Removes a field, and the objects around it that become empty: there may be nothing else in them.
fn remove(fields: &mut Map<String, Value>, path: &str) {
    if fields.shift_remove(path).is_some() {
        return;
    }
    let Some((name, rest)) = path.split_once('.') else { return };
    if let Some(Value::Object(inner)) = fields.get_mut(name) {
        remove(inner, rest);
        if inner.is_empty() {
            fields.shift_remove(name);
        }
    }
}

/// Dynamic fields that do not look as they should, a sentence each. One that is not there is none.
fn wrong_dynamic_fields(document: &Value, config: &Config) -> Vec<String> {
    let look = |(path, regex): &(String, regex::Regex)| {
        let value = document.get(path).or_else(|| path.split('.').try_fold(document, |value, name| value.get(name)))?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let sentence = || format!("{}: {} does not match {:?}", safe(path), shown(value), regex.as_str());
        (!regex.is_match(&text)).then(sentence)
    };
    config.dynamic_fields.iter().filter_map(look).collect()
}

/// The same with the names of all objects in alphabetical order, as Elastic's tool writes them.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// Writes a file as Elastic's tool does: four spaces.
fn write(path: &Path, expected: &Expected) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    expected
        .serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, format))
        .with_context(|| format!("write {}", path.display()))?;
    bytes.push(b'\n');
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests;
