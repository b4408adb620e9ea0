//! The open files, and their content for batches that are made again.

use super::closed::Closed;
use super::order::origin;
use super::places::Places;
use crate::batch::Dress;
use crate::checkpoint::State;
use crate::content;
use crate::deliver::{Content, Contents};
use crate::fingerprint::{FileId, FileKey};
use crate::journal::{FileRecord, Source};
use crate::tail::Tail;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

/// The open files by identity.
#[derive(Debug, Default)]
pub struct Files {
    pub tails: BTreeMap<FileId, Tail>,
    /// Followed, too, but not open.
    pub closed: BTreeMap<FileId, Closed>,
    /// Where writes are reported: names as found, and what links lead to.
    pub by_path: HashMap<PathBuf, FileId>,
    by_key: HashMap<FileKey, FileId>,
    /// The followed files that were first seen under the same path.
    pub(super) by_origin: HashMap<u64, Vec<FileId>>,
    /// How many files have been begun under a path.
    generations: HashMap<u64, u32>,
    /// Where files are that are not under their names.
    pub places: Places,
}

impl Files {
    /// What is known of files that are not open yet.
    pub fn new(state: &State, host: &str, places: Places) -> Self {
        let mut files = Self { places, ..Self::default() };
        for record in state.files.values() {
            let next = files.generations.entry(origin(host, &record.path)).or_default();
            *next = (*next).max(record.generation + 1);
        }
        files
    }

    /// The generation of a file that is begun now.
    pub fn next_generation(&mut self, origin: u64) -> u32 {
        let next = self.generations.entry(origin).or_default();
        *next += 1;
        *next - 1
    }

    pub fn of_origin(&self, origin: u64) -> Vec<FileId> {
        self.by_origin.get(&origin).cloned().unwrap_or_default()
    }

    pub fn insert(&mut self, tail: Tail) {
        self.by_origin.entry(tail.origin).or_default().push(tail.id);
        self.by_key.insert(tail.key, tail.id);
        self.by_path.insert(tail.path.clone(), tail.id);
        self.tails.insert(tail.id, tail);
    }

    pub fn remove(&mut self, id: FileId) -> Option<Tail> {
        let tail = self.tails.remove(&id)?;
        if self.by_key.get(&tail.key) == Some(&id) {
            self.by_key.remove(&tail.key);
        }
        self.by_path.retain(|_, at| *at != id);
        self.leave_origin(tail.origin, id);
        Some(tail)
    }

    fn leave_origin(&mut self, origin: u64, id: FileId) {
        if let Some(siblings) = self.by_origin.get_mut(&origin) {
            siblings.retain(|sibling| *sibling != id);
            if siblings.is_empty() {
                self.by_origin.remove(&origin);
            }
        }
    }

    /// Whether the file is followed, open or not.
    pub fn has(&self, id: FileId) -> bool {
        self.tails.contains_key(&id) || self.closed.contains_key(&id)
    }

    /// Closes a file that is still followed: its names lead to it as before.
    pub fn close(&mut self, id: FileId, closed: Closed) {
        if self.tails.remove(&id).is_some() {
            self.closed.insert(id, closed);
        }
    }

    /// A closed file is opened, or not followed any more.
    pub fn forget_closed(&mut self, id: FileId) {
        let Some(closed) = self.closed.remove(&id) else { return };
        if self.by_key.get(&closed.key) == Some(&id) {
            self.by_key.remove(&closed.key);
        }
        self.leave_origin(closed.origin, id);
    }

    pub fn by_key(&self, key: &FileKey) -> Option<FileId> {
        self.by_key.get(key).copied()
    }
}

impl Contents for Files {
    fn content(&mut self, record: &FileRecord, source: &Source, host: Option<&str>) -> Content {
        let read = |file: &mut content::Content| {
            let bytes = (source.end - source.start) as usize;
            match file.read_up_to(source.start, bytes) {
                Ok(content) if content.len() == bytes => {
                    let dataset = record.dataset.as_deref().unwrap_or(crate::detect::GENERIC);
                    Content::Here(Dress::new(host, &record.path, dataset, record.id, &record.labels), content)
                }
                Ok(_) => Content::Gone("the file is shorter than what was read".to_owned()),
                Err(error) => Content::NotNow(error.to_string()),
            }
        };
        if let Some(tail) = self.tails.get_mut(&record.id) {
            return read(&mut tail.content);
        }
        match self.places.find(record) {
            Ok(Some(path)) => match content::Content::open(&path) {
                Ok((mut file, _)) => read(&mut file),
                Err(error) => Content::NotNow(error.to_string()),
            },
            Ok(None) => Content::Gone("the file is gone".to_owned()),
            Err(error) => Content::NotNow(error.to_string()),
        }
    }
}
