//! Carries one bulk request to its end: sends it, and sends again, holds or divides what was not done.

use crate::alarm::{Alarms, Condition};
use crate::backoff::Backoff;
use crate::bulk::Body;
use crate::delivery::Run;
use crate::exchange::{Exchanged, Setback, SetbackKind, exchange};
use crate::hold::Holds;
use crate::metrics::Metrics;
use crate::nodes::{Failure, Nodes};
use crate::pace::{Answered, Pace, Slot};
use crate::part::{Part, Trouble};
use crate::verdict::above_limit;
use pipelines::sink::{Outcome, Rejection};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Failures in a row after which a busy server is a problem to show, not the daily course of things: with the default
/// back-off about three seconds.
pub(crate) const FAILURES_BEFORE_ALARM: u32 = 5;
/// While no node is up, or no slot is free, it is looked so often whether anybody waits for the documents still.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every bulk request needs.
pub(crate) struct Carrier {
    pub nodes: Arc<Nodes>,
    pub pace: Arc<Pace>,
    pub holds: Holds,
    pub gzip: bool,
    pub backoff: Backoff,
    /// How long a document is sent again that the server stumbles over while it takes others.
    pub index_hold: Duration,
    pub alarms: Arc<Alarms>,
    pub metrics: Metrics,
    /// The sink ends: nothing more is sent.
    pub closed: CancellationToken,
}

/// A request that has come back.
pub(crate) struct Sent {
    pub exchanged: Exchanged,
    /// The node that it was sent to.
    pub place: usize,
    /// The server worked on nothing else of ours when it answered.
    pub alone: bool,
    pub answered: Answered,
}

/// Starts to carry `part`. One without a slot waits for one when it is due, and keeps nothing but what is in it meanwhile.
pub(crate) fn spawn(carrier: Arc<Carrier>, mut part: Part, slot: Option<Slot>) {
    if slot.is_none() {
        part.runs.iter_mut().for_each(Run::keep);
    }
    tokio::spawn(async move {
        let closed = carrier.closed.clone();
        // Documents that go without an outcome tell their callers that the sink is closed.
        closed.run_until_cancelled(carry(carrier, part, slot)).await;
    });
}

async fn carry(carrier: Arc<Carrier>, part: Part, mut slot: Option<Slot>) {
    // The last one is sent next.
    let mut parts = vec![part];
    while let Some(mut part) = parts.pop() {
        part.forget_given_up();
        if part.is_empty() {
            continue;
        }
        if let Some(due) = part.due.take() {
            // Fewer may be in flight than are: those that were refused make room.
            if carrier.pace.is_crowded() {
                slot = None;
                part.body = None;
            }
            sleep_until(due).await;
            parts.push(part);
            continue;
        }
        if slot.is_none() {
            slot = timeout(PATIENCE, carrier.pace.slot()).await.ok();
        }
        let Some(begun) = slot.as_ref().map(|slot| slot.since) else {
            parts.push(part);
            continue;
        };
        let Some(place) = carrier.nodes.pick(PATIENCE).await else {
            parts.push(part);
            continue;
        };
        let sent = carrier.send(&mut part, place, begun).await;
        parts.extend(carrier.take(part, sent));
    }
}

impl Carrier {
    async fn send(&self, part: &mut Part, place: usize, begun: Instant) -> Sent {
        let body = match part.body.take() {
            Some(body) => body,
            None => self.render(part).await,
        };
        self.pace.turn(body.plain_bytes).await;
        part.attempts += 1;
        self.metrics.sending(body.plain_bytes, body.bytes);
        let plain_bytes = body.plain_bytes;
        // The bytes are shared, in case that they are to be sent again.
        part.body = Some(body.clone());
        let sending = self.pace.send();
        let started = Instant::now();
        let client = &self.nodes.connection().client;
        let (status, exchanged) = exchange(client, self.nodes.node(place), body, self.gzip, part.len()).await;
        let alone = sending.is_alone();
        drop(sending);
        let answered = Answered { begun, sent: started, now: Instant::now(), plain_bytes };
        self.metrics.answered(status.map(|status| status.as_u16()), plain_bytes, started.elapsed());
        Sent { exchanged, place, alone, answered }
    }

