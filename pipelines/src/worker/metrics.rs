//! The worker's counters, and the progress that is read from them.

use super::counted::RunningPipelines;
use super::lag::Lag;
use super::memory::Memory;
use kafka_client::TopicPartition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// What the worker has done since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    pub records_read: u64,
    /// Documents that the sink took, those of failed pipelines among them.
    pub documents_delivered: u64,
    /// Documents that were there before.
    pub already_there: u64,
    /// Dead letters, acknowledged by their topic.
    pub rejected: u64,
    /// Records that a pipeline did not want.
    pub dropped: u64,
    /// Documents whose pipeline failed; they were delivered with the original message.
    pub failed: u64,
    /// Record batches that could not be read; each is a dead letter.
    pub unreadable_batches: u64,
    /// How far behind the assigned partitions are, as far as the broker has said.
    pub lag: Lag,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PartitionLabels {
    topic: String,
    partition: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// A gauge of seconds or of a rate.
type Decimal = Gauge<f64, AtomicU64>;
/// `sluice_worker_seconds_left` while the backlog does not shrink.
const NEVER: f64 = -1.0;

/// What the worker counts; shared by clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub records_read: Counter,
    pub failed: Counter,
    pub unreadable_batches: Counter,
    pub commits: Counter,
    pub commit_failures: Counter,
    pub lost_records: Counter,
    pub skipped_records: Counter,
    lag_records: Gauge,
    lag_seconds: Decimal,
    seconds_left: Decimal,
    records_per_second: Family<KindLabel, Decimal>,
    partition_lag_records: Family<PartitionLabels, Gauge>,
    partition_lag_seconds: Family<PartitionLabels, Decimal>,
    partition_retention_used: Family<PartitionLabels, Decimal>,
    memory_bytes: Family<KindLabel, Gauge>,
    memory_limit_bytes: Family<KindLabel, Gauge>,
    pub paused_partitions: Gauge,
    documents: Family<OutcomeLabel, Counter>,
    pub pipelines: RunningPipelines,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register_collector(Box::new(metrics.pipelines.clone()));
        registry.register("sluice_worker_records", "Records read", metrics.records_read.clone());
        registry.register("sluice_worker_documents", "Documents by what became of them", metrics.documents.clone());
        registry.register(
            "sluice_worker_pipeline_failures",
            "Documents whose pipeline failed; delivered with the original message",
            metrics.failed.clone(),
        );
        registry.register(
            "sluice_worker_unreadable_batches",
            "Record batches that cannot be read and became dead letters",
            metrics.unreadable_batches.clone(),
        );
        registry.register("sluice_worker_commits", "Offset commits", metrics.commits.clone());
        registry.register(
            "sluice_worker_commit_failures",
            "Offset commits that failed",
            metrics.commit_failures.clone(),
        );
        registry.register(
            "sluice_worker_lost_records",
            "Records that were deleted from the topic before they were read",
            metrics.lost_records.clone(),
        );
        registry.register(
            "sluice_worker_skipped_records",
            "Records in damaged batches that were left out, as asked for",
            metrics.skipped_records.clone(),
        );
        registry.register("sluice_worker_lag_records", "Records that are not done yet", metrics.lag_records.clone());
        registry.register(
            "sluice_worker_lag_seconds",
            "Age of the oldest record that is not done yet",
            metrics.lag_seconds.clone(),
        );
        registry.register(
            "sluice_worker_seconds_left",
            "Until no record is left at the rates of the last half minute; -1 while the backlog does not shrink",
            metrics.seconds_left.clone(),
        );
        registry.register(
            "sluice_worker_records_per_second",
            "Records of the last half minute: done, and produced to the assigned partitions",
            metrics.records_per_second.clone(),
        );
        registry.register(
            "sluice_worker_partition_lag_records",
            "Records of an assigned partition that are not done yet",
            metrics.partition_lag_records.clone(),
        );
        registry.register(
            "sluice_worker_partition_lag_seconds",
            "Age of the oldest record of an assigned partition that is not done yet",
            metrics.partition_lag_seconds.clone(),
        );
        registry.register(
            "sluice_worker_partition_retention_used",
            "Part of the topic's retention that the backlog of an assigned partition takes; from 1 on records are lost",
            metrics.partition_retention_used.clone(),
        );
        registry.register(
            "sluice_worker_memory_bytes",
            "Record batches that were fetched, and documents made from them, that are worked on",
            metrics.memory_bytes.clone(),
        );
        registry.register(
            "sluice_worker_memory_limit_bytes",
            "What they may be; then partitions are not fetched, or records not made into documents",
            metrics.memory_limit_bytes.clone(),
        );
        registry.register(
            "sluice_worker_paused_partitions",
            "Partitions that are not fetched until earlier records are done",
            metrics.paused_partitions.clone(),
        );
        metrics
    }

    pub fn count(&self, done: &Counts) {
        for (outcome, count) in [
            ("delivered", done.delivered),
            ("already_there", done.already_there),
            ("rejected", done.rejected),
            ("dropped", done.dropped),
        ] {
            self.documents.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
        }
    }

    pub fn lag(&self, lag: &Lag) {
        self.lag_records.set(i64::try_from(lag.records).unwrap_or(i64::MAX));
        self.lag_seconds.set(lag.seconds);
        self.seconds_left.set(lag.seconds_left.unwrap_or(NEVER));
        for (kind, rate) in [("done", lag.done_per_second), ("produced", lag.produced_per_second)] {
            self.records_per_second.get_or_create(&KindLabel { kind }).set(rate);
        }
    }

    /// What is in use of the worker's memory, and the limits.
    pub fn memory(&self, memory: &Memory) {
        let pools = [
            (&self.memory_bytes, memory.fetched, memory.documents),
            (&self.memory_limit_bytes, memory.fetched_max(), memory.documents_max()),
        ];
        for (gauges, fetched, documents) in pools {
            for (kind, bytes) in [("fetched", fetched), ("documents", documents)] {
                gauges.get_or_create(&KindLabel { kind }).set(i64::try_from(bytes).unwrap_or(i64::MAX));
            }
        }
    }

    /// How far behind a partition is, also as a part of its topic's retention.
    pub fn partition(&self, name: &TopicPartition, records: u64, seconds: f64, retention_used: f64) {
        let labels = labels(name);
        self.partition_lag_records.get_or_create(&labels).set(i64::try_from(records).unwrap_or(i64::MAX));
        self.partition_lag_seconds.get_or_create(&labels).set(seconds);
        self.partition_retention_used.get_or_create(&labels).set(retention_used);
    }

    /// A partition is somebody else's.
    pub fn forget(&self, name: &TopicPartition) {
        let labels = labels(name);
        self.partition_lag_records.remove(&labels);
        self.partition_lag_seconds.remove(&labels);
        self.partition_retention_used.remove(&labels);
    }

    pub fn progress(&self, lag: Lag) -> Progress {
        let documents = |outcome| self.documents.get_or_create(&OutcomeLabel { outcome }).get();
        Progress {
            records_read: self.records_read.get(),
            documents_delivered: documents("delivered"),
            already_there: documents("already_there"),
            rejected: documents("rejected"),
            dropped: documents("dropped"),
            failed: self.failed.get(),
            unreadable_batches: self.unreadable_batches.get(),
            lag,
        }
    }
}

fn labels(name: &TopicPartition) -> PartitionLabels {
    PartitionLabels { topic: name.topic.to_string(), partition: name.partition }
}

/// What became of the records that were worked on together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub delivered: u64,
    pub already_there: u64,
    pub rejected: u64,
    pub dropped: u64,
}
