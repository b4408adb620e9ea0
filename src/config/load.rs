//! Finds and reads `sluice.yaml`; an error names file, line, column and key, and has a hint.

use super::file::ConfigFile;
use super::place::Place;
use super::problem::{Problem, did_you_mean};
use super::range;
use crate::failure::Failure;
use serde_saphyr::Error;
use std::path::{Path, PathBuf};

/// Where the file is looked for, in this order, when `--config` names none.
const PLACES: [&str; 2] = ["sluice.yaml", "/etc/sluice/sluice.yaml"];

/// Reads `named`, or the first of [`PLACES`] that exists; without any, an empty config.
pub fn load(named: Option<&Path>) -> Result<ConfigFile, Failure> {
    let Some(path) = find(named) else { return Ok(ConfigFile::default()) };
    let named = named.map(Path::to_owned);
    let text = read(&path)?;
    let name = path.display().to_string();
    let config = parse(&name, &text)?;
    match range::problems(&config, &name, &text).into_iter().next() {
        Some(problem) => Err(Box::new(problem).into()),
        None => Ok(ConfigFile { named, ..config }),
    }
}

/// The file that [`load`] reads.
pub fn find(named: Option<&Path>) -> Option<PathBuf> {
    match named {
        Some(path) => Some(path.to_owned()),
        None => PLACES.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

/// The file's text.
pub fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("read config {}: {error}", path.display()), "name another file with --config FILE")
    })
}

/// The config in `text`, which is the content of the file `name`.
pub fn parse(name: &str, text: &str) -> Result<ConfigFile, Box<Problem>> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(ConfigFile::default());
    }
    serde_saphyr::from_str(text).map_err(|error| Box::new(explain(name, text, &error)))
}

fn explain(name: &str, text: &str, error: &Error) -> Problem {
    let error = error.without_snippet();
    let place = error.location().and_then(Place::of);
    let section = place.map_or_else(|| "the file".to_owned(), |place| section_of(text, place));
    let problem = |cause: String, hint: String| Problem::new(name, text, place, cause, hint);
    match error {
        Error::SerdeUnknownField { field, expected, .. } => problem(
            format!("unknown key {field:?} in {section}"),
            did_you_mean(field, expected.iter().copied()).unwrap_or_else(|| elsewhere(field, &section, expected)),
        ),
        Error::SerdeUnknownVariant { variant, expected, .. } => problem(
            format!("unknown value {variant:?} in {section}"),
            did_you_mean(variant, expected.iter().copied())
                .unwrap_or_else(|| format!("want one of {}", expected.join(", "))),
        ),
        Error::SerdeMissingField { field, .. } => {
            problem(format!("key {field:?} is missing in {section}"), format!("add \"{field}: ...\" there"))
        }
        Error::DuplicateMappingKey { key, .. } => problem(
            format!("key {:?} stands twice in {section}", key.as_deref().unwrap_or("?")),
            "remove one of the two".to_owned(),
        ),
        other => {
            let message = other.to_string();
            // The place stands before it.
            let message = message.lines().next().unwrap_or_default();
            let message = message.split(" at line ").next().unwrap_or_default();
            // What it says to programmers behind that is nothing for operators.
            let message = message.split("; use ").next().unwrap_or_default().to_owned();
            if message.starts_with("multiple YAML documents") {
                return problem(message, "a config is one document: remove the line \"---\"".to_owned());
            }
            let hint =
                match text.lines().any(|line| line.starts_with('\t') || line.trim_start_matches(' ').starts_with('\t'))
                {
                    true => "YAML is indented with spaces; replace the tabs".to_owned(),
                    false => form_of(text, place),
                };
            problem(message, hint)
        }
    }
}

/// Where a key belongs that is unknown in its section, or which ones there are.
fn elsewhere(key: &str, section: &str, expected: &[&str]) -> String {
    match super::schema::path_of(key) {
        Some(path) => format!("it is a key of another section: {path}"),
        None => format!("the keys of {section} are {}", expected.join(", ")),
    }
}

/// What the key at `place` has to be, from the schema; without a known key, where all of them are shown.
fn form_of(text: &str, place: Option<Place>) -> String {
    let key = place.and_then(|place| text.lines().nth(place.line - 1)).and_then(|line| {
        let (key, _) = line.trim_start_matches([' ', '-']).split_once(':')?;
        Some(key.trim().to_owned())
    });
    let above = text.lines().take(place.map_or(0, |place| place.line));
    let top = above.filter(|line| line.starts_with(|letter: char| letter.is_ascii_alphabetic())).last();
    let top = top.and_then(|line| line.split(':').next()).unwrap_or_default();
    let form = key.as_deref().and_then(|key| super::schema::form(key, top));
    form.unwrap_or_else(|| "docs/config.md shows the form of every key, `sluice config schema` for editors".to_owned())
}
/// The key under which `place` stands: that of the braces around it, or the nearest line above with less indentation.
fn section_of(text: &str, place: Place) -> String {
    let line = place.line;
    let before: String =
        text.lines().nth(line - 1).unwrap_or_default().chars().take(place.column.saturating_sub(1)).collect();
    if let Some(key) = in_braces(&before) {
        return key;
    }
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let lines: Vec<&str> = text.lines().take(line).collect();
    let Some((own, above)) = lines.split_last() else {
        return "the file".to_owned();
    };
    let own = indentation(own);
    above
        .iter()
        .rev()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
        .find(|line| indentation(line) < own && line.contains(':'))
        .map_or_else(
            || "the file".to_owned(),
            |line| line.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default().to_owned(),
        )
}

