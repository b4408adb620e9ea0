//! What the outside may know of the agent's thread: snapshots that it publishes.

use super::closed::Closed;
use super::{Engine, VIEW_INTERVAL};
use crate::checkpoint::Gap;
use crate::fingerprint::FileId;
use crate::journal::Entry;
use crate::tail::{Name, Tail};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

/// Losses that are remembered one by one; the counter has them all.
const LOSSES_MAX: usize = 64;

/// One followed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    pub id: FileId,
    pub path: PathBuf,
    /// `None` until there is a first line.
    pub dataset: Option<String>,
    /// The dataset was guessed, not given.
    pub detected: bool,
    pub size: u64,
    /// Everything before it has been read.
    pub position: u64,
    /// Everything before it has been acknowledged.
    pub acknowledged: u64,
    /// Renamed or deleted, and read on for a while.
    pub nameless: bool,
    /// Of a compressed file.
    pub archive: Option<Archive>,
    /// How long the oldest line that is not acknowledged has been waiting, at most; 0 when none waits.
    pub lag_seconds: u64,
    /// What is wrong now.
    pub problem: Option<String>,
    /// What went wrong last, also when it is in order again.
    pub last_error: Option<String>,
}

/// How far a compressed file was read, in bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Archive {
    pub read: u64,
    pub bytes: u64,
}

/// Counts since the start, and what there is still to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub lines_read: u64,
    pub bytes_read: u64,
    pub records_acknowledged: u64,
    /// Bytes in the followed files that are not acknowledged.
    pub lag_bytes: u64,
}

/// Bytes of a file that could not be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    pub file: FileId,
    pub path: PathBuf,
    pub start: u64,
    /// The same as `start` when nobody knows how many bytes are missing there.
    pub end: u64,
    pub reason: String,
}

/// A snapshot.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub problems: Vec<String>,
    /// Files of which something was not read, and why.
    pub unread: Vec<String>,
    pub losses: Vec<Loss>,
    pub progress: Progress,
}

/// How the thread ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progressed {
    pub progress: Progress,
    /// Batches and records without acknowledgement; the next start sends them.
    pub undelivered: (usize, u64),
}

impl Engine {
    pub(super) fn progressed(&self) -> Progressed {
        let progress = self.view.lock().unwrap_or_else(PoisonError::into_inner).progress;
        Progressed { progress, undelivered: self.delivery.undelivered() }
    }

    /// Counts, reports and remembers bytes that nobody will get.
    pub(super) fn lose(&mut self, file: FileId, start: u64, end: u64, reason: String) {
        let gap = Gap { start, end, reason: reason.clone() };
        // What cannot be written down is reported all the same.
        let _ = self.delivery.record(Entry::Gap { file, gap });
        self.report_loss(file, start, end, reason);
    }

    /// Counts and reports bytes that nobody will get.
    pub(super) fn report_loss(&mut self, file: FileId, start: u64, end: u64, reason: String) {
        let path = self.delivery.state().files.get(&file).map(|record| record.path.clone()).unwrap_or_default();
        tracing::error!(path = ?path, file = %file, start, end, "bytes are lost: {reason}");
        self.past.note_error(file, &format!("bytes {start} to {end} are lost: {reason}"));
        self.metrics.losses.inc();
        self.metrics.lost_bytes.inc_by(end - start);
        if self.losses.len() < LOSSES_MAX {
            self.losses.push(Loss { file, path, start, end, reason });
        }
    }

    /// All followed files; made only for who asks, since there may be very many.
    pub(super) fn file_states(&self) -> Vec<FileState> {
        let open = self.files.tails.values().filter_map(|tail| self.state_of(tail));
        let closed = self.files.closed.iter().filter_map(|(&id, closed)| self.state_of_closed(id, closed));
        open.chain(closed).collect()
    }

    fn state_of(&self, tail: &Tail) -> Option<FileState> {
        let record = self.delivery.state().files.get(&tail.id)?;
        Some(FileState {
            id: tail.id,
            // A stream is known by its name.
            path: if record.path.is_relative() { record.path.clone() } else { tail.path.clone() },
            dataset: record.dataset.clone(),
            detected: record.dataset_detected,
            size: tail.size,
            position: tail.position,
            acknowledged: record.position,
            nameless: tail.name != Name::Here,
            archive: archive_of(tail),
            lag_seconds: self.past.lag(tail.id, Instant::now()).as_secs(),
            problem: self.problem_of(tail).map(str::to_owned),
            last_error: self.past.error(tail.id).map(str::to_owned),
        })
    }

