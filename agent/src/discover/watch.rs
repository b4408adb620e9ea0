//! Watches on directories: a thread reads what the kernel tells of them, and opens files on the spot.
//!
//! The kernel's inotify is used directly: a file that lives for some milliseconds has to be opened by whoever reads the
//! event, while the agent's thread may be busy with a block or a flush.

use super::events::Reader;
use super::walk::{Interest, Scope, Walk};
use crate::content::Content;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Paths that are remembered between two looks; beyond them everything is looked at.
const PATHS_MAX: usize = 4096;
/// Directories that are named in one message.
const NAMED_MAX: usize = 3;

/// A file that was opened when its name appeared.
#[derive(Debug)]
pub struct Opened {
    pub path: PathBuf,
    pub input: usize,
    pub content: Content,
    pub metadata: Metadata,
}

/// What has changed since the last look.
#[derive(Debug, Default)]
pub struct Changes {
    /// Files that were written to.
    pub written: HashSet<PathBuf>,
    /// Names that came, went, or whose rights changed.
    pub names: BTreeSet<PathBuf>,
    pub opened: Vec<Opened>,
    /// Files that appeared, and were not opened because too many are: who looks at them may be too late.
    pub unopened: BTreeSet<PathBuf>,
    /// Directories that have gone, with what was below.
    pub gone_directories: BTreeSet<PathBuf>,
    /// Directories that cannot be read, and why; those that could be again.
    pub unreadable: BTreeMap<PathBuf, String>,
    pub readable: BTreeSet<PathBuf>,
    /// Symbolic links that are not followed.
    pub skipped: BTreeSet<PathBuf>,
    /// Files that had gone before they could be opened.
    pub files_missed: u64,
    /// The last one of them.
    pub missed_path: Option<PathBuf>,
    /// Something was missed: look at everything.
    pub missed: bool,
    /// Because the kernel's queue was full.
    pub overflowed: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.written.is_empty()
            && self.names.is_empty()
            && self.opened.is_empty()
            && self.unopened.is_empty()
            && self.gone_directories.is_empty()
            && self.unreadable.is_empty()
            && self.readable.is_empty()
            && self.skipped.is_empty()
            && self.files_missed == 0
            && !self.missed
    }

    /// Takes in what came later.
    fn merge(&mut self, later: Self) {
        self.opened.extend(later.opened);
        self.unopened.extend(later.unopened);
        self.files_missed += later.files_missed;
        self.missed_path = later.missed_path.or(self.missed_path.take());
        self.missed |= later.missed;
        self.overflowed |= later.overflowed;
        let paths = self.written.len() + self.names.len() + self.gone_directories.len() + self.skipped.len();
        if paths > PATHS_MAX {
            self.missed = true;
            return;
        }
        self.written.extend(later.written);
        self.names.extend(later.names);
        self.gone_directories.extend(later.gone_directories);
        self.skipped.extend(later.skipped);
        self.unreadable.extend(later.unreadable);
        self.readable.extend(later.readable);
    }
}

/// A directory that is watched.
#[derive(Debug, Clone, Copy)]
struct Watch {
    descriptor: i32,
    interest: Interest,
    /// When it was set, by [`Table::clock`].
    since: u64,
}

/// Which directories are watched.
#[derive(Debug, Default)]
struct Table {
    by_path: HashMap<PathBuf, Watch>,
    /// The same directory can have several names.
    by_descriptor: HashMap<i32, Vec<PathBuf>>,
    /// By the path that symbolic links lead to: the links.
    links: HashMap<PathBuf, BTreeSet<PathBuf>>,
    /// Directories that could not be watched, and why.
    unwatched: BTreeMap<PathBuf, String>,
    /// Counts walks.
    clock: u64,
}

/// What the thread and its owner share. The locks are taken one at a time, and none is held while files are looked at.
pub(super) struct Shared {
    pub inotify: OwnedFd,
    /// Readable when the thread is to end.
    pub stop: OwnedFd,
    pub scope: Scope,
    watches_max: usize,
    table: Mutex<Table>,
    changes: Mutex<Changes>,
    wake: Box<dyn Fn() + Send + Sync>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The paths that a watch stands for.
    pub fn paths(&self, descriptor: i32) -> Vec<PathBuf> {
        locked(&self.table).by_descriptor.get(&descriptor).cloned().unwrap_or_default()
    }

