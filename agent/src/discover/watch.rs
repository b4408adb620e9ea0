//! Watches on directories: which paths changed, and whether names came or went.

use notify::event::{EventKind, ModifyKind};
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Paths that are remembered between two looks; beyond them everything is looked at.
const PATHS_MAX: usize = 4096;

/// What has changed since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files that were written to.
    pub written: HashSet<PathBuf>,
    /// Names have come, gone or changed, or rights have.
    pub names: bool,
    /// Something was missed: look at everything.
    pub missed: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.written.is_empty() && !self.names && !self.missed
    }

    fn note(&mut self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            self.missed = true;
            return;
        };
        if event.need_rescan() {
            self.missed = true;
            return;
        }
        match event.kind {
            EventKind::Access(_) => {}
            EventKind::Modify(ModifyKind::Data(_)) => {
                if self.written.len() + event.paths.len() > PATHS_MAX {
                    self.missed = true;
                } else {
                    self.written.extend(event.paths);
                }
            }
            _ => self.names = true,
        }
    }
}

/// The watched directories.
#[derive(Debug)]
pub struct Watches {
    watcher: Option<RecommendedWatcher>,
    watched: BTreeSet<PathBuf>,
    changes: Arc<Mutex<Changes>>,
    /// Directories that could not be watched, and why: their files are found by the rescan.
    pub unwatched: BTreeMap<PathBuf, String>,
}

impl Watches {
    /// `wake` is called when there is something to look at, once until [`Watches::take`].
    pub fn new(wake: impl Fn() + Send + 'static) -> Self {
        let changes = Arc::new(Mutex::new(Changes::default()));
        let noted = Arc::clone(&changes);
        let watcher = RecommendedWatcher::new(
            move |event| {
                let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                let first = noted.is_empty();
                noted.note(event);
                if first && !noted.is_empty() {
                    wake();
                }
            },
            Config::default().with_follow_symlinks(false),
        );
        let mut unwatched = BTreeMap::new();
        let watcher = watcher.map_err(|error| unwatched.insert(PathBuf::from("/"), error.to_string())).ok();
        Self { watcher, watched: BTreeSet::new(), changes, unwatched }
    }

    /// What has changed since the last call.
    pub fn take(&self) -> Changes {
        std::mem::take(&mut *self.changes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Watches exactly these directories. Returns whether there are new ones: what happened in them before the watch
    /// was in place has to be looked for.
    pub fn set(&mut self, directories: &BTreeSet<PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        self.unwatched.clear();
        for directory in self.watched.difference(directories) {
            // A directory that is gone has lost its watch already.
            let _ = watcher.unwatch(directory);
        }
        self.watched.retain(|directory| directories.contains(directory));
        let mut new = false;
        for directory in directories {
            // A directory that was removed and made again has the same name and no watch; asking again costs nothing
            // where the watch is there.
            match watcher.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => new |= self.watched.insert(directory.clone()),
                Err(error) => {
                    self.watched.remove(directory);
                    self.unwatched.insert(directory.clone(), error.to_string());
                }
            }
        }
        new
    }
}
