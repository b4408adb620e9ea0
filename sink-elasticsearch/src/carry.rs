//! Carries one bulk request to its end: sends it, and sends again, holds or divides what was not done.

use crate::alarm::{Alarm, Alarms, Condition};
use crate::backoff::Backoff;
use crate::bulk;
use crate::delivery::Entry;
use crate::exchange::{Exchanged, Setback, SetbackKind, exchange};
use crate::metrics::Metrics;
use crate::node::Node;
use crate::response::ItemAnswer;
use crate::verdict::{Verdict, judge};
use pipelines::sink::{Outcome, Rejection};
use reqwest::Client;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Failures in a row after which a busy server is a problem to show, not the daily course of things: with the default
/// back-off about three seconds.
const FAILURES_BEFORE_ALARM: u32 = 5;
/// A request above the server's limit for indexing pressure (a tenth of its heap) is refused for ever, even by an idle
/// node: refused this often in a row, it is divided.
const REFUSALS_BEFORE_DIVIDING: u32 = 2;

/// What every bulk request needs.
pub(crate) struct Carrier {
    pub client: Client,
    pub nodes: Vec<Node>,
    /// Node of the next request.
    pub turn: AtomicUsize,
    pub gzip: bool,
    /// Requests in flight; one that backs off keeps its place, so that an overloaded server gets less.
    pub slots: Semaphore,
    pub backoff: Backoff,
    pub alarms: Arc<Alarms>,
    pub metrics: Metrics,
    /// The sink ends: nothing more is sent.
    pub closed: CancellationToken,
}

/// Documents that are sent in one request.
pub(crate) struct Part {
    entries: Vec<Entry>,
    /// In a row, without anything having been done in between.
    failures: u32,
    /// Not to be sent before.
    due: Option<Instant>,
    alarms: Vec<Alarm>,
}

impl Part {
    pub fn new(entries: Vec<Entry>) -> Self {
        Self { entries, failures: 0, due: None, alarms: Vec::new() }
    }

    /// Both halves, to be sent at once.
    fn divide(mut self) -> [Self; 2] {
        let back = self.entries.split_off(self.entries.len() / 2);
        [Self::new(back), Self::new(self.entries)]
    }
}

/// Starts to carry `part`.
pub(crate) fn spawn(carrier: Arc<Carrier>, part: Part) {
    tokio::spawn(async move {
        let closed = carrier.closed.clone();
        // Entries that go without an outcome tell their callers that the sink is closed.
        closed.run_until_cancelled(carry(carrier, part)).await;
    });
}

async fn carry(carrier: Arc<Carrier>, part: Part) {
    // What is held waits outside: it may stand for hours, while others can be sent.
    wait_until(part.due).await;
    let Ok(_slot) = carrier.slots.acquire().await else { return };
    let mut parts = vec![part];
    while let Some(mut part) = parts.pop() {
        wait_until(part.due.take()).await;
        part.entries.retain(|entry| !entry.is_given_up());
        if part.entries.is_empty() {
            continue;
        }
        let (entries, exchanged) = carrier.send(std::mem::take(&mut part.entries)).await;
        part.entries = entries;
        match exchanged {
            Exchanged::Items(answers) => parts.extend(carrier.settle(part, answers)),
            Exchanged::Again(setback) => {
                let refusals = setback.kind == SetbackKind::Refused && part.failures + 1 >= REFUSALS_BEFORE_DIVIDING;
                let part = carrier.postpone(part, setback);
                match refusals && part.entries.len() > 1 {
                    true => {
                        let (due, failures) = (part.due, part.failures);
                        parts.extend(part.divide().map(|half| Part { due, failures, ..half }));
                    }
                    false => parts.push(part),
                }
            }
            Exchanged::Divide(rejection) if part.entries.len() == 1 => carrier.reject(part, rejection),
            Exchanged::Divide(_) => parts.extend(part.divide()),
        }
    }
}

async fn wait_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}