    pub(super) fn problem_of<'a>(&'a self, tail: &'a Tail) -> Option<&'a str> {
        tail.held.as_deref().or_else(|| self.delivery.stuck(tail.id)).or(tail.problem.as_deref())
    }

    fn state_of_closed(&self, id: FileId, closed: &Closed) -> Option<FileState> {
        let record = self.delivery.state().files.get(&id)?;
        Some(FileState {
            id,
            path: closed.path.clone(),
            dataset: record.dataset.clone(),
            detected: record.dataset_detected,
            size: closed.size,
            position: record.position,
            acknowledged: record.position,
            nameless: false,
            archive: None,
            lag_seconds: self.past.lag(id, Instant::now()).as_secs(),
            problem: None,
            last_error: self.past.error(id).map(str::to_owned),
        })
    }

    /// Bytes in the followed files that are not acknowledged. Of closed files only those that wait have any, but for
    /// the half lines at their ends.
    fn lag_bytes(&mut self) -> u64 {
        let (state, files) = (self.delivery.state(), &self.files);
        let acknowledged = |id: &FileId| state.files.get(id).map_or(0, |record| record.position);
        let mut lag = 0;
        self.behind.retain(|id| {
            let bytes = files.tails.get(id).map_or(0, |tail| tail.size.saturating_sub(acknowledged(id)));
            lag += bytes;
            bytes > 0
        });
        let waiting = self.waiting.iter().filter_map(|id| Some((id, files.closed.get(id)?)));
        lag + waiting.map(|(id, closed)| closed.size.saturating_sub(acknowledged(id))).sum::<u64>()
    }

    pub(super) fn publish(&mut self) {
        self.note_past();
        let lag_bytes = self.lag_bytes() + self.spooled.unread_bytes();
        let mut problems = self.delivery.problems();
        problems.extend(self.spooled.problems());
        let late = |why| format!("{why}; new lines there are found every {:?}", self.config.rescan);
        problems.extend(self.watches.problems().into_iter().map(late));
        if self.overflowed_at.is_some() {
            problems
                .push("changes came faster than they could be taken in; files of that time may be missed".to_owned());
        }
        let tails = self.files.tails.values();
        let held = tails.filter_map(|tail| Some(format!("{:?} {}", tail.path, self.problem_of(tail)?)));
        let paths = || self.path_problems.iter().map(|(path, problem)| format!("{path:?} {problem}"));
        problems.extend(paths());
        let unread = paths().filter(|problem| !problem.contains(super::look::NOT_A_FILE)).chain(held.clone());
        let unread = unread.chain(self.spooled.failures()).collect();
        problems.extend(held);
        let progress = Progress {
            lines_read: self.metrics.lines_read.get(),
            bytes_read: self.metrics.bytes_read.get(),
            records_acknowledged: self.metrics.records_acknowledged.get(),
            lag_bytes,
        };
        self.metrics.lag_bytes.set(lag_bytes as i64);
        self.metrics.held_bytes.set(self.delivery.pool().used() as i64);
        self.metrics.files_followed.set((self.files.tails.len() + self.files.closed.len()) as i64);
        self.metrics.files_open.set(self.files.tails.len() as i64);
        let view = View { problems, unread, losses: self.losses.clone(), progress };
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
        // While nothing is read, acknowledgements and outages still change the picture.
        let idle = self.delivery.undelivered().0 == 0;
        self.view_at = Instant::now() + if idle { VIEW_INTERVAL * 10 } else { VIEW_INTERVAL };
    }
}

fn archive_of(tail: &Tail) -> Option<Archive> {
    let gzip = tail.content.gzip()?;
    let bytes = gzip.file().metadata().map_or(0, |metadata| metadata.len());
    let read = if tail.settled.is_some() { bytes } else { gzip.taken_bytes().min(bytes) };
    Some(Archive { read, bytes })
}
