//! How much is sent at a time: requests in flight and bytes of a request, grown while answers stay fast, shrunk when the
//! server refuses (additive increase, multiplicative decrease, as TCP does it).
//!
//! ```text
//! in flight   1 ──+1 a round of good answers──▶ configured      halved by a refusal
//! bytes       min ──+ a step a full request───▶ cap             halved by a refusal with nothing else in flight
//! rate        none; after a refusal of the only one in flight a little less than before it, growing slowly
//! ```
//!
//! What was refused is not tried again at once: growth ends below it for a number of answers, which doubles when it is
//! refused again. So a server at its limit refuses few requests and is used to the full (`simulation`).

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests in flight at the start: one that is worked on and one on its way.
const IN_FLIGHT_START: usize = 2;
/// Bytes of a request at the start.
const BULK_BYTES_START: usize = 1024 * 1024;
/// Requests do not shrink below this, but for what a server says about its limits: a request has a cost of its own.
const BULK_BYTES_MIN: usize = 64 * 1024;
/// What a full request that went well lets the next ones grow by, until one was refused for its size ...
const BULK_BYTES_STEP: usize = 256 * 1024;
/// ... and then this part of what was refused.
const BULK_BYTES_STEP_PART: usize = 16;
/// A request that takes so long is large enough.
const LATENCY_ENOUGH: Duration = Duration::from_secs(1);
/// Latency holds while a byte takes no more than so many times what it took at best.
const LATENCY_TOLERANCE: f64 = 2.0;
/// The best latency is forgotten slowly, by this factor an answer: a server may become slower for good.
const LATENCY_DRIFT: f64 = 1.005;
/// Weight of the newest answer in the latency of now.
const LATENCY_WEIGHT: f64 = 0.25;
/// Small requests are not compared by their bytes: most of their time is a fixed one.
const LATENCY_BYTES_MIN: usize = 256 * 1024;
/// Good answers for which growth ends below what was refused: at most one request in so many is refused by trying.
/// Doubled up to the second one when the same is refused again.
const CEILING_ANSWERS_MIN: u32 = 40;
const CEILING_ANSWERS_MAX: u32 = 640;
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

/// What the server was asked to take, and answered.
#[derive(Debug, Default, Clone, Copy)]
struct Asked {
    seconds: f64,
    bytes: usize,
    answers: u32,
}

impl State {
    /// Whether there may be more to be sent than is.
    fn is_full(&self) -> bool {
        self.slots_taken >= self.in_flight.now
    }

    /// Counts an answered request, and says for how long it stands: since the answer before, but not what was idle then.
    fn count(&mut self, answered: &Answered) -> f64 {
        let since = self.answered_at.replace(answered.now).map_or(answered.begun, |at| at.max(answered.begun));
        let seconds = answered.now.saturating_duration_since(since).as_secs_f64();
        if self.is_full() {
            self.asked.seconds += seconds;
            self.asked.bytes += answered.plain_bytes.max(RATE_BYTES_MIN);
            self.asked.answers += 1;
        }
        seconds
    }

    /// When a request of `bytes` may be sent, if not at once; it has that place then.
    fn turn(&mut self, bytes: usize, now: Instant) -> Option<Instant> {
        let rate = self.rate.as_mut()?;
        let at = rate.next.max(now);
        let bytes = bytes.max(RATE_BYTES_MIN) as f64;
        rate.next = at + Duration::from_secs_f64((bytes / rate.now).min(TURN_SECONDS_MAX));
        (at > now).then_some(at)
    }

    /// A request was refused: the server takes what it took since the last one, and no more.
    fn cut_rate(&mut self, now: Instant) {
        let Asked { seconds, bytes, answers } = self.asked;
        if answers >= RATE_ANSWERS_MIN && seconds > 0.0 {
            let asked = bytes as f64 / seconds;
            // What was asked is a little less than the rate allowed; cut after cut that would add up.
            let before = self.rate.as_ref().map(|rate| rate.now).filter(|rate| asked > rate / 2.0);
            self.rate = Some(Rate::new((before.unwrap_or(asked) * RATE_CUT).max(RATE_MIN), now));
            self.asked = Asked::default();
        } else if let Some(rate) = &mut self.rate {
            rate.now = (rate.now * RATE_CUT_BLIND).max(RATE_MIN);
            rate.cut = rate.now;
        }
    }
}

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
    slots_taken: usize,
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
    rate: Option<Rate>,
    /// Since the rate was last cut, while there was more to be sent than slots.
    asked: Asked,
    /// When the last answer came.
    answered_at: Option<Instant>,
    /// The server asked for a pause.
    pause_until: Option<Instant>,
    /// What a server that is idle takes in one request, as far as it is known.
    bytes_cap: usize,
    /// When a request was last worked on.
    good_at: Option<Instant>,
}

/// Bytes a second that the server is asked to take, after it refused more.
#[derive(Debug)]
struct Rate {
    now: f64,
    /// After the last refusal.
    cut: f64,
    /// When the next request may be sent.
    next: Instant,
}

impl Rate {
    fn new(bytes_per_second: f64, now: Instant) -> Self {
        Self { now: bytes_per_second, cut: bytes_per_second, next: now }
    }
}

/// A value that grows by steps up to a ceiling.
#[derive(Debug)]
struct Bound {
    now: usize,
    /// Refused at the last time.
    ceiling: Option<usize>,
    /// Good answers until growth may go there again.
    answers_left: u32,
    hold: u32,
}