    /// The links that lead to a path.
    pub fn links(&self, path: &Path) -> BTreeSet<PathBuf> {
        locked(&self.table).links.get(path).cloned().unwrap_or_default()
    }

    pub fn is_watched(&self, path: &Path) -> bool {
        locked(&self.table).by_path.contains_key(path)
    }

    /// Tells the agent's thread.
    pub fn tell(&self, changes: Changes) {
        if changes.is_empty() {
            return;
        }
        let mut noted = locked(&self.changes);
        let first = noted.is_empty();
        noted.merge(changes);
        drop(noted);
        if first {
            (self.wake)();
        }
    }

    /// Opened files that nobody has taken yet.
    pub fn opened(&self) -> usize {
        locked(&self.changes).opened.len()
    }

    /// Watches what a walk came upon. Returns whether there are directories among it that were not watched before:
    /// what happened in them until now has to be looked for.
    pub fn watch(&self, walk: &Walk) -> bool {
        let mut table = locked(&self.table);
        for (target, links) in &walk.links {
            table.links.entry(target.clone()).or_default().extend(links.iter().cloned());
        }
        let mut new = false;
        for (directory, interest) in &walk.directories {
            new |= self.add(&mut table, directory, *interest);
        }
        new
    }

    fn add(&self, table: &mut Table, directory: &Path, interest: Interest) -> bool {
        let known = table.by_path.get(directory).copied();
        if known.is_none() && table.by_descriptor.len() >= self.watches_max {
            let why = format!("{} directories are watched, and no more are allowed", self.watches_max);
            table.unwatched.insert(directory.to_owned(), why);
            return false;
        }
        let interest = known.map_or(interest, |known| known.interest.max(interest));
        // A directory that was removed and made again has the same name and no watch; asking again costs little where
        // the watch is there.
        match inotify::add_watch(&self.inotify, directory, flags(interest)) {
            Ok(descriptor) => {
                table.unwatched.remove(directory);
                let since = table.clock;
                table.by_path.insert(directory.to_owned(), Watch { descriptor, interest, since });
                let paths = table.by_descriptor.entry(descriptor).or_default();
                if !paths.iter().any(|path| path == directory) {
                    paths.push(directory.to_owned());
                }
                match known {
                    Some(known) if known.descriptor == descriptor => known.interest < interest,
                    Some(known) => {
                        // Another directory has this name now.
                        self.drop_path(table, directory, known.descriptor);
                        true
                    }
                    None => true,
                }
            }
            Err(error) => {
                if let Some(known) = table.by_path.remove(directory) {
                    self.drop_path(table, directory, known.descriptor);
                }
                // What is gone by now needs no watch.
                if error != rustix::io::Errno::NOENT {
                    table.unwatched.insert(directory.to_owned(), io::Error::from(error).to_string());
                }
                false
            }
        }
    }

    fn drop_path(&self, table: &mut Table, path: &Path, descriptor: i32) {
        let Some(paths) = table.by_descriptor.get_mut(&descriptor) else { return };
        paths.retain(|known| known != path);
        if paths.is_empty() {
            table.by_descriptor.remove(&descriptor);
            // A directory that is gone has lost its watch already.
            let _ = inotify::remove_watch(&self.inotify, descriptor);
        }
    }

    /// Forgets a watch that the kernel has removed, or that stands for a path no more.
    pub fn forget(&self, descriptor: i32) {
        let mut table = locked(&self.table);
        for path in table.by_descriptor.remove(&descriptor).unwrap_or_default() {
            if table.by_path.get(&path).is_some_and(|watch| watch.descriptor == descriptor) {
                table.by_path.remove(&path);
            }
        }
    }

    /// Removes the watches of a directory and of all below.
    pub fn forget_below(&self, directory: &Path) {
        let mut table = locked(&self.table);
        let below: Vec<PathBuf> = table.by_path.keys().filter(|path| path.starts_with(directory)).cloned().collect();
        for path in below {
            if let Some(watch) = table.by_path.remove(&path) {
                self.drop_path(&mut table, &path, watch.descriptor);
            }
        }
        table.unwatched.retain(|path, _| !path.starts_with(directory));
    }
}

