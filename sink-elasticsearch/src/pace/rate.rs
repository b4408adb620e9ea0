//! The rate that a server is asked to take, once it refused the only request in flight: a little less than before, growing slowly.

use std::time::Duration;
use tokio::time::Instant;

/// So many answers between two refusals tell at which rate the server is asked.
const RATE_ANSWERS_MIN: u32 = 5;
/// What a refused request, with nothing else in flight, makes of the rate at which the server was asked ...
const RATE_CUT: f64 = 0.93;
/// ... or, where that cannot be told, of the rate before.
const RATE_CUT_BLIND: f64 = 0.9;
/// A request counts as much at least: small ones cost the server more than their bytes.
const RATE_BYTES_MIN: usize = 64 * 1024;
/// Bytes a second: slower than four small requests, what a server refuses has other reasons than the rate.
const RATE_MIN: f64 = 4.0 * RATE_BYTES_MIN as f64;
/// What a good answer lets the rate grow by, or a second, if answers are rarer: a refusal follows after 20 answers or more.
const RATE_GROWTH: f64 = 1.003;
/// No request waits longer for the rate: what was measured may be wrong.
const TURN_SECONDS_MAX: f64 = 10.0;
/// A rate that has grown so many times without a refusal limits nothing.
const RATE_GROWN_MAX: f64 = 2.0;

/// What was asked and answered, and the limit that came of it.
#[derive(Debug, Default)]
pub(super) struct Rate {
    /// Since the limit was last cut, while there was more to be sent than slots.
    asked: Asked,
    /// None before the first refusal, and when it has grown so far that it limits nothing.
    limit: Option<Limit>,
}

/// What the server was asked to take, and answered.
#[derive(Debug, Default, Clone, Copy)]
struct Asked {
    seconds: f64,
    bytes: usize,
    answers: u32,
}

/// Bytes a second that the server is asked to take, after it refused more.
#[derive(Debug)]
struct Limit {
    now: f64,
    /// After the last refusal.
    cut: f64,
    /// When the next request may be sent.
    next: Instant,
}

impl Rate {
    /// A request of `bytes` was answered, which stands for `seconds`.
    pub fn count(&mut self, bytes: usize, seconds: f64) {
        self.asked.seconds += seconds;
        self.asked.bytes += bytes.max(RATE_BYTES_MIN);
        self.asked.answers += 1;
    }

    /// When a request of `bytes` may be sent, if not at once; it has that place then.
    pub fn turn(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let limit = self.limit.as_mut()?;
        let at = limit.next.max(now);
        let bytes = bytes.max(RATE_BYTES_MIN) as f64;
        limit.next = at + Duration::from_secs_f64((bytes / limit.now).min(TURN_SECONDS_MAX));
        (at > now).then_some(at)
    }

    /// An answer that stands for `seconds` put nothing off.
    pub fn grow(&mut self, seconds: f64) {
        let Some(limit) = &mut self.limit else { return };
        limit.now *= RATE_GROWTH.max(RATE_GROWTH.powf(seconds));
        if limit.now > limit.cut * RATE_GROWN_MAX {
            self.limit = None;
        }
    }

    /// A request was refused: the server takes what it took since the last one, and no more.
    pub fn cut(&mut self, now: Instant) {
        let Asked { seconds, bytes, answers } = self.asked;
        if answers >= RATE_ANSWERS_MIN && seconds > 0.0 {
            let asked = bytes as f64 / seconds;
            // What was asked is a little less than the rate allowed; cut after cut that would add up.
            let before = self.limit.as_ref().map(|limit| limit.now).filter(|limit| asked > limit / 2.0);
            let rate = (before.unwrap_or(asked) * RATE_CUT).max(RATE_MIN);
            self.limit = Some(Limit { now: rate, cut: rate, next: now });
            self.asked = Asked::default();
        } else if let Some(limit) = &mut self.limit {
            limit.now = (limit.now * RATE_CUT_BLIND).max(RATE_MIN);
            limit.cut = limit.now;
        }
    }
}
