//! What is written to disk beside the agent's thread: flushes of the journal, and checkpoints.

use super::{Answer, Delivery, Event};
use crate::checkpoint::Flush;
use crate::fingerprint::FileId;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

/// What is on its way to the disk.
#[derive(Debug, Default)]
pub(super) struct Work {
    flushing: bool,
    /// Flushes that were begun, and those of them that are done: what was written before the one that is to come is on
    /// disk when that is done.
    begun: u64,
    done: u64,
    /// A file waits for the end of a flush.
    wanted: bool,
    /// What failed for a full disk may be tried again.
    pub writable_again: bool,
    /// Its thread ends before the lock on the folder does.
    checkpoint: Option<JoinHandle<()>>,
    /// A flush has failed: what it should have flushed may be gone from the page cache, and is written anew.
    failed: bool,
}

impl Delivery {
    /// Whether all that the records of this file carry for good is on disk. If not, an [`Event::Ready`] will follow.
    pub fn settle(&mut self, file: FileId) -> bool {
        if self.store.is_settled(file) {
            return true;
        }
        self.work.wanted = true;
        self.flush_soon();
        false
    }

    /// Flushes what was written so far, for all files that wait for it at once.
    pub(super) fn flush_soon(&mut self) {
        if self.work.flushing || !self.store.is_unflushed() {
            return;
        }
        let flush = match self.store.begin_flush() {
            Ok(flush) => flush,
            Err(error) => return self.note_write(&Err(error)),
        };
        self.work.flushing = true;
        self.work.begun += 1;
        let tell = Arc::clone(&self.tell);
        self.runtime.spawn_blocking(move || {
            let done = flush.run();
            tell(Answer::Flushed { flush, done });
        });
    }

    pub(super) fn flushed(&mut self, flush: &Flush, done: io::Result<()>, events: &mut Vec<Event>) {
        self.work.flushing = false;
        if let Err(error) = done {
            self.work.failed = true;
            self.note_write(&Err(error));
            return;
        }
        self.work.done = self.work.begun;
        self.now_on_disk(flush, events);
    }

    /// The flush that what is written now will be part of.
    pub fn next_flush(&self) -> u64 {
        self.work.begun + 1
    }

    /// Whether what was written when `flush` was the next one is on disk.
    pub fn is_flushed(&self, flush: u64) -> bool {
        self.closed || self.work.done >= flush || !self.store.is_unflushed()
    }

    fn now_on_disk(&mut self, flush: &Flush, events: &mut Vec<Event>) {
        self.store.flushed(flush);
        if std::mem::take(&mut self.work.wanted) {
            events.push(Event::Ready);
        }
    }

    /// Begins a checkpoint when the journal has become long, or cannot be relied on.
    pub(super) fn checkpoint_when_due(&mut self) {
        let busy = self.work.checkpoint.as_ref().is_some_and(|thread| !thread.is_finished());
        if busy || !(self.work.failed || self.store.is_long()) {
            return;
        }
        let begun = self.store.begin_checkpoint().and_then(|checkpoint| {
            let tell = Arc::clone(&self.tell);
            std::thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
                let done = checkpoint.run();
                tell(Answer::Checkpointed { flush: checkpoint.into_flush(), done });
            })
        });
        match begun {
            Ok(thread) => {
                self.work.failed = false;
                self.work.checkpoint = Some(thread);
            }
            Err(error) => self.note_write(&Err(error)),
        }
    }

    pub(super) fn checkpointed(&mut self, flush: &Flush, done: io::Result<()>, events: &mut Vec<Event>) {
        match done {
            Ok(()) => self.now_on_disk(flush, events),
            Err(error) => {
                // The one before and the journals since say the same.
                tracing::error!("cannot write a checkpoint: {error}; it is tried again");
                self.work.failed = true;
            }
        }
    }

    /// Writes everything that is known to disk.
    pub fn finish(&mut self) -> io::Result<()> {
        self.closed = true;
        self.work.end();
        self.store.compact()
    }
}

impl Work {
    fn end(&mut self) {
        if let Some(thread) = self.checkpoint.take() {
            // It has panicked: then there is no checkpoint, which the journals make up for.
            let _ = thread.join();
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.end();
    }
}
