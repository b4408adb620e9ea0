//! Files without a name: whether somebody writes to them still, and how much of a deleted one is kept for a broker that
//! does not take it.

use super::Engine;
use crate::fingerprint::{FileId, FileKey};
use crate::journal::{Entry, FileRecord};
use crate::tail::{Name, Tail};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// How often it is looked at most who has files open: a host has thousands of descriptors, each costs a microsecond.
const WRITERS_INTERVAL: Duration = Duration::from_secs(10);
/// Descriptors that are looked at: far more than a host has that runs one agent, and some hundred milliseconds.
const DESCRIPTORS_MAX: usize = 100_000;

/// The files that some process had open for writing, as far as the agent may see that.
///
/// This tells that a writer is there, never that none is: processes of other users and of other containers are not seen.
/// (`F_SETLEASE` would tell both, but takes unsafe code, and the file's owner.)
#[derive(Debug, Default)]
pub struct Writers {
    looked_at: Option<Instant>,
    open: HashSet<(u64, u64)>,
}

impl Writers {
    /// Whether a process was seen to have the file open for writing, not longer ago than `interval`.
    pub fn has(&mut self, key: &FileKey, interval: Duration, now: Instant) -> bool {
        if self.looked_at.is_none_or(|at| now >= at + interval) {
            self.looked_at = Some(now);
            self.open = open_for_writing();
        }
        self.open.contains(&(key.device, key.inode))
    }
}

fn open_for_writing() -> HashSet<(u64, u64)> {
    let mut open = HashSet::new();
    let mut looked = 0;
    let Ok(processes) = fs::read_dir("/proc") else { return open };
    for process in processes.flatten() {
        let numeric = process.file_name().to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
        if !numeric {
            continue;
        }
        // Processes end, and most belong to others.
        let Ok(descriptors) = fs::read_dir(process.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            looked += 1;
            if looked > DESCRIPTORS_MAX {
                return open;
            }
            let Ok(metadata) = fs::metadata(descriptor.path()) else { continue };
            if metadata.is_file() && is_for_writing(&process.path().join("fdinfo").join(descriptor.file_name())) {
                open.insert((metadata.dev(), metadata.ino()));
            }
        }
    }
    open
}

/// `flags:` in fdinfo is octal; the two lowest bits are the access mode (`O_WRONLY` 1, `O_RDWR` 2).
fn is_for_writing(fdinfo: &std::path::Path) -> bool {
    let text = fs::read_to_string(fdinfo).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & 3 != 0)
}

impl Engine {
    /// Whether a file without a name, in which nothing has come for a while and that was read up to `end`, is waited for
    /// because of its writer.
    pub(super) fn waits_for_writer(&mut self, id: FileId, now: Instant, end: u64) -> io::Result<bool> {
        let interval = self.config.rotated_grace.min(WRITERS_INTERVAL);
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(false) };
        if tail.name == Name::Here {
            return Ok(false);
        }
        // A writer that is gone by now may have written before.
        let plain = tail.content.gzip().is_none();
        let waits = self.writers.has(&tail.key, interval, now) || (plain && tail.content.size()?.bytes() != end);
        if waits {
            tail.name = Name::Gone { quiet_at: now + self.config.rotated_grace };
        }
        Ok(waits)
    }

    /// Closes files of which nothing more will come once their batches are acknowledged.
    pub(super) fn close_finished(&mut self) {
        let delivery = &self.delivery;
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.finished).into_iter().partition(|&id| !delivery.in_flight(id));
        self.finished = waiting;
        for id in done {
            if self.files.tails.get(&id).is_some_and(|tail| tail.finished) {
                self.queue.rest(id);
                self.note_finished(id);
                self.files.remove(id);
            }
        }
    }

    /// Gives up deleted files of which too much waits for too long: they hold the disk that somebody wanted to free.
    pub(super) fn give_up_deleted(&mut self, now: Instant) {
        let (bytes_max, time_max) = (self.config.deleted_bytes_max, self.config.deleted_time_max);
        let grace = self.config.rotated_grace;
        let mut given_up = Vec::new();
        let unfinished = |tail: &&mut Tail| tail.name != Name::Here && !tail.finished;
        for tail in self.files.tails.values_mut().filter(unfinished) {
            if !tail.content.is_deleted() {
                tail.deleted_at = None;
                continue;
            }
            if let Ok(size) = tail.content.size() {
                tail.size = tail.size.max(size.bytes());
            }
            let deleted_at = *tail.deleted_at.get_or_insert(now);
            let unread = tail.size.saturating_sub(tail.position);
            let stalled = now >= tail.read_at.unwrap_or(deleted_at) + grace;
            let reason = if unread > bytes_max && stalled {
                format!("more than {bytes_max} bytes of the deleted file waited for the broker")
            } else if unread > 0 && now >= deleted_at + time_max {
                format!("the deleted file waited for the broker for more than {} s", time_max.as_secs())
            } else {
                continue;
            };
            given_up.push((tail.id, tail.position, tail.size, reason));
        }
        for (id, start, end, reason) in given_up {
            // First: after a crash in between it is found out and reported again.
            self.lose(id, start, end, reason);
            if let Some(record) = self.delivery.state().files.get(&id).cloned() {
                // Without it on disk the next start looks for a file that is not there.
                let seen_secs = self.now_secs();
                let _ = self.delivery.record(Entry::File(FileRecord { gone: true, seen_secs, ..record }));
            }
            self.queue.rest(id);
            self.hunted.insert(id);
            self.files.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_seen_and_a_reader_is_not() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a");
        let writer = fs::File::create(&path).expect("created");
        let reader = fs::File::open(&path).expect("opened");
        let key = FileKey::of(&reader.metadata().expect("known"));
        fs::remove_file(&path).expect("removed");
        let now = Instant::now();
        let mut writers = Writers::default();
        assert!(writers.has(&key, WRITERS_INTERVAL, now));
        drop(writer);
        assert!(writers.has(&key, WRITERS_INTERVAL, now), "not looked again so soon");
        assert!(!writers.has(&key, WRITERS_INTERVAL, now + WRITERS_INTERVAL));
    }
}
