//! How far behind a worker is: in records, in seconds, and in the time that it still needs.

use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What the rates are an average of: longer than a stall of the far end, shorter than a person's patience.
const WINDOW: Duration = Duration::from_secs(30);
/// Between two looks at the counters.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Runs of records whose times are kept for one partition; more are put together, which makes the lag no smaller.
const TIMES_MAX: usize = 1024;

/// How far behind a worker is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Lag {
    /// Records that are not done.
    pub records: u64,
    /// Age of the oldest of them, by its own timestamp; 0 when there is none, or when it has no timestamp.
    pub seconds: f64,
    /// Records that are done in a second, of late.
    pub done_per_second: f64,
    /// Records that are produced in a second, of late, to the assigned partitions.
    pub produced_per_second: f64,
    /// Until none is left, at these rates; `None` while the backlog does not shrink.
    pub seconds_left: Option<f64>,
}

/// When a partition's records were made that are not done.
#[derive(Debug, Default)]
pub(crate) struct Times {
    /// Runs of records in order of their offsets: the offset behind the last one, and the time of the first one.
    runs: VecDeque<(i64, i64)>,
    /// Of the newest record that was read.
    newest_ms: Option<i64>,
}

impl Times {
    /// Records up to before `next` were read, the first of which was made at `first_ms` and the newest at `newest_ms`.
    pub fn read(&mut self, next: i64, first_ms: i64, newest_ms: i64) {
        // -1: a producer gave no time.
        if first_ms < 0 {
            return;
        }
        self.newest_ms = Some(newest_ms.max(first_ms));
        let is_full = self.runs.len() >= TIMES_MAX;
        match self.runs.back_mut() {
            Some(last) if is_full => last.0 = next,
            _ => self.runs.push_back((next, first_ms)),
        }
    }

    /// Everything before `done` is done.
    pub fn done(&mut self, done: i64) {
        while self.runs.front().is_some_and(|(next, _)| *next <= done) {
            self.runs.pop_front();
        }
    }

    /// Time of the oldest record that is not done; of one that was not read yet, it is not earlier than that.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.runs.front().map(|(_, first_ms)| *first_ms).or(self.newest_ms)
    }
}

/// Rates from counters that only grow.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    /// When, and what was done and produced until then.
    looks: VecDeque<(Instant, u64, u64)>,
}

impl Rates {
    pub fn look(&mut self, now: Instant, done: u64, produced: u64) {
        if self.looks.back().is_some_and(|(at, ..)| now.duration_since(*at) < LOOK_EVERY) {
            return;
        }
        self.looks.push_back((now, done, produced));
        while self.looks.get(1).is_some_and(|(at, ..)| now.duration_since(*at) >= WINDOW) {
            self.looks.pop_front();
        }
    }

    /// The lag of `records`, the oldest of which is `seconds` old.
    pub fn lag(&self, records: u64, seconds: f64) -> Lag {
        let mut lag = Lag { records, seconds, ..Lag::default() };
        if let (Some(first), Some(last)) = (self.looks.front(), self.looks.back()) {
            let took = last.0.duration_since(first.0).as_secs_f64();
            if took > 0.0 {
                lag.done_per_second = last.1.saturating_sub(first.1) as f64 / took;
                lag.produced_per_second = last.2.saturating_sub(first.2) as f64 / took;
            }
        }
        let shrinks = lag.done_per_second - lag.produced_per_second;
        lag.seconds_left = match records {
            0 => Some(0.0),
            _ if shrinks > 0.0 => Some(records as f64 / shrinks),
            _ => None,
        };
        lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_record_that_is_not_done() {
        let mut times = Times::default();
        assert_eq!(times.oldest_ms(), None);
        times.read(10, 1000, 1900);
        times.read(20, 2000, 2900);
        assert_eq!(times.oldest_ms(), Some(1000));
        times.done(9);
        assert_eq!(times.oldest_ms(), Some(1000));
        times.done(10);
        assert_eq!(times.oldest_ms(), Some(2000));
        // What comes next was not read yet.
        times.done(20);
        assert_eq!(times.oldest_ms(), Some(2900));
        times.read(21, -1, -1);
        assert_eq!(times.oldest_ms(), Some(2900));
    }

    #[test]
    fn many_small_runs_are_put_together() {
        let mut times = Times::default();
        for n in 0..10_000 {
            times.read(n + 1, n, n);
        }
        assert_eq!(times.runs.len(), TIMES_MAX);
        times.done(9_999);
        assert_eq!((times.runs.len(), times.oldest_ms()), (1, Some(TIMES_MAX as i64 - 1)));
        times.done(10_000);
        assert!(times.runs.is_empty());
    }

    #[test]
    fn rates_and_the_time_that_is_left() {
        let start = Instant::now();
        let mut rates = Rates::default();
        assert_eq!(rates.lag(5, 1.0).seconds_left, None);
        for second in 0..100 {
            rates.look(start + Duration::from_secs(second), second * 100, second * 60);
            rates.look(start + Duration::from_secs(second) + LOOK_EVERY / 2, 0, 0);
        }
        let lag = rates.lag(400, 2.5);
        assert_eq!((lag.done_per_second, lag.produced_per_second, lag.seconds_left), (100.0, 60.0, Some(10.0)));
        assert_eq!(rates.looks.len(), 31);
        assert_eq!(rates.lag(0, 0.0).seconds_left, Some(0.0));
        for second in 100..200 {
            rates.look(start + Duration::from_secs(second), 10_000, second * 60);
        }
        assert_eq!(rates.lag(400, 2.5).seconds_left, None);
    }
}
