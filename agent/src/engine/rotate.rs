//! What becomes of files that lose their name or their content: renamed, truncated, gone.

use super::closed::leads_to;
use super::files::find;
use super::follow::{BEGINNING, Terms};
use super::{Engine, WALK_INTERVAL_MIN};
use crate::content::Content;
use crate::discover::Walk;
use crate::fingerprint::{FileId, FileKey};
use crate::journal::{Entry, FileRecord};
use crate::tail::{Goal, Name, Tail};
use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

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

    /// At the start: files that were renamed while no agent was there, out of the globs too, are looked for in their
    /// directory and read to their end.
    pub(super) fn find_renamed(&mut self) {
        let records: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| !record.gone && !self.files.has(record.id))
            .cloned()
            .collect();
        for record in records {
            let Ok(Some(path)) = find(&record) else { continue };
            let id = record.id;
            if let Ok(metadata) = self.follow_renamed(record, &path) {
                self.put_off(id, &metadata);
            }
        }
    }

    /// Reads on in a known file that has another name now, out of the globs.
    pub(super) fn follow_renamed(&mut self, record: FileRecord, path: &Path) -> io::Result<Metadata> {
        let (content, metadata) = Content::open(path)?;
        let place = self.place_of(&record);
        let size = metadata.len();
        let known = Tail::known(&record, content, record.key, path.to_owned(), place, size);
        let mut tail = known.map_err(io::Error::other)?;
        tail.name = Name::Gone { quiet_at: Instant::now() + self.config.rotated_grace };
        tail.goal = Goal::Read(size);
        self.enter(tail, &record);
        Ok(metadata)
    }

    /// The file does not go on where reading stood: its content was replaced. It is a new file under the same name.
    pub(super) fn truncated(&mut self, id: FileId) {
        let Some(old) = self.delivery.state().files.get(&id).cloned() else { return };
        // Without this on disk nothing may be read: the old identity would get the new content.
        if self.delivery.record(Entry::File(FileRecord { gone: true, ..old.clone() })).is_err() {
            self.hold(id, "was truncated, and that cannot be written down".to_owned());
            return;
        }
        let Some(tail) = self.files.remove(id) else { return };
        let known_size = tail.size;
        if known_size > tail.position {
            self.lose(id, tail.position, known_size, "the file was truncated before they were read".to_owned());
        }
        tracing::info!(path = ?tail.path, "was truncated and is read from its beginning");
        let size = tail.content.file().metadata().map_or(0, |metadata| metadata.len());
        let content = tail.content.renewed();
        let terms = Terms::inherited(old);
        let new = content.and_then(|content| self.begin(&tail.path, content, tail.key, size, BEGINNING, terms));
        match new {
            Ok(new) => {
                if let Some(next) = self.files.tails.get_mut(&new) {
                    next.name = tail.name;
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

    /// Forgets files that are proven to be gone since a while.
    pub(super) fn forget_gone(&mut self) {
        let now = self.now_secs();
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
            if record.gone || matches!(find(&record), Ok(None)) {
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
