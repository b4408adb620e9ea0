//! What of a partition is on disk: flushes, the high watermark, and checkpoints, at which a recovery begins.

use super::committer::{FlushError, Flushed, LogEnd, LogStopped, Unflushed};
use super::partition::Partition;
use super::snapshot;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, thiserror::Error)]
pub(super) enum CheckpointError {
    #[error("the log has stopped")]
    Stopped,
    #[error("write a checkpoint")]
    Disk(#[from] io::Error),
}

impl Partition {
    /// Resolves when everything below `offset` is on disk. Every append joins the next flush by itself; this only
    /// waits for it.
    pub fn flushed(&self, offset: i64) -> impl Future<Output = Result<Flushed, LogStopped>> + Send + 'static {
        let mut flushed = self.flushed.subscribe();
        async move { flushed.wait_for(|flushed| flushed.offset() >= offset).await.map(|now| *now).map_err(|_| LogStopped) }
    }

    /// Flushes what has been appended, counts those batches, and tells those who wait.
    pub(super) fn flush(&self, batches_flushed: &AtomicU64) -> Result<(), FlushError> {
        let (unflushed, batches) = self.take_unflushed();
        let flushed = unflushed.flush()?;
        // First, so that who has an answer finds it counted.
        batches_flushed.fetch_add(batches, Ordering::Relaxed);
        self.publish(flushed);
        Ok(())
    }

    /// What the committer has to flush now, and how many batches that are.
    fn take_unflushed(&self) -> (Unflushed, u64) {
        let mut tail = self.tail();
        // Cleared before the flush: what is appended while it runs asks for the next one.
        self.queued.store(false, Ordering::Release);
        let segments = std::mem::take(&mut tail.unflushed);
        let end = LogEnd { offset: tail.next_offset, segment: tail.active.base_offset, position: tail.active.bytes() };
        (Unflushed { segments, end }, std::mem::take(&mut tail.unflushed_batches))
    }

    /// Moves the high watermark, never back, and wakes those who wait for it.
    pub(super) fn publish(&self, flushed: Flushed) {
        self.flushed.send_if_modified(|current| {
            let moves = flushed.offset() > current.offset();
            if moves {
                *current = flushed;
            }
            moves
        });
    }

    /// Moves the recovery point to the end of the log: flushes it, its index entries and its producer state.
    /// `closing`: no append follows.
    pub(super) fn checkpoint(self: &Arc<Self>, closing: bool) -> Result<(), CheckpointError> {
        if self.recovery_point() == self.log_end_offset() && !closing {
            return Ok(());
        }
        let (offset, producers) = {
            let tail = self.tail();
            (tail.next_offset, tail.producers.clone())
        };
        self.committer.flush_and_wait(self).map_err(|_| CheckpointError::Stopped)?;
        for segment in self.segments().iter() {
            segment.sync_indexes(closing && Arc::ptr_eq(segment, &self.tail().active))?;
        }
        if closing {
            self.tail().active.trim()?;
        }
        let is_kept = || snapshot::is_at(&*self.disk, &self.directory, offset);
        if offset > self.recovery_point() || (closing && !is_kept()?) {
            snapshot::write(&*self.disk, &self.directory, offset, &producers)?;
            // The recovery point that is on disk still needs its own.
            let needed = self.recovery_point();
            snapshot::remove_superseded(&*self.disk, &self.directory, &self.segments(), needed)?;
        }
        self.recovery_point.store(offset, Ordering::Release);
        Ok(())
    }
}
