//! What differs between the config in force and a new one: keys, and the files that keys name.

use crate::config::{ConfigFile, with_defaults};
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Gives a new config the value of a key that is in force.
type Keep = fn(&mut ConfigFile, &ConfigFile);
/// Keys that only a new start of the process takes over, since others depend on them while it runs; and how the new config
/// keeps what is in force.
const FIXED: [(&str, Keep); 6] = [
    ("agent.checkpoints", |new, current| new.agent.checkpoints.clone_from(&current.agent.checkpoints)),
    ("agent.status_listen", |new, current| new.agent.status_listen = current.agent.status_listen),
    ("worker.status_listen", |new, current| new.worker.status_listen = current.worker.status_listen),
    ("host_name", |new, current| new.host_name.clone_from(&current.host_name)),
    ("broker", |new, current| new.broker = current.broker.clone()),
    ("search", |new, current| new.search = current.search.clone()),
];
/// Characters of a value that are shown.
const VALUE_CHARACTERS_MAX: usize = 60;

/// What has changed of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// A line each.
    pub lines: Vec<String>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

/// What a look found.
#[derive(Debug)]
pub struct Changed {
    /// The new config; what needs a new start is as it was.
    pub config: ConfigFile,
    contents: Contents,
    pub of_agent: Changes,
    pub of_worker: Changes,
    /// What needs a new start of the process.
    pub waiting: Vec<String>,
}

impl Changed {
    pub(super) fn between(current: &ConfigFile, before: &Contents, mut new: ConfigFile) -> Self {
        let contents = Contents::of(&new);
        let whole = |config: &ConfigFile| serde_json::to_value(with_defaults(config.clone())).unwrap_or_default();
        let mut lines = Vec::new();
        compare("", &whole(current), &whole(&new), &mut lines);
        // Secrets look alike there.
        if current.agent != new.agent && !lines.iter().any(|(key, _)| key.starts_with("agent.")) {
            lines.push(("agent.sasl.password".to_owned(), "agent: a secret is another".to_owned()));
        }
        if current.worker != new.worker && !lines.iter().any(|(key, _)| key.starts_with("worker.")) {
            lines.push(("worker.elasticsearch".to_owned(), "worker: a secret is another".to_owned()));
        }
        lines.extend(contents.against(before));
        let is_fixed =
            |key: &str| FIXED.iter().any(|(fixed, _)| key == *fixed || key.starts_with(&format!("{fixed}.")));
        let (waiting, lines): (Vec<_>, Vec<_>) = lines.into_iter().partition(|(key, _)| is_fixed(key));
        let of = |part: &str| {
            let lines = lines.iter().filter(|(key, _)| key.starts_with(part)).map(|(_, line)| line.clone());
            Changes { lines: lines.collect() }
        };
        let (of_agent, of_worker) = (of("agent."), of("worker."));
        FIXED.iter().for_each(|(_, keep)| keep(&mut new, current));
        Self {
            config: new,
            contents,
            of_agent,
            of_worker,
            waiting: waiting.into_iter().map(|(_, line)| line).collect(),
        }
    }

    pub(super) fn into_force(self) -> (ConfigFile, Contents) {
        (self.config, self.contents)
    }
}

/// A line for each key whose value is another.
fn compare(path: &str, old: &Value, new: &Value, lines: &mut Vec<(String, String)>) {
    match (old, new) {
        (Value::Object(before), Value::Object(after)) => {
            let keys = before.keys().chain(after.keys().filter(|key| !before.contains_key(*key)));
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let of = |fields: &serde_json::Map<String, Value>| fields.get(key).cloned().unwrap_or_default();
                compare(&path, &of(before), &of(after), lines);
            }
        }
        (Value::Array(before), Value::Array(after)) if before.iter().chain(after).any(Value::is_object) => {
            for index in 0..before.len().max(after.len()) {
                let path = format!("{path}.{index}");
                match (before.get(index), after.get(index)) {
                    (Some(before), Some(after)) => compare(&path, before, after, lines),
                    (None, Some(after)) => lines.push((path.clone(), format!("{path} is new: {}", shown(after)))),
                    (_, None) => lines.push((path.clone(), format!("{path} is gone"))),
                }
            }
        }
        (old, new) if old != new => {
            lines.push((path.to_owned(), format!("{path} is {}, was {}", shown(new), shown(old))));
        }
        _ => {}
    }
}

/// A value without what is empty in it, cut where it is long.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => return "not set".to_owned(),
        Value::Object(fields) => {
            let is_said = |value: &Value| {
                !matches!(value, Value::Null) && value != &serde_json::json!([]) && value != &serde_json::json!({})
            };
            let said: serde_json::Map<String, Value> = fields
                .iter()
                .filter(|(_, value)| is_said(value))
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            Value::Object(said).to_string()
        }
        other => other.to_string(),
    };
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// The state of the files that a config names: certificates, keys and secrets, which change under the same name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents(BTreeMap<String, u64>);

