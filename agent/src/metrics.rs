//! The agent's counters.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Sizes of record batches: from 1 KiB to the largest that brokers take.
#[derive(Debug, Clone)]
pub struct BatchBytes(pub Histogram);

impl Default for BatchBytes {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(1024.0, 4.0, 6)))
    }
}

/// Clones count the same.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub lines_read: Counter,
    pub bytes_read: Counter,
    pub lines_cut: Counter,
    pub stretches: Counter,
    pub records_acknowledged: Counter,
    pub batches: Counter,
    pub batch_bytes: BatchBytes,
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
    pub held_limit_bytes: Gauge,
    pub spool_bytes: Gauge,
    pub spool_limit_bytes: Gauge,
    pub messages_received: Counter,
    pub messages_cut: Counter,
    pub datagrams_refused: Counter,
    pub datagrams_overrun: Counter,
    pub connections: Gauge,
    pub connections_refused: Counter,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("sluice_agent");
        registry.register("lines_read", "Lines read from files", metrics.lines_read.clone());
        registry.register("bytes_read", "Bytes of lines read from files", metrics.bytes_read.clone());
        registry.register("lines_cut", "Lines longer than the limit", metrics.lines_cut.clone());
        registry.register(
            "stretches",
            "Stretches of files with a backlog, which several threads frame",
            metrics.stretches.clone(),
        );
        registry.register(
            "records_acknowledged",
            "Records that the broker has acknowledged",
            metrics.records_acknowledged.clone(),
        );
        registry.register("batches", "Record batches made from lines", metrics.batches.clone());
        registry.register("batch_bytes", "Bytes of record batches as they are sent", metrics.batch_bytes.0.clone());
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
        registry.register(
            "held_limit_bytes",
            "What they may be; then no file is read",
            metrics.held_limit_bytes.clone(),
        );
        registry.register("spool_bytes", "Bytes of segments in the spool", metrics.spool_bytes.clone());
        registry.register(
            "spool_limit_bytes",
            "What they may be; then standard input, TCP and the journal wait",
            metrics.spool_limit_bytes.clone(),
        );
        registry.register("syslog_messages", "Messages that came over the network", metrics.messages_received.clone());
        registry.register("syslog_messages_cut", "Messages longer than the limit", metrics.messages_cut.clone());
        registry.register(
            "syslog_datagrams_refused",
            "Datagrams that are lost because the spool was full",
            metrics.datagrams_refused.clone(),
        );
        registry.register(
            "syslog_datagrams_overrun",
            "Datagrams that the kernel dropped before they could be received",
            metrics.datagrams_overrun.clone(),
        );
        registry.register("syslog_connections", "Senders that are connected", metrics.connections.clone());
        registry.register(
            "syslog_connections_refused",
            "Senders that were turned away",
            metrics.connections_refused.clone(),
        );
        metrics
    }
}
