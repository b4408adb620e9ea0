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
use std::sync::atomic::AtomicU64;

use crate::clock::now_ms;
use crate::log::DataDirectory;
use crate::node::Node;
use crate::refusals::{BatchRefusal, ConnectionRefusal, Refusals, RequestRefusal};
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
    pub connections_refused: Refusals<ConnectionRefusal>,
    pub requests_refused: Refusals<RequestRefusal>,
    pub authentications_failed: Counter,
    pub batches_appended: Counter,
    pub batches_repeated: Counter,
    pub batches_refused: Refusals<BatchRefusal>,
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
        add("authentications_failed", "Users or passwords that were wrong", &counters.authentications_failed);
        add("batches_appended", "Record batches that producers appended", &counters.batches_appended);
        add("batches_repeated", "Record batches that had been appended before", &counters.batches_repeated);
        add("group_rebalances", "Generations that consumer groups have formed", &counters.group_rebalances);
        let help = "Connections that a limit has closed, by reason";
        registry.register("sluice_broker_connections_refused", help, counters.connections_refused.family());
        let help = "Requests that were not carried out, by reason; all but authorization end the connection";
        registry.register("sluice_broker_requests_refused", help, counters.requests_refused.family());
        let help = "Record batches that were refused, by reason: Kafka's error, and what the disk or the log said";
        registry.register("sluice_broker_batches_refused", help, counters.batches_refused.family());
        registry.register("sluice_broker_connections", "Open connections", counters.connections.clone());
        registry.register("sluice_broker_requests", "Requests by API", counters.requests.clone());
        counters
    }

    pub fn count_request(&self, api: ApiKey) {
        self.requests.get_or_create(&ApiLabel { api: ApiName(api) }).inc();
    }
}

/// Shows a metric that was made for the one who looks.
fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    metric.encode(encoder.encode_descriptor(name, help, None, metric.metric_type())?)
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
        put(&mut encoder, "sluice_broker_flushes", help, &ConstCounter::new(flushes))?;
        let help = "Record batches that a flush has put on disk";
        put(&mut encoder, "sluice_broker_batches_flushed", help, &ConstCounter::new(batches))?;
        let seconds = log.flush_seconds();
        let help = "Time of a flush round, for which acknowledgements with acks=all wait";
        put(&mut encoder, "sluice_broker_flush_seconds", help, &seconds)?;
        let gauge = ConstGauge::new(i64::try_from(log.bytes()).unwrap_or(i64::MAX));
        let help = "Bytes of all segments on disk";
        put(&mut encoder, "sluice_broker_log_bytes", help, &gauge)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct GroupLabels {
    group: String,
    topic: String,
}

/// What the whole broker knows, read when somebody looks: how far groups are behind, and the pools that have a limit.
pub struct NodeGauges(pub Weak<Node>);

impl std::fmt::Debug for NodeGauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NodeGauges")
    }
}

impl Collector for NodeGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(node) = self.0.upgrade() else { return Ok(()) };
        let records: Family<GroupLabels, Gauge> = Family::default();
        let seconds: Family<GroupLabels, Gauge<f64, AtomicU64>> = Family::default();
        let now = now_ms();
        for lag in node.groups.lags(&node.log.topics()) {
            let labels = GroupLabels { group: lag.group, topic: lag.topic };
            records.get_or_create(&labels).set(i64::try_from(lag.records).unwrap_or(i64::MAX));
            // A producer's clock may be ahead.
            let age = lag.oldest_ms.map_or(0, |oldest| now.saturating_sub(oldest).max(0));
            seconds.get_or_create(&labels).set(age as f64 / 1000.0);
        }
        let help = "Records of a topic that a consumer group has not committed";
        put(&mut encoder, "sluice_broker_group_lag_records", help, &records)?;
        let help = "Age of the oldest record of a topic that a consumer group has not committed, by its timestamp";
        put(&mut encoder, "sluice_broker_group_lag_seconds", help, &seconds)?;
        let memory = &node.request_memory;
        let mut gauges = vec![
            (
                "sluice_broker_request_memory_bytes",
                "Memory of requests that are read or answered",
                memory.used() as u64,
            ),
            ("sluice_broker_request_memory_limit_bytes", "What it may be; then requests wait", memory.limit() as u64),
        ];
        if let Some(limit) = node.config.disk_bytes_max {
            gauges.push(("sluice_broker_log_limit_bytes", "What segments may take; then produce is refused", limit));
        }
        for (name, help, value) in gauges {
            put(&mut encoder, name, help, &ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))?;
        }
        Ok(())
    }
}
