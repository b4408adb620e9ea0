//! Kafka's sparse indexes of a segment: entries of fixed size, sorted, the newest of them still in memory.
//!
//! ```text
//! .index      8 bytes: relative offset u32 (last of a batch), position u32 (where that batch begins)
//! .timeindex 12 bytes: timestamp i64 (largest so far), relative offset u32 (last of the batch that has it)
//! ```
//! Relative offsets count from the segment's base offset. The files are opened when they are needed and not kept open:
//! a lookup is rare beside the bytes that it leads to, and ten thousand partitions would hold too many descriptors.

use super::disk::{Disk, read_exact_at, read_file};
use std::io;
use std::path::{Path, PathBuf};

/// An entry of one of the two indexes.
pub(super) trait Entry: Copy + PartialEq {
    const BYTES: usize;
    fn encode(self, out: &mut Vec<u8>);
    /// `bytes` are exactly one entry.
    fn decode(bytes: &[u8]) -> Self;
    /// May `self` stand behind `previous`?
    fn follows(self, previous: Self) -> bool;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetEntry {
    pub relative_offset: u32,
    pub position: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TimeEntry {
    pub timestamp: i64,
    pub relative_offset: u32,
}

const ENTRY_LENGTH: &str = "callers cut entries of exactly this length";

impl Entry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            relative_offset: u32::from_be_bytes(bytes[..4].try_into().expect(ENTRY_LENGTH)),
            position: u32::from_be_bytes(bytes[4..8].try_into().expect(ENTRY_LENGTH)),
        }
    }

    fn follows(self, previous: Self) -> bool {
        self.relative_offset > previous.relative_offset && self.position > previous.position
    }
}

impl Entry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> Self {
        Self {
            timestamp: i64::from_be_bytes(bytes[..8].try_into().expect(ENTRY_LENGTH)),
            relative_offset: u32::from_be_bytes(bytes[8..12].try_into().expect(ENTRY_LENGTH)),
        }
    }

    fn follows(self, previous: Self) -> bool {
        self.timestamp > previous.timestamp && self.relative_offset >= previous.relative_offset
    }
}

/// One index of one segment. Entries in the file never change, so a search there needs no lock.
#[derive(Debug)]
pub(super) struct SparseIndex<E> {
    path: PathBuf,
    /// Entries in the file.
    written: u64,
    /// Entries that are not in the file yet; [`SparseIndex::write`] moves them there.
    pending: Vec<E>,
    last: Option<E>,
}

/// Where a search has to go on when the entries in memory do not answer it.
pub(super) enum Search<E> {
    Found(E),
    InFile { path: PathBuf, entries: u64 },
}

