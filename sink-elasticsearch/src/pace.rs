//! How much is sent at a time: requests in flight and bytes of a request, grown while answers stay fast, shrunk when the
//! server refuses (additive increase, multiplicative decrease, as TCP does it).
//!
//! ```text
//! in flight   1 ──+1 a round of good answers──▶ configured      halved by a refusal
//! bytes       min ──+256 KiB a full request──▶ cap              halved by a refusal with nothing else in flight
//! ```
//!
//! What was refused is not tried again at once: growth ends below it for a time, which doubles when it is refused again.
//! After a refusal a pause follows, longer the more of the last requests were refused, so that a server at its limit
//! refuses no more than about one request in twenty.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests in flight at the start: one that is worked on and one on its way.
const IN_FLIGHT_START: usize = 2;
/// Bytes of a request at the start.
const BULK_BYTES_START: usize = 2 * 1024 * 1024;
/// Requests do not shrink below this, but for what a server says about its limits: a request has a cost of its own.
const BULK_BYTES_MIN: usize = 64 * 1024;
/// What a full request that went well lets the next ones grow by.
const BULK_BYTES_STEP: usize = 256 * 1024;
/// Latency holds while a byte takes no more than so many times what it took at best.
const LATENCY_TOLERANCE: f64 = 2.0;
/// The best latency is forgotten slowly, by this factor an answer: a server may become slower for good.
const LATENCY_DRIFT: f64 = 1.005;
/// Weight of the newest answer in the latency of now.
const LATENCY_WEIGHT: f64 = 0.25;
/// Small requests are not compared by their bytes: most of their time is a fixed one.
const LATENCY_BYTES_MIN: usize = 256 * 1024;
/// How long growth ends below what was refused; doubled up to the second one when it is refused again.
const CEILING_HOLD_MIN: Duration = Duration::from_secs(10);
const CEILING_HOLD_MAX: Duration = Duration::from_secs(300);
/// Answers without a refusal after which the pause that follows a refusal becomes shorter again.
const ANSWERS_PER_REFUSAL: u32 = 20;
/// Steps of the pause: the back-off doubles with each.
const REFUSALS_MAX: u32 = 12;

/// Between what pace moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PaceLimits {
    pub in_flight_max: usize,
    pub bulk_bytes_max: usize,
}

/// The pace of all requests of a sink.
pub(crate) struct Pace {
    limits: PaceLimits,
    state: Mutex<State>,
    /// A slot is free, or there are more of them.
    freed: Notify,
}

#[derive(Debug)]
struct State {
    /// Slots that are taken: requests that are sent, or wait to be sent again.
    taken: usize,
    /// Requests that the server works on.
    sending: usize,
    in_flight: Bound,
    bytes: Bound,
    /// Good answers since the last growth of `in_flight`.
    good: usize,
    /// When the pace was last slowed down: what was sent before says nothing new.
    slowed_at: Option<Instant>,
    /// Seconds of a byte: at best, and now.
    latency_best: Option<f64>,
    latency_now: f64,
    refusals: u32,
    answers_since_refusal: u32,
    /// The server asked for a pause.
    pause_until: Option<Instant>,
    /// What a server that is idle takes in one request, as far as it is known.
    bytes_cap: usize,
    /// When a request was last worked on.
    good_at: Option<Instant>,
}

/// A value that grows by steps up to a ceiling.
#[derive(Debug)]
struct Bound {
    now: usize,
    /// Refused at the last time, and until when growth ends below it.
    ceiling: Option<(usize, Instant)>,
    hold: Duration,
}

impl Bound {
    fn new(now: usize) -> Self {
        Self { now, ceiling: None, hold: CEILING_HOLD_MIN }
    }

    fn grow(&mut self, step: usize, max: usize, at: Instant) {
        let max = match self.ceiling {
            Some((ceiling, until)) if at < until => max.min(ceiling.saturating_sub(1)),
            _ => max,
        };
        // Never shrinks: the ceiling may be below.
        self.now = self.now.max((self.now + step).min(max));
    }

    /// `used` was refused.
    fn refuse(&mut self, used: usize, min: usize, at: Instant) {
        self.hold = match self.ceiling {
            Some((ceiling, until)) if used >= ceiling && at < until + self.hold => {
                (self.hold * 2).min(CEILING_HOLD_MAX)
            }
            _ => CEILING_HOLD_MIN,
        };
        self.ceiling = Some((used, at + self.hold));
        self.now = (used.min(self.now) / 2).max(min);
    }
}

/// One request's answer, as far as pace is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub sent: Instant,
    pub now: Instant,
    pub plain_bytes: usize,
}

/// A place among the requests in flight.
pub(crate) struct Slot {
    pace: Arc<Pace>,
}

/// A request that the server works on.
pub(crate) struct Sending<'a> {
    pace: &'a Pace,
}

impl Sending<'_> {
    /// Whether the server works on no other one.
    pub fn is_alone(&self) -> bool {
        self.pace.state().sending == 1
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.pace.state().sending -= 1;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pace.state().taken -= 1;
        self.pace.freed.notify_waiters();
    }
}

