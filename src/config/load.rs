//! Finds and reads `sluice.yaml`; an error names file, line and key, and has a hint.

use super::file::ConfigFile;
use crate::failure::Failure;
use serde_saphyr::Error;
use std::path::Path;

/// Where the file is looked for, in this order, when `--config` names none.
const PLACES: [&str; 2] = ["sluice.yaml", "/etc/sluice/sluice.yaml"];

/// Names that differ more than this from a known one are not offered instead.
const SIMILARITY_MIN: f64 = 0.6;

/// Reads `named`, or the first of [`PLACES`] that exists; without any, an empty config.
pub fn load(named: Option<&Path>) -> Result<ConfigFile, Failure> {
    if let Some(path) = named {
        return read(path);
    }
    match PLACES.iter().map(Path::new).find(|path| path.exists()) {
        Some(path) => read(path),
        None => Ok(ConfigFile::default()),
    }
}

fn read(path: &Path) -> Result<ConfigFile, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("read config {}: {error}", path.display()), "name another file with --config FILE")
    })?;
    parse(&path.display().to_string(), &text)
}

fn parse(name: &str, text: &str) -> Result<ConfigFile, Failure> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(ConfigFile::default());
    }
    serde_saphyr::from_str(text).map_err(|error| explain(name, text, &error))
}

fn explain(name: &str, text: &str, error: &Error) -> Failure {
    let error = error.without_snippet();
    let line = error.location().map(|location| location.line() as usize).filter(|line| *line > 0);
    let place = match line {
        Some(line) => format!("{name}:{line}"),
        None => name.to_owned(),
    };
    let excerpt = line
        .and_then(|line| Some((line, text.lines().nth(line - 1)?)))
        .map_or_else(String::new, |(line, text)| format!("\n{line:>5} | {}", without_secrets(text)));
    let section = line.map_or_else(|| "the file".to_owned(), |line| section_of(text, line));
    match error {
        Error::SerdeUnknownField { field, expected, .. } => Failure::new(
            format!("{place}: unknown key {field:?} in {section}{excerpt}"),
            did_you_mean(field, expected)
                .unwrap_or_else(|| format!("the keys of {section} are {}", expected.join(", "))),
        ),
        Error::SerdeUnknownVariant { variant, expected, .. } => Failure::new(
            format!("{place}: unknown value {variant:?} in {section}{excerpt}"),
            did_you_mean(variant, expected).unwrap_or_else(|| format!("want one of {}", expected.join(", "))),
        ),
        Error::SerdeMissingField { field, .. } => Failure::new(
            format!("{place}: key {field:?} is missing in {section}{excerpt}"),
            format!("add \"{field}: ...\" there"),
        ),
        Error::DuplicateMappingKey { key, .. } => Failure::new(
            format!("{place}: key {:?} stands twice in {section}{excerpt}", key.as_deref().unwrap_or("?")),
            "remove one of the two",
        ),
        other => {
            let message = other.to_string();
            let message = message.lines().next().unwrap_or_default();
            Failure::new(
                format!("{place}: {message}{excerpt}"),
                "the commented docs/sluice.yaml shows the form of every key",
            )
        }
    }
}

/// The line as it may be shown: without its value where that may be a secret, also under a misspelt key.
fn without_secrets(line: &str) -> &str {
    let lower = line.to_lowercase();
    let suspicious = ["pas", "key", "token", "bearer", "secret", "auth", "elastic", "://"];
    match suspicious.iter().any(|word| lower.contains(word)) {
        true => line.find(':').map_or(line, |end| &line[..=end]),
        false => line,
    }
}

fn did_you_mean(wrong: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean {name:?}?"))
}

/// The key under which line `line` (from 1) stands: the nearest line above with less indentation.
fn section_of(text: &str, line: usize) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, message: &str, hint: &str) {
        let failure = parse("sluice.yaml", text).expect_err("the config is broken");
        let shown = format!("{failure:?}");
        assert_eq!(failure.to_string(), message, "{shown}");
        assert!(shown.contains(&format!("{hint:?}")), "{shown}\nlacks the hint {hint}");
    }

    #[test]
    fn errors_name_file_line_key_and_hint() {
        check(
            "agent:\n  broker: 127.0.0.1:9092\n  topik: logs\n",
            "sluice.yaml:3: unknown key \"topik\" in agent\n    3 |   topik: logs",
            "did you mean \"topic\"?",
        );
        check(
            "agnet: {}\n",
            "sluice.yaml:1: unknown key \"agnet\" in the file\n    1 | agnet: {}",
            "did you mean \"agent\"?",
        );
        check(
            "agent:\n  from: start\n",
            "sluice.yaml:2: unknown value \"start\" in agent\n    2 |   from: start",
            "want one of beginning, end",
        );
        check(
            "agent:\n  inputs:\n    - syslog:\n        protocol: udp\n",
            "sluice.yaml:4: key \"listen\" is missing in syslog\n    4 |         protocol: udp",
            "add \"listen: ...\" there",
        );
        check(
            "broker:\n  data: a\n  data: b\n",
            "sluice.yaml:3: key \"data\" stands twice in broker\n    3 |   data: b",
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
            ("agent:\n  linger_ms: soon\n", 2),
            ("broker:\n  listen: [nowhere]\n", 2),
            ("worker:\n  topics: {a: b}\n", 2),
            ("agent: [\n", 1),
            ("agent:\n\tbroker: x\n", 2),
        ] {
            let failure = parse("sluice.yaml", text).expect_err("the config is broken").to_string();
            assert!(failure.starts_with(&format!("sluice.yaml:{line}: ")), "{text:?}: {failure}");
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
