//! The group coordinator: consumer groups and their committed offsets, kept in `__consumer_offsets`.
//!
//! Every step is a short critical section over the pure state machine in [`state`]; what it changed for good is
//! appended to the log within that section, so that the log has the order of the steps, and answers that claim it go
//! out after its flush.

mod journal;
mod lag;
mod member;
mod offsets;
mod rebalance;
mod records;
mod rewrite;
mod snapshot;
mod state;
mod subscription;
#[cfg(test)]
mod tests;

use kafka_wire::protocol::ResponseError;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

pub use member::{Caller, Join, JoinAnswer, SyncAnswer};
pub use offsets::Commit;
pub use records::OffsetValue;
pub use snapshot::Described;

use crate::clock::now_ms;
use crate::counters::Counters;
use crate::limits;
use bytes::Bytes;
use journal::{Journal, Written};
pub use journal::{OFFSETS_TOPIC, OpenError};
use records::Key;
use state::Group;

/// A group and what it has committed.
#[derive(Debug)]
struct Entry {
    group: Group,
    /// By topic and partition.
    offsets: BTreeMap<(String, i32), Committed>,
    /// Appended and perhaps not on disk: nobody is told of these yet, but they are the log's last word.
    appended: BTreeMap<(String, i32), Committed>,
    /// The group's own record in the log, the last one.
    recorded: Option<Vec<u8>>,
}

#[derive(Debug, Clone)]
struct Committed {
    value: OffsetValue,
    /// Offset of its record: of two commits whose flushes end together, the later record wins.
    recorded_at: i64,
}

pub struct Coordinator {
    groups: Mutex<HashMap<String, Entry>>,
    journal: Journal,
    /// A deadline may have come nearer.
    changed: Notify,
    initial_delay: Duration,
    counters: Counters,
}

impl Coordinator {
    /// Reads the groups back.
    pub fn open(
        log: &Arc<crate::log::DataDirectory>,
        partitions: i32,
        initial_delay: Duration,
        counters: Counters,
    ) -> Result<Self, OpenError> {
        let journal = Journal::open(log, partitions)?;
        let restored = journal.read_back()?;
        let now = Instant::now();
        let mut groups: HashMap<String, Entry> = HashMap::new();
        for (id, value) in restored.groups {
            let recorded = Some(value.encode());
            let group = Group::restore(value, initial_delay, now);
            groups.insert(id, Entry { group, recorded, ..Entry::new(initial_delay, now) });
        }
        for ((id, topic, partition), (value, recorded_at)) in restored.offsets {
            let entry = groups.entry(id).or_insert_with(|| Entry::new(initial_delay, now));
            entry.offsets.insert((topic, partition), Committed { value, recorded_at });
        }
        Ok(Self { groups: Mutex::new(groups), journal, changed: Notify::new(), initial_delay, counters })
    }

