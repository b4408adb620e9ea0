//! What `sluice check --probe` asks: brokers, Elasticsearch, files and directories. It writes nothing anywhere.

mod broker;
mod elasticsearch;
mod files;

use crate::config::{ConfigFile, Level};

/// One thing that was looked at.
pub struct Probe {
    /// `None`: it is as it should be.
    pub level: Option<Level>,
    /// For people: `agent.broker 127.0.0.1:9092`.
    pub what: String,
    pub says: String,
    /// The way out.
    pub hint: Option<String>,
}

impl Probe {
    fn ok(what: impl Into<String>, says: impl Into<String>) -> Self {
        Self { level: None, what: what.into(), says: says.into(), hint: None }
    }

    fn warning(what: impl Into<String>, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Some(Level::Warning), what: what.into(), says: says.into(), hint: Some(hint.into()) }
    }

    fn error(what: impl Into<String>, says: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Some(Level::Error), what: what.into(), says: says.into(), hint: Some(hint.into()) }
    }
}

/// Asks everything that a config without errors names.
pub async fn all(config: &ConfigFile) -> Vec<Probe> {
    let mut probes = files::all(config);
    probes.extend(broker::all(config).await);
    probes.extend(elasticsearch::all(&config.worker).await);
    probes
}
