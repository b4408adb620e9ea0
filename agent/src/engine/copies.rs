//! Hunting for the copy of a file whose content is gone: in its directory and in those for rotated files, whatever the
//! name, compressed or not.

use super::Engine;
use super::places::Folders;
use crate::content::{Content, Size};
use crate::fingerprint::{FileId, FileKey};
use crate::journal::{Entry, FileRecord, Form};
use crate::tail::{Goal, Name, Place, Tail, Veto, recognise};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Files of a directory that are compared in one hunt: more are no neighbours of a log but an archive of something else.
const HUNT_FILES_MAX: usize = 1024;

/// A file that may be the copy of another.
pub(super) struct Candidate {
    content: Content,
    head: Vec<u8>,
    key: FileKey,
    path: PathBuf,
    bytes: u64,
    /// It is in the globs, and has been given an identity of its own that it does not need.
    newcomer: Option<FileId>,
}

/// How a copy is read.
pub(super) struct Manner {
    pub name: Name,
    pub goal: Goal,
    /// It is in a queue already.
    pub scheduled: bool,
}

impl Candidate {
    /// Where its content ends, as far as that can be told.
    pub fn end(&self) -> u64 {
        if self.content.gzip().is_some() { u64::MAX } else { self.bytes }
    }
}

/// Whether `content`, which begins with `head`, is what `record` tells about up to `place`. A compressed one is read up to
/// there.
pub(super) fn resembles(content: &mut Content, head: &[u8], record: &FileRecord, place: &Place) -> io::Result<bool> {
    if record.head.bytes == 0 || !record.head.begins(head) {
        return Ok(false);
    }
    while !content.reach(place.position)? {}
    if let Size::Known(size) = content.size()?
        && size < place.position
    {
        return Ok(false);
    }
    Ok(place.marker.ends(&content.before(place.position)?))
}

/// Whether `path` has the name of `original` with something behind it, as rotation makes names: `a.log.1`,
/// `a.log-20260101.gz`; or between stem and extension: `a-20260101.log`.
pub(super) fn is_named_after(path: &Path, original: &Path) -> bool {
    let name = |path: &Path| path.file_name().unwrap_or(OsStr::new("")).as_bytes().to_vec();
    let (name, first) = (name(path), name(original));
    let stem = original.file_stem().unwrap_or(OsStr::new("")).as_bytes();
    name != first && !stem.is_empty() && name.starts_with(stem)
}

