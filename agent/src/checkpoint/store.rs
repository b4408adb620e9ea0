//! The checkpoint directory: lock, snapshots and journals by generation, and the way back after any crash.
//!
//! ```text
//! lock            held (flock) as long as the agent runs
//! checkpoint.N    the state when journal N began: one frame, written aside, flushed and renamed
//! journal.N       what happened since
//! ```
//! The generation before the newest is kept: `checkpoint.N`, `journal.N` and `journal.N+1` in order lead to the same
//! state as `checkpoint.N+1` and `journal.N+1`, and generation 1 begins with the empty state. Each file alone may
//! therefore be cut or garbled at any place without more damage than the loss of what it said last.

use super::State;
use crate::host::HostIdentity;
use crate::journal::{Entry, Journal, put_frame, replay, take_frame};
use rustix::fs::FlockOperation;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A journal of this size is replaced by a checkpoint: some ten thousand batches, read back in a fraction of a second.
const JOURNAL_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Why the checkpoint directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("checkpoints {0:?} are in use by another agent")]
    Locked(PathBuf),
    #[error("checkpoints {0:?} are all damaged; move them away to read all files from their beginning")]
    Corrupt(PathBuf),
    #[error("{operation} {path:?}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// The state of an agent, and its form on disk.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Held open for its lock.
    _lock: File,
    generation: u64,
    journal: Journal,
    state: State,
    /// There are entries that a killed machine would forget.
    unflushed: bool,
    /// Among them the identity of a file: no line of it may be sent before a flush.
    identity_unflushed: bool,
}

impl Store {
    /// Takes the lock, reads the newest sound state and begins a new generation.
    /// `host`: the machine, when the folder has not said so; looked up when absent.
    pub fn open(
        folder: &Path,
        host: Option<HostIdentity>,
        new_uuid: impl FnOnce() -> String,
    ) -> Result<Self, OpenError> {
        let failed = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Io { operation, path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed("create", folder))?;
        let lock_path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => OpenError::Locked(folder.to_owned()),
            other => OpenError::Io { operation: "lock", path: lock_path.clone(), source: other.into() },
        })?;

        let checkpoints = generations(folder, "checkpoint.").map_err(failed("list", folder))?;
        let journals = generations(folder, "journal.").map_err(failed("list", folder))?;
        let newest = checkpoints.iter().chain(&journals).copied().max().unwrap_or(0);
        let found = read_newest(folder, &checkpoints, &journals).map_err(failed("read", folder))?;
        let state = match found {
            Some(state) => state,
            None if newest == 0 => State::default(),
            None => return Err(OpenError::Corrupt(folder.to_owned())),
        };

        let journal_path = file(folder, "journal.", newest + 1);
        let journal = Journal::create(&journal_path).map_err(failed("create", &journal_path))?;
        let mut store = Self {
            folder: folder.to_owned(),
            _lock: lock,
            generation: newest + 1,
            journal,
            state,
            unflushed: false,
            identity_unflushed: false,
        };
        let host = host.unwrap_or_else(|| HostIdentity::look(folder));
        for entry in store.say_who(host, new_uuid) {
            store.append(entry).map_err(failed("write", &journal_path))?;
        }
        store.flush().and_then(|()| store.write_checkpoint()).map_err(failed("write checkpoint in", folder))?;
        Ok(store)
    }

    /// What has to be written down about agent and machine.
    fn say_who(&self, host: HostIdentity, new_uuid: impl FnOnce() -> String) -> Vec<Entry> {
        if self.state.agent.is_empty() {
            return vec![Entry::Agent { uuid: new_uuid() }, Entry::Host(host)];
        }
        let known = self.state.host.clone().unwrap_or_default();
        if let Some(why) = known.differs(&host) {
            tracing::warn!(
                folder = ?self.folder,
                batches = self.state.unresolved.len(),
                "these checkpoints come from another machine: {why}. This is a new agent from here on; it reads again \
                 what had no acknowledgement when they were copied"
            );
            return vec![Entry::Copied { uuid: new_uuid(), host }];
        }
        let better = known.with(&host);
        if self.state.host.as_ref() == Some(&better) { Vec::new() } else { vec![Entry::Host(better)] }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// Writes `entry` to the journal, then changes the state. After an error neither has changed.
    pub fn append(&mut self, entry: Entry) -> io::Result<()> {
        if matches!(entry, Entry::Sent(_)) && self.identity_unflushed {
            self.flush()?;
        }
        self.journal.append(&entry)?;
        self.unflushed = true;
        self.identity_unflushed |= self.is_identity(&entry);
        self.state.apply(entry);
        Ok(())
    }

    /// Whether records will carry what this entry says, for good.
    fn is_identity(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Agent { .. } | Entry::Copied { .. } => true,
            Entry::File(new) => self
                .state
                .files
                .get(&new.id)
                .is_none_or(|old| (&old.dataset, old.partition) != (&new.dataset, new.partition)),
            _ => false,
        }
    }

    /// Flushes all entries.
    pub fn flush(&mut self) -> io::Result<()> {
        self.journal.flush()?;
        self.unflushed = false;
        self.identity_unflushed = false;
        Ok(())
    }

    /// What is to be flushed elsewhere, if anything: a flush of this handle covers all entries so far.
    pub fn unflushed(&mut self) -> Option<File> {
        if !std::mem::take(&mut self.unflushed) {
            return None;
        }
        self.journal.handle().ok()
    }

    /// Begins a new generation when the journal has become long.
    pub fn compact_when_long(&mut self) -> io::Result<()> {
        if self.journal.bytes() >= JOURNAL_BYTES_MAX { self.compact() } else { Ok(()) }
    }

    /// Writes the state as checkpoint of a new generation.
    pub fn compact(&mut self) -> io::Result<()> {
        self.flush()?;
        self.drop_gone_files()?;
        let generation = self.generation + 1;
        self.journal = Journal::create(&file(&self.folder, "journal.", generation))?;
        self.generation = generation;
        self.write_checkpoint()
    }

    /// A file whose content is gone is needed only while batches of it are in flight.
    fn drop_gone_files(&mut self) -> io::Result<()> {
        let gone: Vec<_> = self
            .state
            .files
            .values()
            .filter(|record| record.gone && !self.state.in_flight(record.id))
            .map(|record| record.id)
            .collect();
        gone.into_iter().try_for_each(|file| self.append(Entry::Forget { file }))
    }

    /// Writes the checkpoint of the current generation, whose journal is still empty or begins with what the state
    /// has anyway, and removes what is older than the generation before.
    fn write_checkpoint(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, &self.state);
        let aside = self.folder.join("checkpoint.new");
        let mut out = File::create(&aside)?;
        out.write_all(&bytes)?;
        out.sync_all()?;
        fs::rename(&aside, file(&self.folder, "checkpoint.", self.generation))?;
        File::open(&self.folder)?.sync_all()?;
        // One more checkpoint is kept than is needed, with the journals that lead on from it.
        let kept_from = generations(&self.folder, "checkpoint.")?.iter().rev().nth(1).copied().unwrap_or(0);
        for prefix in ["checkpoint.", "journal."] {
            for old in generations(&self.folder, prefix)?.into_iter().filter(|&old| old < kept_from) {
                fs::remove_file(file(&self.folder, prefix, old))?;
            }
        }
        Ok(())
    }
}

