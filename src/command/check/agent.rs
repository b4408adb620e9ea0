//! What can be wrong in the section `agent`.

use super::findings::Findings;
use crate::command::agent as part;
use crate::command::{BROKER_DEFAULT, comma_list};
use crate::config::{AgentSection, BrokerTlsSection, ConfigFile, Input, SaslSection, security};
use ::agent::format::FormatError;
use ::agent::{Config, ConfigError};
use kafka_client::ClientConfig;
use kafka_wire::compression::Compression;

pub fn check(config: &ConfigFile, found: &mut Findings<'_>) {
    let section = &config.agent;
    brokers("agent.broker", section.broker.as_deref(), found);
    secured("agent", section.broker_tls.as_ref(), section.sasl.as_ref(), found);
    if let Some(Err(error)) = section.compression.as_deref().map(str::parse::<Compression>) {
        found.error("agent.compression", error.to_string(), "want one of none, gzip, snappy, lz4 and zstd");
    }
    let mut base = Config::new(ClientConfig::new(Vec::new()), section.topic.as_deref().unwrap_or("logs"), ".");
    base.labels = section.labels.clone();
    let mut inputs = Vec::new();
    for (at, written) in section.inputs.iter().enumerate() {
        let place = format!("agent.inputs.{at}");
        let read = match part::input(written) {
            Ok(read) => read,
            Err(failure) => {
                let key = if failure.to_string().starts_with("multiline") { ".multiline" } else { "" };
                found.failure(&format!("{place}{key}"), &failure);
                continue;
            }
        };
        let alone = Config { inputs: vec![read.clone()], ..base.clone() };
        match alone.check() {
            Ok(_) => inputs.push(read),
            Err(error) => {
                let key = key_of(&error, section, written, at);
                found.failure(&key, &part::wrong_config(error));
            }
        }
    }
    // Each is right: whether they are together.
    let together = Config { inputs, ..base };
    if !together.inputs.is_empty()
        && let Err(error) = together.check()
    {
        found.failure("agent.inputs", &part::wrong_config(error));
    }
}

/// Brokers to start from, as agent and worker name them.
pub fn brokers(key: &str, written: Option<&str>, found: &mut Findings<'_>) {
    let Some(written) = written else { return };
    let hint = format!("want HOST:PORT, several of them separated by commas; for example: {BROKER_DEFAULT}");
    let addresses = comma_list(written);
    if addresses.is_empty() {
        found.error(key, "no broker is named", hint);
        return;
    }
    for address in addresses {
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        let cause = match port {
            Some(Ok(port)) if port > 0 && !address.contains("://") => continue,
            Some(_) if address.contains("://") => format!("broker {address:?} has a protocol before it"),
            Some(_) => format!("broker {address:?} has no port from 1 to 65535"),
            None => format!("broker {address:?} is not HOST:PORT"),
        };
        found.error(key, cause, hint.clone());
    }
}

/// TLS and user of the connections to brokers.
pub fn secured(part: &str, tls: Option<&BrokerTlsSection>, sasl: Option<&SaslSection>, found: &mut Findings<'_>) {
    if let Err(failure) = security::checked(part, tls, None) {
        let text = failure.to_string();
        let named = |file: Option<&std::path::PathBuf>| file.is_some_and(|file| text.contains(&format!("{file:?}")));
        let tls = tls.cloned().unwrap_or_default();
        let key = match () {
            () if named(tls.ca.as_ref()) => ".ca",
            () if named(tls.certificate.as_ref()) => ".certificate",
            () if named(tls.key.as_ref()) => ".key",
            () => "",
        };
        found.failure(&format!("{part}.broker_tls{key}"), &failure);
    }
    if let Err(failure) = security::checked(part, None, sasl) {
        let text = failure.to_string();
        let keys = ["mechanism", "password_file", "password", "user"];
        let key = keys.iter().find(|key| text.contains(*key)).map_or_else(String::new, |key| format!(".{key}"));
        found.failure(&format!("{part}.sasl{key}"), &failure);
    }
    if sasl.is_some() && tls.is_none() {
        let cause = format!("{part}.sasl without {part}.broker_tls sends passwords in the clear");
        let hint = format!("add {part}.broker_tls: {{ca: FILE}}; an empty {{}} trusts the system's authorities");
        found.warn(&format!("{part}.sasl"), cause, hint);
    }
}

/// The key whose fault it is.
fn key_of(error: &ConfigError, section: &AgentSection, input: &Input, at: usize) -> String {
    let place = format!("agent.inputs.{at}");
    let item = |key: &str, items: &[String], wanted: &str| {
        let index = items.iter().position(|item| item == wanted)?;
        Some(format!("{place}.{key}.{index}"))
    };
    let inner = match error {
        ConfigError::Pattern { path, .. } => {
            return item("paths", &input.paths, path)
                .or_else(|| item("exclude", &input.exclude, path))
                .unwrap_or_else(|| format!("{place}.paths"));
        }
        ConfigError::Format { source, .. } => match source {
            FormatError::Encoding(_) => "encoding".to_owned(),
            FormatError::DelimiterEmpty | FormatError::DelimiterTooLong(_) | FormatError::DelimiterEncoding { .. } => {
                "delimiter".to_owned()
            }
            FormatError::Regex { key, .. } => (*key).to_owned(),
            FormatError::Timeout => "multiline.timeout_ms".to_owned(),
        },
        ConfigError::Topic(_) if input.topic.is_none() && section.topic.is_some() => return "agent.topic".to_owned(),
        ConfigError::Topic(_) => "topic".to_owned(),
        ConfigError::Label(_) if input.labels.is_empty() => return "agent.labels".to_owned(),
        ConfigError::Label(_) => "labels".to_owned(),
        ConfigError::StreamFormat(_) if input.delimiter.is_some() => "delimiter".to_owned(),
        ConfigError::StreamFormat(_) => "encoding".to_owned(),
        ConfigError::Kinds => "exclude".to_owned(),
        ConfigError::NoPaths => "paths".to_owned(),
        ConfigError::Twice(_) | ConfigError::Endless(_) | ConfigError::OutOfRange { .. } => return place,
    };
    format!("{place}.{inner}")
}
