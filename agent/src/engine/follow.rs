//! Which files are followed: new ones, known ones, renamed ones, truncated ones, and those that are gone.

use super::files::find;
use super::{Engine, WALK_INTERVAL_MIN};
use crate::config::From;
use crate::discover::Walk;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::journal::{Ending, Entry, FileRecord};
use crate::tail::{self, Goal, Name, Place, Tail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl Engine {
    /// Looks at everything, in case that a watch missed something, and tries again what did not work.
    pub(super) fn rescan(&mut self, now: Instant) {
        self.rescan_at = now + self.config.rescan;
        self.walk(false);
        self.recover();
        let held: Vec<FileId> =
            self.files.tails.values().filter(|tail| tail.held.is_some()).map(|tail| tail.id).collect();
        for id in held {
            if let Some(tail) = self.files.tails.get_mut(&id) {
                tail.held = None;
            }
        }
        self.ready.extend(std::mem::take(&mut self.parked));
        self.forget_gone();
    }

    /// Walks through the directories. `initial`: what is there was there before the agent.
    pub(super) fn walk(&mut self, initial: bool) {
        // Far away: the next walk comes when names change, or with the rescan.
        self.walk_at = Instant::now() + self.config.rescan;
        let mut walk = self.look_around();
        if self.watches.set(&walk.directories) {
            walk = self.look_around();
        }
        let mut problems: BTreeMap<PathBuf, String> =
            walk.unreadable.iter().map(|(path, why)| (path.clone(), format!("cannot be read: {why}"))).collect();
        let mut seen = BTreeSet::new();
        self.files.by_path.clear();
        for found in &walk.found {
            match self.look_at(&found.path, found.input, initial) {
                Ok(Some(id)) => {
                    seen.insert(id);
                    self.files.by_path.insert(found.path.clone(), id);
                    if let Ok(real) = fs::canonicalize(&found.path) {
                        self.files.by_path.insert(real, id);
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    problems.insert(found.path.clone(), format!("cannot be followed: {error}"));
                }
            }
        }
        for (path, problem) in &problems {
            if self.path_problems.get(path) != Some(problem) {
                tracing::warn!(path = ?path, "{problem}");
            }
        }
        self.path_problems = problems;
        self.lost_names(&seen, &walk);
        self.metrics.files_followed.set(self.files.tails.len() as i64);
        self.check_caught_up();
    }

    fn look_around(&self) -> Walk {
        let mut walk = Walk::default();
        for (index, input) in self.inputs.iter().enumerate() {
            for pattern in &input.patterns {
                walk.add(index, pattern, &input.exclude);
            }
        }
        walk
    }

    /// Sees to it that the file under this name is followed; `None` when there is nothing to follow.
    fn look_at(&mut self, path: &Path, input: usize, initial: bool) -> io::Result<Option<FileId>> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            let hint = if metadata.is_dir() { "; name the files in it, such as DIR/*.log" } else { "" };
            return Err(io::Error::other(format!("not a regular file{hint}")));
        }
        let key = FileKey::of(&metadata);
        let Some(id) = self.files.by_key(&key) else {
            return self.follow(path, input, initial).map(Some);
        };
        if let Some(tail) = self.files.tails.get_mut(&id) {
            let another_name = tail.path != path;
            if another_name
                && tail.name == Name::Here
                && fs::metadata(&tail.path).is_ok_and(|at| FileKey::of(&at) == key)
            {
                // A link: one reader per file.
            } else {
                tail.name = Name::Here;
                tail.finished = false;
                if another_name {
                    tail.path = path.to_owned();
                    self.note_name(id, path);
                }
            }
            let tail = &self.files.tails[&id];
            if metadata.len() != tail.position {
                self.schedule(id);
            }
        }
        Ok(Some(id))
    }

    fn note_name(&mut self, id: FileId, path: &Path) {
        if let Some(record) = self.delivery.state().files.get(&id) {
            let record = FileRecord { path_now: path.to_owned(), seen_secs: self.now_secs(), ..record.clone() };
            // Without it on disk the file is looked for in its directory by inode.
            let _ = self.delivery.record(Entry::File(record));
        }
    }

    /// Begins to read a file that is not open: where its checkpoint says, if it is the same file, or anew.
    fn follow(&mut self, path: &Path, input: usize, initial: bool) -> io::Result<FileId> {
        let (file, metadata) = tail::open(path)?;
        let (key, size) = (FileKey::of(&metadata), metadata.len());
        let goal = if initial { Goal::Read(size) } else { Goal::Met };
        let known = self.delivery.state().by_key(&key).cloned();
        if let Some(record) = known {
            let place = self.place_of(&record);
            match tail::recognise(&file, size, &record, &place) {
                Ok(marker) => {
                    let id = record.id;
                    let mut tail = Tail::new(id, file, key, path.to_owned(), place, marker, size);
                    tail.goal = goal;
                    if record.path_now != path {
                        self.note_name(id, path);
                    }
                    self.files.insert(tail);
                    self.schedule(id);
                    return Ok(id);
                }
                Err(tail::Veto::Io(error)) => return Err(error),
                Err(veto) => {
                    tracing::info!(path = ?path, file = %record.id, "{veto}: it is read as a new file");
                    self.delivery.record(Entry::File(FileRecord { gone: true, ..record }))?;
                }
            }
        }
        let named_before =
            self.delivery.state().files.values().any(|record| record.path_now == path || record.path == path);
        let at_end = initial && self.config.from == From::End && !named_before;
        let place = if at_end { end_of(&file, size)? } else { BEGINNING };
        let topic = self.inputs[input].topic.clone();
        let dataset = self.inputs[input].dataset.clone();
        let id = self.begin(path, file, key, size, place, topic, dataset)?;
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.goal = goal;
        }
        Ok(id)
    }

    /// Gives a file a new identity and reads it from `place`.
    #[allow(clippy::too_many_arguments)]
    fn begin(
        &mut self,
        path: &Path,
        file: fs::File,
        key: FileKey,
        size: u64,
        place: Place,
        topic: String,
        dataset: Option<String>,
    ) -> io::Result<FileId> {
        let nonce = uuid::Uuid::new_v4().as_u128();
        let id = FileId::assign(&self.delivery.state().agent, &key, self.clock.now_millis(), nonce);
        let record = FileRecord {
            id,
            key,
            path: path.to_owned(),
            path_now: path.to_owned(),
            topic,
            partition: None,
            dataset_detected: dataset.is_none(),
            dataset,
            head: Print::of(&tail::head(&file)?),
            position: place.position,
            skipping: place.skipping,
            marker: place.marker,
            seen_secs: self.now_secs(),
            gone: false,
        };
        let marker = tail::before(&file, place.position)?;
        self.delivery.record(Entry::File(record))?;
        self.files.insert(Tail::new(id, file, key, path.to_owned(), place, marker, size));
        self.schedule(id);
        Ok(id)
    }

    /// Where reading goes on: behind what is acknowledged and what the journal will send again.
    fn place_of(&self, record: &FileRecord) -> Place {
        let sources = self.delivery.state().unresolved.values().flat_map(|sent| &sent.sources);
        sources
            .filter(|source| source.file == record.id && source.end > record.position)
            .max_by_key(|source| source.end)
            .map_or(Place::acknowledged(record), |source| Place {
                position: source.end,
                skipping: source.ending == Ending::Cut,
                marker: source.marker,
            })
    }

    /// Files whose name means another file now, or nothing: they are read on for a while.
    fn lost_names(&mut self, seen: &BTreeSet<FileId>, walk: &Walk) {
        let quiet_at = Instant::now() + self.config.rotated_grace;
        let mut lost = Vec::new();
        for tail in self.files.tails.values_mut() {
            let unreadable = tail.path.ancestors().any(|ancestor| walk.unreadable.contains_key(ancestor));
            // A name behind a directory that cannot be read now is not a lost one.
            if seen.contains(&tail.id) || tail.name != Name::Here || unreadable || !is_elsewhere(&tail.path, &tail.key)
            {
                continue;
            }
            tail.name = Name::Gone { quiet_at };
            lost.push(tail.id);
        }
        lost.into_iter().for_each(|id| self.schedule(id));
    }

    /// At the start: files that were renamed while no agent was there, out of the globs too, are looked for in their
    /// directory and read to their end.
    pub(super) fn find_renamed(&mut self) {
        let records: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| !record.gone && !self.files.tails.contains_key(&record.id))
            .cloned()
            .collect();
        for record in records {
            let Ok(Some(path)) = find(&record) else { continue };
            let Ok((file, metadata)) = tail::open(&path) else { continue };
            let place = self.place_of(&record);
            let Ok(marker) = tail::recognise(&file, metadata.len(), &record, &place) else { continue };
            let size = metadata.len();
            let mut tail = Tail::new(record.id, file, record.key, path, place, marker, size);
            tail.name = Name::Gone { quiet_at: Instant::now() + self.config.rotated_grace };
            tail.goal = Goal::Read(size);
            self.files.insert(tail);
            self.schedule(record.id);
        }
    }

    /// The file does not go on where reading stood: its content was replaced. It is a new file under the same name.
    pub(super) fn truncated(&mut self, id: FileId, known_size: u64) {
        let Some(old) = self.delivery.state().files.get(&id).cloned() else { return };
        // Without this on disk nothing may be read: the old identity would get the new content.
        if self.delivery.record(Entry::File(FileRecord { gone: true, ..old.clone() })).is_err() {
            self.hold(id, "was truncated, and that cannot be written down".to_owned());
            return;
        }
        let Some(tail) = self.files.remove(id) else { return };
        if known_size > tail.position {
            self.lose(id, tail.position, known_size, "the file was truncated before they were read".to_owned());
        }
        tracing::info!(path = ?tail.path, "was truncated and is read from its beginning");
        let size = tail.file.metadata().map_or(0, |metadata| metadata.len());
        let dataset = old.dataset.filter(|_| !old.dataset_detected);
        match self.begin(&tail.path, tail.file, tail.key, size, BEGINNING, old.topic, dataset) {
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
    fn forget_gone(&mut self) {
        let now = self.now_secs();
        let old: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| !self.files.tails.contains_key(&record.id))
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

    fn now_secs(&self) -> u64 {
        u64::try_from(self.clock.now_millis() / 1000).unwrap_or(0)
    }
}

const BEGINNING: Place =
    Place { position: 0, skipping: false, marker: Print { bytes: 0, hash: 0x2d06_8005_38d3_94c2 } };

/// The end of a file; the rest of a line that is being written there is not a line.
fn end_of(file: &fs::File, size: u64) -> io::Result<Place> {
    let marker = tail::before(file, size)?;
    let skipping = marker.last().is_some_and(|&byte| byte != b'\n');
    Ok(Place { position: size, skipping, marker: Print::of(&marker) })
}

/// Whether `path` is known not to lead to the file `key`. What cannot be looked at is not known.
fn is_elsewhere(path: &Path, key: &FileKey) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => FileKey::of(&metadata) != *key,
        Err(error) => error.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir),
    }
}
