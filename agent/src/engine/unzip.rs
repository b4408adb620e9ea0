//! Turns of compressed files: a bounded way to their position, few at a time, and what their end means.

use super::Engine;
use super::read::Turn;
use crate::content::Ended;
use crate::fingerprint::FileId;
use crate::journal::{Entry, FileRecord, Form};
use crate::tail::Tail;
use std::io;
use std::time::{Duration, Instant};

/// Files that are decompressed at a time: each takes some 50 KiB, so that a folder of archives takes one MiB.
const STREAMS_MAX: usize = 16;
/// How often a file looks whether it may begin.
const STREAM_POLL: Duration = Duration::from_millis(50);

impl Engine {
    /// What has to happen before a block can be read from a compressed file; `None`: nothing.
    pub(super) fn before_unzip(&mut self, id: FileId, now: Instant) -> io::Result<Option<Turn>> {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Some(Turn::End)) };
        let Some(gzip) = tail.content.gzip() else { return Ok(None) };
        if let Some(bytes) = tail.settled {
            if gzip.file().metadata()?.len() == bytes {
                return Ok(Some(self.at_end(id, true, now)));
            }
            tail.settled = None;
        }
        if !gzip.is_busy() && !self.unzipping.contains(&id) {
            if self.unzipping.len() >= STREAMS_MAX {
                let tails = &self.files.tails;
                let is_busy = |tail: &Tail| tail.content.gzip().is_some_and(|gzip| gzip.is_busy());
                self.unzipping.retain(|id| tails.get(id).is_some_and(is_busy));
            }
            if self.unzipping.len() >= STREAMS_MAX {
                return Ok(Some(Turn::At(now + STREAM_POLL)));
            }
            self.unzipping.insert(id);
        }
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Some(Turn::End)) };
        if !tail.content.reach(tail.position)? {
            return Ok(Some(Turn::More));
        }
        if let Some(print) = tail.unverified {
            let marker = tail.content.before(tail.position)?;
            if !print.ends(&marker) {
                self.truncated(id);
                return Ok(Some(Turn::More));
            }
            (tail.marker, tail.unverified) = (marker, None);
        }
        Ok(None)
    }

    /// All of a compressed file was read. `last`: also what stands behind its last newline.
    pub(super) fn at_gzip_end(&mut self, id: FileId, last: bool, now: Instant) -> Option<Instant> {
        let tail = self.files.tails.get_mut(&id)?;
        let gzip = tail.content.gzip()?;
        if tail.settled.is_some() {
            return None;
        }
        let (ended, bytes, end) = (gzip.ended().clone(), gzip.taken_bytes(), gzip.known_bytes());
        let whole = ended == Ended::Whole;
        let all_shipped = last || (whole && tail.position == end);
        if !all_shipped {
            return Some(tail.grown_at.unwrap_or(now) + self.config.rotated_grace);
        }
        let bytes = if whole { bytes } else { gzip.file().metadata().map_or(bytes, |metadata| metadata.len()) };
        tail.settled = Some(bytes);
        self.unzipping.remove(&id);
        let what = match ended {
            Ended::Inside => "it was cut off inside of its compressed stream".to_owned(),
            Ended::Broken(why) => format!("its compressed stream is broken: {why}"),
            Ended::Whole | Ended::No => String::new(),
        };
        if !what.is_empty() {
            tail.problem = Some(format!("{what}; nothing can be read behind position {end}"));
            self.lose(id, end, end, format!("{what}, and nobody knows how many bytes are missing"));
        }
        if let Some(record) = self.delivery.state().files.get(&id) {
            let record = FileRecord { form: Form::Archive { bytes, end }, ..record.clone() };
            // Without it on disk the next start reads the file again to find its position.
            let _ = self.delivery.record(Entry::File(record));
        }
        None
    }
}

impl Tail {
    /// Nothing will follow the last line of a compressed file. `None`: it is not compressed.
    pub(super) fn is_last_of_gzip(&self, once: bool, grace: Duration, now: Instant) -> Option<bool> {
        let quiet = once || self.grown_at.is_none_or(|grown_at| now >= grown_at + grace);
        Some(match self.content.gzip()?.ended() {
            Ended::No => false,
            Ended::Broken(_) => true,
            Ended::Whole | Ended::Inside => quiet,
        })
    }
}
