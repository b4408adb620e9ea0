//! The one writer of the store: decides about ids, journals, indexes, and commits about once a second.

use super::filter::IdFilter;
use super::index::Index;
use super::journal::{Journal, Operation};
use super::limits::{
    COMMIT_BYTES, COMMIT_INTERVAL, GROUP_JOBS_MAX, ID_BYTES_MAX, PARTITIONS_MAX, WRITER_MEMORY_BYTES, WRITERS_MAX,
};
use super::partition::{Day, Partition};
use super::schema::FIELDS;
use super::{Config, Shared, StoreError, document};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy};
use tantivy::{IndexWriter, TantivyDocument, Term};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_128;

/// How often partitions are looked at for their age and size.
const RETENTION_INTERVAL: Duration = Duration::from_secs(60);
/// Bytes of a frame of the journal behind which no further bulk request joins its flush.
const GROUP_BYTES_MAX: usize = 16 << 20;

/// A document that was read, to be written.
pub struct Write {
    pub index: Arc<Index>,
    pub id: Box<str>,
    pub overwrites: bool,
    pub source: bytes::Bytes,
    pub document: TantivyDocument,
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
    open: Vec<OpenWriter>,
    /// For partitions beyond [`WRITERS_MAX`], until the next commit: it goes from one to the other once, however much
    /// the days of documents change from one to the next.
    deferred: Vec<Deferred>,
    /// Ids by index; made from the partitions when an index is first written to.
    ids: HashMap<String, Ids>,
    uncommitted_bytes: usize,
    is_dirty: bool,
    last_commit: Instant,
    last_retention: Instant,
}

#[derive(Default)]
struct Ids {
    filter: IdFilter,
    /// Written, but not committed: by their hash, with the partition.
    pending: HashMap<u128, Day>,
}

/// What is to be written to a partition, in this order.
struct Deferred {
    index: Arc<Index>,
    partition: Arc<Partition>,
    changes: Vec<Change>,
}

enum Change {
    Delete(Term),
    Add(TantivyDocument),
}

