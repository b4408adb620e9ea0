//! The one writer of the store: decides about ids, journals, indexes, and commits about once a second.

use super::ids::Ids;
use super::index::Index;
use super::indexed::Indexed;
use super::indexer::{Change, Indexer};
use super::journal::{Journal, Operation};
use super::limits::{
    COMMIT_BYTES, COMMIT_INTERVAL, GROUP_JOBS_MAX, ID_BYTES_MAX, PARTITIONS_MAX, UNCOMMITTED_BYTES_MAX,
};
use super::partition::Day;
use super::{Config, Shared, StoreError, document, known};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_128;

/// How often partitions are looked at for their age and size.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of a frame of the journal behind which no further bulk request joins its flush.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// A document that was read, to be written.
pub struct Write {
    pub index: Arc<Index>,
    pub overwrites: bool,
    /// With its id; its number is not known yet.
    pub document: Indexed,
    pub time: Option<i64>,
}

/// What became of a `Write`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is there now, and durable, under this number of the write.
    Created(u64),
    /// It took the place of another.
    Updated(u64),
    /// There is a document with this id.
    Conflict,
}

/// Work for the writer.
pub enum Job {
    /// The answer comes when everything is durable. `None` at a place: the request did not ask for it.
    Bulk { writes: Vec<Write>, answer: oneshot::Sender<Result<Vec<Written>, StoreError>> },
    /// The answer comes when everything before it is seen by searches.
    Refresh { answer: oneshot::Sender<Result<(), StoreError>> },
    /// Takes an index away.
    Delete { index: Arc<Index>, answer: oneshot::Sender<Result<(), StoreError>> },
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    config: Config,
    journal: Journal,
    /// Of the next write.
    sequence: u64,
    indexer: Indexer,
    /// Ids by index; made from the partitions when an index is first written to.
    ids: HashMap<String, Ids>,
    is_dirty: bool,
    last_commit: Instant,
    last_retention: Instant,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, config: Config, journal: Journal, sequence: u64) -> Self {
        let now = Instant::now();
        Self {
            shared,
            config,
            journal,
            sequence,
            indexer: Indexer::default(),
            ids: HashMap::new(),
            is_dirty: false,
            last_commit: now,
            // The first look is at the start.
            last_retention: now.checked_sub(RETENTION_INTERVAL).unwrap_or(now),
        }
    }

    /// Until all senders are gone; then commits. An error means that the disk does not keep what it is given.
    pub(super) fn run(mut self, jobs: Receiver<Job>) -> Result<(), StoreError> {
        // Whoever has just started it looks for the first documents.
        self.last_commit = Instant::now().checked_sub(COMMIT_INTERVAL).unwrap_or(self.last_commit);
        loop {
            let wait = COMMIT_INTERVAL.saturating_sub(self.last_commit.elapsed()).max(Duration::from_millis(1));
            match jobs.recv_timeout(if self.is_dirty { wait } else { COMMIT_INTERVAL }) {
                Ok(job) => self.group(job, &jobs)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.commit(),
            }
            let is_due = self.last_commit.elapsed() >= COMMIT_INTERVAL || self.uncommitted_bytes() >= COMMIT_BYTES;
            if self.is_dirty && is_due {
                self.commit()?;
            }
            if self.last_retention.elapsed() >= RETENTION_INTERVAL {
                self.retain()?;
            }
        }
    }

    /// One flush for all bulk requests that wait.
    fn group(&mut self, first: Job, jobs: &Receiver<Job>) -> Result<(), StoreError> {
        let mut answers = Vec::new();
        let mut next = Some(first);
        let mut others = None;
        while let Some(job) = next {
            match job {
                Job::Bulk { writes, answer } => {
                    let written = writes.into_iter().map(|write| self.write(write)).collect::<Result<Vec<_>, _>>();
                    answers.push((answer, written));
                }
                other => {
                    others = Some(other);
                    break;
                }
            }
            let has_room = answers.len() < GROUP_JOBS_MAX && self.journal.pending_bytes() < GROUP_BYTES_MAX;
            next = if has_room { jobs.try_recv().ok() } else { None };
        }
        self.journal.flush().map_err(|error| StoreError::io("flush the journal in", &self.config.folder, error))?;
        for (answer, written) in answers {
            let failed = written.as_ref().err().cloned();
            let _ = answer.send(written);
            if let Some(error) = failed {
                return Err(error);
            }
        }
        match others {
            Some(Job::Refresh { answer }) => {
                let done = self.commit();
                let failed = done.clone();
                let _ = answer.send(done);
                failed
            }
            Some(Job::Delete { index, answer }) => {
                let _ = answer.send(self.delete(&index));
                Ok(())
            }
            Some(Job::Bulk { .. }) | None => Ok(()),
        }
    }

    fn write(&mut self, write: Write) -> Result<Written, StoreError> {
        let Write { index, overwrites, mut document, time } = write;
        debug_assert!(document.id.len() <= ID_BYTES_MAX);
        let hash = xxh3_128(document.id.as_bytes());
        let known = self.ids(&index)?.places(&index, &document.id, hash)?;
        if !known.is_empty() && !overwrites {
            return Ok(Written::Conflict);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        let (id, source) = (&*document.id, document.source().as_bytes());
        self.journal.append(&Operation { sequence, overwrites, index: &index.name, id, source });
        self.shared.uncommitted_bytes.fetch_add(source.len(), Ordering::Relaxed);
        self.is_dirty = true;
        for place in &known {
            self.indexer.change(&index, *place, Change::Delete(id.into()))?;
        }
        let day = self.day(&index, time);
        self.ids(&index)?.add(hash, day);
        document.sequence = sequence;
        self.indexer.change(&index, day, Change::Add(document))?;
        if self.indexer.is_full() || self.uncommitted_bytes() >= UNCOMMITTED_BYTES_MAX {
            self.commit_segments()?;
        }
        Ok(if known.is_empty() { Written::Created(sequence) } else { Written::Updated(sequence) })
    }

    fn ids(&mut self, index: &Index) -> Result<&mut Ids, StoreError> {
        if !self.ids.contains_key(&index.name) {
            self.ids.insert(index.name.clone(), Ids::of(index)?);
        }
        Ok(self.ids.get_mut(&index.name).expect("it was made"))
    }

    /// The partition for a time; beyond [`PARTITIONS_MAX`], the one for documents without a time.
    fn day(&self, index: &Index, time: Option<i64>) -> Day {
        let day = Day::of(time);
        match index.has_partition(day) || self.shared.partitions() < PARTITIONS_MAX {
            true => day,
            false => Day::NONE,
        }
    }

    /// Makes everything durable in segments and visible, and drops the journal behind it.
    fn commit(&mut self) -> Result<(), StoreError> {
        self.last_commit = Instant::now();
        if !self.is_dirty {
            return Ok(());
        }
        let folder = self.config.folder.clone();
        let journal = |error| StoreError::io("begin a new file in the journal of", &folder, error);
        self.journal.flush().map_err(journal)?;
        let number = self.journal.roll().map_err(journal)?;
        for index in self.shared.indices() {
            index.save()?;
        }
        self.commit_segments()?;
        self.journal.drop_before(number).map_err(journal)?;
        self.is_dirty = false;
        // A commit takes time; the next one is due after as much again.
        self.last_commit = Instant::now();
        Ok(())
    }

    fn commit_segments(&mut self) -> Result<(), StoreError> {
        self.indexer.commit()?;
        self.ids.values_mut().for_each(Ids::committed);
        self.shared.uncommitted_bytes.store(0, Ordering::Relaxed);
        Ok(())
    }

    fn uncommitted_bytes(&self) -> usize {
        self.shared.uncommitted_bytes.load(Ordering::Relaxed)
    }

    fn delete(&mut self, index: &Arc<Index>) -> Result<(), StoreError> {
        // Nothing of it may be left in the journal, which would make it anew.
        self.commit()?;
        self.indexer.forget(index);
        self.ids.remove(&index.name);
        self.shared.remove(&index.name);
        index.remove()
    }

    /// Deletes the partitions whose day is over for longer than the age, and the oldest ones beyond the bytes.
    fn retain(&mut self) -> Result<(), StoreError> {
        self.last_retention = Instant::now();
        let now = (self.config.now)();
        for (index, day) in super::retention::outdated(&self.shared.indices(), &self.config.retention, now) {
            tracing::info!("deletes the documents of {day} in {}: they are beyond what is to be kept", index.name);
            self.indexer.forget_partition(&index, day);
            index.remove_partition(day)?;
            if let Some(ids) = self.ids.get_mut(&index.name) {
                ids.forget(day);
            }
        }
        Ok(())
    }

    /// Writes what the journal had at the start: what a segment has already is passed over.
    pub(super) fn replay(&mut self, index: &Arc<Index>, operation: &Operation<'_>) -> Result<(), StoreError> {
        let Ok(parsed) = document::parse(operation.source, &index.mapping, &mut known::Fields::default()) else {
            // It was parsed before it was journaled; only an older version could have taken more than this one.
            tracing::error!("a document of the journal, {} in {}, is not taken any more", operation.id, index.name);
            return Ok(());
        };
        let document::Parsed { mut document, time } = parsed;
        document.id = operation.id.into();
        self.write(Write { index: index.clone(), overwrites: operation.overwrites, document, time })?;
        Ok(())
    }

    /// After the last [`Writer::replay`]: everything is in segments, and the journal is empty.
    pub(super) fn end_replay(&mut self) -> Result<(), StoreError> {
        self.is_dirty = true;
        self.commit()
    }
}
