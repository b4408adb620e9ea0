//! From record to document, and on to the sink: a member of a consumer group that commits only what is done.
//!
//! ```text
//! source ─▶ run ─▶ unit (a task each): render ─▶ sink ─▶ rejected ─▶ dead letters
//!  fetched   ledger         on threads of its own              │
//!  batches   commits ◀──────────── finished ───────────────────┘
//! ```
//!
//! Architecture invariant: an offset is committed only when every record before it is in the sink, was there before, was
//! dropped by its pipeline, or is acknowledged by the dead letter topic. A record may be worked on twice (after a crash,
//! after a rebalance); its document has the same id and index then. Its dead letter may be there twice.

mod assigned;
mod config;
mod dead_letter;
mod dead_letter_topic;
mod identity;
mod index;
mod kafka;
mod ledger;
mod metrics;
mod render;
mod run;
pub mod source;
mod unit;

pub use config::{Choice, Config, Settings};
pub use index::{DEFAULT_PATTERN, IndexPattern, IndexPatternError};
pub use metrics::Progress;

use crate::sink::Sink;
use dead_letter_topic::DeadLetterTopic;
use kafka::KafkaSource;
use kafka_client::TopicPartition;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use run::{Limits, Run, Snapshot};
use source::{DeadLetterQueue, Source};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use unit::Shop;

/// A running worker. Dropping it ends it at once, without a commit: what was open is read again by whoever comes next.
pub struct Worker {
    snapshot: Arc<Mutex<Snapshot>>,
    metrics: Metrics,
    stop: Option<oneshot::Sender<Duration>>,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts a worker. It waits for the broker, if that is not there.
    ///
    /// # Panics
    /// There is no tokio runtime here.
    pub fn start(config: Config, sink: Arc<dyn Sink>, registry: &mut Registry) -> Self {
        let source = KafkaSource::start(&config);
        let dead_letters = Arc::new(DeadLetterTopic::new(config.client.clone()));
        Self::start_on(source, dead_letters, config.settings, sink, registry)
    }

    /// Starts a worker on any source: how it runs without a broker.
    ///
    /// # Panics
    /// There is no tokio runtime here.
    pub fn start_on(
        source: impl Source,
        dead_letters: Arc<dyn DeadLetterQueue>,
        settings: Settings,
        sink: Arc<dyn Sink>,
        registry: &mut Registry,
    ) -> Self {
        let metrics = Metrics::register(registry);
        let snapshot = Arc::new(Mutex::new(Snapshot::default()));
        let limits = Limits {
            fetched_bytes_max: settings.fetched_bytes_max,
            commit_every: settings.commit_every,
            revoke_drain: settings.session_timeout / 3,
        };
        let shop = Arc::new(Shop::new(settings, sink, dead_letters, metrics.clone()));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(Run::new(source, shop, snapshot.clone(), limits).run(stopped));
        Self { snapshot, metrics, stop: Some(stop), task }
    }

    /// What was done since the start.
    pub fn progress(&self) -> Progress {
        self.metrics.progress()
    }

    /// For each assigned partition the next offset that is not done: everything before it is.
    pub fn delivered(&self) -> Vec<(TopicPartition, i64)> {
        self.snapshot().positions.iter().map(|(name, position)| (name.clone(), position.done)).collect()
    }

    /// For each assigned partition the offset that the group has stored, as far as we know.
    pub fn committed(&self) -> Vec<(TopicPartition, i64)> {
        self.snapshot().positions.iter().map(|(name, position)| (name.clone(), position.committed)).collect()
    }

    /// Why records are not worked on, one sentence each; empty when all is well. The sink has problems of its own.
    pub fn problems(&self) -> Vec<String> {
        self.snapshot().problems.clone()
    }

    /// Takes nothing new, works off what is open for at most `drain`, commits, and leaves the group. What is still open
    /// then is read again by whoever comes next.
    pub async fn stop(mut self, drain: Duration) -> Progress {
        if let Some(stop) = self.stop.take() {
            // The loop ends only after this; that it is gone already means that it panicked, which was printed.
            let _ = stop.send(drain);
        }
        let _ = (&mut self.task).await;
        self.progress()
    }

    fn snapshot(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().expect("nothing panics while it holds the snapshot")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
