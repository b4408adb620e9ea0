//! What `sluice check --probe` asks: brokers, Elasticsearch, files and directories. It writes nothing anywhere.

mod broker;
mod elasticsearch;
mod files;

use crate::command::bar::waiting;
use crate::config::{ConfigFile, Level};
use crate::screen::Screen;
use std::cell::Cell;
use std::time::Duration;

/// Kinds of what is asked: files, brokers, Elasticsearch.
const PROBED: u64 = 3;

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
pub async fn all(config: &ConfigFile, screen: &Screen) -> Vec<Probe> {
    let asked = Cell::new((0, "files"));
    let asking = async {
        let mut probes = files::all(config);
        asked.set((1, "brokers"));
        probes.extend(broker::all(config).await);
        asked.set((2, "Elasticsearch"));
        probes.extend(elasticsearch::all(&config.worker).await);
        probes
    };
    let far = |waited: Duration| {
        let (done, whom) = asked.get();
        (done, PROBED, format!("waiting for {whom}, {} s", waited.as_secs()))
    };
    waiting(screen, asking, far).await
}
