//! The partitions of a consumer: where each is read, and what was fetched and not yet taken.
//!
//! Every change and the event that tells of it happen under one lock, so events come in the order of the changes, and
//! nothing is delivered of a partition that was revoked.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Mutex;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::event::{Event, GroupError};
use crate::lock::lock;
use crate::topic_partition::TopicPartition;

pub(super) struct Table {
    state: Mutex<State>,
    /// Wakes the fetcher: there may be something to fetch.
    pub changed: Notify,
    control: mpsc::UnboundedSender<Event>,
    queue: mpsc::UnboundedSender<Queued>,
    queued_bytes_max: usize,
}

#[derive(Default)]
struct State {
    entries: HashMap<TopicPartition, Entry>,
    last_ticket: u64,
    queued_bytes: usize,
    problem: Option<String>,
}

struct Entry {
    ticket: u64,
    position: Position,
    /// The owner knows of the partition.
    announced: bool,
    paused: bool,
    revoked: bool,
    /// Not fetched before this.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    At(i64),
    /// To be found out by the policy; `wanted` was out of range.
    Reset {
        wanted: Option<i64>,
    },
    Resetting {
        wanted: Option<i64>,
    },
}

/// A partition at the moment of a request. The ticket tells whether it has been given away and come back since.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub partition: TopicPartition,
    pub ticket: u64,
}

/// A fetched event on its way; it is dropped if its partition is gone when it is taken.
pub(super) struct Queued {
    claim: Claim,
    bytes: usize,
    event: Event,
}

impl Table {
    pub fn new(
        control: mpsc::UnboundedSender<Event>,
        queue: mpsc::UnboundedSender<Queued>,
        queued_bytes_max: usize,
    ) -> Self {
        let problem = Some("has not joined yet".to_owned());
        let state = State { problem, ..State::default() };
        Self { state: Mutex::new(state), changed: Notify::new(), control, queue, queued_bytes_max }
    }

    fn tell(&self, event: Event) {
        // Nobody listens any more when the consumer is being dropped.
        let _ = self.control.send(event);
    }

    pub fn problem(&self) -> Option<String> {
        lock(&self.state).problem.clone()
    }

    pub fn set_problem(&self, problem: Option<String>) {
        lock(&self.state).problem = problem;
    }

    /// New partitions, with their committed offsets where there are any. The others are told of when their position is
    /// known.
    pub fn assign(&self, partitions: Vec<(TopicPartition, Option<i64>)>) {
        let mut state = lock(&self.state);
        let mut announced = Vec::new();
        for (partition, committed) in partitions {
            state.last_ticket += 1;
            let position = committed.map_or(Position::Reset { wanted: None }, Position::At);
            let (ticket, announce) = (state.last_ticket, committed.is_some());
            let entry =
                Entry { ticket, position, announced: announce, paused: false, revoked: false, not_before: None };
            state.entries.insert(partition.clone(), entry);
            announced.extend(committed.map(|offset| (partition, offset)));
        }
        if !announced.is_empty() {
            self.tell(Event::Assigned(announced));
        }
        self.changed.notify_one();
    }

    /// Stops fetching these, and returns those that the owner has to give up.
    pub fn revoke(&self, partitions: &[TopicPartition]) -> Vec<TopicPartition> {
        let mut state = lock(&self.state);
        let mut told = Vec::new();
        for partition in partitions {
            if let Some(entry) = state.entries.get_mut(partition) {
                entry.revoked = true;
                told.extend(entry.announced.then(|| partition.clone()));
            }
        }
        if !told.is_empty() {
            self.tell(Event::Revoked(told.clone()));
        }
        told
    }

    /// These are no longer ours, and the owner knows.
    pub fn remove(&self, partitions: &[TopicPartition]) {
        let mut state = lock(&self.state);
        for partition in partitions {
            state.entries.remove(partition);
        }
    }

    /// All partitions are gone without notice.
    pub fn lose(&self) {
        let mut state = lock(&self.state);
        let entries = std::mem::take(&mut state.entries).into_iter();
        let lost: Vec<_> = entries.filter(|(_, entry)| entry.announced).map(|(partition, _)| partition).collect();
        if !lost.is_empty() {
            self.tell(Event::Lost(lost));
        }
    }

    pub fn fail(&self, error: GroupError) {
        self.lose();
        self.set_problem(Some(error.to_string()));
        self.tell(Event::Failed(error));
    }