/// What the kernel is asked to tell of a directory.
fn flags(interest: Interest) -> WatchFlags {
    let names = WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::MOVED_FROM
        | WatchFlags::DELETE
        | WatchFlags::ATTRIB
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR
        // Under another of its names more may be asked of the same directory.
        | WatchFlags::MASK_ADD;
    match interest {
        Interest::Names => names,
        // What was written through a mapping shows when the file is closed.
        Interest::Files => names | WatchFlags::MODIFY | WatchFlags::CLOSE_WRITE,
    }
}

/// The watched directories.
pub struct Watches {
    shared: Option<Arc<Shared>>,
    thread: Option<JoinHandle<()>>,
    /// Why nothing at all is watched.
    problem: Option<String>,
}

impl Watches {
    /// At most `watches_max` directories are watched. `wake` is called when there is something to look at, once until
    /// [`Watches::take`].
    pub fn new(scope: Scope, watches_max: usize, wake: impl Fn() + Send + Sync + 'static) -> Self {
        match Self::start(scope, watches_max, Box::new(wake)) {
            Ok((shared, thread)) => Self { shared: Some(shared), thread: Some(thread), problem: None },
            Err(error) => Self { shared: None, thread: None, problem: Some(error.to_string()) },
        }
    }

    fn start(
        scope: Scope,
        watches_max: usize,
        wake: Box<dyn Fn() + Send + Sync>,
    ) -> io::Result<(Arc<Shared>, JoinHandle<()>)> {
        let shared = Arc::new(Shared {
            inotify: inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            stop: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?,
            scope,
            watches_max,
            table: Mutex::default(),
            changes: Mutex::default(),
            wake,
        });
        let reader = Reader::new(Arc::clone(&shared));
        let thread = std::thread::Builder::new().name("agent-watch".to_owned()).spawn(move || reader.run())?;
        Ok((shared, thread))
    }

    /// What has changed since the last call.
    pub fn take(&self) -> Changes {
        self.shared.as_ref().map(|shared| std::mem::take(&mut *locked(&shared.changes))).unwrap_or_default()
    }

    /// Walks through everything and watches exactly what that came upon.
    pub fn walk(&self, scope: &Scope) -> Walk {
        let Some(shared) = &self.shared else { return scope.walk() };
        let clock = {
            let mut table = locked(&shared.table);
            table.clock += 1;
            table.clock
        };
        let mut walk = scope.walk();
        if shared.watch(&walk) {
            // What was made before the watches were in place.
            walk = scope.walk();
            shared.watch(&walk);
        }
        let mut table = locked(&shared.table);
        // What the thread came upon meanwhile is newer than the walk.
        let old: Vec<(PathBuf, i32)> = table
            .by_path
            .iter()
            .filter(|(path, watch)| watch.since < clock && !walk.directories.contains_key(*path))
            .map(|(path, watch)| (path.clone(), watch.descriptor))
            .collect();
        for (path, descriptor) in old {
            table.by_path.remove(&path);
            shared.drop_path(&mut table, &path, descriptor);
        }
        table.unwatched.retain(|path, _| walk.directories.contains_key(path));
        table.links = walk.links.iter().map(|(target, links)| (target.clone(), links.clone())).collect();
        walk
    }

    /// Why changes are not reported at once, if so.
    pub fn problems(&self) -> Vec<String> {
        let none = self.problem.iter().map(|why| format!("directories cannot be watched: {why}"));
        let Some(shared) = &self.shared else { return none.collect() };
        let table = locked(&shared.table);
        let named = table.unwatched.iter().take(NAMED_MAX);
        let mut problems: Vec<String> = named.map(|(path, why)| format!("{path:?} cannot be watched: {why}")).collect();
        if let Some(more) = table.unwatched.len().checked_sub(NAMED_MAX).filter(|&more| more > 0) {
            problems.push(format!("{more} more directories cannot be watched"));
        }
        problems
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            // Fails when the counter is full, and then the thread ends anyway.
            let _ = rustix::io::write(&shared.stop, &1u64.to_ne_bytes());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
