//! Group commit: one thread per data directory that has flushed whatever was appended since its last round.
//!
//! While a round's fdatasync runs, everything that arrives gathers for the next one: under load a flush serves many
//! batches, without a timer and without a batch waiting for a batch that may never come.

use super::flushers::Flushers;
use super::partition::Partition;
use super::segment::Segment;
use crate::config::Durability;
use prometheus_client::metrics::histogram::Histogram;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// Bounds of the histogram of flushes: from a disk with a cache of its own to one that is overwhelmed.
const FLUSH_SECONDS: [f64; 10] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The end of what is on disk of a partition. Architecture invariant: only a flush that succeeded makes one (or a clean
/// stop, which flushed everything before it left its marker; or there is nothing at all).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    end: LogEnd,
}

impl Flushed {
    /// Everything below this offset is on disk: the high watermark.
    pub fn offset(self) -> i64 {
        self.end.offset
    }

    /// The segment and the position in it up to which readers may read.
    pub(super) fn end(self) -> LogEnd {
        self.end
    }

    /// For an operator who takes the page cache for enough, as Apache Kafka does (`durability: page-cache`).
    pub(super) fn by_page_cache(end: LogEnd, _: &PageCacheIsEnough) -> Self {
        Self { end }
    }

    /// A log without records, which begins at `log_start`: there is nothing that a flush could add.
    pub(super) fn nothing(log_start: i64) -> Self {
        Self { end: LogEnd { offset: log_start, segment: log_start, position: 0 } }
    }

    /// What a log that was stopped cleanly ends with.
    pub(super) fn by_clean_stop(end: LogEnd, _: &CleanStop) -> Self {
        Self { end }
    }
}

/// Proof that the operator asked for `durability: page-cache`.
#[derive(Debug)]
pub(super) struct PageCacheIsEnough(());

/// Proof that the marker of a clean stop lay in the data directory.
#[derive(Debug)]
pub(super) struct CleanStop(());

impl CleanStop {
    /// The directory calls this when it has found the marker.
    pub fn marker_found() -> Self {
        Self(())
    }
}

/// An end of a log: its next offset, and where that will be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogEnd {
    pub offset: i64,
    /// Base offset of the segment.
    pub segment: i64,
    pub position: u64,
}

/// What has to be synced so that everything below `end` is on disk.
pub(super) struct Unflushed {
    pub segments: Vec<Arc<Segment>>,
    pub end: LogEnd,
}

impl Unflushed {
    pub fn flush(self) -> Result<Flushed, FlushError> {
        for segment in &self.segments {
            segment.flush()?;
        }
        Ok(Flushed { end: self.end })
    }
}

/// A flush that failed: what was written may or may not be on disk, and no retry can tell.
#[derive(Debug, thiserror::Error)]
#[error("flush {}", path.display())]
pub struct FlushError {
    pub path: PathBuf,
    pub source: io::Error,
}

/// The log can no longer promise anything: a flush failed, or the data directory was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log has stopped")]
pub struct LogStopped;

/// Called once, on the committer's thread, when a flush failed.
pub type FlushFailureHook = Arc<dyn Fn(&FlushError) + Send + Sync>;

/// Ends the process at once: what is not on disk was never acknowledged, and the next start finds out what is there.
pub fn abort_on_flush_failure() -> FlushFailureHook {
    Arc::new(|error| {
        let cause = &error.source;
        tracing::error!("cannot {error}: {cause}; what was written may be lost, so the process stops now");
        eprintln!("sluice: cannot {error}: {cause}; what was written may be lost, so the process stops now");
        eprintln!("hint: check the disk; the next start recovers everything that was acknowledged");
        std::process::abort();
    })
}

/// Who flushes, and who waits for it.
pub(super) struct Committer {
    queue: Mutex<Queue>,
    /// There is work, or it is time to stop.
    arrived: Condvar,
    /// A round has ended.
    finished: Condvar,
    flushers: Arc<Flushers>,
    failed: AtomicBool,
    on_failure: FlushFailureHook,
    page_cache: Option<PageCacheIsEnough>,
    rounds: AtomicU64,
    seconds: Histogram,
}

