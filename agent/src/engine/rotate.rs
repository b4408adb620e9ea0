//! What becomes of files that lose their name or their content: renamed, truncated, gone.

use super::closed::leads_to;
use super::copies::Manner;
use super::follow::{BEGINNING, Terms};
use super::places::{Folders, directory_is_gone};
use super::vet::Vetting;
use super::{Engine, WALK_INTERVAL_MIN};
use crate::content::Content;
use crate::discover::Walk;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::journal::{Entry, FileRecord, Form};
use crate::tail::{self, Goal, Name, Place, Tail};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file that was read more recently is about to be read again.
const GLANCE_AFTER: Duration = Duration::from_millis(50);

/// A file whose whole directory is gone is remembered so many times longer: a directory comes back with what was in it.
const FORGET_WITH_DIRECTORY: u64 = 7;

/// Least time, in seconds, between two notes that a file is there.
const SEEN_INTERVAL_SECS_MIN: u64 = 60;

impl Engine {
    /// Files whose name means another file now, or nothing: they are read on for a while.
    pub(super) fn lost_names(&mut self, seen: &BTreeSet<FileId>, walk: &Walk) {
        let quiet_at = Instant::now() + self.config.rotated_grace;
        let mut lost = Vec::new();
        for tail in self.files.tails.values_mut() {
            let unreadable = tail.path.ancestors().any(|ancestor| walk.unreadable.contains_key(ancestor));
            if seen.contains(&tail.id) || tail.name != Name::Here {
                continue;
            }
            // A name behind a directory that cannot be read now is not a lost one. The file is still read.
            if !tail.content.is_deleted() && (unreadable || !is_elsewhere(&tail.path, &tail.key)) {
                lost.push(tail.id);
                continue;
            }
            tail.name = Name::Gone { quiet_at };
            lost.push(tail.id);
        }
        lost.into_iter().for_each(|id| self.schedule(id));
    }

    /// The same for single names that have changed, and the files that they led to.
    pub(super) fn lost_paths(&mut self, had: Vec<(PathBuf, FileId)>, seen: &BTreeSet<FileId>) {
        let quiet_at = Instant::now() + self.config.rotated_grace;
        for (path, id) in had {
            if self.files.closed.get(&id).is_some_and(|closed| closed.path == path && !leads_to(&path, &closed.key)) {
                self.lost_closed(id);
                continue;
            }
            let Some(tail) = self.files.tails.get(&id) else { continue };
            let lost = !seen.contains(&id) && tail.path == path && tail.name == Name::Here;
            if !lost || !(tail.content.is_deleted() || is_elsewhere(&path, &tail.key)) {
                continue;
            }
            let key = tail.key;
            let names = self.files.by_path.iter().filter(|(other, at)| **at == id && **other != path);
            let other = names.map(|(other, _)| other.clone()).find(|other| leads_to(other, &key));
            if let Some(other) = &other {
                self.note_name(id, other);
            }
            let Some(tail) = self.files.tails.get_mut(&id) else { continue };
            match other {
                Some(other) => tail.path = other,
                None => {
                    tail.name = Name::Gone { quiet_at };
                    self.schedule(id);
                }
            }
        }
    }