impl Pace {
    pub fn new(limits: PaceLimits) -> Arc<Self> {
        let state = State {
            taken: 0,
            sending: 0,
            in_flight: Bound::new(IN_FLIGHT_START.min(limits.in_flight_max)),
            bytes: Bound::new(BULK_BYTES_START.min(limits.bulk_bytes_max)),
            good: 0,
            slowed_at: None,
            latency_best: None,
            latency_now: 0.0,
            refusals: 0,
            answers_since_refusal: 0,
            pause_until: None,
            bytes_cap: usize::MAX,
            good_at: None,
        };
        Arc::new(Self { limits, state: Mutex::new(state), freed: Notify::new() })
    }

    /// Waits for a place among the requests in flight.
    pub async fn slot(self: &Arc<Self>) -> Slot {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before the look, so that nothing is missed between the two.
            freed.as_mut().enable();
            {
                let mut state = self.state();
                if state.taken < state.in_flight.now {
                    state.taken += 1;
                    return Slot { pace: self.clone() };
                }
            }
            freed.await;
        }
    }

    /// Waits for the end of the pause that the server asked for.
    pub async fn paused(&self) {
        let until = self.state().pause_until;
        if let Some(until) = until {
            tokio::time::sleep_until(until).await;
        }
    }

    /// The server works on a request from now on.
    pub fn send(&self) -> Sending<'_> {
        self.state().sending += 1;
        Sending { pace: self }
    }

    /// Bytes of a full request, before compression.
    pub fn bulk_bytes(&self) -> usize {
        let state = self.state();
        state.bytes.now.min(state.bytes_cap)
    }

    pub fn in_flight_limit(&self) -> usize {
        self.state().in_flight.now
    }

    /// Whether any request has been worked on by a server.
    pub fn is_answered(&self) -> bool {
        self.state().good_at.is_some()
    }

    /// Whether a request has been worked on after `since`.
    pub fn is_good_since(&self, since: Instant) -> bool {
        self.state().good_at.is_some_and(|at| at > since)
    }

    /// The server worked on a request and put nothing off.
    pub fn good(&self, answered: Answered) {
        let mut state = self.state();
        state.good_at = Some(answered.now);
        state.answers_since_refusal += 1;
        if state.answers_since_refusal >= ANSWERS_PER_REFUSAL {
            state.answers_since_refusal = 0;
            state.refusals = state.refusals.saturating_sub(1);
        }
        let seconds = answered.now.duration_since(answered.sent).as_secs_f64();
        let per_byte = seconds / answered.plain_bytes.max(LATENCY_BYTES_MIN) as f64;
        state.latency_now = match state.latency_best {
            None => per_byte,
            Some(_) => state.latency_now * (1.0 - LATENCY_WEIGHT) + per_byte * LATENCY_WEIGHT,
        };
        let best = state.latency_best.map_or(state.latency_now, |best| (best * LATENCY_DRIFT).min(state.latency_now));
        state.latency_best = Some(best);
        if state.latency_now > best * LATENCY_TOLERANCE {
            state.good = 0;
            return;
        }
        // What is not used up needs no growth.
        if state.taken >= state.in_flight.now {
            state.good += 1;
            if state.good >= state.in_flight.now {
                state.good = 0;
                state.in_flight.grow(1, self.limits.in_flight_max, answered.now);
                self.freed.notify_waiters();
            }
        }
        if answered.plain_bytes + BULK_BYTES_STEP >= state.bytes.now {
            let max = self.limits.bulk_bytes_max.min(state.bytes_cap);
            state.bytes.grow(BULK_BYTES_STEP, max, answered.now);
        }
    }

    /// The server refused a request or part of it, or took too long; `alone` with nothing else in flight.
    pub fn refused(&self, answered: Answered, alone: bool) {
        let mut state = self.state();
        state.good = 0;
        let is_news = state.slowed_at.is_none_or(|slowed_at| answered.sent >= slowed_at);
        if !is_news {
            return;
        }
        state.slowed_at = Some(answered.now);
        state.refusals = (state.refusals + 1).min(REFUSALS_MAX);
        state.answers_since_refusal = 0;
        let used = state.in_flight.now;
        state.in_flight.refuse(used, 1, answered.now);
        if alone {
            let min = BULK_BYTES_MIN.min(self.limits.bulk_bytes_max);
            state.bytes.refuse(answered.plain_bytes.max(min), min, answered.now);
        }
    }

    /// How many of the last requests were refused, in steps of the back-off.
    pub fn refusals(&self) -> u32 {
        self.state().refusals
    }

    /// Nothing shall be sent for so long.
    pub fn pause(&self, until: Instant) {
        let mut state = self.state();
        state.pause_until = state.pause_until.max(Some(until));
    }

    /// No server takes more than `bytes` in one request.
    pub fn cap(&self, bytes: usize) {
        let mut state = self.state();
        state.bytes_cap = state.bytes_cap.min(bytes.max(1));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the pace")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1024 * 1024;

    /// A pace, and a clock that answers move on.
    struct Bench {
        pace: Arc<Pace>,
        now: Instant,
    }

    impl Bench {
        fn new(in_flight_max: usize, bulk_bytes_max: usize) -> Self {
            Self { pace: Pace::new(PaceLimits { in_flight_max, bulk_bytes_max }), now: Instant::now() }
        }

        fn answered(&mut self, plain_bytes: usize, seconds: f64) -> Answered {
            let sent = self.now;
            self.now += Duration::from_secs_f64(seconds);
            Answered { sent, now: self.now, plain_bytes }
        }

        /// Full requests on all slots, each answered after `seconds` for a MiB.
        async fn good(&mut self, requests: usize, seconds: f64) {
            for _ in 0..requests {
                let mut slots = Vec::new();
                for _ in 0..self.pace.in_flight_limit() {
                    slots.push(self.pace.slot().await);
                }
                let bytes = self.pace.bulk_bytes();
                let answered = self.answered(bytes, seconds * bytes as f64 / MIB as f64);
                self.pace.good(answered);
            }
        }

        fn refused(&mut self, alone: bool) {
            let bytes = self.pace.bulk_bytes();
            let answered = self.answered(bytes, 0.01);
            self.pace.refused(answered, alone);
        }

        fn shape(&self) -> (usize, usize) {
            (self.pace.in_flight_limit(), self.pace.bulk_bytes())
        }
    }

    #[tokio::test]
    async fn grows_to_its_limits_while_latency_holds() {
        let mut bench = Bench::new(8, 8 * MIB);
        assert_eq!(bench.shape(), (2, 2 * MIB));
        bench.good(2, 0.1).await;
        assert_eq!(bench.shape(), (3, 2 * MIB + 2 * BULK_BYTES_STEP));
        bench.good(100, 0.1).await;
        assert_eq!(bench.shape(), (8, 8 * MIB));
    }

    #[tokio::test]
    async fn stands_still_when_answers_become_slow() {
        let mut bench = Bench::new(16, 8 * MIB);
        bench.good(3, 0.1).await;
        bench.good(10, 0.5).await;
        let shape = bench.shape();
        bench.good(30, 0.5).await;
        assert_eq!(bench.shape(), shape);
        // It does so for good: after a while that is what is known as best.
        bench.good(1000, 0.5).await;
        assert_eq!(bench.shape(), (16, 8 * MIB));
    }

    #[tokio::test]
    async fn a_refusal_halves_and_is_not_tried_again_at_once() {
        let mut bench = Bench::new(16, 8 * MIB);
        bench.good(200, 0.01).await;
        assert_eq!(bench.shape(), (16, 8 * MIB));
        bench.refused(false);
        assert_eq!(bench.shape(), (8, 8 * MIB));
        // What was sent before is no news.
        let before = Answered { sent: bench.now - Duration::from_secs(1), now: bench.now, plain_bytes: MIB };
        bench.pace.refused(before, false);
        assert_eq!(bench.shape(), (8, 8 * MIB));
        bench.good(100, 0.001).await;
        assert_eq!(bench.shape().0, 15);
        bench.now += CEILING_HOLD_MIN;
        bench.good(100, 0.001).await;
        assert_eq!(bench.shape().0, 16);
    }

    #[tokio::test]
    async fn alone_the_request_itself_shrinks() {
        let mut bench = Bench::new(1, 8 * MIB);
        for want in [MIB, MIB / 2, MIB / 4] {
            bench.refused(true);
            assert_eq!(bench.shape(), (1, want));
        }
        for _ in 0..20 {
            bench.refused(true);
        }
        assert_eq!(bench.shape(), (1, BULK_BYTES_MIN));
    }

    #[tokio::test]
    async fn a_cap_is_kept() {
        let mut bench = Bench::new(4, 8 * MIB);
        bench.pace.cap(3 * MIB);
        bench.good(100, 0.01).await;
        assert_eq!(bench.shape(), (4, 3 * MIB));
        bench.pace.cap(1000);
        bench.good(100, 0.01).await;
        assert_eq!(bench.shape(), (4, 1000));
    }

    #[tokio::test]
    async fn refusals_make_the_pause_longer_until_few_are_refused() {
        let mut bench = Bench::new(4, 8 * MIB);
        for _ in 0..3 {
            bench.refused(false);
        }
        assert_eq!(bench.pace.refusals(), 3);
        bench.good(2 * ANSWERS_PER_REFUSAL as usize, 0.01).await;
        assert_eq!(bench.pace.refusals(), 1);
    }

    #[tokio::test]
    async fn slots_are_waited_for() {
        let bench = Bench::new(1, MIB);
        let slot = bench.pace.slot().await;
        let waiting = tokio::spawn({
            let pace = bench.pace.clone();
            async move { drop(pace.slot().await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(slot);
        waiting.await.expect("a slot came free");
    }
}
