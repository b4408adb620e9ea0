//! The broker's counters, as Prometheus sees them.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;
use std::fmt::Write as _;
use std::sync::Weak;

use crate::log::DataDirectory;
use kafka_wire::protocol::messages::ApiKey;

/// Label of the request counter: Kafka's name of the API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ApiLabel {
    api: ApiName,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ApiName(ApiKey);

impl EncodeLabelValue for ApiName {
    fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
        write!(encoder, "{:?}", self.0)
    }
}

/// Counted where the thing happens; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Counters {
    requests: Family<ApiLabel, Counter>,
    pub bytes_in: Counter,
    pub bytes_out: Counter,
    pub connections: Gauge,
    pub connections_accepted: Counter,
    pub connections_refused: Counter,
    pub requests_refused: Counter,
    pub authentications_failed: Counter,
    pub batches_appended: Counter,
    pub batches_repeated: Counter,
    pub batches_refused: Counter,
    pub group_rebalances: Counter,
}

impl Counters {
    pub fn register(registry: &mut Registry) -> Self {
        let counters = Self::default();
        let mut add = |name: &str, help: &str, counter: &Counter| {
            registry.register(format!("sluice_broker_{name}"), help, counter.clone());
        };
        add("bytes_in", "Bytes of requests read from clients", &counters.bytes_in);
        add("bytes_out", "Bytes of answers written to clients", &counters.bytes_out);
        add("connections_accepted", "Connections accepted", &counters.connections_accepted);
        add("connections_refused", "Connections closed at once because of the limit", &counters.connections_refused);
        add(
            "requests_refused",
            "Connections closed because their bytes were no request that is known",
            &counters.requests_refused,
        );
        add("authentications_failed", "Users or passwords that were wrong", &counters.authentications_failed);
        add("batches_appended", "Record batches that producers appended", &counters.batches_appended);
        add("batches_repeated", "Record batches that had been appended before", &counters.batches_repeated);
        add("batches_refused", "Record batches that were refused", &counters.batches_refused);
        add("group_rebalances", "Generations that consumer groups have formed", &counters.group_rebalances);
        registry.register("sluice_broker_connections", "Open connections", counters.connections.clone());
        registry.register("sluice_broker_requests", "Requests by API", counters.requests.clone());
        counters
    }

    pub fn count_request(&self, api: ApiKey) {
        self.requests.get_or_create(&ApiLabel { api: ApiName(api) }).inc();
    }
}

/// What the log counts by itself, read when somebody looks.
pub struct LogCounters(pub Weak<DataDirectory>);

impl std::fmt::Debug for LogCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogCounters")
    }
}

impl Collector for LogCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(log) = self.0.upgrade() else { return Ok(()) };
        let (flushes, batches) = log.flush_counts();
        let help = "Flush rounds, each for all record batches that waited";
        let mut add = |name: &str, help: &str, count: u64| {
            let counter = ConstCounter::new(count);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)
        };
        add("sluice_broker_flushes", help, flushes)?;
        add("sluice_broker_batches_flushed", "Record batches that a flush has put on disk", batches)?;
        let seconds = log.flush_seconds();
        let help = "Time of a flush round, for which acknowledgements with acks=all wait";
        seconds.encode(encoder.encode_descriptor(
            "sluice_broker_flush_seconds",
            help,
            None,
            seconds.metric_type(),
        )?)?;
        let gauge = ConstGauge::new(i64::try_from(log.bytes()).unwrap_or(i64::MAX));
        let help = "Bytes of all segments on disk";
        gauge.encode(encoder.encode_descriptor("sluice_broker_log_bytes", help, None, gauge.metric_type())?)
    }
}
