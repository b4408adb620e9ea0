//! What retention and the deletion of topics give up, and when its files go.

use super::{DataDirectory, POISON};
use crate::log::partition::Partition;
use std::io;
use std::path::PathBuf;

/// A file of a segment that retention has given up, or the folder of a partition whose topic was deleted.
pub(in crate::log) struct Doomed {
    /// When it goes, in milliseconds since the epoch.
    pub due_ms: i64,
    pub path: PathBuf,
    pub is_folder: bool,
    /// What its segments take of the disk; 0 for the indexes.
    pub bytes: u64,
}

/// The offset of a topic's partition from which on everything stays, whatever retention says; `None`: nobody waits there.
pub type Guard = Box<dyn Fn(&str, i32) -> Option<i64> + Send + Sync>;

impl DataDirectory {
    /// Has retention ask before it removes anything; the first guard stays.
    pub fn set_guard(&self, guard: Guard) {
        drop(self.guard.set(guard));
    }

    /// Removes what retention no longer keeps.
    pub fn sweep(&self, now_ms: i64) {
        self.remove_doomed(now_ms);
        let mut expired = Vec::new();
        let guarded = |topic: &str, partition| self.guard.get().and_then(|guard| guard(topic, partition));
        for topic in self.topics().values() {
            for partition in topic.live_partitions() {
                match partition.take_expired(now_ms, guarded(&topic.name, partition.number())) {
                    Ok(segments) => {
                        let due_ms = partition.config().removal_due_ms(now_ms);
                        expired.extend(segments.into_iter().map(|segment| (segment, due_ms)));
                    }
                    Err(error) => tracing::error!(topic = %topic.name, "cannot seal an expired segment: {error}"),
                }
            }
        }
        if expired.is_empty() {
            return;
        }
        // The new log start first: after a crash in between, files are left over instead of a start that is not there.
        let removed = {
            let _writer = self.writer.lock().expect(POISON);
            self.write_offsets().and_then(|()| {
                for (segment, due_ms) in &expired {
                    // The log's file comes first.
                    let mut bytes = segment.bytes();
                    self.doom(segment.doom()?.into_iter().map(|path| Doomed {
                        due_ms: *due_ms,
                        path,
                        is_folder: false,
                        bytes: std::mem::take(&mut bytes),
                    }));
                }
                Ok(())
            })
        };
        self.remove_doomed(now_ms);
        match removed {
            Ok(()) => tracing::info!(segments = expired.len(), "retention removed segments"),
            Err(error) => tracing::error!("retention cannot remove segments: {error}"),
        }
    }

    /// Takes in what has got its last name.
    pub(in crate::log) fn doom(&self, what: impl IntoIterator<Item = Doomed>) {
        self.doomed.lock().expect(POISON).extend(what);
    }

    /// Removes what has waited for its `file.delete.delay.ms`. A crash, or a stop, before that leaves it to the next start.
    pub(in crate::log) fn remove_doomed(&self, now_ms: i64) {
        let mut doomed = self.doomed.lock().expect(POISON);
        let due: Vec<Doomed> = doomed.extract_if(.., |one| one.due_ms <= now_ms).collect();
        drop(doomed);
        let removes = !due.is_empty();
        for Doomed { path, is_folder, .. } in due {
            // The folders of thousands of partitions take their time, which nobody should wait for at the end.
            if self.stop.is_stopped() {
                return;
            }
            let removed = if is_folder { self.disk.remove_directory(&path) } else { self.disk.remove_file(&path) };
            match removed {
                // Gone with its topic.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!("cannot remove {}: {error}", path.display());
                }
                _ => {}
            }
        }
        if removes {
            self.recount();
        }
    }

    /// Moves a partition's log start forward; durable on return. `false`: beyond its high watermark.
    pub fn delete_records(&self, partition: &Partition, offset: i64) -> io::Result<bool> {
        let _writer = self.writer.lock().expect(POISON);
        if !partition.raise_log_start(offset) {
            return Ok(false);
        }
        self.write_offsets().map(|()| true)
    }
}
