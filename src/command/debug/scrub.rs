//! Takes secrets out of texts: those that the config names, wherever they stand, and what looks like one.

use crate::config::{ConfigFile, Secret};
use regex::Regex;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;

/// What stands for a secret.
const HIDDEN: &str = "...";
/// A shorter secret would take half of every text with it; it is found by its key only.
const SECRET_BYTES_MIN: usize = 4;

/// What looks like a secret, whoever wrote it: credentials in URLs and headers, and values beside such keys.
static LOOKS_LIKE: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        r"(://)[^/\s@]+@",
        r"(?i)((?:basic|bearer|apikey)\s+)[A-Za-z0-9+/=_.~-]{8,}",
        r#"(?i)((?:password|passwd|secret|token|api_?key)["']?\s*[:=]\s*)(?:"[^"]*"|'[^']*'|[^\s,;"'}]+)"#,
    ]
    .map(|pattern| Regex::new(pattern).expect("a constant pattern is valid"))
});

/// The secrets of a config.
pub struct Scrub {
    /// The longest first, so that none hides the rest of another.
    secrets: Vec<String>,
}

impl Scrub {
    pub fn new(config: &ConfigFile) -> Self {
        let mut secrets = Vec::new();
        let mut add = |secret: &Option<Secret>, file: &Option<PathBuf>| {
            let secret = secret.clone().unwrap_or_else(Secret::empty);
            secrets.extend(secret.known_texts(file.as_ref()));
        };
        for sasl in [&config.agent.sasl, &config.worker.sasl].into_iter().flatten() {
            add(&sasl.password, &sasl.password_file);
        }
        if let Some(section) = &config.worker.elasticsearch {
            add(&section.password, &section.password_file);
            add(&section.api_key, &section.api_key_file);
            add(&section.bearer_token, &section.bearer_token_file);
        }
        secrets.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self { secrets }
    }

    /// `text` without secrets.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            text = text.replace(secret, HIDDEN);
        }
        for (number, pattern) in LOOKS_LIKE.iter().enumerate() {
            let with = if number == 0 { "${1}...@" } else { "${1}..." };
            text = pattern.replace_all(&text, with).into_owned();
        }
        text
    }

    /// The config as it was written, its secrets hidden. Files that hold some are named.
    pub fn config(&self, config: &ConfigFile) -> Value {
        let mut value = serde_json::to_value(config).unwrap_or_default();
        self.hide(&mut value);
        value
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    match is_secret(key) && !value.is_null() {
                        true => *value = HIDDEN.into(),
                        false => self.hide(value),
                    }
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide(value)),
            Value::String(text) => *text = self.text(text),
            _ => {}
        }
    }
}

/// Whether a key of the config, or of Kafka's, names a secret and not a file with one.
fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let names = ["password", "secret", "token", "api_key", "jaas", "private"].iter().any(|word| key.contains(word));
    names && !key.ends_with("_file")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_secret_of_a_config_is_taken_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key");
        std::fs::write(&file, "in-a-file-9\n").expect("written");
        let yaml = format!(
            "agent: {{sasl: {{user: a, password: agent-pw-1}}}}\n\
             broker: {{set: {{ssl.keystore.password: store-pw-2}}}}\n\
             worker:\n  sasl: {{user: w, password: worker-pw-3}}\n\
             \x20 elasticsearch: {{urls: [\"http://u:url-pw-4@h:9200\"], username: u, password: es-pw-5, \
             api_key_file: {}, bearer_token: bearer-6}}\n",
            file.display()
        );
        let config: ConfigFile = serde_saphyr::from_str(&yaml).expect("a config");
        let scrub = Scrub::new(&config);
        let all = ["agent-pw-1", "store-pw-2", "worker-pw-3", "url-pw-4", "es-pw-5", "bearer-6", "in-a-file-9"];
        let shown = scrub.config(&config).to_string();
        for secret in all {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(shown.contains("api_key_file") && shown.contains("http://...@h:9200"), "{shown}");
        // In a log they stand without their key.
        let log = "login with agent-pw-1, worker-pw-3; es-pw-5 bearer-6 in-a-file-9 http://u:url-pw-4@h/ of h";
        let log = scrub.text(log);
        for secret in all {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
        assert!(log.ends_with("http://...@h/ of h"), "{log}");
    }

    #[test]
    fn what_looks_like_a_secret_is_taken_out() {
        let scrub = Scrub { secrets: Vec::new() };
        let check = |text: &str, want: &str| assert_eq!(scrub.text(text), want);
        check("nothing of the kind: 12", "nothing of the kind: 12");
        check("Authorization: Basic dXNlcjpwYXNz more", "Authorization: Basic ... more");
        check("password=hunter2, next", "password=..., next");
        check(r#"{"api_key": "abc def", "a": 1}"#, r#"{"api_key": ..., "a": 1}"#);
        check("https://user:pw@host/x", "https://...@host/x");
    }
}