struct OpenWriter {
    index: Arc<Index>,
    partition: Arc<Partition>,
    writer: IndexWriter,
    is_dirty: bool,
    used: u64,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, config: Config, journal: Journal, sequence: u64) -> Self {
        let now = Instant::now();
        Self {
            shared,
            config,
            journal,
            sequence,
            open: Vec::new(),
            deferred: Vec::new(),
            ids: HashMap::new(),
            uncommitted_bytes: 0,
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
            let is_due = self.last_commit.elapsed() >= COMMIT_INTERVAL || self.uncommitted_bytes >= COMMIT_BYTES;
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
        let Write { index, id, overwrites, source, mut document, time } = write;
        debug_assert!(id.len() <= ID_BYTES_MAX);
        let hash = xxh3_128(id.as_bytes());
        let known = self.places_of(&index, &id, hash)?;
        if !known.is_empty() && !overwrites {
            return Ok(Written::Conflict);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        self.journal.append(&Operation { sequence, overwrites, index: &index.name, id: &id, source: &source });
        let day = self.day(&index, time);
        document.add_text(FIELDS.id, &id);
        document.add_u64(FIELDS.sequence, sequence);
        for place in &known {
            self.change(&index, *place, Change::Delete(Term::from_field_text(FIELDS.id, &id)))?;
        }
        let ids = self.ids.get_mut(&index.name).expect("places_of has made it");
        ids.filter.insert(hash);
        ids.pending.insert(hash, day);
        self.change(&index, day, Change::Add(document))?;
        self.uncommitted_bytes += source.len();
        self.is_dirty = true;
        if self.uncommitted_bytes >= 2 * COMMIT_BYTES {
            self.commit_writers()?;
        }
        Ok(if known.is_empty() { Written::Created(sequence) } else { Written::Updated(sequence) })
    }

    /// In which partitions the index has a document with this id: one, or two after a kill between the commits of two
    /// partitions, of which one gives the document away.
    fn places_of(&mut self, index: &Arc<Index>, id: &str, hash: u128) -> Result<Vec<Day>, StoreError> {
        if !self.ids.contains_key(&index.name) {
            let mut ids = Ids::default();
            for partition in index.partitions() {
                let read = partition.each_id(|id| ids.filter.insert(xxh3_128(id)));
                read.map_err(|error| StoreError::tantivy("read the ids of", &partition.folder, error))?;
            }
            self.ids.insert(index.name.clone(), ids);
        }
        let ids = &self.ids[&index.name];
        if !ids.filter.may_have(hash) {
            return Ok(Vec::new());
        }
        if let Some(day) = ids.pending.get(&hash) {
            return Ok(vec![*day]);
        }
        let mut places = Vec::new();
        for partition in index.partitions() {
            let has = partition.has(id);
            if has.map_err(|error| StoreError::tantivy("look for an id in", &partition.folder, error))? {
                places.push(partition.day);
            }
        }
        Ok(places)
    }

    /// The partition for a time; beyond [`PARTITIONS_MAX`], the one for documents without a time.
    fn day(&self, index: &Index, time: Option<i64>) -> Day {
        let day = Day::of(time);
        match index.has_partition(day) || self.shared.partitions() < PARTITIONS_MAX {
            true => day,
            false => Day::NONE,
        }
    }

    fn change(&mut self, index: &Arc<Index>, day: Day, change: Change) -> Result<(), StoreError> {
        if let Some(open) = self.open.iter_mut().find(|open| open.is_of(index, day)) {
            open.used = self.sequence;
            return open.apply(change);
        }
        let waits = self.deferred.iter_mut().find(|one| one.partition.day == day && Arc::ptr_eq(&one.index, index));
        match waits {
            Some(deferred) => deferred.changes.push(change),
            None if self.open.len() < WRITERS_MAX => {
                let partition = index.partition(day)?;
                self.opened(index.clone(), partition)?.apply(change)?;
            }
            None => {
                let partition = index.partition(day)?;
                self.deferred.push(Deferred { index: index.clone(), partition, changes: vec![change] });
            }
        }
        Ok(())
    }

    /// A writer for the partition, which has none, in the place of the one that was not used for longest.
    fn opened(&mut self, index: Arc<Index>, partition: Arc<Partition>) -> Result<&mut OpenWriter, StoreError> {
        if self.open.len() >= WRITERS_MAX {
            let oldest = (0..self.open.len()).min_by_key(|place| self.open[*place].used).expect("some are open");
            self.open.swap_remove(oldest).commit()?;
        }
        let writer = open_writer(&partition)?;
        self.open.push(OpenWriter { index, partition, writer, is_dirty: false, used: self.sequence });
        Ok(self.open.last_mut().expect("one was pushed"))
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
        self.commit_writers()?;
        self.journal.drop_before(number).map_err(journal)?;
        self.is_dirty = false;
        // A commit takes time; the next one is due after as much again.
        self.last_commit = Instant::now();
        Ok(())
    }

    fn commit_writers(&mut self) -> Result<(), StoreError> {
        for Deferred { index, partition, changes } in std::mem::take(&mut self.deferred) {
            let open = self.opened(index, partition)?;
            changes.into_iter().try_for_each(|change| open.apply(change))?;
        }
        self.open.iter_mut().try_for_each(OpenWriter::commit)?;
        self.ids.values_mut().for_each(|ids| ids.pending.clear());
        self.uncommitted_bytes = 0;
        Ok(())
    }

    fn delete(&mut self, index: &Arc<Index>) -> Result<(), StoreError> {
        // Nothing of it may be left in the journal, which would make it anew.
        self.commit()?;
        self.open.retain(|open| !Arc::ptr_eq(&open.index, index));
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
            self.open.retain(|open| !open.is_of(&index, day));
            self.deferred.retain(|one| !(one.partition.day == day && Arc::ptr_eq(&one.index, &index)));
            index.remove_partition(day)?;
            // What is pending there would be taken for a document that is there.
            if let Some(ids) = self.ids.get_mut(&index.name) {
                ids.pending.retain(|_, place| *place != day);
            }
        }
        Ok(())
    }

    /// Writes what the journal had at the start: what a segment has already is passed over.
    pub(super) fn replay(&mut self, index: &Arc<Index>, operation: &Operation<'_>) -> Result<(), StoreError> {
        let Ok(parsed) = document::parse(operation.source, &index.mapping, &mut document::Fields::default()) else {
            // It was parsed before it was journaled; only an older version could have taken more than this one.
            tracing::error!("a document of the journal, {} in {}, is not taken any more", operation.id, index.name);
            return Ok(());
        };
        self.write(Write {
            index: index.clone(),
            id: operation.id.into(),
            overwrites: operation.overwrites,
            source: bytes::Bytes::copy_from_slice(operation.source),
            document: parsed.document,
            time: parsed.time,
        })?;
        Ok(())
    }

    /// After the last [`Writer::replay`]: everything is in segments, and the journal is empty.
    pub(super) fn end_replay(&mut self) -> Result<(), StoreError> {
        self.is_dirty = true;
        self.commit()
    }
}

impl OpenWriter {
    fn is_of(&self, index: &Arc<Index>, day: Day) -> bool {
        self.partition.day == day && Arc::ptr_eq(&self.index, index)
    }

    fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        self.is_dirty = true;
        match change {
            Change::Delete(term) => drop(self.writer.delete_term(term)),
            Change::Add(document) => {
                let added = self.writer.add_document(document);
                added.map_err(|error| StoreError::tantivy("write to", &self.partition.folder, error))?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if !self.is_dirty {
            return Ok(());
        }
        let done = self.writer.commit().and_then(|_| self.partition.reload());
        done.map_err(|error| StoreError::tantivy("commit", &self.partition.folder, error))?;
        self.is_dirty = false;
        Ok(())
    }
}

fn open_writer(partition: &Partition) -> Result<IndexWriter, StoreError> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .memory_budget_per_thread(WRITER_MEMORY_BYTES)
        .num_merge_threads(1)
        .build();
    let writer = partition.index.writer_with_options(options);
    let writer: IndexWriter =
        writer.map_err(|error| StoreError::tantivy("open for writing", &partition.folder, error))?;
    writer.set_merge_policy(Box::new(LogMergePolicy::default()));
    Ok(writer)
}
