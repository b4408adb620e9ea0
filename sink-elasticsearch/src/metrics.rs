//! The sink's counters.

use crate::pace::Pace;
use crate::response::ItemAnswer;
use pipelines::sink::Rejection;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Error types that are counted under their own name; servers have some dozens of them.
const KINDS_MAX: usize = 64;
/// Under this name the others are counted, and what is no name.
const OTHER_KIND: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    /// HTTP status of the answer, or `none` when there was none.
    status: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    /// `done`, `already_there` and `rejected` are final; `again` and `held` count every time that an item was put off.
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    status: u16,
    /// The server's error type.
    r#type: String,
}

/// What the sink counts; shared by clones.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<StatusLabel, Counter>,
    items: Family<OutcomeLabel, Counter>,
    errors: Family<ErrorLabels, Counter>,
    /// The values of `type` so far.
    kinds: Arc<Mutex<BTreeSet<String>>>,
    rescued: Counter,
    plain_bytes: Counter,
    sent_bytes: Counter,
    seconds: Histogram,
    request_bytes: Histogram,
    in_flight: Gauge,
    in_flight_bytes: Gauge,
}

impl Metrics {
    pub fn register(registry: &mut Registry, pace: &Arc<Pace>) -> Self {
        let metrics = Self {
            requests: Family::default(),
            items: Family::default(),
            errors: Family::default(),
            kinds: Arc::default(),
            rescued: Counter::default(),
            plain_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            seconds: Histogram::new([0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0]),
            request_bytes: Histogram::new(exponential_buckets(4096.0, 4.0, 8)),
            in_flight: Gauge::default(),
            in_flight_bytes: Gauge::default(),
        };
        registry.register("sluice_sink_bulk_requests", "Bulk requests by status", metrics.requests.clone());
        registry.register("sluice_sink_bulk_items", "Bulk items by outcome", metrics.items.clone());
        registry.register("sluice_sink_bulk_item_errors", "Errors of bulk items", metrics.errors.clone());
        registry.register(
            "sluice_sink_documents_rescued",
            "Documents that were taken after a field was moved to _malformed",
            metrics.rescued.clone(),
        );
        registry.register(
            "sluice_sink_plain_bytes",
            "Bytes of bulk requests before compression",
            metrics.plain_bytes.clone(),
        );
        registry.register("sluice_sink_sent_bytes", "Bytes of bulk requests as sent", metrics.sent_bytes.clone());
        registry.register(
            "sluice_sink_bulk_request_bytes",
            "Bytes of a bulk request before compression",
            metrics.request_bytes.clone(),
        );
        registry.register("sluice_sink_bulk_seconds", "Time from bulk request to answer", metrics.seconds.clone());
        registry.register(
            "sluice_sink_requests_in_flight",
            "Bulk requests without an answer yet",
            metrics.in_flight.clone(),
        );
        registry.register(
            "sluice_sink_in_flight_bytes",
            "Bytes of bulk requests without an answer yet, before compression",
            metrics.in_flight_bytes.clone(),
        );
        registry.register_collector(Box::new(PaceGauges { pace: pace.clone() }));
        metrics
    }

    pub fn sending(&self, plain_bytes: usize, sent_bytes: usize) {
        self.request_bytes.observe(plain_bytes as f64);
        self.plain_bytes.inc_by(plain_bytes as u64);
        self.sent_bytes.inc_by(sent_bytes as u64);
        self.in_flight.inc();
        self.in_flight_bytes.inc_by(plain_bytes as i64);
    }

    pub fn answered(&self, status: Option<u16>, plain_bytes: usize, after: Duration) {
        let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.requests.get_or_create(&StatusLabel { status }).inc();
        self.seconds.observe(after.as_secs_f64());
        self.in_flight.dec();
        self.in_flight_bytes.dec_by(plain_bytes as i64);
    }

    /// The answer for an item, whatever will become of it.
    pub fn item(&self, answer: &ItemAnswer) {
        if let Some(error) = &answer.error {
            self.error(answer.status.unwrap_or_default(), &error.kind);
        }
    }

    pub fn done(&self, count: usize) {
        self.outcome("done", count);
    }

    pub fn already_there(&self) {
        self.outcome("already_there", 1);
    }

    pub fn rescued(&self) {
        self.rescued.inc();
    }

    pub fn rejected(&self) {
        self.outcome("rejected", 1);
    }

    /// A document was rejected by the answer to its whole request.
    pub fn request_rejected(&self, rejection: &Rejection) {
        self.error(rejection.status, &rejection.kind);
        self.rejected();
    }

    pub fn postponed(&self, again: usize, held: usize) {
        for (outcome, count) in [("again", again), ("held", held)] {
            if count > 0 {
                self.outcome(outcome, count);
            }
        }
    }

    fn outcome(&self, outcome: &'static str, count: usize) {
        self.items.get_or_create(&OutcomeLabel { outcome }).inc_by(count as u64);
    }

    fn error(&self, status: u16, kind: &str) {
        let is_name = !kind.is_empty() && kind.len() <= 64 && kind.bytes().all(|b| b == b'_' || b.is_ascii_lowercase());
        let mut kinds = self.kinds.lock().expect("nothing panics while it holds the names");
        let kind = match is_name && (kinds.contains(kind) || kinds.len() < KINDS_MAX) {
            true => kind,
            false => OTHER_KIND,
        };
        if kind != OTHER_KIND && !kinds.contains(kind) {
            kinds.insert(kind.to_owned());
        }
        drop(kinds);
        self.errors.get_or_create(&ErrorLabels { status, r#type: kind.to_owned() }).inc();
    }
}

/// Reads the pace when metrics are asked for.
struct PaceGauges {
    pace: Arc<Pace>,
}

impl fmt::Debug for PaceGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PaceGauges")
    }
}

impl Collector for PaceGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, help, value) in [
            (
                "sluice_sink_requests_in_flight_limit",
                "Bulk requests that may be in flight now",
                self.pace.in_flight_limit(),
            ),
            (
                "sluice_sink_in_flight_limit_bytes",
                "What bulk requests in flight may be now, before compression",
                self.pace.in_flight_limit().saturating_mul(self.pace.bulk_bytes()),
            ),
            (
                "sluice_sink_bulk_limit_bytes",
                "Bytes of a full bulk request now, before compression",
                self.pace.bulk_bytes(),
            ),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pace::PaceLimits;

    #[test]
    fn names_of_errors_are_bounded() {
        let mut registry = Registry::default();
        let pace = Pace::new(PaceLimits { in_flight_max: 1, bulk_bytes_max: 1 });
        let metrics = Metrics::register(&mut registry, &pace);
        for n in 0..1000_u32 {
            let name: String = n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
            metrics.error(400, &name);
        }
        metrics.error(400, "Not a \"name\"\n");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("the metrics can be written");
        assert_eq!(text.matches("sluice_sink_bulk_item_errors_total{").count(), KINDS_MAX + 1);
        assert!(text.contains("sluice_sink_requests_in_flight_limit 1"), "{text}");
    }
}
