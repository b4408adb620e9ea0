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

mod bound;
mod latency;
mod rate;

use bound::Bound;
use latency::Latency;
use rate::Rate;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Requests in flight at the start: one that is worked on and one on its way.
const IN_FLIGHT_START: usize = 2;
/// So many do not ask for latency that holds: a server that has become slower for good is used to the full by them.
const IN_FLIGHT_ENOUGH: usize = 4;
/// Bytes of a request at the start.
const BULK_BYTES_START: usize = 1024 * 1024;
/// Requests do not shrink below this, but for what a server says about its limits: a request has a cost of its own.
const BULK_BYTES_MIN: usize = 64 * 1024;
/// What a full request that went well lets the next ones grow by, until one was refused for its size ...
const BULK_BYTES_STEP: usize = 256 * 1024;
/// ... and then this part of what was refused.
const BULK_BYTES_STEP_PART: usize = 16;
/// A request that takes so long is large enough: what it costs whatever its size (its way, one flush of the server's log) is a small
/// part of it, and larger ones only fill the server's memory.
const LATENCY_ENOUGH: Duration = Duration::from_millis(250);

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
    latency: Latency,
    rate: Rate,
    /// When the last answer came.
    answered_at: Option<Instant>,
    /// The server asked for a pause.
    pause_until: Option<Instant>,
    /// What a server that is idle takes in one request, as far as it is known.
    bytes_cap: usize,
    /// When a request was last worked on.
    good_at: Option<Instant>,
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
            self.rate.count(answered.plain_bytes, seconds);
        }
        seconds
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
            latency: Latency::new(),
            rate: Rate::default(),
            answered_at: None,
            pause_until: None,
            bytes_cap: usize::MAX,
            good_at: None,
        };
        Arc::new(Self { limits, state: Mutex::new(state), freed: Notify::new() })
    }

    /// Waits for a place among the requests in flight.
    pub async fn slot(self: &Arc<Self>) -> Slot {
        self.when(|| self.try_slot()).await
    }

    /// Waits until `look` finds something; it looks again whenever there are more free slots than before.
    async fn when<T>(&self, look: impl Fn() -> Option<T>) -> T {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Before the look, so that nothing is missed between the two.
            freed.as_mut().enable();
            if let Some(found) = look() {
                return found;
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
            (state.rate.turn(bytes, Instant::now()), state.pause_until)
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

    /// Whether nothing is sent, or waits to be sent again.
    pub fn is_idle(&self) -> bool {
        self.state().slots_taken == 0
    }

    /// Waits until [`Pace::is_idle`].
    pub async fn idle(&self) {
        self.when(|| self.is_idle().then_some(())).await;
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
        state.in_flight.good();
        state.bytes.good();
        let seconds = state.count(&answered);
        state.rate.grow(seconds);
        let latency = answered.now.duration_since(answered.sent);
        let holds = state.latency.count(latency, answered.plain_bytes);
        if !holds && state.in_flight.now >= IN_FLIGHT_ENOUGH {
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
        if is_full && latency < LATENCY_ENOUGH {
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
            state.rate.cut(answered.now);
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
