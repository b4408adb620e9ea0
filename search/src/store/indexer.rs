//! The partitions that are written to: a tantivy writer for some of them, and what waits for one.

use super::StoreError;
use super::index::Index;
use super::indexed::Indexed;
use super::limits::{DEFERRED_BYTES, WRITER_MEMORY_BYTES, WRITERS_FURTHER_MEMORY_BYTES, WRITERS_MAX};
use super::merges::Merges;
use super::partition::{Day, Partition};
use crate::exec::keywords::Keywords;
use std::sync::Arc;
use tantivy::IndexWriter;
use tantivy::indexer::IndexWriterOptions;

/// Something that is done to a partition.
pub enum Change {
    /// Takes what has this id away.
    Delete(Box<str>),
    Add(Indexed),
}

/// Writes changes to partitions.
#[derive(Default)]
pub struct Indexer {
    open: Vec<OpenWriter>,
    /// For partitions beyond [`WRITERS_MAX`], until the next commit: it goes from one to the other once, however much
    /// the days of documents change from one to the next.
    deferred: Vec<Deferred>,
    deferred_bytes: usize,
    /// Of the changes until now.
    number: u64,
}

/// What is to be written to a partition, in this order.
struct Deferred {
    index: Arc<Index>,
    partition: Arc<Partition>,
    changes: Vec<Change>,
}

struct OpenWriter {
    index: Arc<Index>,
    partition: Arc<Partition>,
    writer: IndexWriter<Indexed>,
    is_dirty: bool,
    /// Whether it has the larger share of the memory.
    is_first: bool,
    /// The number of its last change.
    used: u64,
}

impl Indexer {
    /// Does something to the partition of a day, before the next [`Indexer::commit`] ends.
    pub fn change(&mut self, index: &Arc<Index>, day: Day, change: Change) -> Result<(), StoreError> {
        self.number += 1;
        if let Some(open) = self.open.iter_mut().find(|open| open.is_of(index, day)) {
            open.used = self.number;
            return open.apply(change);
        }
        if let Change::Add(document) = &change {
            self.deferred_bytes += document.source().len();
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

    /// Whether too much waits for a writer to go on without a commit.
    pub fn is_full(&self) -> bool {
        self.deferred_bytes >= DEFERRED_BYTES
    }

    /// A writer for the partition, which has none, in the place of the one that was not used for longest.
    fn opened(&mut self, index: Arc<Index>, partition: Arc<Partition>) -> Result<&mut OpenWriter, StoreError> {
        if self.open.len() >= WRITERS_MAX {
            let oldest = (0..self.open.len()).min_by_key(|place| self.open[*place].used).expect("some are open");
            self.open.swap_remove(oldest).commit()?;
        }
        let is_first = !self.open.iter().any(|open| open.is_first);
        let writer = open_writer(&partition, is_first);
        let writer = writer.map_err(|error| StoreError::tantivy("open for writing", &partition.folder, error))?;
        self.open.push(OpenWriter { index, partition, writer, is_dirty: false, is_first, used: self.number });
        Ok(self.open.last_mut().expect("one was pushed"))
    }

    /// Until everything is in flushed segments, and seen by searches.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.deferred_bytes = 0;
        for Deferred { index, partition, changes } in std::mem::take(&mut self.deferred) {
            let open = self.opened(index, partition)?;
            changes.into_iter().try_for_each(|change| open.apply(change))?;
        }
        self.open.iter_mut().try_for_each(OpenWriter::commit)
    }

    /// Closes the writers of an index that is taken away; what is not committed is lost.
    pub fn forget(&mut self, index: &Arc<Index>) {
        self.open.retain(|open| !Arc::ptr_eq(&open.index, index));
        self.deferred.retain(|one| !Arc::ptr_eq(&one.index, index));
    }

    /// The same of one partition.
    pub fn forget_partition(&mut self, index: &Arc<Index>, day: Day) {
        self.open.retain(|open| !open.is_of(index, day));
        self.deferred.retain(|one| !(one.partition.day == day && Arc::ptr_eq(&one.index, index)));
    }
}

impl OpenWriter {
    fn is_of(&self, index: &Arc<Index>, day: Day) -> bool {
        self.partition.day == day && Arc::ptr_eq(&self.index, index)
    }

    fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        self.is_dirty = true;
        match change {
            Change::Delete(id) => {
                let deleted = self.writer.delete_query(Keywords::ids(vec![id.into_string()]));
                deleted.map_err(|error| StoreError::tantivy("delete from", &self.partition.folder, error))?;
            }
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

/// A writer for a partition. `is_first`: it has the larger share of the memory.
pub fn open_writer(partition: &Partition, is_first: bool) -> tantivy::Result<IndexWriter<Indexed>> {
    let options = IndexWriterOptions::builder()
        .num_worker_threads(1)
        .memory_budget_per_thread(if is_first { WRITER_MEMORY_BYTES } else { WRITERS_FURTHER_MEMORY_BYTES })
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter<Indexed> = partition.index.writer_with_options(options)?;
    writer.set_merge_policy(Box::new(Merges));
    Ok(writer)
}
