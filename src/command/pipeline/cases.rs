//! Sample events of a pipeline test, and the config beside them: the files of `_dev/test/pipeline` in Elastic's packages.

use crate::failure::Failure;
use anyhow::Context;
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A config for all cases of a folder.
const COMMON_CONFIG: &str = "test-common-config.yml";
/// Largest file of samples: they are written by people, and are in memory as events several times.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Events of one file.
#[derive(Debug)]
pub struct Case {
    pub path: PathBuf,
    /// Where each event stands and what it is.
    pub events: Vec<Event>,
    pub config: Config,
}

#[derive(Debug, PartialEq)]
pub struct Event {
    /// `line 3` or `event 3`, from one.
    pub place: String,
    pub document: Value,
}

/// What stands in the config of a case.
#[derive(Debug, Default)]
pub struct Config {
    /// Fields of every event that was a raw line.
    fields: Map<String, Value>,
    /// Fields whose value changes from run to run, and what it looks like.
    pub dynamic_fields: Vec<(String, Regex)>,
    /// What the first line of an event looks like; the others go on with it.
    first_line: Option<Regex>,
    /// Why the case is not to be run.
    pub skip: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    fields: Map<String, Value>,
    dynamic_fields: BTreeMap<String, String>,
    multiline: Option<Multiline>,
    skip: Option<Skip>,
    /// Checks of the mapping, of which a pipeline knows nothing.
    numeric_keyword_fields: Vec<String>,
    string_number_fields: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Multiline {
    first_line_pattern: String,
}

#[derive(Debug, Deserialize)]
struct Skip {
    #[serde(default)]
    reason: String,
}

impl Case {
    /// The cases in a folder, by name.
    pub fn find(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(folder).with_context(|| format!("read folder {}", folder.display()))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("read folder {}", folder.display()))?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let is_case = name.ends_with(".log") || (name.ends_with(".json") && !name.ends_with("-expected.json"));
            // A pipeline of JSON may lie beside its samples.
            if is_case && path.is_file() && (name.ends_with(".log") || has_events(&path)?) {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    pub fn read(path: &Path) -> anyhow::Result<Case> {
        let mut config = Config::default();
        config.add(&path.with_file_name(COMMON_CONFIG))?;
        config.add(&beside(path, "-config.yml"))?;
        let text = read(path)?;
        let events = match path.extension().is_some_and(|extension| extension == "json") {
            true => events(&text).with_context(|| path.display().to_string())?,
            false => raw_events(&text, &config),
        };
        Ok(Case { path: path.to_owned(), events, config })
    }

    /// The file of what is expected.
    pub fn expected_path(&self) -> PathBuf {
        beside(&self.path, "-expected.json")
    }
}

/// A file whose name is another one's with something behind it.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Reads a file of samples.
pub fn read(path: &Path) -> anyhow::Result<String> {
    let length = fs::metadata(path).with_context(|| format!("read {}", path.display()))?.len();
    if length > FILE_BYTES_MAX {
        let message = format!("{} is larger than a file of samples may be: {length} bytes", path.display());
        return Err(Failure::new(message, format!("at most {FILE_BYTES_MAX} bytes; divide it")).into());
    }
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn has_events(path: &Path) -> anyhow::Result<bool> {
    Ok(serde_json::from_str::<Value>(&read(path)?).map_or(true, |json| json.get("processors").is_none()))
}

impl Config {
    /// Takes what a file says, if it is there; what it says again counts.
    fn add(&mut self, path: &Path) -> anyhow::Result<()> {
        if !path.exists() {
            return Ok(());
        }
        let text = read(path)?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let file: ConfigFile =
            serde_saphyr::from_str(&text).map_err(|error| wrong(path, &error.without_snippet().to_string()))?;
        let pattern =
            |key: &str, pattern: &str| Regex::new(pattern).map_err(|error| wrong(path, &format!("{key}: {error}")));
        self.fields.extend(file.fields);
        for (name, text) in &file.dynamic_fields {
            let regex = pattern(&format!("dynamic_fields.{name}"), text)?;
            self.dynamic_fields.retain(|(known, _)| known != name);
            self.dynamic_fields.push((name.clone(), regex));
        }
        if let Some(multiline) = file.multiline {
            self.first_line = Some(pattern("multiline.first_line_pattern", &multiline.first_line_pattern)?);
        }
        if let Some(skip) = file.skip {
            self.skip = Some(skip.reason);
        }
        Ok(())
    }
}

fn wrong(path: &Path, reason: &str) -> Failure {
    let hint = "keys are fields, dynamic_fields, multiline.first_line_pattern, skip, numeric_keyword_fields, \
                string_number_fields";
    Failure::new(format!("{}: {reason}", path.display()), hint)
}

#[derive(Deserialize)]
struct Events {
    events: Vec<Value>,
}

fn events(text: &str) -> anyhow::Result<Vec<Event>> {
    let Events { events } = serde_json::from_str(text)?;
    let events = events.into_iter().enumerate();
    Ok(events.map(|(number, document)| Event { place: format!("event {}", number + 1), document }).collect())
}

/// One event for each line, or for each run of lines that begins with one that looks like a first one.
fn raw_events(text: &str, config: &Config) -> Vec<Event> {
    let mut messages: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        match (&config.first_line, messages.last_mut()) {
            (Some(first_line), Some((_, message))) if !first_line.is_match(line) => {
                message.push('\n');
                message.push_str(line);
            }
            _ => messages.push((number + 1, line.to_owned())),
        }
    }
    messages
        .into_iter()
        .map(|(number, message)| {
            let mut document = Map::new();
            document.insert("message".to_owned(), message.into());
            document.extend(config.fields.clone());
            Event { place: format!("line {number}"), document: document.into() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_events_with_fields() {
        let config = Config {
            fields: serde_json::from_str(r#"{"tags": ["t"]}"#).expect("an object"),
            first_line: Some(Regex::new("^[A-Z]").expect("a regex")),
            ..Config::default()
        };
        let events = raw_events("A\n at x\r\n\nB\n", &config);
        let messages: Vec<_> = events.iter().map(|event| (&*event.place, event.document.to_string())).collect();
        assert_eq!(
            messages,
            [
                ("line 1", r#"{"message":"A\n at x\n","tags":["t"]}"#.to_owned()),
                ("line 4", r#"{"message":"B","tags":["t"]}"#.to_owned())
            ]
        );
        let events = raw_events("A\n\nb", &Config::default());
        assert_eq!(events.len(), 3);
    }
}