    /// The request of a part; it is compressed on another thread.
    async fn render(&self, part: &Part) -> Body {
        let body = Body::plain(&part.runs);
        if !self.gzip {
            return body;
        }
        match tokio::task::spawn_blocking(|| body.gzip()).await {
            Ok(body) => body,
            // The runtime ends and with it this task; a panic of the renderer is passed on.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// What is left to be sent in the same slot, the first one last.
    fn take(self: &Arc<Self>, mut part: Part, sent: Sent) -> Vec<Part> {
        let Sent { exchanged, place, alone, answered } = sent;
        match exchanged {
            Exchanged::Done => {
                self.nodes.works(place);
                self.pace.good(answered);
                let indices = part.runs.iter().flat_map(|run| run.items().iter().map(|item| &item.index));
                self.holds.passed(part.held_by.as_ref(), indices);
                self.metrics.done(part.len());
                part.runs.drain(..).for_each(|run| run.done());
                Vec::new()
            }
            Exchanged::Items(answers) => {
                self.nodes.works(place);
                self.settle(part, answers, answered)
            }
            Exchanged::Divide(rejection) => {
                self.pace.asked(answered);
                self.nodes.works(place);
                self.divide(part, rejection, answered)
            }
            Exchanged::Again(setback) => {
                let trouble = match setback.kind {
                    SetbackKind::Refused => Trouble::Refused,
                    SetbackKind::Stumbled { .. } => Trouble::Stumbled,
                    SetbackKind::Unreachable | SetbackKind::Stopped => Trouble::Other,
                };
                part.fail(trouble, answered.now);
                part.failures += 1;
                self.metrics.postponed(part.len(), 0);
                match setback.kind {
                    SetbackKind::Refused => {
                        self.nodes.works(place);
                        self.refused(part, setback, alone, answered)
                    }
                    SetbackKind::Stumbled { overloaded } => {
                        match overloaded {
                            true => self.pace.refused(answered, false),
                            false => self.pace.asked(answered),
                        }
                        self.nodes.fails(place, Failure::Stumbled, setback.condition.clone());
                        self.stumbled(part, setback, place)
                    }
                    SetbackKind::Unreachable => {
                        self.pace.asked(answered);
                        self.nodes.fails(place, Failure::Unreachable, setback.condition);
                        // Another node takes it, or it waits for one to come up.
                        part.failures = 0;
                        vec![part]
                    }
                    SetbackKind::Stopped => {
                        self.pace.asked(answered);
                        self.nodes.works(place);
                        vec![self.wait(part, setback, true)]
                    }
                }
            }
        }
    }

    /// 429 for the whole request: it gets less, and slower.
    fn refused(self: &Arc<Self>, part: Part, setback: Setback, alone: bool, answered: Answered) -> Vec<Part> {
        if let Some(retry_after) = setback.retry_after {
            self.pace.pause(answered.now + retry_after);
        }
        if let Some((counted, limit)) = above_limit(&setback.rejection.reason) {
            // What the server counts is not just the bytes that we see.
            let share = limit as f64 / counted as f64;
            self.pace.cap((answered.plain_bytes as f64 * share) as usize);
            return match part.len() {
                1 => self.reject(part, setback.rejection),
                _ => part.divide(),
            };
        }
        self.pace.refused(answered, alone);
        if part.len() > 1 {
            let part = self.wait(part, setback, false);
            return if alone { part.divide() } else { vec![part] };
        }
        if self.is_hopeless(&part) {
            return self.reject(part, setback.rejection);
        }
        let is_stuck = part.failures >= FAILURES_BEFORE_ALARM;
        let part = self.wait(part, setback, false);
        self.leave(part, is_stuck)
    }

    /// 408, 5xx, or no answer.
    fn stumbled(self: &Arc<Self>, mut part: Part, setback: Setback, place: usize) -> Vec<Part> {
        if part.failures == 1 && setback.retry_after.is_none() && self.nodes.has_other(place) {
            return vec![part];
        }
        if let Some(retry_after) = setback.retry_after {
            self.pace.pause(Instant::now() + retry_after);
        }
        // The server takes other requests, and not this one: there may be something in it.
        let is_stuck = part.failures >= FAILURES_BEFORE_ALARM && self.others_pass(&part);
        if is_stuck && part.len() == 1 && self.is_hopeless(&part) {
            return self.reject(part, setback.rejection);
        }
        part = self.wait(part, setback, false);
        match is_stuck && part.len() > 1 {
            true => part.divide(),
            false => self.leave(part, is_stuck),
        }
    }

    /// The whole request was refused for what is in it: its halves are sent, down to the one document.
    fn divide(self: &Arc<Self>, mut part: Part, rejection: Rejection, answered: Answered) -> Vec<Part> {
        let is_too_large = rejection.status == 413;
        if is_too_large {
            // A refused request is above the limit, so the half of it is not below the half of the limit.
            self.pace.cap(if part.len() > 1 { answered.plain_bytes / 2 } else { answered.plain_bytes - 1 });
        }
        if part.len() > 1 {
            return part.divide();
        }
        if is_too_large || self.pace.is_answered() {
            return self.reject(part, rejection);
        }
        // No request has ever been taken: this may be about all of them.
        part.fail(Trouble::Other, answered.now);
        part.failures += 1;
        let Rejection { status, kind, reason, .. } = &rejection;
        let condition = Condition {
            cause: ("every request is refused", "Elasticsearch".into()),
            text: format!(
                "Elasticsearch refuses every bulk request ({status} {kind}: {reason}): is something between that changes \
                 them? The documents wait until one is taken"
            ),
        };
        let setback = Setback { condition, rejection, retry_after: None, kind: SetbackKind::Stopped };
        vec![self.wait(part, setback, true)]
    }

    /// Puts a part off; it keeps its request. With an alarm after a while, or at once.
    fn wait(&self, mut part: Part, setback: Setback, at_once: bool) -> Part {
        if at_once || part.failures >= FAILURES_BEFORE_ALARM {
            // With several nodes, each may have its own trouble: none is let go before something was done.
            part.raise(setback.condition, |condition| self.alarms.raise(condition));
        }
        let pause = self.pause(part.failures).max(setback.retry_after.unwrap_or_default());
        part.due = Some(Instant::now() + pause);
        part
    }

    /// Keeps the part in its slot, so that an overloaded server gets less; or lets it wait outside, where others can go on.
    fn leave(self: &Arc<Self>, part: Part, outside: bool) -> Vec<Part> {
        match outside {
            true => {
                spawn(self.clone(), Part { body: None, ..part }, None);
                Vec::new()
            }
            false => vec![part],
        }
    }

    /// It has failed in the same way for long, though others pass: it will never be taken.
    pub fn is_hopeless(&self, part: &Part) -> bool {
        part.trouble.is_some_and(|(_, since)| since.elapsed() >= self.index_hold) && self.others_pass(part)
    }

    fn others_pass(&self, part: &Part) -> bool {
        part.trouble.is_some_and(|(_, since)| self.pace.is_good_since(since))
    }

    /// All documents of the part are rejected.
    fn reject(&self, part: Part, rejection: Rejection) -> Vec<Part> {
        let rejection = Rejection { attempts: part.attempts, ..rejection };
        for run in &part.runs {
            let outcomes = (0..run.len()).map(|place| {
                self.metrics.request_rejected(&rejection);
                (place, Outcome::Rejected(rejection.clone().into()))
            });
            run.resolve(outcomes.collect());
        }
        Vec::new()
    }

    pub fn pause(&self, failures: u32) -> Duration {
        self.backoff.pause(failures, fastrand::f64())
    }
}