impl Engine {
    /// What the directory of `record` has that nobody knows: possible copies, newcomers in the globs among them.
    /// `everywhere`: newcomers of other directories, too.
    pub(super) fn candidates(&mut self, directory: &Path, everywhere: bool) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let is_near = |tail: &&mut Tail| everywhere || tail.path.parent() == Some(directory);
        for tail in self.files.tails.values_mut().filter(|tail| tail.vetting.is_some()).filter(is_near) {
            let renewed = tail.content.renewed().and_then(|mut content| Ok((content.head()?, content)));
            if let (Ok((head, content)), Ok(metadata)) = (renewed, tail.content.file().metadata()) {
                let (key, path, bytes) = (tail.key, tail.path.clone(), metadata.len());
                candidates.push(Candidate { content, head, key, path, bytes, newcomer: Some(tail.id) });
            }
        }
        self.drop_overwritten(directory);
        let Ok(entries) = fs::read_dir(directory) else { return candidates };
        for entry in entries.flatten() {
            if candidates.len() >= HUNT_FILES_MAX {
                break;
            }
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let path = entry.path();
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.len() == 0 || self.files.by_key(&FileKey::of(&metadata)).is_some() {
                continue;
            }
            // The name may lead to another file by now.
            let Ok((mut content, metadata)) = Content::open(&path) else { continue };
            let Ok(head) = content.head() else { continue };
            let key = FileKey::of(&metadata);
            if self.is_known_by(&key, &mut content) {
                continue;
            }
            candidates.push(Candidate { content, head, key, path, bytes: metadata.len(), newcomer: None });
        }
        candidates
    }

    /// Lets go of copies that were written over by the next one.
    fn drop_overwritten(&mut self, directory: &Path) {
        let tails = self.files.tails.values();
        let near = tails.filter(|tail| tail.name != Name::Here && tail.path.parent() == Some(directory));
        for id in near.map(|tail| tail.id).collect::<Vec<_>>() {
            if !self.is_itself(id).unwrap_or(true) {
                self.truncated(id);
            }
        }
    }

    /// Whether a file still has the content that was read.
    pub(super) fn is_itself(&mut self, id: FileId) -> io::Result<bool> {
        let Some(tail) = self.files.tails.get_mut(&id).filter(|tail| tail.content.gzip().is_none()) else {
            return Ok(true);
        };
        let same = tail.content.size()?.bytes() >= tail.position && tail.content.before(tail.position)? == tail.marker;
        Ok(same && self.has_its_head(id)?)
    }

    /// Whether a file that is not open still is what is known of it; if not, it is somebody else's content.
    fn is_known_by(&mut self, key: &FileKey, content: &mut Content) -> bool {
        let Some(record) = self.delivery.state().by_key(key).cloned() else { return false };
        let place = self.place_of(&record);
        if !matches!(recognise(content, &record, &place), Err(Veto::Shorter { .. } | Veto::Head | Veto::Marker(_))) {
            return true;
        }
        let record = FileRecord { gone: true, seen_secs: self.now_secs(), ..record };
        self.delivery.record(Entry::File(record)).is_err()
    }

    /// A newcomer's name is in the globs; any other copy is read to its end and left alone.
    pub(super) fn name_of(&self, copy: &Candidate) -> Name {
        let quiet_at = Instant::now() + self.config.rotated_grace;
        let newcomer = copy.newcomer.and_then(|id| self.files.tails.get(&id));
        newcomer.map_or(Name::Gone { quiet_at }, |tail| tail.name)
    }

    /// The best of `candidates` for a file of which everything before `place` was read.
    pub(super) fn copy_of(
        record: &FileRecord,
        place: &Place,
        candidates: Vec<Candidate>,
    ) -> (Option<Candidate>, Vec<Candidate>) {
        let mut best: Option<Candidate> = None;
        let mut others = Vec::new();
        for mut candidate in candidates {
            // A copy is younger than its original.
            let older = candidate.key.birth_nanos < record.key.birth_nanos && candidate.key.birth_nanos.is_some();
            let fits = !older
                && candidate.path != record.path
                && resembles(&mut candidate.content, &candidate.head, record, place).unwrap_or(false);
            // A plain copy is whole; a compressed one may still be in the making. The longest has most to give.
            let rank = |candidate: &Candidate| (candidate.content.gzip().is_none(), candidate.bytes);
            if fits && best.as_ref().is_none_or(|best| rank(&candidate) > rank(best)) {
                others.extend(best.replace(candidate));
            } else {
                others.push(candidate);
            }
        }
        (best, others)
    }

    /// The newcomer `id` goes on where the file `original`, which is gone, was read.
    pub(super) fn take_over(&mut self, original: FileId, id: FileId) -> io::Result<()> {
        let Some(record) = self.delivery.state().files.get(&original).cloned() else { return Ok(()) };
        let Some(tail) = self.files.tails.get(&id) else { return Ok(()) };
        let content = tail.content.renewed()?;
        let bytes = tail.content.file().metadata()?.len();
        let (key, path, name, goal) = (tail.key, tail.path.clone(), tail.name, tail.goal);
        let place = self.place_of(&record);
        let candidate = Candidate { content, head: Vec::new(), key, path, bytes, newcomer: Some(id) };
        self.adopt(record, place, candidate, Manner { name, goal, scheduled: false })
    }

    /// Reads the content of `record` on in its copy.
    pub(super) fn adopt(
        &mut self,
        record: FileRecord,
        place: Place,
        copy: Candidate,
        manner: Manner,
    ) -> io::Result<()> {
        if let Some(newcomer) = copy.newcomer {
            // First: after a crash in between, the copy is a newcomer again, and not two files.
            self.delivery.record(Entry::Forget { file: newcomer })?;
            self.files.remove(newcomer);
            self.queue.rest(newcomer);
        }
        let record = FileRecord {
            key: copy.key,
            path_now: copy.path.clone(),
            gone: false,
            form: Form::Open,
            seen_secs: self.now_secs(),
            ..record
        };
        self.delivery.record(Entry::File(record.clone()))?;
        tracing::info!(path = ?record.path, copy = ?copy.path, position = place.position, "is read on in its copy");
        let mut content = copy.content;
        let compressed = content.gzip().is_some();
        let marker = if compressed { Vec::new() } else { content.before(place.position)? };
        let size = if compressed { place.position } else { copy.bytes };
        let mut tail = Tail::new(record.id, content, copy.key, copy.path, place, marker, size);
        tail.unverified = compressed.then_some(place.marker);
        (tail.name, tail.goal, tail.scheduled) = (manner.name, manner.goal, manner.scheduled);
        tail.earlier = true;
        self.enter(tail, &record);
        Ok(())
    }

    /// Files whose content is gone are looked for in their directories: they were renamed and compressed, or copied and
    /// truncated, while nobody was looking.
    pub(super) fn hunt(&mut self, initial: bool) {
        let replaced = std::mem::take(&mut self.replaced);
        let mut folders = Folders::default();
        let orphans: Vec<FileRecord> = self
            .delivery
            .state()
            .files
            .values()
            .filter(|record| record.form != Form::Finished && !self.files.has(record.id))
            .filter(|record| !self.hunted.contains(&record.id) && self.is_asked_for(record))
            // What cannot be looked at now is not gone.
            .filter(|record| record.gone || matches!(folders.find(&self.files.places, record), Ok(None)))
            .cloned()
            .collect();
        let mut by_directory: BTreeMap<PathBuf, Vec<&FileRecord>> = BTreeMap::new();
        for record in &orphans {
            for directory in self.files.places.directories(record) {
                by_directory.entry(directory).or_default().push(record);
            }
        }
        for (directory, here) in by_directory {
            let mut candidates = self.candidates(&directory, false);
            for record in here {
                if self.files.has(record.id) {
                    // It was found in another directory.
                    continue;
                }
                let place = self.place_of(record);
                let (copy, others) = Self::copy_of(record, &place, candidates);
                candidates = others;
                self.hunted.insert(record.id);
                let Some(copy) = copy else { continue };
                let manner = Manner { name: self.name_of(&copy), goal: Goal::Read(copy.end()), scheduled: false };
                if let Err(error) = self.adopt(record.clone(), place, copy, manner) {
                    tracing::warn!(path = ?record.path, "its copy cannot be read: {error}");
                }
            }
        }
        // A file that an agent watches was read to its end before it rested: then nothing is missing.
        for id in replaced.into_iter().filter(|_| initial) {
            if self.files.has(id) {
                continue;
            }
            let Some(record) = self.delivery.state().files.get(&id).cloned() else { continue };
            // Rotation writes over the older files; what has its first name still was being written to.
            if record.path_now != record.path {
                continue;
            }
            let end = self.place_of(&record).position;
            let reason = "the file was truncated or replaced while no agent ran, and there is no copy of it in its \
                          directory or in rotated_dirs; whether anything stood there is not known";
            self.lose(id, end, end, reason.to_owned());
        }
    }
}
