//! The thread that reads the kernel's events and makes changes of them.

use super::walk::{Sight, Walk};
use super::watch::{Changes, Opened, Shared};
use crate::content::Content;
use crate::fingerprint::FileKey;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, ReadFlags};
use rustix::io::Errno;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes of events that are read at a time: more than a thousand.
const BUFFER_BYTES: usize = 64 * 1024;
/// Events that are taken in before the agent's thread is told.
const EVENTS_MAX: usize = 4096;
/// Between two reads: a file that is written to all the time is one event for each of these, not one for each write.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
/// Descriptors of files that wait for the agent's thread; beyond them it opens files itself.
const OPENED_MAX: usize = 256;
/// Names that were gone when they were to be opened, until their deletion is read.
const UNSEEN_MAX: usize = 1024;

/// Reads events until it is told to stop.
pub struct Reader {
    shared: Arc<Shared>,
    /// Names that appeared and could not be opened: gone, or renamed.
    unseen: HashSet<PathBuf>,
    /// Of those, what was renamed and has not appeared under its other name, by the rename's number.
    moving: HashMap<u32, PathBuf>,
}

/// One event of the kernel.
struct Event {
    descriptor: i32,
    flags: ReadFlags,
    cookie: u32,
    name: Option<PathBuf>,
}

/// What the events of one round come to.
#[derive(Default)]
struct Round {
    changes: Changes,
    /// Which file was opened under a name that was made in this round.
    made: HashMap<PathBuf, FileKey>,
}