impl Contents {
    pub fn of(config: &ConfigFile) -> Self {
        let (agent, worker) = (&config.agent, &config.worker);
        let mut named: Vec<(String, Option<&PathBuf>)> = Vec::new();
        for (part, tls, sasl) in
            [("agent", &agent.broker_tls, &agent.sasl), ("worker", &worker.broker_tls, &worker.sasl)]
        {
            if let Some(tls) = tls {
                named.push((format!("{part}.broker_tls.ca"), tls.ca.as_ref()));
                named.push((format!("{part}.broker_tls.certificate"), tls.certificate.as_ref()));
                named.push((format!("{part}.broker_tls.key"), tls.key.as_ref()));
            }
            if let Some(sasl) = sasl {
                named.push((format!("{part}.sasl.password_file"), sasl.password_file.as_ref()));
            }
        }
        if let Some(servers) = &worker.elasticsearch {
            let files = [
                ("password_file", &servers.password_file),
                ("api_key_file", &servers.api_key_file),
                ("bearer_token_file", &servers.bearer_token_file),
                ("tls.ca_file", &servers.tls.ca_file),
                ("tls.certificate_file", &servers.tls.certificate_file),
                ("tls.key_file", &servers.tls.key_file),
            ];
            named.extend(files.map(|(key, file)| (format!("worker.elasticsearch.{key}"), file.as_ref())));
        }
        let read = named.into_iter().filter_map(|(key, path)| Some((key, state(path?))));
        Self(read.collect())
    }

    /// A line for each file that is under the same key as before, with another content.
    fn against(&self, before: &Self) -> Vec<(String, String)> {
        let is_other = |(key, state): &(&String, &u64)| before.0.get(*key).is_some_and(|old| old != *state);
        let lines = self.0.iter().filter(is_other);
        lines.map(|(key, _)| (key.clone(), format!("{key}: the file has another content"))).collect()
    }
}

fn state(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    std::fs::read(path).ok().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ConfigFile {
        crate::config::parse("sluice.yaml", text).expect("the config is right")
    }

    fn changed(old: &str, new: &str) -> Changed {
        let old = config(old);
        Changed::between(&old, &Contents::of(&old), config(new))
    }

    #[test]
    fn each_key_is_told_and_parts_are_told_apart() {
        let old = "agent:\n  linger_ms: 7\n  inputs: [{paths: [a]}]\nworker: {group: x}\n";
        assert!(changed(old, old).of_agent.is_empty() && changed(old, old).waiting.is_empty());
        let new = "agent:\n  inputs: [{paths: [a, b]}, {paths: [c], topic: t}]\nworker: {group: x}\n";
        let found = changed(old, new);
        let lines = &found.of_agent.lines;
        assert!(lines.iter().any(|line| line == "agent.linger_ms is 5, was 7"), "{lines:?}");
        assert!(lines.iter().any(|line| line == r#"agent.inputs.0.paths is ["a","b"], was ["a"]"#), "{lines:?}");
        assert!(lines.iter().any(|line| line.starts_with("agent.inputs.1 is new: {\"paths\":[\"c\"]")), "{lines:?}");
        assert!(found.of_worker.is_empty());
        assert_eq!(changed(new, old).of_agent.lines.len(), 3);
    }

    #[test]
    fn a_secret_is_not_shown_and_what_is_fixed_waits() {
        let with =
            |secret: &str| format!("worker: {{elasticsearch: {{urls: [a], username: u, password: {secret}}}}}\n");
        let lines = changed(&with("s3cret"), &with("s3cret2")).of_worker.lines;
        assert_eq!(lines, ["worker: a secret is another"]);
        let found = changed("agent: {checkpoints: a}\n", "agent: {checkpoints: b}\nbroker: {data: c}\n");
        assert_eq!(found.waiting.len(), 2, "{:?}", found.waiting);
        assert!(found.of_agent.is_empty());
        assert_eq!(found.config.agent.checkpoints.as_deref(), Some(Path::new("a")));
    }

    #[test]
    fn files_that_are_named_are_looked_into() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, "one").expect("a file");
        let text = format!("agent: {{broker_tls: {{ca: {}}}}}\n", path.display());
        let old = config(&text);
        let before = Contents::of(&old);
        std::fs::write(&path, "two").expect("a file");
        let lines = Changed::between(&old, &before, config(&text)).of_agent.lines;
        assert_eq!(lines, ["agent.broker_tls.ca: the file has another content"]);
    }
}
