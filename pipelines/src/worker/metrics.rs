//! The worker's counters, and the progress that is read from them.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What the worker has done since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
    /// Record batches that could not be read and were skipped.
    pub unreadable_batches: u64,
    /// Records of the assigned partitions that are not done, as far as the broker has said.
    pub lag_records: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What the worker counts; shared by clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics {
    pub records_read: Counter,
    pub failed: Counter,
    pub unreadable_batches: Counter,
    pub commits: Counter,
    pub commit_failures: Counter,
    pub lag_records: Gauge,
    pub fetched_bytes: Gauge,
    pub paused_partitions: Gauge,
    documents: Family<OutcomeLabel, Counter>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("sluice_worker_records", "Records read", metrics.records_read.clone());
        registry.register("sluice_worker_documents", "Documents by what became of them", metrics.documents.clone());
        registry.register(
            "sluice_worker_pipeline_failures",
            "Documents whose pipeline failed; delivered with the original message",
            metrics.failed.clone(),
        );
        registry.register(
            "sluice_worker_unreadable_batches",
            "Record batches that cannot be read and were skipped",
            metrics.unreadable_batches.clone(),
        );
        registry.register("sluice_worker_commits", "Offset commits", metrics.commits.clone());
        registry.register(
            "sluice_worker_commit_failures",
            "Offset commits that failed",
            metrics.commit_failures.clone(),
        );
        registry.register("sluice_worker_lag_records", "Records that are not done yet", metrics.lag_records.clone());
        registry.register(
            "sluice_worker_fetched_bytes",
            "Fetched bytes that are worked on",
            metrics.fetched_bytes.clone(),
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

    pub fn progress(&self) -> Progress {
        let documents = |outcome| self.documents.get_or_create(&OutcomeLabel { outcome }).get();
        Progress {
            records_read: self.records_read.get(),
            documents_delivered: documents("delivered"),
            already_there: documents("already_there"),
            rejected: documents("rejected"),
            dropped: documents("dropped"),
            failed: self.failed.get(),
            unreadable_batches: self.unreadable_batches.get(),
            lag_records: u64::try_from(self.lag_records.get()).unwrap_or_default(),
        }
    }
}

/// What became of the records that were worked on together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub delivered: u64,
    pub already_there: u64,
    pub rejected: u64,
    pub dropped: u64,
}
