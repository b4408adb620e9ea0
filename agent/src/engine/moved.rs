//! Known files on a file system that has another device number than before.
//!
//! Device numbers are given out when a file system is mounted: after a restart, or on the network, the same files can
//! have another one.

use super::Engine;
use crate::content::Content;
use crate::fingerprint::FileKey;
use crate::journal::{Entry, FileRecord};
use std::io;
use std::path::Path;

impl Engine {
    /// Lets the file under `path` be the known one that has the same name, inode, birth time and content, although its
    /// device has another number.
    pub(super) fn adopt_moved(&mut self, path: &Path, key: &FileKey, content: &mut Content) -> io::Result<()> {
        let state = self.delivery.state();
        if state.by_key(key).is_some() {
            return Ok(());
        }
        let candidate = state.files.by_inode(key.inode).find(|record| {
            let (then, now) = (&record.key, key);
            let same = then.birth_nanos == now.birth_nanos && record.path_now == path;
            same && then.device != now.device && !record.gone && !self.files.tails.contains_key(&record.id)
        });
        let Some(record) = candidate.cloned() else { return Ok(()) };
        // An inode number alone is no proof, nor is an empty head.
        if record.head.bytes == 0 || !record.head.begins(&content.head()?) {
            return Ok(());
        }
        // What is compressed is compared when reading has come to its position.
        if content.gzip().is_none() && !record.marker.ends(&content.before(record.position)?) {
            return Ok(());
        }
        tracing::info!(path = ?path, file = %record.id, "is the known file on a device that has another number now");
        self.files.forget_closed(record.id);
        self.delivery.record(Entry::File(FileRecord { key: *key, ..record }))
    }
}
