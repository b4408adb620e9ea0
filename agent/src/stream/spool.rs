//! The spool: lines that do not come from a file lie here until they are acknowledged.
//!
//! ```text
//! checkpoints/spool/
//!   NAME-RUN.N      a segment: entries as in `format::spool`, one after the other
//!   NAME.mark       how far the source was read when the last full segment was closed; only where the source can go on
//! ```
//! NAME is the stream (`stdin`, `syslog-ADDRESS`, `journald`), RUN counts the runs of the agent that wrote to it, N the
//! segments of a run; both have leading zeros. Each run begins a new segment. The engine reads segments like any other
//! files, each under an identity of its own, one after the other, and deletes them when all of one is acknowledged and
//! nothing more is written to it. So a record's `log.offset` is the position of its entry in its segment.
//!
//! What a killed process leaves is whole entries and at most one torn one at the end of a run's last segment, which is
//! cut off when the spool is opened. Nothing waits for a flush: power cuts may take what the last second brought.

use super::disk::{self, Leftover};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Name of the spool's folder among the checkpoints.
pub const FOLDER: &str = "spool";
/// Bytes after which a segment is closed: small enough that acknowledged ones make room soon, large enough that files
/// come and go seldom. A share of less than four of them has smaller ones.
const SEGMENT_BYTES_MAX: u64 = 8 * 1024 * 1024;
const SEGMENTS_MIN: u64 = 4;
/// How long to wait before a write that failed is tried again; also how late freed room may be noticed.
pub const RETRY: Duration = Duration::from_secs(1);

/// Finds how far a source was read in the last entry of a stream; `None` for sources that cannot go on anywhere.
pub type MarkOf = fn(stream: &str, value: &[u8]) -> Option<String>;

/// What the writers of streams and the engine share.
pub struct Spool {
    pub(super) folder: PathBuf,
    /// Bytes that each stream may have.
    pub(super) share_bytes: u64,
    pub(super) segment_bytes: u64,
    state: Mutex<State>,
    /// Tells writers of room, on threads and in tasks.
    room: Condvar,
    room_notify: Notify,
    wake: Box<dyn Fn() + Send + Sync>,
    /// The engine was woken and has not looked since.
    told: AtomicBool,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Nothing may be written any more.
    pub closed: bool,
    pub streams: BTreeMap<Arc<str>, Stream>,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Oldest first.
    pub segments: VecDeque<Segment>,
    /// The sum of what is in them.
    pub bytes: u64,
    /// The newest run that has left something.
    pub run: u64,
    pub mark: Option<String>,
    /// A writer is at work.
    pub writing: bool,
    pub problem: Option<String>,
    /// The source ended with this problem, although there was more.
    pub failed: bool,
}

/// A segment as of now.
#[derive(Debug, Clone)]
pub struct Segment {
    pub stream: Arc<str>,
    pub path: Arc<Path>,
    /// Bytes of whole entries.
    pub written: u64,
    /// Nothing more will be written to it.
    pub sealed: bool,
    /// Of an earlier run.
    pub leftover: bool,
}

impl Spool {
    /// Reads what earlier runs have left in `checkpoints` and mends it. The caller holds the lock on `checkpoints`.
    /// `streams` is how many there will be: each gets its share of `bytes_max`. `wake` is called when there is something
    /// new for the engine, once until [`Spool::heard`].
    pub fn open(
        checkpoints: &Path,
        streams: usize,
        bytes_max: u64,
        mark_of: MarkOf,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let folder = checkpoints.join(FOLDER);
        let mut state = State::default();
        if streams > 0 || folder.is_dir() {
            disk::make_folder(&folder)?;
            for Leftover { stream, run, path, bytes, mark } in disk::mend(&folder, mark_of)? {
                let stream: Arc<str> = stream.into();
                let known = state.streams.entry(Arc::clone(&stream)).or_default();
                known.run = known.run.max(run);
                known.mark = mark.or(known.mark.take());
                known.bytes += bytes;
                let path = path.into();
                known.segments.push_back(Segment { stream, path, written: bytes, sealed: true, leftover: true });
            }
        }
        let share_bytes = bytes_max / streams.max(1) as u64;
        Ok(Self {
            folder,
            share_bytes,
            segment_bytes: (share_bytes / SEGMENTS_MIN).clamp(1, SEGMENT_BYTES_MAX),
            state: Mutex::new(state),
            room: Condvar::new(),
            room_notify: Notify::new(),
            wake: Box::new(wake),
            told: AtomicBool::new(false),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the engine.
    pub(super) fn tell(&self) {
        if !self.told.swap(true, Ordering::SeqCst) {
            (self.wake)();
        }
    }

    /// The engine is about to look: what comes from now on wakes it again.
    pub fn heard(&self) {
        self.told.store(false, Ordering::SeqCst);
    }

    /// All segments, by stream, oldest first.
    pub fn segments(&self) -> Vec<Segment> {
        self.state().streams.values().flat_map(|stream| &stream.segments).cloned().collect()
    }

    /// Bytes in all segments.
    pub fn bytes(&self) -> u64 {
        self.state().streams.values().map(|stream| stream.bytes).sum()
    }

    /// Deletes a segment, all of which is acknowledged, and makes room.
    pub fn remove(&self, segment: &Segment) -> io::Result<()> {
        match std::fs::remove_file(&segment.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if let Some(stream) = self.state().streams.get_mut(&segment.stream) {
            stream.segments.retain(|other| other.path != segment.path);
            stream.bytes = stream.segments.iter().map(|segment| segment.written).sum();
        }
        self.room.notify_all();
        self.room_notify.notify_waiters();
        Ok(())
    }

    /// No source has anything more to say.
    pub fn ended(&self) -> bool {
        self.state().streams.values().all(|stream| !stream.writing)
    }

    /// What does not work, each with the name of its stream.
    pub fn problems(&self) -> Vec<String> {
        let state = self.state();
        let said =
            state.streams.iter().filter_map(|(name, stream)| Some(format!("{name}: {}", stream.problem.as_ref()?)));
        said.collect()
    }

    /// Sources that ended before they had said everything.
    pub fn failures(&self) -> Vec<String> {
        let state = self.state();
        let failed = state.streams.iter().filter(|(_, stream)| stream.failed);
        failed.map(|(name, stream)| format!("{name}: {}", stream.problem.as_deref().unwrap_or("ended early"))).collect()
    }

    /// Lets nobody write any more. Writes that are under way have ended when each writer was [`super::Writer::release`]d.
    pub fn close(&self) {
        self.state().closed = true;
        self.room.notify_all();
        self.room_notify.notify_waiters();
    }

    /// Waits on a thread until there may be room for `bytes`, or it is time to try again.
    pub(super) fn wait_for_room(&self, stream: &str, bytes: u64) {
        let state = self.state();
        let is_full = |state: &mut State| !state.closed && !self.fits(state, stream, bytes);
        // Whether there is room, the caller finds out by trying.
        drop(self.room.wait_timeout_while(state, RETRY, is_full));
    }

    /// Tells when room was made. Asked before a try, so that nothing is missed.
    pub(super) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room_notify.notified()
    }

    /// Whether a stream may have so many bytes more. An empty one takes everything: entries are bounded.
    pub(super) fn fits(&self, state: &State, stream: &str, bytes: u64) -> bool {
        state.streams.get(stream).is_none_or(|stream| stream.bytes == 0 || stream.bytes + bytes <= self.share_bytes)
    }
}
