//! What is fixed about a file before its first line is sent, for many files at a time.
//!
//! It has to be flushed to disk first. One flush for each of ten thousand new files would take minutes on a slow disk;
//! here all files that are about to be read are written down before the first of them is flushed.

use super::Engine;
use crate::fingerprint::FileId;
use crate::format::End;

/// Bytes by which the kind of a file's lines is guessed; a turn looks at no more.
const SAMPLE_BYTES: usize = 64 * 1024;

impl Engine {
    /// Settles partition and dataset of all open files that have something to read.
    pub(super) fn settle_all(&mut self) {
        let tails = self.files.tails.values();
        let unsettled = tails.filter(|tail| tail.dress.is_none()).map(|tail| tail.id).collect();
        self.settle(unsettled);
    }

    /// What cannot be settled now is at the file's turn.
    pub(super) fn settle(&mut self, ids: Vec<FileId>) {
        for id in ids {
            let Some(tail) = self.files.tails.get(&id) else { continue };
            let unread = tail.size > tail.position && tail.held.is_none() && !tail.finished;
            if tail.dress.is_some() || !unread || tail.content.gzip().is_some() {
                continue;
            }
            // Nobody's partition is known yet.
            if tail.lane.is_none() && self.lane_of(id).is_none() {
                continue;
            }
            let Some(framer) = self.framer_of(id) else { continue };
            let Some(tail) = self.files.tails.get_mut(&id) else { continue };
            let mut block = std::mem::take(&mut self.block);
            block.resize(block.len().max(SAMPLE_BYTES), 0);
            if let Ok(read) = tail.content.read_at(tail.position, &mut block[..SAMPLE_BYTES]) {
                self.dress(id, &framer, &block[..read], End::More);
            }
            self.block = block;
        }
    }
}
