//! The one writer of a stream: appends entries to its newest segment.

use super::disk;
use super::spool::{RETRY, Segment, Spool};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Why entries were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("the spool is full")]
    Full,
    #[error("the agent ends")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Nothing is taken any more.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

/// Appends to one stream. Lock order: `open`, then the spool's state.
#[derive(Debug)]
pub struct Writer {
    spool: Arc<Spool>,
    name: Arc<str>,
    run: u64,
    /// Held while a write is under way.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    segment: Option<(File, Arc<Path>)>,
    /// Whole entries in it.
    written: u64,
    number: u64,
    mark: Option<String>,
}

impl Writer {
    /// Begins a run of the stream `name`. There is one writer for each.
    pub fn new(spool: Arc<Spool>, name: &str) -> io::Result<Self> {
        let name: Arc<str> = name.into();
        let before = disk::read_mark(&spool.folder, &name)?;
        let mut state = spool.state();
        let stream = state.streams.entry(Arc::clone(&name)).or_default();
        stream.writing = true;
        stream.run += 1;
        stream.mark = stream.mark.take().or(before);
        let (run, mark) = (stream.run, stream.mark.clone());
        drop(state);
        Ok(Self { spool, name, run, open: Mutex::new(Open { mark, ..Open::default() }) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// How far the source was read.
    pub fn mark(&self) -> Option<String> {
        self.open().mark.clone()
    }

    /// Keeps for good how far the source is read, without an entry.
    pub fn set_mark(&self, mark: &str) -> io::Result<()> {
        let mut open = self.open();
        disk::write_mark(&self.spool.folder, &self.name, mark)?;
        open.mark = Some(mark.to_owned());
        Ok(())
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends whole entries, all or none. `mark`: how far the source is read with them.
    pub fn try_append(&self, entries: &[u8], mark: Option<&str>) -> Result<(), Refused> {
        let outcome = self.append_now(entries, mark);
        let problem = match &outcome {
            Ok(()) | Err(Refused::Closed) => None,
            Err(Refused::Full) => {
                Some("the spool is full: it waits for the broker, or agent.spool_bytes_max is too small".to_owned())
            }
            Err(Refused::Io(error)) => Some(format!("cannot write the spool: {error}")),
        };
        self.set_problem(problem);
        outcome
    }

    fn append_now(&self, entries: &[u8], mark: Option<&str>) -> Result<(), Refused> {
        let mut open = self.open();
        let bytes = entries.len() as u64;
        let (closed, fits) = {
            let state = self.spool.state();
            (state.closed, self.spool.fits(&state, &self.name, bytes))
        };
        if closed {
            return Err(Refused::Closed);
        }
        if !fits {
            // A segment that is written to is never deleted: this one may be all that takes the room.
            self.seal(&mut open)?;
            return Err(Refused::Full);
        }
        if open.segment.is_none() {
            self.begin(&mut open)?;
        }
        let written = open.written;
        let Some((file, path)) = &mut open.segment else { return Err(Refused::Closed) };
        let path = Arc::clone(path);
        if let Err(error) = file.write_all(entries) {
            // What follows a torn entry could not be read.
            if file.set_len(written).is_err() {
                self.seal(&mut open)?;
            }
            return Err(error.into());
        }
        open.written += bytes;
        if let Some(mark) = mark {
            open.mark = Some(mark.to_owned());
        }
        self.note(&path, |segment| segment.written = written + bytes);
        if open.written >= self.spool.segment_bytes {
            // Else it grows a little more, and the next append tries again.
            let _ = self.seal(&mut open);
        }
        self.spool.tell();
        Ok(())
    }

    fn begin(&self, open: &mut Open) -> io::Result<()> {
        let path: Arc<Path> = disk::segment_path(&self.spool.folder, &self.name, self.run, open.number + 1).into();
        let file = disk::create(&path)?;
        open.number += 1;
        open.written = 0;
        open.segment = Some((file, Arc::clone(&path)));
        if let Some(stream) = self.spool.state().streams.get_mut(&self.name) {
            let stream_name = Arc::clone(&self.name);
            let segment = Segment { stream: stream_name, path, written: 0, sealed: false, leftover: false };
            stream.segments.push_back(segment);
        }
        Ok(())
    }

    /// Closes the segment that is written to. From then on it may be deleted, so its mark is kept elsewhere first.
    fn seal(&self, open: &mut Open) -> io::Result<()> {
        let Some((_, path)) = &open.segment else { return Ok(()) };
        if let Some(mark) = &open.mark {
            disk::write_mark(&self.spool.folder, &self.name, mark)?;
        }
        self.note(path, |segment| segment.sealed = true);
        open.segment = None;
        self.spool.tell();
        Ok(())
    }

    fn note(&self, path: &Path, change: impl FnOnce(&mut Segment)) {
        let mut state = self.spool.state();
        let Some(stream) = state.streams.get_mut(&self.name) else { return };
        if let Some(segment) = stream.segments.iter_mut().rev().find(|segment| *segment.path == *path) {
            let before = segment.written;
            change(segment);
            stream.bytes += segment.written - before;
        }
    }

    /// Appends on a thread, and waits for room.
    pub fn append_blocking(&self, entries: &[u8], mark: Option<&str>) -> Result<(), Closed> {
        loop {
            match self.try_append(entries, mark) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(Closed),
                Err(Refused::Full) => self.spool.wait_for_room(&self.name, entries.len() as u64),
                Err(Refused::Io(_)) => std::thread::sleep(RETRY),
            }
        }
    }

    /// Appends in a task, and waits for room.
    pub async fn append(&self, entries: &[u8], mark: Option<&str>) -> Result<(), Closed> {
        loop {
            let room = self.spool.room();
            tokio::pin!(room);
            room.as_mut().enable();
            match self.try_append(entries, mark) {
                Ok(()) => return Ok(()),
                Err(Refused::Closed) => return Err(Closed),
                // Too late is no matter: it only tries again.
                Err(Refused::Full | Refused::Io(_)) => drop(tokio::time::timeout(RETRY, room).await),
            }
        }
    }

    /// Says what does not work, or that it does.
    pub fn set_problem(&self, problem: Option<String>) {
        let mut state = self.spool.state();
        let Some(stream) = state.streams.get_mut(&self.name) else { return };
        if stream.problem != problem {
            if let Some(problem) = &problem {
                tracing::warn!("{}: {problem}", self.name);
            }
            stream.problem = problem;
            drop(state);
            self.spool.tell();
        }
    }

    /// The source has nothing more to say. `failed`: it should have had, and this is why.
    pub fn end(&self, failed: Option<String>) {
        let mut open = self.open();
        // Without its mark on disk it stays as it is; the next start sees to it.
        let _ = self.seal(&mut open);
        if let Some(stream) = self.spool.state().streams.get_mut(&self.name) {
            stream.writing = false;
            stream.failed = failed.is_some();
            stream.problem = failed;
        }
        self.spool.tell();
    }

    /// Waits for a write that is under way, and lets go of the file. Only after the spool was closed.
    pub fn release(&self) {
        self.open().segment = None;
    }
}
