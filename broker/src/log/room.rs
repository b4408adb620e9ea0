//! How much of the disk the log may take (`--disk-max`), and what stands in the way of appending.

use super::check::AppendError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A segment takes at most this part of what the log may take. Retention removes whole segments, and never the one that is
/// written to: a single one as large as the limit would stop produce for good.
const SEGMENTS_OF_A_FULL_LOG: u64 = 8;

const LOCK: &str = "nothing panics while it holds this lock";

/// One for a data directory; every append asks it.
pub(super) struct Room {
    bytes_max: Option<u64>,
    /// Bytes of all segments, those that are about to be removed among them. Between two counts only appends move it.
    used: AtomicU64,
    refusals: Mutex<Refusals>,
}

/// The last refusal since the last count, and the one before: so that a problem lasts while producers try again and again,
/// and is over when appends are taken, or nobody asks, for as long as two counts.
#[derive(Default)]
struct Refusals {
    now: Option<String>,
    before: Option<String>,
}

impl Room {
    pub fn new(bytes_max: Option<u64>) -> Self {
        Self { bytes_max, used: AtomicU64::new(0), refusals: Mutex::default() }
    }

    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes that a segment may have, of the `wanted` that its topic's config says.
    pub fn segment_bytes_max(&self, wanted: u64) -> u64 {
        self.bytes_max.map_or(wanted, |max| wanted.min(max / SEGMENTS_OF_A_FULL_LOG))
    }

    /// May a client append so many bytes? Several that ask at the same time may pass together: by a batch each.
    pub fn admit(&self, bytes: usize) -> Result<(), AppendError> {
        let used = self.used();
        match self.bytes_max {
            Some(max) if used.saturating_add(bytes as u64) > max => {
                self.refuse(|| {
                    format!(
                        "the log takes {used} bytes of the {max} that it may (disk_max): produce is refused until \
                         retention has removed some"
                    )
                });
                Err(AppendError::NoRoom { used, max })
            }
            _ => Ok(()),
        }
    }

    /// An append has been written.
    pub fn took(&self, bytes: usize) {
        self.used.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// The disk has refused an append.
    pub fn write_failed(&self, topic: &str, partition: i32, error: &std::io::Error) {
        self.refuse(|| {
            format!(
                "cannot write to {topic}-{partition}: {error}; produce is refused, and goes on when the disk takes it"
            )
        });
    }

    fn refuse(&self, problem: impl FnOnce() -> String) {
        let mut refusals = self.refusals.lock().expect(LOCK);
        if refusals.now.is_none() {
            let problem = problem();
            if refusals.before.is_none() {
                tracing::error!("{problem}");
            }
            refusals.now = Some(problem);
        }
    }

    /// Counts anew by `count`, so that what was removed counts no longer. Appends meanwhile may count twice until the next.
    pub fn recount(&self, count: impl FnOnce() -> u64) {
        let before = self.used();
        // Wraps where less is used than before, and then back.
        self.used.fetch_add(count().wrapping_sub(before), Ordering::Relaxed);
    }

    /// Ends a stretch of time: what was refused in it stays a problem for one more.
    pub fn turn(&self) {
        let mut refusals = self.refusals.lock().expect(LOCK);
        let gone = std::mem::take(&mut *refusals);
        if gone.now.is_none() && gone.before.is_some() {
            tracing::info!("produce is no longer refused for want of room");
        }
        refusals.before = gone.now;
    }

    /// Why appends are refused, if they are.
    pub fn problem(&self) -> Option<String> {
        let refusals = self.refusals.lock().expect(LOCK);
        refusals.now.clone().or_else(|| refusals.before.clone())
    }
}
