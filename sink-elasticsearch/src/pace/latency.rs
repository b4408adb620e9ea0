//! How long a byte takes from a request's sending to its answer, at best and now.

use std::time::Duration;

/// Latency holds while a byte takes no more than so many times what it took at best.
const LATENCY_TOLERANCE: f64 = 2.0;
/// Weight of the newest answer in the latency of now.
const LATENCY_WEIGHT: f64 = 0.25;
/// Small requests are not compared by their bytes: most of their time is a fixed one.
const LATENCY_BYTES_MIN: usize = 256 * 1024;

/// Seconds of a byte. The best is not forgotten: a server at its limit takes longer the more is in flight, which must not become
/// what is expected of it.
#[derive(Debug)]
pub(super) struct Latency {
    best: f64,
    /// None before the first answer.
    now: Option<f64>,
}

impl Latency {
    pub fn new() -> Self {
        Self { best: f64::INFINITY, now: None }
    }

    /// Takes in an answer to a request of `bytes`; whether latency holds.
    pub fn count(&mut self, latency: Duration, bytes: usize) -> bool {
        let per_byte = latency.as_secs_f64() / bytes.max(LATENCY_BYTES_MIN) as f64;
        let now = self.now.map_or(per_byte, |before| before * (1.0 - LATENCY_WEIGHT) + per_byte * LATENCY_WEIGHT);
        self.now = Some(now);
        self.best = self.best.min(now);
        now <= self.best * LATENCY_TOLERANCE
    }
}
