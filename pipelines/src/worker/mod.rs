//! From record to document, and on to the sink: a member of a consumer group that commits only what is done.
//!
//! ```text
//! source ─▶ run ─▶ render ─▶ run ─▶ unit (a task each): sink ─▶ rejected ─▶ dead letters
//!  fetched   memory  on threads      in order                       │
//!  batches   ledger  of its own                                     │
//!            commits ◀─────────────────────── finished ─────────────┘
//! ```
//!
//! Back-pressure: a sink that takes less finishes less, so memory stays in use and no more documents are made; then
//! partitions are not fetched any more, each on its own account (`assigned`, `memory`). Nothing of this touches the
//! membership of the group, whose heartbeats run elsewhere. The backlog stays in the topic; `lag` says how large it is.
//!
//! Architecture invariant: an offset is committed only when every record before it is in the sink, was there before, was
//! dropped by its pipeline, or is acknowledged by the dead letter topic. A record may be worked on twice (after a crash,
//! after a rebalance); its document has the same id and index then. Its dead letter may be there twice.

mod assigned;
mod config;
mod counted;
mod dead_letter;
mod dead_letter_topic;
mod identity;
mod index;
mod kafka;
mod lag;
mod ledger;
mod memory;
mod metrics;
mod render;
mod retention;
mod run;
pub mod source;
mod trial;
mod unit;

pub use config::{Choice, Config, MEMORY_BYTES_MIN, Settings};
pub use dead_letter::{DEAD_HEADER, UNREADABLE_BATCH};
pub use identity::{REPLAYED_ID_HEADER, document_id};
pub use index::{DEFAULT_PATTERN, IndexPattern, IndexPatternError};
pub use lag::Lag;
pub use metrics::Progress;
pub use trial::{Made, Trial};

use crate::pipeline::Pipeline;
use crate::sink::{Closed, Sink};
use assigned::Position;
use dead_letter_topic::DeadLetterTopic;
use kafka::KafkaSource;
use kafka_client::TopicPartition;
use memory::Memory;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use run::{Exchange, Limits, Run, Snapshot};
use source::{DeadLetterQueue, Source};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use unit::Shop;

/// How far a partition is.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionState {
    pub topic: Arc<str>,
    pub partition: i32,
    /// The next offset that is not done.
    pub done: i64,
    /// What the group has stored, as far as we know.
    pub committed: i64,
    pub high_watermark: i64,
    pub lag_records: u64,
    /// When the oldest record was made that is not done, in milliseconds since the epoch.
    pub oldest_ms: Option<i64>,
    /// It is not fetched until earlier records are done.
    pub is_paused: bool,
}

impl PartitionState {
    fn of(name: &TopicPartition, position: &Position) -> Self {
        Self {
            topic: Arc::clone(&name.topic),
            partition: name.partition,
            done: position.done,
            committed: position.committed,
            high_watermark: position.high_watermark,
            lag_records: position.lag_records(),
            oldest_ms: position.oldest_ms,
            is_paused: position.paused,
        }
    }
}

/// A running worker. Dropping it ends it at once, without a commit: what was open is read again by whoever comes next.
pub struct Worker {
    snapshot: Arc<Mutex<Snapshot>>,
    metrics: Metrics,
    stop: Option<oneshot::Sender<Duration>>,
    orders: mpsc::UnboundedSender<Exchange>,
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
            memory: Memory::new(settings.fetched_bytes_max(), settings.document_bytes_max()),
            open_offsets_max: settings.open_offsets_max,
            threads: settings.threads.max(1),
            commit_every: settings.commit_every,
            session_timeout: settings.session_timeout,
        };
        let shop = Arc::new(Shop {
            sink,
            dead_letters,
            dead_letter_suffix: settings.dead_letter_suffix,
            draining: AtomicBool::new(false),
            metrics: metrics.clone(),
        });
        let (stop, stopped) = oneshot::channel();
        let (orders, ordered) = mpsc::unbounded_channel();
        let run = Run::new(source, shop, settings.pipelines, settings.index, snapshot.clone(), limits);
        let task = tokio::spawn(run.run(stopped, ordered));
        Self { snapshot, metrics, stop: Some(stop), orders, task }
    }

    /// What was done since the start.
    pub fn progress(&self) -> Progress {
        self.metrics.progress(self.snapshot().lag)
    }

    /// The pipelines that records pass now.
    pub fn pipelines(&self) -> Vec<Arc<Pipeline>> {
        self.metrics.pipelines.get()
    }

    /// How far behind the assigned partitions are.
    pub fn lag(&self) -> Lag {
        self.snapshot().lag
    }

    /// Each assigned partition, for people who look.
    pub fn partitions(&self) -> Vec<PartitionState> {
        self.snapshot().positions.iter().map(|(name, position)| PartitionState::of(name, position)).collect()
    }

    /// Exchanges the pipelines. No more documents are made until everything that has passed the old ones is done and
    /// committed, which takes as long as the sink takes; then the rest passes the new ones, and this returns. So a record
    /// that is read twice, after a crash, passes the same pipeline both times. (A worker that was killed and comes back
    /// with other pipelines cannot know that: what was not committed then passes those.)
    ///
    /// # Errors
    /// The worker ends.
    pub async fn exchange(&self, pipelines: Vec<(String, Choice)>) -> Result<(), Closed> {
        self.exchanger().exchange(pipelines).await
    }

    /// What exchanges the pipelines, for a task of its own.
    pub fn exchanger(&self) -> Exchanger {
        Exchanger { orders: self.orders.clone() }
    }

    /// Why the worker will never get anything again: it is to be ended, and started anew.
    pub fn failure(&self) -> Option<String> {
        self.snapshot().failure.clone()
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

/// Exchanges a worker's pipelines: [`Worker::exchange`]. It does not keep the worker alive.
#[derive(Clone)]
pub struct Exchanger {
    orders: mpsc::UnboundedSender<Exchange>,
}

impl Exchanger {
    /// As [`Worker::exchange`].
    ///
    /// # Errors
    /// The worker has ended.
    pub async fn exchange(&self, pipelines: Vec<(String, Choice)>) -> Result<(), Closed> {
        let (done, exchanged) = oneshot::channel();
        self.orders.send(Exchange { pipelines, done }).map_err(|_| Closed)?;
        exchanged.await.map_err(|_| Closed)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}