impl Reader {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, unseen: HashSet::new(), moving: HashMap::new() }
    }

    pub fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER_BYTES];
        loop {
            let stop = PollFd::new(&shared.stop, PollFlags::IN);
            let events = PollFd::new(&shared.inotify, PollFlags::IN);
            let mut both = [stop, events];
            match poll(&mut both, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(_) => return,
            }
            if !both[0].revents().is_empty() {
                return;
            }
            self.round(&mut buffer);
            let mut stop = [PollFd::new(&shared.stop, PollFlags::IN)];
            if poll(&mut stop, Some(&PAUSE)).is_ok_and(|ready| ready > 0) {
                return;
            }
        }
    }

    /// Reads what there is, and tells of it.
    pub fn round(&mut self, buffer: &mut [MaybeUninit<u8>]) {
        let shared = Arc::clone(&self.shared);
        let mut reader = inotify::Reader::new(&shared.inotify, buffer);
        let mut round = Round::default();
        let mut taken = 0;
        // Events that are left in the buffer would be lost with the reader.
        while taken < EVENTS_MAX || !reader.is_buffer_empty() {
            taken += 1;
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| PathBuf::from(OsStr::from_bytes(name.to_bytes())));
                    let (descriptor, flags, cookie) = (event.wd(), event.events(), event.cookie());
                    self.take(Event { descriptor, flags, cookie, name }, &mut round);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    round.changes.missed = true;
                    break;
                }
            }
        }
        // Renamed to where nobody looks, before it was opened.
        for (_, path) in self.moving.drain() {
            round.missed(path);
        }
        shared.tell(round.changes);
    }

    fn take(&mut self, event: Event, round: &mut Round) {
        let Event { descriptor, flags, cookie, name } = event;
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            round.changes.missed = true;
            round.changes.overflowed = true;
            return;
        }
        if flags.contains(ReadFlags::IGNORED) {
            return self.shared.forget(descriptor);
        }
        for directory in self.shared.paths(descriptor) {
            if flags.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::UNMOUNT) {
                // A directory above that is watched tells what has become of the name.
                let above = directory.parent().is_some_and(|above| self.shared.is_watched(above));
                if !above || flags.contains(ReadFlags::UNMOUNT) {
                    round.changes.missed = true;
                }
                if flags.contains(ReadFlags::MOVE_SELF) {
                    self.shared.forget_below(&directory);
                }
                continue;
            }
            let path = name.as_ref().map_or_else(|| directory.clone(), |name| directory.join(name));
            if flags.contains(ReadFlags::ISDIR) {
                self.directory(path, flags, round);
            } else {
                self.file(path, flags, cookie, round);
            }
        }
    }

    fn directory(&mut self, path: PathBuf, flags: ReadFlags, round: &mut Round) {
        if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            self.shared.forget_below(&path);
            round.changes.gone_directories.insert(path);
            return;
        }
        // New, or readable since now. What was made before the watch was in place is found by the walk after it.
        let mut walk = self.shared.scope.walk_below(&path);
        while self.shared.watch(&walk) {
            walk = self.shared.scope.walk_below(&path);
        }
        let Walk { found, unreadable, skipped, directories, .. } = walk;
        round.changes.readable.extend(directories.into_keys().filter(|path| !unreadable.contains_key(path)));
        round.changes.unreadable.extend(unreadable);
        round.changes.skipped.extend(skipped);
        for found in found {
            self.appeared(found.path, false, round);
        }
    }

    fn file(&mut self, path: PathBuf, flags: ReadFlags, cookie: u32, round: &mut Round) {
        for link in self.shared.links(&path) {
            // The file under the link is another one now, or its content is more.
            if flags.intersects(ReadFlags::MODIFY | ReadFlags::CLOSE_WRITE) {
                round.changes.written.insert(link);
            } else {
                round.changes.names.insert(link);
            }
        }
        if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.moving.remove(&cookie);
            self.appeared(path, flags.contains(ReadFlags::CREATE), round);
        } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM | ReadFlags::ATTRIB) {
            if flags.contains(ReadFlags::DELETE) && self.unseen.remove(&path) {
                round.missed(path.clone());
            }
            if flags.contains(ReadFlags::MOVED_FROM) && self.unseen.remove(&path) {
                self.moving.insert(cookie, path.clone());
            }
            if self.shared.scope.input_of(&path).is_some() {
                round.changes.names.insert(path);
            }
        } else if self.shared.scope.input_of(&path).is_some() {
            round.changes.written.insert(path);
        }
    }

    /// Opens what has a new name.
    fn appeared(&mut self, path: PathBuf, made: bool, round: &mut Round) {
        match self.shared.scope.sight(&path) {
            Sight::Other => {}
            Sight::Skipped => {
                round.changes.skipped.insert(path);
            }
            Sight::Link { target, .. } => {
                self.shared.watch(&Walk::of_link(path.clone(), target));
                round.changes.names.insert(path);
            }
            Sight::Missing => self.gone(path, round),
            Sight::Here { input, regular } => {
                if !regular {
                    round.changes.names.insert(path);
                    return;
                }
                if self.shared.opened() + round.changes.opened.len() >= OPENED_MAX {
                    round.changes.unopened.insert(path);
                    return;
                }
                match Content::open(&path) {
                    Ok((content, metadata)) => round.opened(Opened { path, input, content, metadata }, made),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => self.gone(path, round),
                    // Who looks at the name says why it cannot be followed.
                    Err(_) => {
                        round.changes.names.insert(path);
                    }
                }
            }
        }
    }

    fn gone(&mut self, path: PathBuf, round: &mut Round) {
        if self.unseen.len() >= UNSEEN_MAX {
            // Their deletions were never read: the queue has overflowed.
            self.unseen.clear();
        }
        // The same name was made twice, and both were gone.
        if let Some(before) = self.unseen.replace(path) {
            round.missed(before);
        }
    }
}

impl Round {
    fn opened(&mut self, opened: Opened, made: bool) {
        if made {
            let key = FileKey::of(&opened.metadata);
            // Made twice, and only the second one was there: what was made first has gone unseen.
            if self.made.insert(opened.path.clone(), key) == Some(key) {
                return self.missed(opened.path);
            }
        }
        self.changes.opened.push(opened);
    }

    fn missed(&mut self, path: PathBuf) {
        self.changes.files_missed += 1;
        self.changes.missed_path = Some(path);
    }
}
