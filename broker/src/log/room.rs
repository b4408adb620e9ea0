//! How much of the disk the log may take (`--disk-max`), and what stands in the way of appending.

use super::check::AppendError;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A segment takes at most this part of what the log may take. Retention removes whole segments, and never the one that is
/// written to: a single one as large as the limit would stop produce for good.
const SEGMENTS_OF_A_FULL_LOG: u64 = 8;

/// A problem that comes and goes is said once in this time: where hardly a batch fits, it does so every few seconds.
const SAID_EVERY: Duration = Duration::from_secs(60);

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
    /// When one was last said, and how many times it came anew since.
    said: Option<(Instant, Cause)>,
    unsaid: u64,
    /// The last word was that nothing is refused.
    is_said_over: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Limit,
    Disk,
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
                self.refuse(Cause::Limit, || no_room(bytes as u64, used, max));
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
        self.refuse(Cause::Disk, || {
            format!(
                "cannot write to {topic}-{partition}: {error}; produce is refused, and goes on when the disk takes it"
            )
        });
    }

    fn refuse(&self, cause: Cause, problem: impl FnOnce() -> String) {
        let mut refusals = self.refusals.lock().expect(LOCK);
        if refusals.now.is_none() {
            let problem = problem();
            if let Some(unsaid) = refusals.before.is_none().then(|| refusals.say(cause, Instant::now())).flatten() {
                tracing::error!(more_since_the_last_time = unsaid, "{problem}");
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
        let gone = refusals.before.take();
        refusals.before = refusals.now.take();
        // Not again and again either.
        if gone.is_some() && refusals.before.is_none() && !refusals.is_said_over {
            refusals.is_said_over = true;
            tracing::info!("produce is no longer refused for want of room");
        }
    }

    /// Why appends are refused, if they are.
    pub fn problem(&self) -> Option<String> {
        let refusals = self.refusals.lock().expect(LOCK);
        refusals.now.clone().or_else(|| refusals.before.clone())
    }
}

impl Refusals {
    /// Whether a problem that begins at `now` is said: how often it began since the last time, unless that is too short ago.
    fn say(&mut self, cause: Cause, now: Instant) -> Option<u64> {
        if self.said.is_some_and(|(said, of)| of == cause && now.duration_since(said) < SAID_EVERY) {
            self.unsaid += 1;
            return None;
        }
        self.said = Some((now, cause));
        self.is_said_over = false;
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// Why a batch of so many bytes is refused, and the way out.
fn no_room(bytes: u64, used: u64, max: u64) -> String {
    let wanted = bytes.saturating_mul(SEGMENTS_OF_A_FULL_LOG);
    if wanted <= max {
        return format!(
            "the log takes {used} bytes of the {max} that it may (disk_max): produce is refused until retention has \
             removed some; raise disk_max, or lower retention.ms or retention.bytes of topics, to have it go on"
        );
    }
    let trouble = match bytes > max {
        true => format!("a record batch of {bytes} bytes never fits"),
        false => format!("record batches of {bytes} bytes fit for moments only, since few are kept"),
    };
    format!(
        "the log may take {max} bytes (disk_max), and {trouble}: produce is refused; raise disk_max to {wanted} at least, or \
         have producers send smaller batches (max.message.bytes)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_said_once_in_a_while() {
        let begin = Instant::now();
        let mut refusals = Refusals::default();
        let mut say = |cause, second| refusals.say(cause, begin + Duration::from_secs(second));
        let said: Vec<_> = (0..125).map(|second| say(Cause::Limit, second)).collect();
        let said: Vec<_> = said.iter().enumerate().filter_map(|(second, said)| Some((second, (*said)?))).collect();
        assert_eq!(said, [(0, 0), (60, 59), (120, 59)]);
        assert_eq!(say(Cause::Disk, 126), Some(4), "another cause is news");
    }

    #[test]
    fn a_limit_below_the_batches_is_told_with_the_way_out() {
        let check = |bytes: usize, wants: [&str; 2]| {
            let room = Room::new(Some(10_000));
            room.took(9_900);
            assert!(room.admit(bytes).is_err());
            let problem = room.problem().expect("refused");
            assert!(wants.iter().all(|want| problem.contains(want)), "{problem}");
            assert!(problem.contains("disk_max") && problem.contains("produce is refused"), "{problem}");
        };
        check(10_001, ["never fits", "80008"]);
        check(10_000, ["few are kept", "80000"]);
        check(1_251, ["few are kept", "10008"]);
        check(1_250, ["until retention", "retention.bytes"]);
    }
}
