//! Files that are followed without being open: closed when too many are, opened again when they change.
//!
//! To close a file is what a restart does to it: what is known stays in its record, and it is recognised when it is
//! opened again.

use super::Engine;
use super::places::directory_is_gone;
use crate::content::Content;
use crate::discover::Walk;
use crate::fingerprint::{FileId, FileKey};
use crate::journal::FileRecord;
use crate::tail::{Goal, Name, Tail};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How long a file that ends in the middle of a line stays open at least: its writer is about to end the line.
const HALF_LINE_QUIET: Duration = Duration::from_secs(5);
/// How long a file without a name stays open at least when descriptors are short, after the last that came.
const NAMELESS_QUIET: Duration = Duration::from_secs(1);
/// Of the files that may be open, one in so many is closed at a time: each search for them looks at all. When no more than
/// so many can be opened, those without a name are hurried: a file that appears may live for some milliseconds only, and
/// cannot wait until others are closed.
const CLOSED_AT_A_TIME: usize = 8;
/// Between two looks for files without a name that can be hurried.
const HURRY_INTERVAL: Duration = Duration::from_millis(100);
/// Files that may be open beyond the others because they were deleted: nobody could open them again.
const DELETED_MAX: usize = 256;
/// Files that are opened between two looks at the messages.
const OPENED_AT_A_TIME: usize = 64;
/// How often it is seen whether files that wait can be opened.
pub(super) const WAITING_INTERVAL: Duration = Duration::from_millis(10);

/// A followed file that is not open.
#[derive(Debug)]
pub struct Closed {
    pub path: PathBuf,
    pub key: FileKey,
    /// When it was last looked at, as is the time.
    pub size: u64,
    modified: Option<SystemTime>,
    /// There is something to read, and it waits to be opened.
    pub waits: bool,
    pub goal: Goal,
    pub origin: u64,
    pub generation: u32,
}

impl Closed {
    fn of(tail: &Tail, metadata: &Metadata) -> Self {
        Self {
            path: tail.path.clone(),
            key: tail.key,
            size: metadata.len(),
            modified: metadata.modified().ok(),
            waits: false,
            goal: Goal::Met,
            origin: tail.origin,
            generation: tail.generation,
        }
    }
}

impl Engine {
    /// Sees to it that one more file may be open. `false`: not now.
    pub(super) fn make_room(&mut self) -> bool {
        let most = self.open_files_max;
        let now = Instant::now();
        if self.files.tails.len() + most / CLOSED_AT_A_TIME >= most && now >= self.hurry_at {
            self.hurry_at = now + HURRY_INTERVAL;
            self.hurry_nameless(now);
        }
        if self.files.tails.len() < most {
            return true;
        }
        let mut idle: Vec<(Option<Instant>, FileId)> = self
            .files
            .tails
            .values()
            .filter(|tail| self.is_idle(tail, now))
            .map(|tail| (tail.read_at, tail.id))
            .collect();
        idle.sort_unstable();
        for (_, id) in idle.into_iter().take((most / CLOSED_AT_A_TIME).max(1)) {
            self.close(id);
        }
        if self.files.tails.len() >= most {
            self.close_successors();
        }
        self.files.tails.len() < most
    }

    /// Files wait that have to be read before files that are open: those make room for them.
    fn close_successors(&mut self) {
        let unread = |tail: &&Tail| {
            let record = self.delivery.state().files.get(&tail.id);
            tail.name == Name::Here
                && !self.spooled.has(tail.id)
                && !self.delivery.in_flight(tail.id)
                && record.is_some_and(|record| record.position == tail.position)
                && self.files.waits_for_closed(tail)
        };
        let ids: Vec<FileId> = self.files.tails.values().filter(unread).map(|tail| tail.id).collect();
        for id in ids {
            let Some(tail) = self.files.tails.get(&id) else { continue };
            let Ok(metadata) = tail.content.file().metadata() else { continue };
            self.close_unread(id, &metadata);
        }
    }

    fn close_unread(&mut self, id: FileId, metadata: &Metadata) {
        let Some(tail) = self.files.tails.get(&id) else { return };
        let mut closed = Closed::of(tail, metadata);
        closed.waits = tail.position != metadata.len();
        if closed.waits {
            closed.goal = tail.goal;
            self.waiting.push_back(id);
        }
        self.queue.rest(id);
        self.files.close(id, closed);
    }

