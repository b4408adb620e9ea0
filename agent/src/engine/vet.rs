//! Newcomers that look like something known: they wait until it is clear whether they are its copy or files of their own.
//!
//! A copy stands beside its original until that is truncated (copytruncate), or deleted (compression). Then it takes over
//! the identity, and is read on from where the original was read. A file whose content differs is read at once, and one
//! that merely repeats another, which stays as it is, after a grace.

use super::Engine;
use super::copies::{is_named_after, resembles};
use super::read::Turn;
use crate::fingerprint::FileId;
use crate::tail::Tail;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// How often a suspect is looked at.
const SUSPECT_POLL: Duration = Duration::from_millis(100);
/// Content that a plain file shares with one that is gone before it is taken for its copy. Less than this, two small
/// files that merely say the same would be taken for one; a name that goes on from the other's makes up for it.
const EVIDENCE_BYTES: u64 = 1024;

/// What is known of a newcomer that was not compared yet, or resembles another file.
#[derive(Debug, Clone, Copy)]
pub struct Vetting {
    /// It was there when the agent started: only what earlier runs knew can be its original.
    pub initial: bool,
    /// When it had grown last, and to how many bytes.
    pub since: Instant,
    pub bytes: u64,
}

impl Vetting {
    pub fn new(initial: bool) -> Self {
        Self { initial, since: Instant::now(), bytes: 0 }
    }
}

impl Tail {
    /// A known file of which nothing was read may have been a suspect when the agent ended.
    pub(super) fn vet_if_unread(&mut self, initial: bool) {
        self.vetting = (self.position == 0).then(|| Vetting::new(initial));
    }
}

/// What a comparison with one known file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Differs,
    /// So far it is the same; `for_good`: the original has no name any more, and this is what remains of it.
    Repeats {
        for_good: bool,
    },
    /// It has the content of a file that is gone.
    Replaces,
    /// Not far enough decompressed to say.
    Unknown,
    /// The original was just found truncated: look again.
    Again,
}

