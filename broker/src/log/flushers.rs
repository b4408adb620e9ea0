//! The threads that flush the partitions of a round, beside the committer's own.
//!
//! They stay, since a round begins some hundred times in a second and starting threads each time costs more than waking them.

use super::committer::FlushError;
use super::partition::Partition;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

/// Threads that flush within a round. A file system makes flushes that it is asked for together lasting by one commit of its
/// journal: of 400 files on ext4, sixteen threads flushed about four times as many in a second as four did, and more threads no
/// more.
const FLUSHES_AT_ONCE_MAX: usize = 16;
/// So few partitions have a thread each; of more, a thread has at least two, since waking one costs something, too.
const FLUSHED_ALONE_MAX: usize = 4;

const LOCK: &str = "a flush returns its errors and does not panic";

/// One for a data directory.
#[derive(Default)]
pub(super) struct Flushers {
    waiting: Mutex<Waiting>,
    called: Condvar,
    batches: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// A round is here once for each thread that shall take part in it.
    rounds: VecDeque<Arc<Round>>,
    threads: usize,
    stop: bool,
}

/// Partitions that are flushed together; each is taken by one thread.
struct Round {
    partitions: Vec<Arc<Partition>>,
    next: AtomicUsize,
    outcome: Mutex<Outcome>,
    ended: Condvar,
}

struct Outcome {
    left: usize,
    error: Option<FlushError>,
}

impl Flushers {
    /// Batches that flushes have made durable.
    pub fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    /// Flushes all of `partitions` and moves their high watermarks. After an error those that have not begun are left as they
    /// are.
    pub fn flush(self: &Arc<Self>, partitions: Vec<Arc<Partition>>) -> Result<(), FlushError> {
        let threads = (partitions.len() / 2).clamp(FLUSHED_ALONE_MAX, FLUSHES_AT_ONCE_MAX).min(partitions.len());
        let outcome = Outcome { left: partitions.len(), error: None };
        let round = Arc::new(Round {
            partitions,
            next: AtomicUsize::new(0),
            outcome: Mutex::new(outcome),
            ended: Condvar::new(),
        });
        if threads > 1 {
            self.call(&round, threads - 1);
        }
        round.take_part(&self.batches);
        round.wait()
    }

    /// Has `helpers` threads take part in a round. Where the system has none to give, the round takes longer.
    fn call(self: &Arc<Self>, round: &Arc<Round>, helpers: usize) {
        let mut waiting = self.waiting();
        if waiting.stop {
            return;
        }
        while waiting.threads < helpers {
            let flushers = Arc::clone(self);
            let started = thread::Builder::new().name("log-flush".to_owned()).spawn(move || flushers.serve());
            if let Err(error) = started {
                tracing::warn!("cannot start a thread that flushes, so flushes take longer: {error}");
                break;
            }
            waiting.threads += 1;
        }
        let helpers = helpers.min(waiting.threads);
        waiting.rounds.extend(std::iter::repeat_n(round, helpers).cloned());
        drop(waiting);
        (0..helpers).for_each(|_| self.called.notify_one());
    }

    fn serve(&self) {
        let mut waiting = self.waiting();
        loop {
            if let Some(round) = waiting.rounds.pop_front() {
                drop(waiting);
                round.take_part(&self.batches);
                drop(round);
                waiting = self.waiting();
            } else if waiting.stop {
                return;
            } else {
                waiting = self.called.wait(waiting).expect(LOCK);
            }
        }
    }

    /// Ends the threads; rounds go on without.
    pub fn stop(&self) {
        self.waiting().stop = true;
        self.called.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect(LOCK)
    }
}

impl Round {
    /// `batches` counts what is flushed.
    fn take_part(&self, batches: &AtomicU64) {
        while let Some(partition) = self.partitions.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            // The lock is not held while a flush runs.
            let has_failed = self.outcome().error.is_some();
            let flushed = if has_failed { Ok(()) } else { partition.flush(batches) };
            let mut outcome = self.outcome();
            if let Err(error) = flushed {
                outcome.error.get_or_insert(error);
            }
            outcome.left -= 1;
            if outcome.left == 0 {
                self.ended.notify_all();
            }
        }
    }

    fn wait(&self) -> Result<(), FlushError> {
        let outcome = self.outcome();
        let mut outcome = self.ended.wait_while(outcome, |outcome| outcome.left > 0).expect(LOCK);
        outcome.error.take().map_or(Ok(()), Err)
    }

    fn outcome(&self) -> MutexGuard<'_, Outcome> {
        self.outcome.lock().expect(LOCK)
    }
}
