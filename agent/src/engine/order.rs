//! Old before new: files that had one name after the other share a partition, and are read one after the other.

use super::{Engine, Files};
use crate::fingerprint::FileId;
use crate::journal::{Entry, FileRecord};
use crate::tail::Tail;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;
use twox_hash::XxHash3_64;

/// How often a file looks whether the one before it was read: rare enough to cost nothing while a broker is stalled.
pub(super) const PREDECESSOR_POLL: Duration = Duration::from_millis(20);

/// Where a file comes from: all that were first seen under this path on this host. It chooses the partition.
pub(super) fn origin(host: &str, path: &Path) -> u64 {
    XxHash3_64::oneshot(&[host.as_bytes(), b"\0", path.as_os_str().as_bytes()].concat())
}

impl Engine {
    /// Opens the books of a file that is going to be read.
    pub(super) fn enter(&mut self, mut tail: Tail, record: &FileRecord) {
        tail.origin = origin(&self.config.host_name, &record.path);
        tail.generation = record.generation;
        tail.content.limit(self.config.gzip_bytes_max);
        let before = self.files.of_origin(tail.origin);
        self.files.insert(tail);
        for id in before {
            if let Some(before) = self.files.tails.get_mut(&id).filter(|before| before.generation < record.generation) {
                before.ended = false;
                self.schedule(id);
            }
        }
        self.schedule(record.id);
    }

    /// The lane of a file; its partition is fixed here when it is not yet.
    pub(super) fn lane_of(&mut self, id: FileId) -> Option<usize> {
        let mut record = self.delivery.state().files.get(&id)?.clone();
        let origin = self.files.tails.get(&id)?.origin;
        let partition = self.delivery.partition_of(&record.topic, record.partition, origin)?;
        if record.partition != Some(partition) {
            record.partition = Some(partition);
            self.delivery.record(Entry::File(record.clone())).ok()?;
        }
        let lane = self.delivery.lane(&record.topic, partition);
        self.files.tails.get_mut(&id)?.lane = Some(lane);
        Some(lane)
    }
}

impl Files {
    /// Whether a file that was there before under the same path still has something to read. One that is held, for
    /// whatever reason, holds no other up.
    pub(super) fn has_unread_predecessor(&self, id: FileId) -> bool {
        let Some(tail) = self.tails.get(&id) else { return false };
        let siblings = self.by_origin.get(&tail.origin).map_or(&[][..], Vec::as_slice);
        siblings.iter().filter_map(|id| self.tails.get(id)).any(|before| {
            before.generation < tail.generation && !before.ended && !before.finished && before.held.is_none()
        }) || self.waits_for_closed(tail)
    }

    /// Whether a file that was there before waits to be opened.
    pub(super) fn waits_for_closed(&self, tail: &Tail) -> bool {
        let siblings = self.by_origin.get(&tail.origin).map_or(&[][..], Vec::as_slice);
        let mut closed = siblings.iter().filter_map(|id| self.closed.get(id));
        closed.any(|before| before.waits && before.generation < tail.generation)
    }
}
