//! What the loop tells the outside: metrics, problems, how far each partition is.

use super::{Position, Run, Snapshot};
use crate::worker::retention;
use crate::worker::source::Source;
use tokio::time::Instant;

impl<S: Source> Run<S> {
    /// Looks at the rates, and tells the metrics how far each partition is.
    pub(super) fn look(&mut self) {
        self.rates.look(Instant::now(), self.records_done, self.records_produced);
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let mut alarms = Vec::new();
        for (name, position) in self.partitions.positions() {
            let retention = self.source.retention(&name.topic);
            let share = retention::share(&position, retention, now_ms);
            self.shop.metrics.partition(&name, position.lag_records(), age(now_ms, position.oldest_ms), share);
            alarms.extend(retention::alarm(&name, share, retention));
        }
        if self.retention_alarms.is_empty() {
            alarms.iter().for_each(|alarm| tracing::warn!("{alarm}"));
        }
        self.retention_alarms = alarms;
    }

    pub(super) fn publish(&mut self) {
        (self.published, self.is_published) = (Instant::now(), true);
        let positions = self.partitions.positions();
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let records = positions.values().map(Position::lag_records).sum();
        let seconds = positions.values().map(|position| age(now_ms, position.oldest_ms)).fold(0.0, f64::max);
        let lag = self.rates.lag(records, seconds);
        let metrics = &self.shop.metrics;
        metrics.lag(&lag);
        metrics.memory(&self.memory);
        metrics.paused_partitions.set(i64::try_from(self.partitions.paused()).unwrap_or(i64::MAX));
        let mut problems = self.source.problems();
        problems.extend(self.shop.dead_letters.problems());
        problems.extend(self.commits.problem.clone());
        problems.extend(self.broken.clone());
        problems.extend(self.retention_alarms.iter().cloned());
        *self.snapshot.lock().expect("nothing panics while it holds the snapshot") =
            Snapshot { positions, problems, lag, failure: self.failure.clone() };
    }
}

/// Seconds since `then`.
fn age(now_ms: i64, then_ms: Option<i64>) -> f64 {
    then_ms.map_or(0.0, |then_ms| now_ms.saturating_sub(then_ms).max(0) as f64 / 1000.0)
}