impl Carrier {
    /// Sends one request. The entries come back, since rendering them takes another thread.
    async fn send(&self, entries: Vec<Entry>) -> (Vec<Entry>, Exchanged) {
        let node = &self.nodes[self.turn.fetch_add(1, Ordering::Relaxed) % self.nodes.len()];
        let gzip = self.gzip;
        let rendered = tokio::task::spawn_blocking(move || {
            let body = bulk::render(&entries, gzip);
            (entries, body)
        });
        let (entries, body) = match rendered.await {
            Ok(rendered) => rendered,
            // The runtime ends and with it this task; a panic of the renderer is passed on.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => std::future::pending().await,
            },
        };
        self.metrics.sending(body.plain_bytes, body.bytes.len());
        let started = Instant::now();
        let (status, exchanged) = exchange(&self.client, node, body, gzip, entries.len()).await;
        self.metrics.answered(status.map(|status| status.as_u16()), started.elapsed());
        (entries, exchanged)
    }

    /// Takes the items' answers: what is left to be sent again.
    fn settle(self: &Arc<Self>, part: Part, answers: Vec<ItemAnswer>) -> Option<Part> {
        let sent = part.entries.len();
        let mut again = Vec::new();
        let mut held = BTreeMap::<_, (Condition, Vec<Entry>)>::new();
        for (entry, answer) in part.entries.into_iter().zip(answers) {
            match judge(entry.item(), answer) {
                Verdict::Final(outcome) => {
                    self.metrics.settled(&outcome);
                    entry.resolve(outcome);
                }
                Verdict::Again => again.push(entry),
                Verdict::Hold(condition) => {
                    held.entry(condition.cause.clone()).or_insert((condition, Vec::new())).1.push(entry);
                }
            }
        }
        self.metrics.postponed(again.len(), held.values().map(|held| held.1.len()).sum());
        // Alarms end with what they were raised for; those that still hold are raised before they are let go.
        let before = part.alarms;
        for (condition, entries) in held.into_values() {
            // Some of the request was done: what is held was refused for a reason of its own, as often as before.
            let failures = if entries.len() == sent { part.failures + 1 } else { 1 };
            let alarms = vec![self.alarms.raise(condition)];
            let due = Some(Instant::now() + self.pause(failures));
            spawn(self.clone(), Part { entries, failures, due, alarms });
        }
        let failures = if again.len() == sent { part.failures + 1 } else { 1 };
        let mut alarms = Vec::new();
        if failures >= FAILURES_BEFORE_ALARM {
            alarms.push(
                self.alarms.raise(Condition {
                    cause: ("documents are put off", "Elasticsearch".into()),
                    text:
                        "Elasticsearch is overloaded and puts documents off again and again; they are sent more slowly"
                            .into(),
                }),
            );
        }
        drop(before);
        let due = Some(Instant::now() + self.pause(failures));
        (!again.is_empty()).then_some(Part { entries: again, failures, due, alarms })
    }

    /// Puts a whole request off.
    fn postpone(&self, part: Part, setback: Setback) -> Part {
        let Part { entries, failures, mut alarms, .. } = part;
        let failures = failures + 1;
        let at_once = setback.kind == SetbackKind::Stopped;
        if (at_once || failures >= FAILURES_BEFORE_ALARM) && !alarms.iter().any(|alarm| alarm.is(&setback.condition)) {
            // With several nodes, each may have its own trouble: none is let go before something was done.
            alarms.push(self.alarms.raise(setback.condition));
        }
        let pause = self.pause(failures).max(setback.retry_after.unwrap_or(Duration::ZERO));
        self.metrics.postponed(entries.len(), 0);
        Part { entries, failures, due: Some(Instant::now() + pause), alarms }
    }

    fn reject(&self, part: Part, rejection: Rejection) {
        for entry in part.entries {
            let outcome = Outcome::Rejected(rejection.clone());
            self.metrics.settled(&outcome);
            entry.resolve(outcome);
        }
    }

    fn pause(&self, failures: u32) -> Duration {
        self.backoff.pause(failures, fastrand::f64())
    }
}