/// The key before the innermost brace that is open at the end of `before`.
fn in_braces(before: &str) -> Option<String> {
    let mut closed = 0;
    let open = before.char_indices().rev().find(|(_, letter)| match letter {
        '}' => {
            closed += 1;
            false
        }
        '{' if closed > 0 => {
            closed -= 1;
            false
        }
        letter => *letter == '{',
    });
    let key = before[..open?.0].trim_end().strip_suffix(':')?;
    let key = key.rsplit([' ', '{', ',', '-']).next()?;
    (!key.is_empty()).then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, message: &str, hint: &str) {
        let failure = parse("sluice.yaml", text).expect_err("the config is broken");
        let shown = failure.to_string();
        assert_eq!(shown.rsplit_once('\n').map(|(text, _)| text), Some(message), "{shown}");
        assert_eq!(failure.hint, hint);
    }

    #[test]
    fn errors_name_file_line_key_and_hint() {
        check(
            "agent:\n  broker: 127.0.0.1:9092\n  topik: logs\n",
            "sluice.yaml:3:3: unknown key \"topik\" in agent\n    3 |   topik: logs",
            "did you mean \"topic\"?",
        );
        check(
            "agnet: {}\n",
            "sluice.yaml:1:1: unknown key \"agnet\" in the file\n    1 | agnet: {}",
            "did you mean \"agent\"?",
        );
        check(
            "agent:\n  from: start\n",
            "sluice.yaml:2:9: unknown value \"start\" in agent\n    2 |   from: start",
            "want one of beginning, end",
        );
        check(
            "agent:\n  inputs:\n    - syslog:\n        protocol: udp\n",
            "sluice.yaml:4:9: key \"listen\" is missing in syslog\n    4 |         protocol: udp",
            "add \"listen: ...\" there",
        );
        check(
            "broker:\n  data: a\n  data: b\n",
            "sluice.yaml:3:3: key \"data\" stands twice in broker\n    3 |   data: b",
            "remove one of the two",
        );
    }

    #[test]
    fn no_error_shows_a_secret() {
        for text in [
            "worker:\n  elasticsearch:\n    pasword: s3cret\n",
            "worker:\n  elasticsearch:\n    password: [s3cret]\n",
            "worker:\n  elasticsearch: {pword: s3cret}\n",
            "worker:\n  elasticsearch:\n    url: http://u:s3cret@h\n",
            "worker:\n  elasticsearch:\n    urls: http://u:s3cret@h\n",
            "worker:\n  elasticsearch:\n    api_key: {s3cret: 1}\n",
        ] {
            let failure = parse("sluice.yaml", text).expect_err("the config is broken");
            assert!(!format!("{failure:?}").contains("s3cret"), "{failure:?}");
        }
    }

    #[test]
    fn wrong_types_and_broken_yaml_name_the_line() {
        for (text, line) in [
            ("agent:\n  drain_s: soon\n", 2),
            ("broker:\n  listen: [nowhere]\n", 2),
            ("worker:\n  topics: {a: b}\n", 2),
            ("agent: [\n", 1),
            ("agent:\n\tbroker: x\n", 2),
        ] {
            let failure = parse("sluice.yaml", text).expect_err("the config is broken").to_string();
            assert!(failure.starts_with(&format!("sluice.yaml:{line}:")), "{text:?}: {failure}");
            assert_eq!(
                failure.matches("line").count(),
                text.matches("line").count(),
                "the place is told twice: {failure}"
            );
        }
    }

    #[test]
    fn an_empty_file_is_an_empty_config() {
        for text in ["", "# nothing\n\n"] {
            let config = parse("sluice.yaml", text).expect("nothing is wrong");
            assert!(config.agent.inputs.is_empty());
        }
    }

    #[test]
    fn the_commented_file_names_every_key() {
        let text = include_str!("../../docs/sluice.yaml");
        let written: serde_json::Value = serde_saphyr::from_str(text).expect("the commented file is YAML");
        serde_saphyr::from_str::<ConfigFile>(text).expect("the commented file is a config");
        let full = ConfigFile {
            agent: super::super::AgentSection {
                inputs: vec![super::super::Input::default()],
                broker_tls: Some(Default::default()),
                sasl: Some(Default::default()),
                ..Default::default()
            },
            broker: super::super::BrokerSection { tls: Some(super::super::BrokerTls::default()), ..Default::default() },
            worker: super::super::WorkerSection {
                elasticsearch: Some(Default::default()),
                broker_tls: Some(Default::default()),
                sasl: Some(Default::default()),
                ..Default::default()
            },
            ..Default::default()
        };
        let known = serde_json::to_value(full).expect("a config can be written");
        assert_keys("", &known, &written);
    }

    fn assert_keys(place: &str, known: &serde_json::Value, written: &serde_json::Value) {
        match (known, written) {
            (serde_json::Value::Object(known), written) => {
                for (key, value) in known {
                    let place = format!("{place}.{key}");
                    let written = written.get(key).unwrap_or_else(|| panic!("sluice.yaml lacks {place}"));
                    assert_keys(&place, value, written);
                }
            }
            (serde_json::Value::Array(known), serde_json::Value::Array(written)) => {
                if let (Some(known), Some(written)) = (known.first(), written.first()) {
                    assert_keys(place, known, written);
                }
            }
            _ => (),
        }
    }
}