    /// Whether nothing is lost when the file is closed and opened again.
    fn is_idle(&self, tail: &Tail, now: Instant) -> bool {
        // Segments are few, and nobody but the spool would open them again.
        let rests = tail.name == Name::Here && !tail.scheduled && !tail.finished && !self.spooled.has(tail.id);
        let whole = tail.position == tail.size || tail.read_at.is_some_and(|at| now >= at + HALF_LINE_QUIET);
        // A spool's segment is told of its writes only while it is open.
        let is_segment = self.spooled.has(tail.id);
        rests
            && whole
            && !is_segment
            && tail.held.is_none()
            && tail.problem.is_none()
            && !tail.waits
            && !tail.passed
            && !matches!(tail.goal, Goal::Read(_))
            && !self.delivery.in_flight(tail.id)
            && self.delivery.state().files.get(&tail.id).is_some_and(|record| record.position == tail.position)
    }

    fn close(&mut self, id: FileId) {
        let Some(tail) = self.files.tails.get_mut(&id) else { return };
        let unchanged = tail.content.size().is_ok_and(|size| size.bytes() == tail.size);
        match fs::metadata(&tail.path) {
            Ok(metadata) if FileKey::of(&metadata) == tail.key && unchanged => {
                let closed = Closed::of(tail, &metadata);
                self.queue.rest(id);
                self.files.close(id, closed);
            }
            // It has just changed.
            _ => self.schedule(id),
        }
    }

    /// Files without a name that were read to their end are not waited for any longer, the quietest first.
    fn hurry_nameless(&mut self, now: Instant) {
        let quiet = |tail: &&mut Tail| {
            matches!(tail.name, Name::Gone { quiet_at } if quiet_at > now)
                && tail.grown_at.or(tail.read_at).is_some_and(|at| now >= at + NAMELESS_QUIET)
                && !tail.finished
        };
        let mut nameless: Vec<_> =
            self.files.tails.values_mut().filter(quiet).map(|tail| (tail.grown_at.or(tail.read_at), tail.id)).collect();
        nameless.sort_unstable();
        for (_, id) in nameless.into_iter().take((self.open_files_max / CLOSED_AT_A_TIME).max(1)) {
            if let Some(tail) = self.files.tails.get_mut(&id) {
                tail.name = Name::Gone { quiet_at: now };
                tail.scheduled = true;
                self.later.insert((now, id));
            }
        }
    }

    /// A file that was found while no more may be open: it waits, if there is anything to read.
    pub(super) fn put_off(&mut self, id: FileId, metadata: &Metadata) {
        let open = self.files.tails.len();
        // While the agent starts, nothing was read that could be closed.
        let has_room = if self.started { self.make_room() } else { open < self.open_files_max };
        if open <= self.open_files_max || has_room {
            return;
        }
        let Some(tail) = self.files.tails.get(&id) else { return };
        if tail.content.is_deleted() {
            if open > self.open_files_max + DELETED_MAX {
                let (start, end) = (tail.position, metadata.len().max(tail.position));
                self.files.remove(id);
                self.lose(id, start, end, "the file was deleted, and too many others are open".to_owned());
            }
            return;
        }
        self.close_unread(id, metadata);
    }

    /// A closed file has a name that it had before, or a new one. Opens it if it has changed.
    pub(super) fn look_at_closed(&mut self, id: FileId, path: &Path, metadata: &Metadata) {
        let Some(closed) = self.files.closed.get_mut(&id) else { return };
        let changed = closed.size != metadata.len() || closed.modified != metadata.modified().ok();
        (closed.size, closed.modified) = (metadata.len(), metadata.modified().ok());
        if closed.path != path && !leads_to(&closed.path, &closed.key) {
            closed.path = path.to_owned();
            self.note_name(id, path);
        }
        if changed {
            self.open_when_possible(id);
        }
    }

