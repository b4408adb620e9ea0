//! Producer ids: handed out from blocks of a counter on disk, never twice, not even after a crash.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::limits;

/// The counter's file in the data directory: the first id of the next block, in decimal.
const FILE: &str = "producer-id-block";

#[derive(Debug)]
pub(crate) struct ProducerIds {
    path: PathBuf,
    state: Mutex<Block>,
}

#[derive(Debug)]
struct Block {
    next: i64,
    /// First id that has not been taken from the disk.
    end: i64,
}

impl ProducerIds {
    /// Reads the counter; a missing file is a new data directory. What was left of the last block is lost.
    pub fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(FILE);
        let next = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().ok().filter(|next| *next >= 0).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{} does not hold a number", path.display()))
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Self { path, state: Mutex::new(Block { next, end: next }) })
    }

    /// A producer id that nobody has had. Blocks for a flush once in [`limits::PRODUCER_ID_BLOCK`] calls.
    pub fn take(&self) -> io::Result<i64> {
        let mut block = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if block.next == block.end {
            let end = block.end.checked_add(limits::PRODUCER_ID_BLOCK).ok_or(io::ErrorKind::OutOfMemory)?;
            self.write(end)?;
            block.end = end;
        }
        let id = block.next;
        block.next += 1;
        Ok(id)
    }

    fn write(&self, end: i64) -> io::Result<()> {
        let fresh = self.path.with_extension("tmp");
        let mut file = File::create(&fresh)?;
        file.write_all(format!("{end}\n").as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        match self.path.parent() {
            Some(directory) => File::open(directory)?.sync_all(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_never_given_twice() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let ids = ProducerIds::open(directory.path()).expect("an empty directory");
        let first: Vec<i64> = (0..limits::PRODUCER_ID_BLOCK + 2).map(|_| ids.take().expect("a disk")).collect();
        assert!(first.is_sorted_by(|a, b| a < b));
        drop(ids);
        let ids = ProducerIds::open(directory.path()).expect("the directory from before");
        assert!(ids.take().expect("a disk") > *first.last().expect("some were taken"));
    }

    #[test]
    fn a_damaged_counter_is_refused() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(directory.path().join(FILE), "12x").expect("a disk");
        assert!(ProducerIds::open(directory.path()).is_err());
    }
}