#[derive(Default)]
struct Queue {
    partitions: Vec<Arc<Partition>>,
    stop: bool,
    /// Nobody runs rounds but who waits for them: for tests that must decide every step.
    manual: bool,
}

impl Committer {
    pub fn new(on_failure: FlushFailureHook, durability: Durability) -> Self {
        Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            finished: Condvar::new(),
            flushers: Arc::default(),
            failed: AtomicBool::new(false),
            on_failure,
            page_cache: (durability == Durability::PageCache).then_some(PageCacheIsEnough(())),
            rounds: AtomicU64::new(0),
            seconds: Histogram::new(FLUSH_SECONDS),
        }
    }

    /// Starts the thread. It ends after [`Committer::stop`], with nothing left to flush.
    pub fn start(self: &Arc<Self>) -> io::Result<JoinHandle<()>> {
        let committer = Arc::clone(self);
        thread::Builder::new().name("log-committer".to_owned()).spawn(move || while committer.wait_and_flush() {})
    }

    /// Without a thread: rounds run when somebody asks.
    pub fn set_manual(&self) {
        self.queue().manual = true;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("nothing panics while it holds the committer's lock")
    }

    /// Where nobody waits for a flush.
    pub fn page_cache(&self) -> Option<&PageCacheIsEnough> {
        self.page_cache.as_ref()
    }

    /// Includes a partition in the next round.
    pub fn add(&self, partition: Arc<Partition>) {
        self.queue().partitions.push(partition);
        self.arrived.notify_one();
    }

    pub fn stop(&self) {
        self.queue().stop = true;
        self.flushers.stop();
        self.arrived.notify_all();
        self.finished.notify_all();
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Rounds so far, and batches that they made durable.
    pub fn counts(&self) -> (u64, u64) {
        (self.rounds.load(Ordering::Relaxed), self.flushers.batches())
    }

    /// How long rounds took.
    pub fn seconds(&self) -> Histogram {
        self.seconds.clone()
    }

    fn wait_and_flush(&self) -> bool {
        let mut queue = self.queue();
        while queue.partitions.is_empty() {
            if queue.stop {
                return false;
            }
            queue = self.arrived.wait(queue).expect("nothing panics while it holds the committer's lock");
        }
        let partitions = std::mem::take(&mut queue.partitions);
        drop(queue);
        self.flush_round(partitions);
        !self.has_failed()
    }

    /// Returns when everything that `partition` had appended is on disk. For threads of our own, not for tasks.
    pub fn flush_and_wait(&self, partition: &Arc<Partition>) -> Result<(), LogStopped> {
        if self.page_cache.is_some() {
            // The high watermark is ahead of the disk here, and says nothing.
            self.flush_round(vec![Arc::clone(partition)]);
            return if self.has_failed() { Err(LogStopped) } else { Ok(()) };
        }
        let target = partition.log_end_offset();
        let mut queue = self.queue();
        while partition.high_watermark() < target {
            if self.has_failed() {
                return Err(LogStopped);
            }
            if queue.manual {
                let partitions = std::mem::take(&mut queue.partitions);
                drop(queue);
                self.flush_round(partitions);
                queue = self.queue();
                continue;
            }
            if queue.stop && queue.partitions.is_empty() {
                return Err(LogStopped);
            }
            queue = self.finished.wait(queue).expect("nothing panics while it holds the committer's lock");
        }
        Ok(())
    }

    fn flush_round(&self, partitions: Vec<Arc<Partition>>) {
        let begin = Instant::now();
        let result = self.flushers.flush(partitions);
        self.seconds.observe(begin.elapsed().as_secs_f64());
        if let Err(error) = result
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            (self.on_failure)(&error);
        }
        self.rounds.fetch_add(1, Ordering::Relaxed);
        // The lock is taken so that a waiter that has just found nothing new does not miss this.
        drop(self.queue());
        self.finished.notify_all();
    }
}
