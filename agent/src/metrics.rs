//! The agent's counters.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Clones count the same.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub lines_read: Counter,
    pub bytes_read: Counter,
    pub lines_cut: Counter,
    pub records_acknowledged: Counter,
    pub batches: Counter,
    pub batches_repeated: Counter,
    pub journal_entries: Counter,
    pub losses: Counter,
    pub lost_bytes: Counter,
    pub files_missed: Counter,
    pub files_followed: Gauge,
    pub files_open: Gauge,
    pub lag_bytes: Gauge,
    pub lag_seconds: Gauge,
    pub held_bytes: Gauge,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("sluice_agent");
        registry.register("lines_read", "Lines read from files", metrics.lines_read.clone());
        registry.register("bytes_read", "Bytes of lines read from files", metrics.bytes_read.clone());
        registry.register("lines_cut", "Lines longer than the limit", metrics.lines_cut.clone());
        registry.register(
            "records_acknowledged",
            "Records that the broker has acknowledged",
            metrics.records_acknowledged.clone(),
        );
        registry.register("batches", "Record batches made from lines", metrics.batches.clone());
        registry.register(
            "batches_repeated",
            "Record batches that were made again, after a crash or a failure",
            metrics.batches_repeated.clone(),
        );
        registry.register("journal_entries", "Entries written to the journal", metrics.journal_entries.clone());
        registry.register("losses", "Gaps: ranges that could not be delivered", metrics.losses.clone());
        registry.register(
            "lost_bytes",
            "Bytes that were gone before they could be delivered",
            metrics.lost_bytes.clone(),
        );
        registry.register(
            "files_missed",
            "Files that had gone before they could be opened",
            metrics.files_missed.clone(),
        );
        registry.register("files_followed", "Files that are followed", metrics.files_followed.clone());
        registry.register("files_open", "Files that are open", metrics.files_open.clone());
        registry.register("lag_bytes", "Bytes in files that are not acknowledged", metrics.lag_bytes.clone());
        registry.register(
            "lag_seconds",
            "How long the oldest line that is not acknowledged has been waiting, at most",
            metrics.lag_seconds.clone(),
        );
        registry.register("held_bytes", "Bytes of batches in memory", metrics.held_bytes.clone());
        metrics
    }
}