impl Engine {
    /// Compares a newcomer with what is known; `None`: it may be read.
    pub(super) fn vet(&mut self, id: FileId, now: Instant) -> io::Result<Option<Turn>> {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Some(Turn::End)) };
        let Some(mut vetting) = tail.vetting else { return Ok(None) };
        let head = tail.content.head()?;
        if head.is_empty() {
            // There is nothing to read or to compare yet.
            return Ok(None);
        }
        let bytes = tail.content.file().metadata()?.len();
        if bytes != vetting.bytes {
            (vetting.bytes, vetting.since) = (bytes, now);
            tail.vetting = Some(vetting);
        }
        let (mut repeats, mut for_good) = (false, false);
        for original in self.originals(id, &head, vetting) {
            match self.compare(id, &head, bytes, original)? {
                Comparison::Differs => {}
                Comparison::Repeats { for_good: stays } => (repeats, for_good) = (true, for_good || stays),
                Comparison::Unknown | Comparison::Again => return Ok(Some(Turn::More)),
                Comparison::Replaces => {
                    self.take_over(original, id)?;
                    return Ok(Some(Turn::End));
                }
            }
        }
        if repeats && (for_good || now < vetting.since + self.config.copy_grace) {
            return Ok(Some(Turn::At(now + SUSPECT_POLL)));
        }
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.vetting = None;
        }
        Ok(None)
    }

    /// Files that begin as this one does, as far as that can be told without reading them.
    /// Files that had one path at first, one after the other, are generations of a log, not copies.
    fn originals(&self, id: FileId, head: &[u8], vetting: Vetting) -> Vec<FileId> {
        let Some(tail) = self.files.tails.get(&id) else { return Vec::new() };
        let records = &self.delivery.state().files;
        let is_possible = |original: &&Tail| {
            let is_older =
                (original.vetting.is_none() || is_first(original, tail)) && (original.earlier || !vetting.initial);
            // An archive beside its original is an archive of it, whenever both were found.
            let is_older = is_older || tail.content.gzip().is_some();
            is_older && original.content.gzip().is_none() && original.begins_alike(head)
        };
        let open = self.files.tails.values().filter(is_possible).map(|original| original.id);
        let others = records.begun_as(head).into_iter().filter(|original| !self.files.tails.contains_key(original));
        let first_path = records.get(&id).map_or(&tail.path, |record| &record.path);
        let is_another = |original: &FileId| {
            let record = records.get(original);
            *original != id && record.is_some_and(|record| record.head.bytes > 0 && record.path != *first_path)
        };
        let mut originals: Vec<FileId> = open.chain(others).filter(is_another).collect();
        originals.sort_unstable();
        originals
    }

    fn compare(&mut self, id: FileId, head: &[u8], bytes: u64, original: FileId) -> io::Result<Comparison> {
        if !self.files.tails.contains_key(&original) {
            return self.compare_with_gone(id, head, original);
        }
        if !self.is_itself(original)? {
            self.truncated(original);
            return Ok(Comparison::Again);
        }
        let Some(first) = self.files.tails.get_mut(&original) else { return Ok(Comparison::Again) };
        let metadata = first.content.file().metadata()?;
        let (position, first_head) = (first.position, first.content.read_up_to(0, head.len())?);
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Comparison::Again) };
        let mut end = bytes;
        if tail.content.gzip().is_some() {
            if !tail.content.reach(position)? {
                return Ok(Comparison::Unknown);
            }
            end = tail.content.gzip().map_or(0, |gzip| gzip.known_bytes()).min(position.max(head.len() as u64));
        }
        if end > metadata.len() || first_head != head {
            return Ok(Comparison::Differs);
        }
        let marker = tail.content.before(end)?;
        let Some(first) = self.files.tails.get_mut(&original) else { return Ok(Comparison::Again) };
        Ok(match first.content.before(end)? == marker {
            true => Comparison::Repeats { for_good: metadata.nlink() == 0 },
            false => Comparison::Differs,
        })
    }

    /// Compares with a file that is not open: deleted, truncated, or not there for now.
    fn compare_with_gone(&mut self, id: FileId, head: &[u8], original: FileId) -> io::Result<Comparison> {
        let Some(record) = self.delivery.state().files.get(&original).cloned() else {
            return Ok(Comparison::Differs);
        };
        let place = self.place_of(&record);
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Comparison::Differs) };
        let evidence = place.position.max(u64::from(record.head.bytes));
        if evidence < EVIDENCE_BYTES && !is_named_after(&tail.path, &record.path) {
            return Ok(Comparison::Differs);
        }
        if tail.content.gzip().is_some() && !tail.content.reach(place.position)? {
            return Ok(Comparison::Unknown);
        }
        if !resembles(&mut tail.content, head, &record, &place)? {
            return Ok(Comparison::Differs);
        }
        // What cannot be looked at now is not gone.
        Ok(match record.gone || matches!(self.files.places.find(&record), Ok(None)) {
            true => Comparison::Replaces,
            false => Comparison::Repeats { for_good: false },
        })
    }

    /// Whether a file still begins as it did.
    pub(super) fn has_its_head(&mut self, id: FileId) -> io::Result<bool> {
        let (Some(tail), Some(record)) = (self.files.tails.get_mut(&id), self.delivery.state().files.get(&id)) else {
            return Ok(false);
        };
        Ok(record.head.begins(&tail.content.head()?))
    }
}

/// Of two files that were not compared yet, whether one has the name from which the other's was made. It may wait for its
/// turn while the broker takes nothing, and be copied and truncated before.
fn is_first(one: &Tail, other: &Tail) -> bool {
    is_named_after(&other.path, &one.path) && one.path.as_os_str().len() < other.path.as_os_str().len()
}
