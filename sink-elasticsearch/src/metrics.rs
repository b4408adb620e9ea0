//! The sink's counters.

use pipelines::sink::Outcome;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    /// `2xx`, `3xx`, `429`, `4xx`, `5xx`, or `none` when no answer came.
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    /// `done`, `already_there` and `rejected` are final; `again` and `held` count every time that an item was put off.
    outcome: &'static str,
}

/// What the sink counts; shared by clones.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    requests: Family<StatusLabel, Counter>,
    items: Family<OutcomeLabel, Counter>,
    plain_bytes: Counter,
    sent_bytes: Counter,
    seconds: Histogram,
    in_flight: Gauge,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            items: Family::default(),
            plain_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            seconds: Histogram::new([0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0]),
            in_flight: Gauge::default(),
        };
        registry.register(
            "sluice_sink_bulk_requests",
            "Bulk requests by status of the answer",
            metrics.requests.clone(),
        );
        registry.register("sluice_sink_bulk_items", "Bulk items by outcome", metrics.items.clone());
        registry.register(
            "sluice_sink_plain_bytes",
            "Bytes of bulk requests before compression",
            metrics.plain_bytes.clone(),
        );
        registry.register("sluice_sink_sent_bytes", "Bytes of bulk requests as sent", metrics.sent_bytes.clone());
        registry.register("sluice_sink_bulk_seconds", "Time from bulk request to answer", metrics.seconds.clone());
        registry.register(
            "sluice_sink_requests_in_flight",
            "Bulk requests without an answer yet",
            metrics.in_flight.clone(),
        );
        metrics
    }

    pub fn sending(&self, plain_bytes: usize, sent_bytes: usize) {
        self.plain_bytes.inc_by(plain_bytes as u64);
        self.sent_bytes.inc_by(sent_bytes as u64);
        self.in_flight.inc();
    }

    pub fn answered(&self, status: Option<u16>, after: Duration) {
        let status = match status {
            None => "none",
            Some(429) => "429",
            Some(..300) => "2xx",
            Some(..400) => "3xx",
            Some(..500) => "4xx",
            Some(500..) => "5xx",
        };
        self.requests.get_or_create(&StatusLabel { status }).inc();
        self.seconds.observe(after.as_secs_f64());
        self.in_flight.dec();
    }

    pub fn settled(&self, outcome: &Outcome) {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::AlreadyThere => "already_there",
            Outcome::Rejected(_) => "rejected",
        };
        self.items.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    pub fn postponed(&self, again: usize, held: usize) {
        for (outcome, count) in [("again", again), ("held", held)] {
            if count > 0 {
                self.items.get_or_create(&OutcomeLabel { outcome }).inc_by(count as u64);
            }
        }
    }
}
