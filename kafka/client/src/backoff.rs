//! Delays that double, with jitter, so that many clients do not come back at the same moment.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Part of a delay that is random: Kafka's clients use the same fifth.
const JITTER_PERCENT: u64 = 20;
/// Beyond this many doublings every range of delays has reached its end.
const DOUBLINGS_MAX: u32 = 20;

/// The delays between attempts.
#[derive(Debug, Clone)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
    random: u64,
}

impl Backoff {
    /// Delays from `min` to `max`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self::with_seed(min, max, RandomState::new().hash_one(0))
    }

    /// The same, with chosen randomness.
    pub fn with_seed(min: Duration, max: Duration, seed: u64) -> Self {
        Self { min, max, failures: 0, random: seed | 1 }
    }

    /// The delay after one more failure.
    pub fn next_delay(&mut self) -> Duration {
        let doubled = self.min.saturating_mul(1 << self.failures.min(DOUBLINGS_MAX)).min(self.max);
        self.failures = self.failures.saturating_add(1);
        // xorshift64: any spread will do, and it saves a dependency.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let percent = 100 - JITTER_PERCENT + self.random % (2 * JITTER_PERCENT + 1);
        doubled.saturating_mul(u32::try_from(percent).unwrap_or(100)) / 100
    }

    /// After a success the next failure waits the shortest delay again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let mut backoff = Backoff::with_seed(Duration::from_millis(100), Duration::from_secs(1), 7);
        for want in [100u64, 200, 400, 800, 1000, 1000] {
            let got = backoff.next_delay().as_millis() as u64;
            assert!(got * 100 >= want * 80 && got * 100 <= want * 120, "got {got}; want about {want}");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(120));
    }
}