    /// There is something to read in a closed file.
    pub(super) fn open_when_possible(&mut self, id: FileId) {
        let Some(closed) = self.files.closed.get_mut(&id) else { return };
        if let Ok(metadata) = fs::metadata(&closed.path)
            && FileKey::of(&metadata) == closed.key
        {
            closed.size = metadata.len();
        }
        if !closed.waits {
            closed.waits = true;
            self.waiting.push_back(id);
        }
        self.waiting_at = Instant::now();
    }

    /// Opens files that wait, as far as others can be closed.
    pub(super) fn open_waiting(&mut self) {
        let mut opened = Vec::new();
        while opened.len() < OPENED_AT_A_TIME && !self.waiting.is_empty() {
            if !self.make_room() {
                self.waiting_at = Instant::now() + WAITING_INTERVAL;
                break;
            }
            if let Some(id) = self.waiting.pop_front() {
                self.open_again(id);
                opened.push(id);
            }
        }
        self.settle(opened);
    }

    fn open_again(&mut self, id: FileId) {
        let Some(closed) = self.files.closed.get_mut(&id) else { return };
        closed.waits = false;
        let (path, key, goal) = (closed.path.clone(), closed.key, closed.goal);
        if !leads_to(&path, &key) {
            closed.waits = true;
            return self.lost_closed(id);
        }
        let opened = match self.scope.input_of(&path) {
            Some(input) => Content::open(&path).and_then(|(content, metadata)| {
                self.files.forget_closed(id);
                self.follow(&path, input, false, content, &metadata)
            }),
            None => self.open_renamed(id, &path),
        };
        match opened {
            Ok(id) => {
                if let Some(tail) = self.files.tails.get_mut(&id)
                    && goal != Goal::Met
                {
                    tail.goal = goal;
                }
                self.files.by_path.insert(path, id);
            }
            // The rescan tries again.
            Err(error) => {
                self.path_problems.insert(path, format!("cannot be followed: {error}"));
            }
        }
    }

    fn open_renamed(&mut self, id: FileId, path: &Path) -> io::Result<FileId> {
        let record = self.delivery.state().files.get(&id).cloned();
        let record = record.ok_or_else(|| io::Error::other("it is not known any more"))?;
        self.files.forget_closed(id);
        self.follow_renamed(record, path)?;
        Ok(id)
    }

    /// After a walk that came upon `seen`: closed files whose names mean other files now, or nothing.
    pub(super) fn lost_closed_names(&mut self, seen: &BTreeSet<FileId>, walk: &Walk) {
        let lost: Vec<FileId> = self
            .files
            .closed
            .iter()
            .filter(|(id, closed)| {
                let unreadable = closed.path.ancestors().any(|above| walk.unreadable.contains_key(above));
                !seen.contains(id) && !unreadable && !leads_to(&closed.path, &closed.key)
            })
            .map(|(&id, _)| id)
            .collect();
        lost.into_iter().for_each(|id| self.lost_closed(id));
    }

    /// A closed file is not under its name any more: it is looked for in its directory.
    pub(super) fn lost_closed(&mut self, id: FileId) {
        let Some(closed) = self.files.closed.get_mut(&id) else { return };
        let record: Option<FileRecord> = self.delivery.state().files.get(&id).cloned();
        let Some(mut record) = record else { return self.files.forget_closed(id) };
        record.path_now.clone_from(&closed.path);
        match self.files.places.find(&record) {
            Ok(Some(path)) => {
                closed.path.clone_from(&path);
                if closed.waits || self.scope.input_of(&path).is_none() {
                    closed.waits = false;
                    self.open_when_possible(id);
                }
            }
            Ok(None) => {
                let (unread, size) = (closed.waits, closed.size.max(record.position));
                self.files.forget_closed(id);
                if unread {
                    let reason = "the file was deleted before they were read; there may have been more".to_owned();
                    self.lose(id, record.position, size, reason);
                }
            }
            // Should it come back, its record says where to go on.
            Err(_) if !closed.waits && directory_is_gone(&record) => self.files.forget_closed(id),
            // Its directory cannot be read now: nothing is known.
            Err(_) => {}
        }
    }
}

/// Whether a path leads to this file.
pub(super) fn leads_to(path: &Path, key: &FileKey) -> bool {
    fs::metadata(path).is_ok_and(|metadata| FileKey::of(&metadata) == *key)
}
