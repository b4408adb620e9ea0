//! What the worker can be told.

use super::index::IndexPattern;
use crate::pipeline::Pipeline;
use kafka_client::Client;
use std::sync::Arc;
use std::time::Duration;

/// The configuration of a [`Worker`](super::Worker).
#[derive(Clone)]
pub struct Config {
    pub client: Client,
    pub topics: Vec<String>,
    pub group: String,
    /// A member of this name that was killed comes back at once (static membership, KIP-345).
    pub instance_id: Option<String>,
    pub settings: Settings,
}

impl Config {
    /// The defaults: one topic, one group, the ready-made pipelines.
    pub fn new(client: Client, topic: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            client,
            topics: vec![topic.into()],
            group: group.into(),
            instance_id: None,
            settings: Settings::default(),
        }
    }
}

/// What a worker does with records, wherever they come from.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which pipeline is for which dataset: the exact name, or `*` for those that are not named. Lines of a dataset
    /// without a pipeline become documents as they are.
    pub pipelines: Vec<(String, Choice)>,
    pub index: IndexPattern,
    /// What the name of the dead letter topic has behind that of the records' topic.
    pub dead_letter_suffix: String,
    /// Fetched bytes that are worked on at once, shared by the partitions; a partition whose share is used up is not
    /// fetched meanwhile.
    pub fetched_bytes_max: usize,
    /// Bytes of documents that wait for the sink.
    pub document_bytes_max: usize,
    /// Pipelines that run at once.
    pub threads: usize,
    pub commit_every: Duration,
    /// Without a heartbeat for so long, the partitions go to other members. What is revoked is worked on for a third
    /// of it.
    pub session_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            pipelines: vec![("*".into(), Choice::ByDataset)],
            index: IndexPattern::default(),
            dead_letter_suffix: ".dead".into(),
            fetched_bytes_max: 32 * 1024 * 1024,
            document_bytes_max: 64 * 1024 * 1024,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            commit_every: Duration::from_secs(1),
            session_timeout: Duration::from_secs(45),
        }
    }
}

/// Which pipeline lines pass.
#[derive(Debug, Clone)]
pub enum Choice {
    Pipeline(Arc<Pipeline>),
    /// The ready-made one for the record's dataset ([`library::for_dataset`](crate::library::for_dataset)).
    ByDataset,
}