impl<E: Entry> SparseIndex<E> {
    /// An index without entries, whose file need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, written: 0, pending: Vec::new(), last: None }
    }

    /// Takes the file's word for it, but for its length and its last entry. `None`: missing, torn, or padded with zeros
    /// as Kafka leaves it behind when it is killed; the index has to be rebuilt.
    pub fn open(disk: &dyn Disk, path: PathBuf) -> io::Result<Option<Self>> {
        let file = match disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let bytes = file.bytes()?;
        if bytes % E::BYTES as u64 != 0 {
            return Ok(None);
        }
        let written = bytes / E::BYTES as u64;
        let last = match written {
            0 => None,
            _ => Some(read_entry::<E>(&*file, written - 1)?),
        };
        if last.is_some_and(|last| is_zero(last)) && written > 1 {
            return Ok(None);
        }
        Ok(Some(Self { path, written, pending: Vec::new(), last }))
    }

    /// Reads every entry and checks their order; `keep` says how many of the first ones stay. `None` as for `open`.
    pub fn open_checked(disk: &dyn Disk, path: PathBuf, keep: impl Fn(E) -> bool) -> io::Result<Option<Self>> {
        let Some(contents) = read_file(disk, &path)? else { return Ok(None) };
        let mut index = Self::new(path);
        for bytes in contents.chunks_exact(E::BYTES) {
            let entry = E::decode(bytes);
            if index.last.is_some_and(|last| !entry.follows(last)) {
                return Ok(None);
            }
            if !keep(entry) {
                break;
            }
            index.last = Some(entry);
            index.written += 1;
        }
        Ok(Some(index))
    }

    /// Adds an entry unless it does not follow the last one.
    pub fn push(&mut self, entry: E) {
        if self.last.is_none_or(|last| entry.follows(last)) {
            self.pending.push(entry);
            self.last = Some(entry);
        }
    }

    /// Are there entries that are not in the file?
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    pub fn last(&self) -> Option<E> {
        self.last
    }

    pub fn bytes(&self) -> u64 {
        (self.written + self.pending.len() as u64) * E::BYTES as u64
    }

    /// The last entry that satisfies `matches`, which holds for the entries up to some point and for none behind it.
    pub fn search(&self, matches: impl Fn(E) -> bool) -> Search<E> {
        match self.pending.partition_point(|&entry| matches(entry)) {
            0 => Search::InFile { path: self.path.clone(), entries: self.written },
            count => Search::Found(self.pending[count - 1]),
        }
    }

    /// Moves the entries into the file, whose tail (padding, or entries of a cut log) goes; with `sync` they are
    /// durable on return.
    pub fn write(&mut self, disk: &dyn Disk, sync: bool) -> io::Result<()> {
        let file = match disk.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => disk.create(&self.path)?,
            opened => opened?,
        };
        let end = self.written * E::BYTES as u64;
        let mut bytes = Vec::with_capacity(self.pending.len() * E::BYTES);
        self.pending.iter().for_each(|entry| entry.encode(&mut bytes));
        file.write_at([&bytes, &[]], end)?;
        let end = end + bytes.len() as u64;
        if file.bytes()? != end {
            file.truncate(end)?;
        }
        if sync {
            file.sync()?;
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

impl<E: Entry> Search<E> {
    /// Ends the search in the file where necessary.
    pub fn finish(self, disk: &dyn Disk, matches: impl Fn(E) -> bool) -> io::Result<Option<E>> {
        match self {
            Self::Found(entry) => Ok(Some(entry)),
            Self::InFile { entries: 0, .. } => Ok(None),
            Self::InFile { path, entries } => search_file(disk, &path, entries, matches),
        }
    }
}

fn search_file<E: Entry>(
    disk: &dyn Disk,
    path: &Path,
    entries: u64,
    matches: impl Fn(E) -> bool,
) -> io::Result<Option<E>> {
    let file = match disk.open(path) {
        Ok(file) => file,
        // Retention removed the segment under a reader, whose open log file is still good: an index is only a hint.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // The first entry that does not match lies in `low..=high`.
    let (mut low, mut high, mut found) = (0, entries, None);
    while high - low > window_entries::<E>() {
        let middle = low + (high - low) / 2;
        let entry = read_entry::<E>(&*file, middle)?;
        if matches(entry) {
            found = Some(entry);
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let mut window = vec![0; (high - low) as usize * E::BYTES];
    read_exact_at(&*file, &mut window, low * E::BYTES as u64)?;
    Ok(window.chunks_exact(E::BYTES).map(E::decode).take_while(|&entry| matches(entry)).last().or(found))
}

/// Entries that are read together: one page costs no more than one entry of it.
const fn window_entries<E: Entry>() -> u64 {
    4096 / E::BYTES as u64
}

fn read_entry<E: Entry>(file: &dyn super::disk::DiskFile, number: u64) -> io::Result<E> {
    let mut bytes = [0; 16];
    let bytes = &mut bytes[..E::BYTES];
    read_exact_at(file, bytes, number * E::BYTES as u64)?;
    Ok(E::decode(bytes))
}

fn is_zero<E: Entry>(entry: E) -> bool {
    let mut bytes = Vec::with_capacity(E::BYTES);
    entry.encode(&mut bytes);
    bytes.iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::disk::SystemDisk;

    /// Searches for each offset, and around it, in an index of so many entries: every tenth offset has one.
    fn check(entries: u32) {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = SystemDisk::default();
        let mut index = SparseIndex::new(folder.path().join("index"));
        (1..=entries).for_each(|n| index.push(OffsetEntry { relative_offset: n * 10, position: n * 100 }));
        index.write(&disk, false).expect("written");
        for wanted in 0..=entries * 10 + 11 {
            let matches = |entry: OffsetEntry| entry.relative_offset <= wanted;
            let found = index.search(matches).finish(&disk, matches).expect("readable");
            let want = (wanted / 10).min(entries);
            assert_eq!(found.map_or(0, |entry| entry.relative_offset), want * 10, "{wanted} of {entries}");
        }
    }

    #[test]
    fn a_search_finds_the_last_entry_that_matches() {
        [0, 1, 2, 3, 511, 512, 513].into_iter().for_each(check);
    }

    #[test]
    fn a_search_in_a_long_index_ends_in_a_window() {
        check(window_entries::<OffsetEntry>() as u32 * 5 + 7);
    }
}