impl Bound {
    fn new(now: usize) -> Self {
        Self { now, ceiling: None, answers_left: 0, hold: CEILING_ANSWERS_MIN }
    }

    fn grow(&mut self, step: usize, max: usize) {
        let max = match self.ceiling {
            Some(ceiling) if self.answers_left > 0 => max.min(ceiling.saturating_sub(1)),
            _ => max,
        };
        // Never shrinks: the ceiling may be below.
        self.now = self.now.max((self.now + step).min(max));
    }

    /// `used` was refused.
    fn refuse(&mut self, used: usize, min: usize) {
        // Nearly as much as the last time: then that is about the limit.
        let is_same = self.ceiling.is_some_and(|ceiling| used >= ceiling - ceiling / 10);
        self.hold = if is_same { (self.hold * 2).min(CEILING_ANSWERS_MAX) } else { CEILING_ANSWERS_MIN };
        self.ceiling = Some(used);
        self.answers_left = self.hold;
        self.now = (used.min(self.now) / 2).max(min);
    }
}

/// One request's answer, as far as pace is concerned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    /// When it could have been sent, had the pace let it.
    pub begun: Instant,
    pub sent: Instant,
    pub now: Instant,
    pub plain_bytes: usize,
}

/// A place among the requests in flight.
pub(crate) struct Slot {
    pace: Arc<Pace>,
    /// When it was taken.
    pub since: Instant,
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
        self.pace.state().slots_taken -= 1;
        self.pace.freed.notify_waiters();
    }
}

impl Pace {
    pub fn new(limits: PaceLimits) -> Arc<Self> {
        let state = State {
            slots_taken: 0,
            sending: 0,
            in_flight: Bound::new(IN_FLIGHT_START.min(limits.in_flight_max)),
            bytes: Bound::new(BULK_BYTES_START.min(limits.bulk_bytes_max)),
            good: 0,
            slowed_at: None,
            latency_best: None,
            latency_now: 0.0,
            rate: None,
            asked: Asked::default(),
            answered_at: None,
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
            if let Some(slot) = self.try_slot() {
                return slot;
            }
            freed.await;
        }
    }

    fn try_slot(self: &Arc<Self>) -> Option<Slot> {
        let mut state = self.state();
        let is_free = state.slots_taken < state.in_flight.now;
        is_free.then(|| {
            state.slots_taken += 1;
            Slot { pace: self.clone(), since: Instant::now() }
        })
    }

    /// Waits for the time at which a request of `bytes` may be sent: the end of the pause that the server asked for, and
    /// the rate that it takes.
    pub async fn turn(&self, bytes: usize) {
        let (at, pause_until) = {
            let mut state = self.state();
            (state.turn(bytes, Instant::now()), state.pause_until)
        };
        if let Some(until) = at.max(pause_until) {
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

    /// Whether more slots are taken than there are now.
    pub fn is_crowded(&self) -> bool {
        let state = self.state();
        state.slots_taken > state.in_flight.now
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
        state.in_flight.answers_left = state.in_flight.answers_left.saturating_sub(1);
        state.bytes.answers_left = state.bytes.answers_left.saturating_sub(1);
        let seconds = state.count(&answered);
        if let Some(rate) = &mut state.rate {
            rate.now *= RATE_GROWTH.max(RATE_GROWTH.powf(seconds));
            if rate.now > rate.cut * RATE_GROWN_MAX {
                state.rate = None;
            }
        }
        let latency = answered.now.duration_since(answered.sent).as_secs_f64();
        let per_byte = latency / answered.plain_bytes.max(LATENCY_BYTES_MIN) as f64;
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
        if state.is_full() {
            state.good += 1;
            if state.good >= state.in_flight.now {
                state.good = 0;
                state.in_flight.grow(1, self.limits.in_flight_max);
                self.freed.notify_waiters();
            }
        }
        let step = state.bytes.ceiling.map_or(BULK_BYTES_STEP, |ceiling| ceiling.div_ceil(BULK_BYTES_STEP_PART));
        let is_full = answered.plain_bytes + step >= state.bytes.now;
        if is_full && answered.now.duration_since(answered.sent) < LATENCY_ENOUGH {
            let max = self.limits.bulk_bytes_max.min(state.bytes_cap);
            state.bytes.grow(step, max);
        }
    }

    /// A request came back that says nothing about how much the server takes.
    pub fn asked(&self, answered: Answered) {
        self.state().count(&answered);
    }

    /// The server refused a request or part of it, or took too long; `alone`: all of it, with nothing else in flight.
    pub fn refused(&self, answered: Answered, alone: bool) {
        let mut state = self.state();
        state.good = 0;
        let is_news = state.slowed_at.is_none_or(|slowed_at| answered.sent >= slowed_at);
        if !is_news {
            return;
        }
        state.slowed_at = Some(answered.now);
        state.count(&answered);
        // With others in flight, fewer of them are the remedy.
        if alone && state.in_flight.now == 1 {
            state.cut_rate(answered.now);
        }
        let used = state.in_flight.now;
        state.in_flight.refuse(used, 1);
        if alone {
            let min = BULK_BYTES_MIN.min(self.limits.bulk_bytes_max);
            state.bytes.refuse(answered.plain_bytes.max(min), min);
        }
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
mod simulation;
#[cfg(test)]
mod tests;
