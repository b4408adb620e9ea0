//! The partitions of a consumer: where each is read, and what was fetched and not yet taken.
//!
//! Every change and the event that tells of it happen under one lock, so events come in the order of the changes, and
//! nothing is delivered of a partition that was revoked.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::event::{Assignment, Event, GroupError};
use crate::lock::lock;
use crate::metadata::Metadata;
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
    /// Partitions whose next batch cannot be read, and the way out.
    damaged: BTreeMap<TopicPartition, String>,
}

struct Entry {
    ticket: u64,
    topic_id: Option<[u8; 16]>,
    position: Position,
    /// The owner knows of the partition.
    announced: bool,
    paused: bool,
    revoked: bool,
    /// Not fetched before this.
    not_before: Option<Instant>,
    high_watermark: Option<i64>,
    /// When that was heard of.
    watermark_at: Instant,
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

    pub fn problems(&self) -> Vec<String> {
        let state = lock(&self.state);
        state.problem.iter().chain(state.damaged.values()).cloned().collect()
    }

    pub fn set_problem(&self, problem: Option<String>) {
        lock(&self.state).problem = problem;
    }

    /// New partitions, with their committed offsets where there are any. The others are told of when their position is
    /// known.
    pub fn assign(&self, partitions: Vec<(TopicPartition, Option<i64>)>, metadata: &Metadata) {
        let mut state = lock(&self.state);
        let mut announced = Vec::new();
        for (partition, committed) in partitions {
            let topic_id = metadata.topics.get(&partition.topic).and_then(|topic| topic.id);
            state.last_ticket += 1;
            let entry = Entry {
                ticket: state.last_ticket,
                topic_id,
                position: committed.map_or(Position::Reset { wanted: None }, Position::At),
                announced: committed.is_some(),
                paused: false,
                revoked: false,
                not_before: None,
                high_watermark: None,
                watermark_at: Instant::now(),
            };
            state.damaged.remove(&partition);
            state.entries.insert(partition.clone(), entry);
            announced.extend(committed.map(|position| Assignment { partition, position, topic_id }));
        }
        if !announced.is_empty() {
            self.tell(Event::Assigned(announced));
        }
        self.changed.notify_one();
    }

    /// Begins anew in topics that are not the ones that they were: deleted, and made again under the same name.
    pub fn compare_topics(&self, metadata: &Metadata) {
        let mut state = lock(&self.state);
        let State { entries, damaged, last_ticket, .. } = &mut *state;
        let mut lost = Vec::new();
        for (partition, entry) in entries {
            let now = metadata.topics.get(&partition.topic).and_then(|topic| topic.id);
            let is_another = now.is_some() && entry.topic_id.is_some() && now != entry.topic_id && !entry.revoked;
            // An id that was not known may be taken over, while nobody was told another one.
            if now.is_some() && entry.topic_id.is_none() && !entry.announced {
                entry.topic_id = now;
            }
            if is_another {
                tracing::warn!("topic {:?} was deleted and made again: {partition} is read anew", partition.topic);
                *last_ticket += 1;
                (entry.ticket, entry.topic_id) = (*last_ticket, now);
                (entry.position, entry.not_before) = (Position::Reset { wanted: None }, None);
                (entry.paused, entry.high_watermark) = (false, None);
                damaged.remove(partition);
                if std::mem::replace(&mut entry.announced, false) {
                    lost.push(partition.clone());
                }
            }
        }
        if !lost.is_empty() {
            self.tell(Event::Lost(lost));
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
            state.damaged.remove(partition);
        }
    }

    /// All partitions are gone without notice.
    pub fn lose(&self) {
        let mut state = lock(&self.state);
        state.damaged.clear();
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
            let topic_id = entry.topic_id;
            self.tell(Event::Assigned(vec![Assignment { partition, position: offset, topic_id }]));
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

    /// The batch at `position` cannot be read; to be tried again at `at`.
    pub fn damaged(&self, claim: &Claim, problem: String, at: Instant) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim) else { return };
        entry.not_before = Some(at);
        if state.damaged.get(&claim.partition) != Some(&problem) {
            tracing::error!("{problem}");
            state.damaged.insert(claim.partition.clone(), problem);
        }
    }

    /// Leaves out what is damaged from `position` to `last`.
    pub fn skip(&self, claim: &Claim, position: i64, last: i64) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim).filter(|entry| entry.position == Position::At(position)) else { return };
        (entry.position, entry.not_before) = (Position::At(last.saturating_add(1)), None);
        state.damaged.remove(&claim.partition);
        let partition = claim.partition.clone();
        self.enqueue(&mut state, claim, 0, Event::Skipped { partition, first: position, last });
        self.changed.notify_one();
    }

    /// Partitions of which nothing was heard since `before`.
    pub fn silent(&self, before: Instant) -> Vec<Claim> {
        let state = lock(&self.state);
        let silent = state.entries.iter().filter(|(_, entry)| entry.announced && entry.watermark_at <= before);
        silent.map(|(partition, entry)| Claim { partition: partition.clone(), ticket: entry.ticket }).collect()
    }

    /// How far a partition reaches.
    pub fn reaches(&self, claim: &Claim, high_watermark: i64, told: bool) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim) else { return };
        entry.watermark_at = Instant::now();
        let is_new = entry.high_watermark.replace(high_watermark) != Some(high_watermark);
        // Where all was read, the owner knows how far it reaches.
        if is_new && !told && entry.position != Position::At(high_watermark) {
            let partition = claim.partition.clone();
            self.enqueue(&mut state, claim, 0, Event::HighWatermark { partition, high_watermark });
        }
    }

    /// The id of the topic that a partition is read from.
    pub fn topic_id(&self, partition: &TopicPartition) -> Option<[u8; 16]> {
        lock(&self.state).entries.get(partition).and_then(|entry| entry.topic_id)
    }

    /// Topics of the partitions.
    pub fn topics(&self) -> Vec<Arc<str>> {
        let state = lock(&self.state);
        let topics: BTreeSet<_> = state.entries.keys().map(|partition| Arc::clone(&partition.topic)).collect();
        topics.into_iter().collect()
    }

    /// Whole batches from `position` on, up to `next`.
    pub fn fetched(&self, claim: &Claim, position: i64, next: i64, records: Bytes, high_watermark: i64) {
        let mut state = lock(&self.state);
        let Some(entry) = state.find(claim) else { return };
        if entry.position != Position::At(position) || entry.revoked {
            return;
        }
        (entry.position, entry.not_before) = (Position::At(next), None);
        state.damaged.remove(&claim.partition);
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