    /// Files that were renamed while nobody looked, out of the globs too, are looked for in their directory and read to
    /// their end. Also those that somebody wrote to although they had been finished.
    pub(super) fn find_renamed(&mut self) {
        let records: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| !record.gone && self.is_asked_for(record) && !self.files.has(record.id))
            .cloned()
            .collect();
        let mut folders = Folders::default();
        for record in records {
            let Ok(Some(path)) = folders.find(&self.files.places, &record) else { continue };
            let id = record.id;
            let is_read = |is: Metadata| is.len() == self.place_of(&record).position;
            if record.form == Form::Finished && fs::metadata(&path).is_ok_and(is_read) {
                continue;
            }
            if let Ok(metadata) = self.follow_renamed(record, &path) {
                self.put_off(id, &metadata);
            }
        }
    }

    /// Whether the first name of a known file is in the globs: what was rotated out of them belongs to it, but the globs may
    /// have changed. Segments of the spool have no such name.
    pub(super) fn is_asked_for(&self, record: &FileRecord) -> bool {
        record.path.is_absolute() && self.scope.input_of(&record.path).is_some()
    }

    /// Reads on in a known file that has another name now, out of the globs.
    pub(super) fn follow_renamed(&mut self, record: FileRecord, path: &Path) -> io::Result<Metadata> {
        let (mut content, metadata) = Content::open(path)?;
        let place = self.place_of(&record);
        let size = metadata.len();
        let found = tail::recognise(&mut content, &record, &place).map_err(io::Error::other)?;
        let mut tail = Tail::known(&record, content, path.to_owned(), place, found, size);
        tail.name = Name::Gone { quiet_at: Instant::now() + self.config.rotated_grace };
        tail.goal = Goal::Read(size);
        tail.vet_if_unread(!self.started);
        self.enter(tail, &record);
        Ok(metadata)
    }

    /// The file does not go on where reading stood: its content was replaced. It is a new file under the same name.
    pub(super) fn truncated(&mut self, id: FileId) {
        let Some(old) = self.delivery.state().files.get(&id).cloned() else { return };
        // Without this on disk nothing may be read: the old identity would get the new content.
        if self
            .delivery
            .record(Entry::File(FileRecord { gone: true, seen_secs: self.now_secs(), ..old.clone() }))
            .is_err()
        {
            self.hold(id, "was truncated, and that cannot be written down".to_owned());
            return;
        }
        let Some(tail) = self.files.remove(id) else { return };
        tracing::info!(path = ?tail.path, "was truncated and is read from its beginning");
        let read_on = self.read_on_in_copy(&old, &tail);
        let lost_from = read_on.unwrap_or(tail.position);
        if tail.size > lost_from {
            let what = if read_on.is_some() { "copied and truncated" } else { "truncated" };
            self.lose(id, lost_from, tail.size, format!("the file was {what} before they were read"));
        }
        if tail.name != Name::Here {
            // What it has now was written under a name that nobody asked for.
            return;
        }
        let size = tail.content.file().metadata().map_or(0, |metadata| metadata.len());
        let content = tail.content.renewed();
        let terms = Terms::inherited(old);
        let new =
            content.and_then(|content| self.begin(&tail.path, &tail.path, content, tail.key, size, BEGINNING, terms));
        match new {
            Ok(new) => {
                if let Some(next) = self.files.tails.get_mut(&new) {
                    next.name = tail.name;
                    // A copy may have been written over with the next one.
                    next.vetting = Some(Vetting::new(false));
                    next.replaces = true;
                    next.goal = if tail.goal == Goal::Met { Goal::Met } else { Goal::Read(size) };
                }
                // The names, links too, lead to the new identity.
                self.walk_at = self.walk_at.min(Instant::now() + WALK_INTERVAL_MIN);
            }
            // The next walk finds it as a file that is not open.
            Err(error) => {
                tracing::warn!(path = ?tail.path, "cannot be read from its beginning: {error}");
                self.walk_at = self.walk_at.min(Instant::now() + WALK_INTERVAL_MIN);
            }
        }
    }

    /// Goes on with the old content in its copy, if there is one. Returns where that ends, as far as it is known.
    fn read_on_in_copy(&mut self, old: &FileRecord, tail: &Tail) -> Option<u64> {
        let place = match tail.unverified {
            Some(_) => self.place_of(old),
            None => Place { position: tail.position, skipping: tail.skipping, marker: Print::of(&tail.marker) },
        };
        // Under the name that it has now: what was known may be older.
        let record = FileRecord { path_now: tail.path.clone(), ..old.clone() };
        let directories = self.files.places.directories(&record);
        let candidates = directories.iter().flat_map(|directory| self.candidates(directory, true)).collect();
        let copy = Self::copy_of(old, &place, candidates).0?;
        let end = copy.end();
        let manner = Manner {
            name: self.name_of(&copy),
            goal: if tail.goal == Goal::Met { Goal::Met } else { Goal::Read(end) },
            scheduled: tail.scheduled,
        };
        match self.adopt(old.clone(), place, copy, manner) {
            Ok(()) => Some(end),
            Err(error) => {
                tracing::warn!(path = ?tail.path, "its copy cannot be read: {error}");
                None
            }
        }
    }

    /// The end of a file was cut off, but it is the same file up to where it was read.
    pub(super) fn shortened(&mut self, id: FileId, size: u64) {
        let Some(tail) = self.files.tails.get_mut(&id) else { return };
        let known = std::mem::replace(&mut tail.size, size);
        if known > size {
            // Not as a gap of the file: other lines will stand at these positions.
            self.report_loss(id, size, known, "the end of the file was cut off before they were read".to_owned());
        }
    }

    /// Looks at a file that was written to but waits for its turn, maybe for long, because the broker is stalled: a copy
    /// of what was truncated does not stay for ever.
    pub(super) fn glance_at_waiting(&mut self) {
        for id in std::mem::take(&mut self.written) {
            let Some(tail) = self.files.tails.get(&id).filter(|tail| tail.scheduled) else { continue };
            if tail.read_at.is_some_and(|read_at| read_at.elapsed() < GLANCE_AFTER) {
                self.written.insert(id);
            } else {
                self.glance(id);
            }
        }
    }

    fn glance(&mut self, id: FileId) {
        let Some(tail) = self.files.tails.get(&id) else { return };
        if tail.finished || tail.vetting.is_some() || tail.content.gzip().is_some() {
            return;
        }
        // A failure shows again when it is read.
        if !self.is_itself(id).unwrap_or(true) {
            self.truncated(id);
        } else if let Some(tail) = self.files.tails.get_mut(&id)
            && let Ok(size) = tail.content.size()
        {
            tail.size = tail.size.max(size.bytes());
        }
    }

    /// A file was read to its end after it had lost its name.
    pub(super) fn note_finished(&mut self, id: FileId) {
        self.hunted.insert(id);
        let Some(record) = self.delivery.state().files.get(&id).cloned() else { return };
        let form = if record.form == Form::Open { Form::Finished } else { record.form };
        // Without it on disk the next start looks for more of it.
        let _ = self.delivery.record(Entry::File(FileRecord { form, seen_secs: self.now_secs(), ..record }));
    }

    /// Notes now and then that files are there still, so that their age counts from about when they went.
    fn note_seen(&mut self, now: u64) {
        let interval = (self.config.forget_after.as_secs() / 4).max(SEEN_INTERVAL_SECS_MIN);
        let state = self.delivery.state();
        let seen = state.files.values().filter(|record| self.files.has(record.id));
        let old = seen.filter(|record| now.abs_diff(record.seen_secs) >= interval);
        let old: Vec<FileRecord> = old.map(|record| FileRecord { seen_secs: now, ..record.clone() }).collect();
        for record in old {
            // Without it on disk it is noted the next time.
            let _ = self.delivery.record(Entry::File(record));
        }
    }

    /// Forgets files that are proven to be gone, and were not seen for a while. A clock that was set forward makes them
    /// old, but proves nothing.
    pub(super) fn forget_gone(&mut self) {
        let now = self.now_secs();
        self.note_seen(now);
        let old: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| !self.files.has(record.id))
            .filter(|record| now.saturating_sub(record.seen_secs) >= self.config.forget_after.as_secs())
            .filter(|record| !self.delivery.state().in_flight(record.id))
            .cloned()
            .collect();
        for record in old {
            let with_directory = || {
                let age = now.saturating_sub(record.seen_secs) / FORGET_WITH_DIRECTORY;
                age >= self.config.forget_after.as_secs() && directory_is_gone(&record)
            };
            if record.gone || matches!(self.files.places.find(&record), Ok(None)) || with_directory() {
                // Without it on disk it is forgotten the next time.
                let _ = self.delivery.record(Entry::Forget { file: record.id });
            }
        }
    }
}

/// Whether `path` is known not to lead to the file `key`. What cannot be looked at is not known.
fn is_elsewhere(path: &Path, key: &FileKey) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => FileKey::of(&metadata) != *key,
        // A directory on another device is not the one in which the file was: that one was unmounted.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let target = fs::read_link(path).ok().and_then(|target| Some(path.parent()?.join(target)));
            let directory = target.as_deref().unwrap_or(path).parent().and_then(|above| fs::metadata(above).ok());
            directory.is_some_and(|directory| directory.is_dir() && directory.dev() == key.device)
        }
        Err(_) => false,
    }
}