    /// Ends sessions and rebalances whose time is over, and keeps the log of the groups short, until `stop`.
    pub async fn keep_time(self: Arc<Self>, stop: CancellationToken) {
        loop {
            self.rewrite_what_has_grown().await;
            let next = self.lock().values().filter_map(|entry| entry.group.next_deadline()).min();
            let due = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.changed.notified() => {}
                () = self.journal.has_grown() => {}
                () = stop.cancelled() => return,
            }
            let now = Instant::now();
            let due: Vec<String> = (self.lock().iter())
                .filter(|(_, entry)| entry.group.next_deadline().is_some_and(|at| at <= now))
                .map(|(id, _)| id.clone())
                .collect();
            for id in due {
                self.step(&id, |group, now| group.expire(now));
            }
        }
    }

    pub async fn join(self: &Arc<Self>, id: &str, join: Join) -> JoinAnswer {
        let refused = |member_id: String, error| JoinAnswer { member_id, result: Err(error) };
        if let Err(error) = self.admit(id, join.member_id.is_empty()) {
            return refused(join.member_id, error);
        }
        let member_id = join.member_id.clone();
        let (to, answer) = oneshot::channel();
        if self.step(id, |group, now| group.join(join, to, now)).is_none() {
            return refused(member_id, ResponseError::UnknownMemberId);
        }
        self.changed.notify_one();
        answer.await.unwrap_or_else(|_| refused(member_id, ResponseError::CoordinatorNotAvailable))
    }

    /// Makes room for a group that a new member asks for.
    fn admit(&self, id: &str, create: bool) -> Result<(), ResponseError> {
        check_id(id)?;
        let mut groups = self.lock();
        if groups.contains_key(id) {
            return Ok(());
        }
        if !create {
            return Err(ResponseError::UnknownMemberId);
        }
        if groups.len() >= limits::GROUPS_MAX {
            // Groups without members and offsets hold nothing that anybody could miss.
            groups.retain(|_, entry| !entry.group.is_unused() || !entry.offsets.is_empty());
            if groups.len() >= limits::GROUPS_MAX {
                return Err(ResponseError::CoordinatorNotAvailable);
            }
        }
        groups.insert(id.to_owned(), Entry::new(self.initial_delay, Instant::now()));
        Ok(())
    }

    pub async fn sync(
        self: &Arc<Self>,
        id: &str,
        caller: Caller<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
    ) -> SyncAnswer {
        check_id(id)?;
        let (to, answer) = oneshot::channel();
        self.step(id, |group, now| group.sync(caller, protocol, assignments, to, now))
            .ok_or(ResponseError::UnknownMemberId)?;
        self.changed.notify_one();
        answer.await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    pub fn heartbeat(self: &Arc<Self>, id: &str, caller: Caller<'_>) -> Result<(), ResponseError> {
        check_id(id)?;
        self.step(id, |group, now| group.heartbeat(caller, now)).unwrap_or(Err(ResponseError::UnknownMemberId))
    }

    /// One result for each of `members` (member id and instance id).
    pub fn leave(
        self: &Arc<Self>,
        id: &str,
        members: &[(&str, Option<&str>)],
    ) -> Result<Vec<Result<(), ResponseError>>, ResponseError> {
        check_id(id)?;
        let left = self.step(id, |group, now| {
            members.iter().map(|(member_id, instance)| group.leave(member_id, *instance, now)).collect()
        });
        self.changed.notify_one();
        left.ok_or(ResponseError::UnknownMemberId)
    }

    pub fn list(&self) -> Vec<Described> {
        self.lock().iter().map(|(id, entry)| entry.group.describe(id)).collect()
    }

    pub fn describe(&self, id: &str) -> Option<Described> {
        self.lock().get(id).map(|entry| entry.group.describe(id))
    }

    /// Forgets a group without members, and its offsets.
    pub async fn delete(&self, id: &str) -> Result<(), ResponseError> {
        check_id(id)?;
        let written = {
            let mut groups = self.lock();
            let entry = groups.get(id).ok_or(ResponseError::GroupIdNotFound)?;
            if !entry.group.is_unused() {
                return Err(ResponseError::NonEmptyGroup);
            }
            let offsets = entry.offsets.keys().map(|(topic, partition)| Key::Offset {
                group: id.to_owned(),
                topic: topic.clone(),
                partition: *partition,
            });
            let records: Vec<_> = offsets.chain([Key::Group(id.to_owned())]).map(|key| (key.encode(), None)).collect();
            let written = self.journal.append(id, &records)?;
            groups.remove(id);
            written
        };
        self.journal.flushed(&written).await
    }

    /// The topics that members of a group read; empty for a group without members.
    ///
    /// # Errors
    /// There is no such group, or its members are no consumers, so that nobody knows what they read.
    pub fn subscribed_topics(&self, id: &str) -> Result<BTreeSet<String>, ResponseError> {
        check_id(id)?;
        let groups = self.lock();
        let entry = groups.get(id).ok_or(ResponseError::GroupIdNotFound)?;
        entry.group.subscribed_topics().ok_or(ResponseError::NonEmptyGroup)
    }

    /// One step of a group's state machine, and what follows from it. `None`: there is no such group.
    fn step<T>(self: &Arc<Self>, id: &str, step: impl FnOnce(&mut Group, Instant) -> T) -> Option<T> {
        let mut groups = self.lock();
        let Entry { group, recorded, .. } = groups.get_mut(id)?;
        let out = step(group, Instant::now());
        let effects = group.take_effects();
        if effects.rebalanced {
            self.counters.group_rebalances.inc();
        }
        let written = effects.persist.then(|| self.persist(id, group, recorded));
        drop(groups);
        match written {
            Some(Some(written)) if !effects.due.is_empty() => {
                let coordinator = Arc::clone(self);
                tokio::spawn(async move {
                    // A flush that fails ends the process; until then the group goes on, as it does in Kafka.
                    let _ = coordinator.journal.flushed(&written).await;
                    effects.due.into_iter().for_each(member::Due::send);
                });
            }
            _ => effects.due.into_iter().for_each(member::Due::send),
        }
        Some(out)
    }

    fn persist(&self, id: &str, group: &Group, recorded: &mut Option<Vec<u8>>) -> Option<Written> {
        let value = group.snapshot(now_ms()).encode();
        let written = self.journal.append(id, &[(Key::Group(id.to_owned()).encode(), Some(value.clone()))]);
        if written.is_ok() {
            *recorded = Some(value);
        }
        // The group works on without: after a restart its members join again.
        written.inspect_err(|error| tracing::warn!(group = ?id, "group metadata cannot be written: {error}")).ok()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(initial_delay: Duration, now: Instant) -> Self {
        let group = Group::new(initial_delay, now);
        Self { group, offsets: BTreeMap::new(), appended: BTreeMap::new(), recorded: None }
    }
}

fn check_id(id: &str) -> Result<(), ResponseError> {
    match id.len() {
        1..=limits::GROUP_NAME_BYTES_MAX => Ok(()),
        _ => Err(ResponseError::InvalidGroupId),
    }
}
