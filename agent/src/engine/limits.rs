//! What the agent may take of its host: bytes read in a second, and a share of a core.

use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// How much may be taken at once after a pause: long enough for one turn at common limits, and too short for anybody
/// to notice.
const BURST: Duration = Duration::from_millis(100);

/// Something that comes back at a fixed rate. What is taken is known only afterwards, so it may be overdrawn by one
/// turn; then nothing more is taken until that has come back.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// In a second.
    rate: f64,
    /// Negative when overdrawn.
    level: f64,
    at: Instant,
}

impl Bucket {
    fn new(rate: f64, now: Instant) -> Self {
        Self { rate, level: 0.0, at: now }
    }

    fn take(&mut self, amount: f64, now: Instant) {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + since * self.rate).min(self.rate * BURST.as_secs_f64()) - amount;
        self.at = now;
    }

    /// When it is not overdrawn any more.
    fn free_at(&self) -> Option<Instant> {
        (self.level < 0.0).then(|| self.at + Duration::from_secs_f64(-self.level / self.rate))
    }
}

/// The limits of an agent, each only when it was asked for.
#[derive(Debug)]
pub struct Limits {
    bytes: Option<Bucket>,
    /// Seconds of CPU in a second.
    cpu: Option<Bucket>,
    /// CPU time of the process at the last look.
    used: Duration,
}

impl Limits {
    /// `cpu_share_max` is in percent of one core.
    pub fn new(bytes_per_second_max: Option<u64>, cpu_share_max: Option<u32>) -> Self {
        let now = Instant::now();
        Self {
            bytes: bytes_per_second_max.map(|rate| Bucket::new(rate as f64, now)),
            cpu: cpu_share_max.map(|percent| Bucket::new(f64::from(percent) / 100.0, now)),
            used: process_time(),
        }
    }

    /// Counts what a turn has read.
    pub fn charge(&mut self, bytes: u64, now: Instant) {
        if let Some(bucket) = &mut self.bytes {
            bucket.take(bytes as f64, now);
        }
    }

    /// When files may be read again; `None`: now.
    pub fn free_at(&mut self, now: Instant) -> Option<Instant> {
        if let Some(bucket) = &mut self.cpu {
            // All threads count: sending and checksums are not on this one.
            let used = process_time();
            bucket.take(used.saturating_sub(self.used).as_secs_f64(), now);
            self.used = used;
        }
        let bytes = self.bytes.and_then(|bucket| bucket.free_at());
        let cpu = self.cpu.and_then(|bucket| bucket.free_at());
        bytes.max(cpu).filter(|&at| at > now)
    }
}

fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more_than_a_burst_after_a_pause() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut bucket = Bucket::new(1000.0, start);
        bucket.take(500.0, start);
        assert_eq!(bucket.free_at(), Some(at(500)));
        bucket.take(0.0, at(500));
        assert_eq!(bucket.free_at(), None);
        bucket.take(150.0, at(10_000));
        assert_eq!(bucket.free_at(), Some(at(10_050)));
    }

    #[test]
    fn without_limits_nothing_waits_and_with_two_the_later_one_counts() {
        let now = Instant::now();
        let mut free = Limits::new(None, None);
        free.charge(u64::MAX, now);
        assert_eq!(free.free_at(now), None);
        let mut limits = Limits::new(Some(1000), Some(100));
        limits.charge(2000, now);
        assert!(limits.free_at(now).is_some_and(|at| at > now + Duration::from_secs(1)));
    }
}
