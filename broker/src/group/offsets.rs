//! Committed offsets of groups: kept, looked up and forgotten.

use kafka_wire::protocol::ResponseError;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::member::Caller;
use super::records::{Key, OffsetValue};
use super::{Committed, Coordinator, check_id};
use crate::clock::now_ms;
use crate::limits;

/// A committed offset, asked to be kept.
#[derive(Debug, Clone)]
pub struct Commit {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: String,
}

impl Coordinator {
    /// Keeps offsets; done when they are on disk.
    pub async fn commit(
        self: &Arc<Self>,
        id: &str,
        caller: Caller<'_>,
        commits: Vec<Commit>,
    ) -> Result<(), ResponseError> {
        check_id(id)?;
        if caller.generation < 0 {
            self.admit(id, true)?;
        }
        let (written, offsets) = {
            let mut groups = self.lock();
            let entry = groups.get_mut(id).ok_or(ResponseError::IllegalGeneration)?;
            entry.group.check_commit(caller, Instant::now())?;
            if entry.offsets.len() + commits.len() > limits::OFFSETS_PER_GROUP_MAX {
                return Err(ResponseError::InvalidCommitOffsetSize);
            }
            if commits.is_empty() {
                return Ok(());
            }
            let commit_timestamp = now_ms();
            let mut records = Vec::with_capacity(commits.len());
            let mut offsets = Vec::with_capacity(commits.len());
            for commit in commits {
                let Commit { topic, partition, offset, leader_epoch, metadata } = commit;
                let value = OffsetValue { offset, leader_epoch, metadata, commit_timestamp };
                let key = Key::Offset { group: id.to_owned(), topic: topic.clone(), partition };
                records.push((key.encode(), Some(value.encode())));
                offsets.push(((topic, partition), value));
            }
            let written = self.journal.append(id, &records)?;
            for (recorded_at, (at, value)) in (written.base_offset..).zip(&offsets) {
                entry.appended.insert(at.clone(), Committed { value: value.clone(), recorded_at });
            }
            (written, offsets)
        };
        // In a task of its own: a client that hangs up must not keep a written commit out of the memory.
        let coordinator = Arc::clone(self);
        let id = id.to_owned();
        let kept = tokio::spawn(async move {
            coordinator.journal.flushed(&written).await?;
            let mut groups = coordinator.lock();
            let Some(entry) = groups.get_mut(&id) else { return Ok(()) };
            for (recorded_at, (at, value)) in (written.base_offset..).zip(offsets) {
                if entry.appended.get(&at).is_some_and(|last| last.recorded_at == recorded_at) {
                    entry.appended.remove(&at);
                }
                if entry.offsets.get(&at).is_none_or(|known| known.recorded_at < recorded_at) {
                    entry.offsets.insert(at, Committed { value, recorded_at });
                }
            }
            Ok(())
        });
        kept.await.unwrap_or(Err(ResponseError::CoordinatorNotAvailable))
    }

    /// The committed offsets of `wanted`, one for each, in order.
    pub fn committed(&self, id: &str, wanted: &[(&str, i32)]) -> Result<Vec<Option<OffsetValue>>, ResponseError> {
        check_id(id)?;
        let groups = self.lock();
        let offsets = groups.get(id).map(|entry| &entry.offsets);
        let find = |topic: &str, partition| offsets?.get(&(topic.to_owned(), partition)).map(|one| one.value.clone());
        Ok(wanted.iter().map(|(topic, partition)| find(topic, *partition)).collect())
    }

    /// All committed offsets, by topic and partition.
    pub fn all_committed(&self, id: &str) -> Result<Vec<(String, i32, OffsetValue)>, ResponseError> {
        check_id(id)?;
        let groups = self.lock();
        let offsets = groups.get(id).into_iter().flat_map(|entry| &entry.offsets);
        Ok(offsets.map(|((topic, partition), one)| (topic.clone(), *partition, one.value.clone())).collect())
    }

    /// Where a group goes on in a partition, if it reads the topic or has ever committed an offset of it: what lies there
    /// and behind is still needed.
    pub fn needed_from(&self, id: &str, topic: &str, partition: i32) -> Option<i64> {
        let groups = self.lock();
        let entry = groups.get(id)?;
        match entry.offsets.get(&(topic.to_owned(), partition)) {
            Some(committed) => Some(committed.value.offset),
            None => {
                let reads = entry.group.subscribed_topics().is_some_and(|topics| topics.contains(topic));
                (reads || entry.offsets.keys().any(|(committed, _)| committed == topic)).then_some(0)
            }
        }
    }

    /// Forgets committed offsets of a group; done when that is on disk.
    pub async fn forget_offsets(&self, id: &str, gone: &[(String, i32)]) -> Result<(), ResponseError> {
        let written = {
            let mut groups = self.lock();
            let entry = groups.get_mut(id).ok_or(ResponseError::GroupIdNotFound)?;
            let there: Vec<_> = gone.iter().filter(|at| entry.offsets.contains_key(*at)).collect();
            if there.is_empty() {
                return Ok(());
            }
            let key = |(topic, partition): &(String, i32)| {
                let key = Key::Offset { group: id.to_owned(), topic: topic.clone(), partition: *partition };
                (key.encode(), None)
            };
            let written = self.journal.append(id, &there.iter().map(|at| key(at)).collect::<Vec<_>>())?;
            for at in there {
                entry.offsets.remove(at);
                entry.appended.remove(at);
            }
            written
        };
        self.journal.flushed(&written).await
    }

    /// Forgets every group's offsets of topics that are deleted, so that a new one of that name starts at its own
    /// beginning.
    pub async fn forget_topics(&self, names: &HashSet<&str>) -> Result<(), ResponseError> {
        let mut all = Vec::new();
        {
            let mut groups = self.lock();
            for (id, entry) in groups.iter_mut() {
                let gone: Vec<_> =
                    entry.offsets.keys().filter(|(topic, _)| names.contains(&**topic)).cloned().collect();
                if gone.is_empty() {
                    continue;
                }
                let key = |(topic, partition): &(String, i32)| Key::Offset {
                    group: id.clone(),
                    topic: topic.clone(),
                    partition: *partition,
                };
                let records: Vec<_> = gone.iter().map(|at| (key(at).encode(), None)).collect();
                all.push(self.journal.append(id, &records)?);
                for at in &gone {
                    entry.offsets.remove(at);
                    entry.appended.remove(at);
                }
            }
        }
        for written in &all {
            self.journal.flushed(written).await?;
        }
        Ok(())
    }
}
