//! Flushes and checkpoints, which take milliseconds, as work that another thread can do.

use super::State;
use super::disk::Disk;
use super::folder::{CHECKPOINT, file, flush_names, prune};
use crate::journal::put_frame;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// A flush of all entries up to one.
#[derive(Debug)]
pub struct Flush {
    /// How many entries, since the start, are on disk after it.
    pub entries: u64,
    pub(super) generation: u64,
    pub(super) journals: Vec<File>,
    /// Journals are in it under new names.
    pub(super) folder: Option<PathBuf>,
}

impl Flush {
    pub fn run(&self) -> io::Result<()> {
        self.journals.iter().try_for_each(File::sync_data)?;
        self.folder.as_deref().map_or(Ok(()), flush_names)
    }
}

/// The checkpoint that a generation begins with.
#[derive(Debug)]
pub struct Checkpoint {
    pub(super) folder: PathBuf,
    pub(super) generation: u64,
    pub(super) state: State,
    pub(super) disk: Disk,
    /// What the state came from has to be on disk before it.
    pub(super) flush: Flush,
}

impl Checkpoint {
    /// Writes it, and removes what is older than the generation before.
    pub fn run(&self) -> io::Result<()> {
        self.flush.run()?;
        write(&self.folder, self.generation, &self.state, &self.disk)
    }

    pub fn into_flush(self) -> Flush {
        self.flush
    }
}

/// Writes the checkpoint of a generation, whose journal is still empty or begins with what the state has anyway.
pub(super) fn write(folder: &Path, generation: u64, state: &State, disk: &Disk) -> io::Result<()> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, state);
    let aside = folder.join("checkpoint.new");
    let out = File::create(&aside)?;
    disk.write_all(&out, &bytes)?;
    out.sync_all()?;
    fs::rename(&aside, file(folder, CHECKPOINT, generation))?;
    flush_names(folder)?;
    prune(folder)
}
