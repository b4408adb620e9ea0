//! A look from outside at what an agent has written down, also while it goes on writing.

use super::State;
use super::folder::{CHECKPOINT, JOURNAL, file, generations};
use crate::fingerprint::FileId;
use crate::journal::{Entry, Sent, replay, take_frame};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A batch as the journal describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub partition: i32,
    pub producer_id: i64,
    /// Of its first record.
    pub sequence: i32,
}

impl Written {
    fn of(sent: &Sent) -> Self {
        Self { partition: sent.partition, producer_id: sent.producer_id, sequence: sent.sequence }
    }
}

/// What checkpoint and journal say. Takes no lock and changes nothing.
#[derive(Debug)]
pub struct Positions {
    folder: PathBuf,
    /// Of the journal that is read, and how far.
    generation: u64,
    at: usize,
    state: State,
}

impl Positions {
    /// Reads the newest sound checkpoint and the journals since. A folder that is not there yet says nothing.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut positions = Self { folder: folder.to_owned(), generation: 0, at: 0, state: State::default() };
        positions.refresh()?;
        Ok(positions)
    }

    /// As of the last time that it was read.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Reads on; returns the batches whose acknowledgement was written down since the last time.
    pub fn refresh(&mut self) -> io::Result<Vec<Written>> {
        let mut acknowledged = Vec::new();
        if self.generation == 0 && !self.begin()? {
            return Ok(acknowledged);
        }
        loop {
            let bytes = match fs::read(file(&self.folder, JOURNAL, self.generation)) {
                Ok(bytes) => bytes,
                // Replaced by a newer checkpoint. What the journals between said is not known one by one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let before = self.generation;
                    if !self.begin()? || self.generation <= before {
                        return Ok(acknowledged);
                    }
                    continue;
                }
                Err(error) => return Err(error),
            };
            let rest = bytes.get(self.at..).unwrap_or_default();
            let replayed = replay(rest);
            self.at += rest.len() - replayed.torn_bytes;
            for entry in replayed.entries {
                if let Entry::Acknowledged { number } = entry {
                    acknowledged.extend(self.state.unresolved.get(&number).map(Written::of));
                }
                self.state.apply(entry);
            }
            if !file(&self.folder, JOURNAL, self.generation + 1).exists() {
                return Ok(acknowledged);
            }
            self.generation += 1;
            self.at = 0;
        }
    }

    fn begin(&mut self) -> io::Result<bool> {
        let checkpoints = match generations(&self.folder, CHECKPOINT) {
            Ok(checkpoints) => checkpoints,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        for generation in checkpoints.into_iter().rev() {
            let bytes = fs::read(file(&self.folder, CHECKPOINT, generation))?;
            if let Some(state) = take_frame(&mut bytes.as_slice()) {
                (self.generation, self.at, self.state) = (generation, 0, state);
                return Ok(true);
            }
        }
        self.generation = 1;
        Ok(file(&self.folder, JOURNAL, 1).exists())
    }

    /// Everything before the position of a file is acknowledged.
    pub fn acknowledged(&self) -> impl Iterator<Item = (FileId, u64)> {
        self.state.files.values().map(|record| (record.id, record.position))
    }

    /// Batches without acknowledgement.
    pub fn in_flight(&self) -> impl Iterator<Item = Written> {
        self.state.unresolved.values().map(Written::of)
    }
}