    pub fn set_paused(&self, partition: &TopicPartition, paused: bool) {
        if let Some(entry) = lock(&self.state).entries.get_mut(partition) {
            entry.paused = paused;
        }
        self.changed.notify_one();
    }

    /// What may be fetched now, and from where; nothing while enough is queued. Also the next moment at which a
    /// partition may be fetched that failed before.
    pub fn fetchable(&self) -> (Vec<(Claim, i64)>, Option<Instant>) {
        let state = lock(&self.state);
        if state.queued_bytes >= self.queued_bytes_max {
            return (Vec::new(), None);
        }
        let now = Instant::now();
        let mut wanted = Vec::new();
        let mut next: Option<Instant> = None;
        for (partition, entry) in &state.entries {
            if entry.paused || entry.revoked {
                continue;
            }
            match (entry.not_before.filter(|at| *at > now), entry.position) {
                (Some(at), _) => next = Some(next.map_or(at, |next| next.min(at))),
                (None, Position::At(position)) => {
                    wanted.push((Claim { partition: partition.clone(), ticket: entry.ticket }, position));
                }
                (None, _) => {}
            }
        }
        (wanted, next)
    }

    /// Takes the partitions whose position has to be found out.
    pub fn take_resets(&self) -> Vec<Claim> {
        let mut state = lock(&self.state);
        let mut claims = Vec::new();
        let now = Instant::now();
        for (partition, entry) in &mut state.entries {
            if let Position::Reset { wanted } = entry.position
                && entry.not_before.is_none_or(|at| at <= now)
            {
                entry.position = Position::Resetting { wanted };
                claims.push(Claim { partition: partition.clone(), ticket: entry.ticket });
            }
        }
        claims
    }

    /// The position that was looked for.
    pub fn reset_to(&self, claim: &Claim, offset: i64) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim) else { return };
        let Position::Resetting { wanted } = entry.position else { return };
        entry.position = Position::At(offset);
        let partition = claim.partition.clone();
        if !std::mem::replace(&mut entry.announced, true) {
            self.tell(Event::Assigned(vec![(partition, offset)]));
        } else if let Some(wanted) = wanted {
            self.enqueue(&mut state, claim, 0, Event::OutOfRange { partition, wanted, reset_to: offset });
        }
        self.changed.notify_one();
    }

    /// The position could not be found out; to be tried again at `at`.
    pub fn reset_failed(&self, claim: &Claim, at: Instant) {
        if let Some(entry) = lock(&self.state).find(claim)
            && let Position::Resetting { wanted } = entry.position
        {
            (entry.position, entry.not_before) = (Position::Reset { wanted }, Some(at));
        }
    }

    /// The log does not have this position.
    pub fn out_of_range(&self, claim: &Claim, position: i64) {
        if let Some(entry) = lock(&self.state).find(claim)
            && entry.position == Position::At(position)
        {
            entry.position = Position::Reset { wanted: Some(position) };
        }
    }

    /// Waits until `at` before this partition is fetched again.
    pub fn defer(&self, claim: &Claim, at: Instant) {
        if let Some(entry) = lock(&self.state).find(claim) {
            entry.not_before = Some(at);
        }
    }

    /// Whole batches from `position` on, up to `next`.
    pub fn fetched(&self, claim: &Claim, position: i64, next: i64, records: Bytes, high_watermark: i64) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim) else { return };
        if entry.position != Position::At(position) || entry.revoked {
            return;
        }
        (entry.position, entry.not_before) = (Position::At(next), None);
        let partition = claim.partition.clone();
        let bytes = records.len();
        self.enqueue(&mut state, claim, bytes, Event::Fetched { partition, records, position, high_watermark });
    }

    fn enqueue(&self, state: &mut State, claim: &Claim, bytes: usize, event: Event) {
        state.queued_bytes += bytes;
        // Nobody listens any more when the consumer is being dropped.
        let _ = self.queue.send(Queued { claim: claim.clone(), bytes, event });
    }

    /// The event, unless its partition is no longer ours.
    pub fn taken(&self, queued: Queued) -> Option<Event> {
        let mut state = lock(&self.state);
        state.queued_bytes -= queued.bytes;
        self.changed.notify_one();
        state.find(&queued.claim).is_some_and(|entry| !entry.revoked).then_some(queued.event)
    }
}

impl State {
    fn find(&mut self, claim: &Claim) -> Option<&mut Entry> {
        self.entries.get_mut(&claim.partition).filter(|entry| entry.ticket == claim.ticket)
    }
}
