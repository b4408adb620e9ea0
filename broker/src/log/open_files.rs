//! The open files of segments, of which there may be far more than a process may have open: at most so many stay open, those
//! that were used last, and the others are opened again when they are needed.

use super::disk::{DiskFile, SystemFile};
use crate::limits;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

/// Files that are looked at when one is opened beyond the limit, so that one that nothing can be closed for costs no more
/// than this.
const LOOKS_MAX: usize = 32;

const LOCK: &str = "nothing panics while it holds this lock";

/// One for a data directory. Lock order: a file's state is never locked by who holds it and then asks for the others.
pub(super) struct OpenFiles {
    max: usize,
    /// Those that are open, and some that are gone, oldest first.
    order: Mutex<VecDeque<Weak<SegmentFile>>>,
}

/// A segment's log, open or not. A file with bytes that no flush has covered stays open: what goes wrong when the system
/// writes them is told to those who have the file open then.
pub(super) struct SegmentFile {
    path: PathBuf,
    files: Arc<OpenFiles>,
    this: Weak<Self>,
    state: Mutex<State>,
}

struct State {
    file: Option<Arc<SystemFile>>,
    unsynced: bool,
    /// Since somebody last looked whether it can be closed.
    used: bool,
}

impl OpenFiles {
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, order: Mutex::default() })
    }

    /// As many as are useful, and at most half of what the process may have open: connections need some, too.
    pub fn allowed() -> usize {
        let allowed = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let half = allowed.map_or(usize::MAX, |allowed| usize::try_from(allowed / 2).unwrap_or(usize::MAX));
        half.clamp(1, limits::SEGMENT_FILES_OPEN_MAX)
    }

    /// `file` is open and lies at `path`.
    pub fn keep(self: &Arc<Self>, path: &Path, file: SystemFile) -> Arc<SegmentFile> {
        let state = State { file: Some(Arc::new(file)), unsynced: false, used: true };
        let kept = Arc::new_cyclic(|this| SegmentFile {
            path: path.to_owned(),
            files: Arc::clone(self),
            this: Weak::clone(this),
            state: Mutex::new(state),
        });
        self.opened(Weak::clone(&kept.this));
        kept
    }

    fn opened(&self, file: Weak<SegmentFile>) {
        let mut order = self.order.lock().expect(LOCK);
        order.push_back(file);
        for _ in 0..LOOKS_MAX {
            if order.len() <= self.max {
                return;
            }
            let Some(oldest) = order.pop_front() else { return };
            if oldest.upgrade().is_some_and(|file| !file.closes()) {
                order.push_back(oldest);
            }
        }
    }
}

impl SegmentFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(LOCK)
    }

    /// The file, open as long as somebody has what this gives. `writes`: it stays so until it is synced.
    fn file(&self, writes: bool) -> io::Result<Arc<SystemFile>> {
        let mut state = self.state();
        state.used = true;
        state.unsynced |= writes;
        if let Some(file) = &state.file {
            return Ok(Arc::clone(file));
        }
        let file = Arc::new(SystemFile::open(&self.path)?);
        state.file = Some(Arc::clone(&file));
        drop(state);
        self.files.opened(Weak::clone(&self.this));
        Ok(file)
    }

    /// Closes it unless it was used since the last time, or must stay open.
    fn closes(&self) -> bool {
        let mut state = self.state();
        let stays = std::mem::take(&mut state.used) || state.unsynced;
        if !stays {
            state.file = None;
        }
        !stays
    }
}

impl DiskFile for SegmentFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file(false)?.bytes()
    }

    fn modified_ms(&self) -> io::Result<i64> {
        self.file(false)?.modified_ms()
    }

    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file(false)?.read_at(buffer, position)
    }

    fn write_at(&self, parts: [&[u8]; 2], position: u64) -> io::Result<()> {
        self.file(true)?.write_at(parts, position)
    }

    fn reserve(&self, position: u64, bytes: u64) -> io::Result<()> {
        self.file(false)?.reserve(position, bytes)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file(true)?.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        // Closed, so that a flush has covered all of it; perhaps it no longer lies under its name.
        let Some(file) = state.file.clone() else { return Ok(()) };
        // Before the flush: what is written while it runs is for the next one.
        state.unsynced = false;
        drop(state);
        file.sync().inspect_err(|_| self.state().unsynced = true)
    }

    fn as_file(&self) -> Option<&File> {
        None
    }

    fn held(self: Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(false)?)
    }
}
