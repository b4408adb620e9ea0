//! What the worker can be told.

use super::index::IndexPattern;
use crate::pipeline::Pipeline;
use kafka_client::{Client, Skip};
use std::sync::Arc;
use std::time::Duration;

/// Two seconds of documents at full speed: several bulk requests in flight, and as many that are being filled.
const MEMORY_BYTES_MAX: usize = 96 * 1024 * 1024;
/// A fetch serves many partitions: some batches of each fit.
const FETCH_BYTES_MAX: i32 = 8 * 1024 * 1024;
/// Less makes no worker of two record batches at a time.
pub const MEMORY_BYTES_MIN: usize = 8 * 1024 * 1024;
/// Some minutes of a busy partition.
const OPEN_OFFSETS_MAX: i64 = 1_000_000;

/// The configuration of a [`Worker`](super::Worker).
#[derive(Clone)]
pub struct Config {
    pub client: Client,
    pub topics: Vec<String>,
    pub group: String,
    /// A member of this name that was killed comes back at once (static membership, KIP-345).
    pub instance_id: Option<String>,
    /// Damaged record batches that are to be left out.
    pub skips: Vec<Skip>,
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
            skips: Vec::new(),
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
    /// Bytes of fetched record batches and of documents made from them, over all partitions, until the sink is done with
    /// them. A quarter is for what was fetched, the rest for documents. A partition that has used up what it may is not
    /// fetched meanwhile. Beside it there are, for each thread, one record batch that is being decompressed and the
    /// documents by which it exceeds what was expected of it, and what the sink needs for its requests.
    pub memory_bytes_max: usize,
    /// Offsets of a partition from the first that is not done to the last that was read. One document that is held lets
    /// the others pass up to here, then its partition waits; so much is read again after a crash.
    pub open_offsets_max: i64,
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
            memory_bytes_max: MEMORY_BYTES_MAX,
            open_offsets_max: OPEN_OFFSETS_MAX,
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            commit_every: Duration::from_secs(1),
            session_timeout: Duration::from_secs(45),
        }
    }
}

impl Settings {
    /// Bytes of fetched record batches above which nothing is fetched.
    pub(crate) fn fetched_bytes_max(&self) -> usize {
        self.memory_bytes_max / 4
    }

    /// Bytes of documents above which no more are made.
    pub(crate) fn document_bytes_max(&self) -> usize {
        self.memory_bytes_max - self.fetched_bytes_max()
    }

    /// Bytes that one fetch may bring: what is on its way when a limit is reached comes on top of it.
    pub(crate) fn fetch_bytes_max(&self) -> i32 {
        i32::try_from(self.memory_bytes_max / 16).unwrap_or(i32::MAX).min(FETCH_BYTES_MAX)
    }
}

/// Which pipeline lines pass.
#[derive(Debug, Clone)]
pub enum Choice {
    Pipeline(Arc<Pipeline>),
    /// The ready-made one for the record's dataset ([`library::for_dataset`](crate::library::for_dataset)).
    ByDataset,
}
