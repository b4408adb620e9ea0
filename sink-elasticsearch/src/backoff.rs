//! How long to wait before something is sent again.

use std::time::Duration;

/// Exponential back-off between two bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    pub min: Duration,
    pub max: Duration,
}

impl Backoff {
    /// The pause after `failures` failures in a row. `jitter`, from 0 to 1, spreads those who failed together over the
    /// upper half of the pause.
    pub fn pause(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let whole = self.min.saturating_mul(1 << doublings).min(self.max);
        whole.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_between_its_bounds() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(30) };
        let check = |failures, jitter, want| assert_eq!(backoff.pause(failures, jitter), Duration::from_millis(want));
        check(0, 1.0, 100);
        check(1, 1.0, 100);
        check(1, 0.0, 50);
        check(4, 1.0, 800);
        check(10, 1.0, 30_000);
        check(u32::MAX, 0.5, 22_500);
    }
}