pub(super) fn file(folder: &Path, prefix: &str, generation: u64) -> PathBuf {
    folder.join(format!("{prefix}{generation}"))
}

/// The generations of which there is a file, ascending.
pub(super) fn generations(folder: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|n| n.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// The state of the newest sound checkpoint, moved on by the journals since. A journal that is torn is the last one
/// that counts.
fn read_newest(folder: &Path, checkpoints: &[u64], journals: &[u64]) -> io::Result<Option<State>> {
    let mut start = None;
    for &generation in checkpoints.iter().rev() {
        let bytes = fs::read(file(folder, "checkpoint.", generation))?;
        let mut rest = bytes.as_slice();
        match take_frame::<State>(&mut rest) {
            Some(state) if rest.is_empty() => {
                start = Some((generation, state));
                break;
            }
            _ => tracing::warn!(folder = ?folder, generation, "checkpoint is damaged; the one before it is used"),
        }
    }
    // The first generation began with nothing, and its journal says all.
    let start = start.or_else(|| journals.contains(&1).then(|| (1, State::default())));
    let Some((first, mut state)) = start else { return Ok(None) };
    for &generation in journals.iter().filter(|&&generation| generation >= first) {
        let path = file(folder, "journal.", generation);
        let bytes = fs::read(&path)?;
        let replayed = replay(&bytes);
        replayed.entries.into_iter().for_each(|entry| state.apply(entry));
        if replayed.torn_bytes > 0 {
            tracing::warn!(path = ?path, bytes = replayed.torn_bytes, "journal ends torn; its tail is cut off");
            // What comes next builds on this state, so the journal has to end here for every later reading too.
            OpenOptions::new().write(true).open(&path)?.set_len((bytes.len() - replayed.torn_bytes) as u64)?;
            break;
        }
    }
    Ok((!state.agent.is_empty()).then_some(state))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
