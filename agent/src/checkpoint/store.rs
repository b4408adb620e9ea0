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
use super::disk::Disk;
use super::folder::{CHECKPOINT, JOURNAL, file, generations, read_newest};
use super::work::{self, Checkpoint, Flush};
use crate::fingerprint::FileId;
use crate::host::HostIdentity;
use crate::journal::{Entry, Journal};
use rustix::fs::FlockOperation;
use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A journal of this size is replaced by a checkpoint: some ten thousand batches, read back in a fraction of a second.
const JOURNAL_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// How long a lock that somebody holds is tried for: a child that this process is just starting (a `journalctl`) has a copy
/// of each descriptor until it executes its program, also of the lock of an agent that has ended meanwhile.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// Between two tries.
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

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
    disk: Disk,
    /// The journal of the generation before, as long as it is not known to be flushed.
    previous: Option<File>,
    /// A journal was made since the names in the folder were flushed.
    renamed: bool,
    /// Entries since the start, and how many of them are known to be on disk.
    appended: u64,
    flushed: u64,
    /// Files of which something that records carry for good is not on disk, and the last entry that says so: no line
    /// of them may be sent.
    unsettled: BTreeMap<FileId, u64>,
}

impl Store {
    /// Takes the lock, reads the newest sound state and begins a new generation.
    /// `host`: the machine, when the folder has not said so; looked up when absent.
    pub fn open(
        folder: &Path,
        host: Option<HostIdentity>,
        disk: Disk,
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
        lock_soon(&lock).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => OpenError::Locked(folder.to_owned()),
            other => OpenError::Io { operation: "lock", path: lock_path.clone(), source: other.into() },
        })?;

        let checkpoints = generations(folder, CHECKPOINT).map_err(failed("list", folder))?;
        let journals = generations(folder, JOURNAL).map_err(failed("list", folder))?;
        let newest = checkpoints.iter().chain(&journals).copied().max().unwrap_or(0);
        let found = read_newest(folder, &checkpoints, &journals).map_err(failed("read", folder))?;
        let state = match found {
            Some((state, first)) => {
                // The damaged ones would be taken for what to fall back on when older ones are removed.
                for path in checkpoints.into_iter().filter(|&at| at > first).map(|at| file(folder, CHECKPOINT, at)) {
                    fs::remove_file(&path).map_err(failed("remove", &path))?;
                }
                state
            }
            None if newest == 0 => State::default(),
            None => return Err(OpenError::Corrupt(folder.to_owned())),
        };

        let journal_path = file(folder, JOURNAL, newest + 1);
        let journal = Journal::create(&journal_path, disk.clone()).map_err(failed("create", &journal_path))?;
        let mut store = Self {
            folder: folder.to_owned(),
            _lock: lock,
            generation: newest + 1,
            journal,
            state,
            disk,
            previous: None,
            renamed: true,
            appended: 0,
            flushed: 0,
            unsettled: BTreeMap::new(),
        };
        let host = host.unwrap_or_else(|| HostIdentity::look(folder));
        for entry in store.say_who(host, new_uuid) {
            store.append(entry).map_err(failed("write", &journal_path))?;
        }
        store
            .flush()
            .and_then(|()| work::write(folder, store.generation, &store.state, &store.disk))
            .map_err(failed("write checkpoint in", folder))?;
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
        if let Entry::Sent(sent) = &entry
            && sent.sources.iter().any(|source| !self.is_settled(source.file))
        {
            self.flush()?;
        }
        self.journal.append(&entry)?;
        self.appended += 1;
        if let Some(file) = self.identity_in(&entry) {
            self.unsettled.insert(file, self.appended);
        }
        self.state.apply(entry);
        Ok(())
    }

    /// The file of which this entry says something new that its records will carry for good.
    fn identity_in(&self, entry: &Entry) -> Option<FileId> {
        let Entry::File(new) = entry else { return None };
        let old = self.state.files.get(&new.id);
        let same = old.is_some_and(|old| (&old.dataset, old.partition) == (&new.dataset, new.partition));
        (!same).then_some(new.id)
    }

    /// Whether everything that the records of this file carry for good is on disk. If not, a flush is needed.
    pub fn is_settled(&self, file: FileId) -> bool {
        !self.unsettled.contains_key(&file)
    }

    /// Flushes all entries.
    pub fn flush(&mut self) -> io::Result<()> {
        let flush = self.begin_flush()?;
        flush.run()?;
        self.flushed(&flush);
        Ok(())
    }

    /// Whether there are entries that a killed machine would forget.
    pub fn is_unflushed(&self) -> bool {
        self.flushed < self.appended
    }

    /// A flush of all entries so far, to be done elsewhere and told to [`Store::flushed`].
    pub fn begin_flush(&self) -> io::Result<Flush> {
        let mut journals = vec![self.journal.handle()?];
        journals.extend(self.previous.as_ref().map(File::try_clone).transpose()?);
        let folder = self.renamed.then(|| self.folder.clone());
        Ok(Flush { entries: self.appended, generation: self.generation, journals, folder })
    }

    pub fn flushed(&mut self, flush: &Flush) {
        self.flushed = self.flushed.max(flush.entries);
        self.unsettled.retain(|_, entry| *entry > flush.entries);
        if flush.generation == self.generation {
            self.previous = None;
            self.renamed = false;
        }
    }

    /// Whether the journal has become so long that a checkpoint is due.
    pub fn is_long(&self) -> bool {
        self.journal.bytes() >= JOURNAL_BYTES_MAX
    }

    /// Writes the state as checkpoint of a new generation.
    pub fn compact(&mut self) -> io::Result<()> {
        let checkpoint = self.begin_checkpoint()?;
        checkpoint.run()?;
        self.flushed(&checkpoint.into_flush());
        Ok(())
    }

    /// Begins a new generation. Its checkpoint is to be written elsewhere; until then, and if that fails, the
    /// checkpoint before and both journals say the same.
    pub fn begin_checkpoint(&mut self) -> io::Result<Checkpoint> {
        self.drop_gone_files()?;
        if self.previous.is_some() {
            // Two generations without a checkpoint: the older one is done with here.
            self.flush()?;
        }
        let generation = self.generation + 1;
        let journal = Journal::create(&file(&self.folder, JOURNAL, generation), self.disk.clone())?;
        self.previous = Some(std::mem::replace(&mut self.journal, journal).into_file());
        self.renamed = true;
        self.generation = generation;
        let (folder, disk) = (self.folder.clone(), self.disk.clone());
        Ok(Checkpoint { folder, generation, state: self.state.clone(), disk, flush: self.begin_flush()? })
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
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

/// Locks the file; `WOULDBLOCK`: another process, or another agent of this one, goes on holding it.
fn lock_soon(file: &File) -> rustix::io::Result<()> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(LOCK_INTERVAL),
            done => return done,
        }
    }
}
