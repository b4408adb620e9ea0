//! The hole that a truncation leaves under a writer that goes on at its old position: it is no line, and is skipped.

use super::Engine;
use crate::content::Content;
use crate::fingerprint::{FileId, Print};
use crate::format::Framer;
use crate::journal::Entry;
use rustix::fs::{SeekFrom, seek};
use std::io;

/// NULs at the beginning of a file that was not seen truncated: a page, and no text in any encoding begins like that.
const HOLE_BYTES_MIN: usize = 4096;
/// The same in a file that was truncated: more than one character of UTF-32 has in front.
const TRUNCATED_HOLE_BYTES_MIN: usize = 4;

impl Engine {
    /// Moves the position over the NULs that a content begins with; `true`: it has moved.
    pub(super) fn skip_hole(&mut self, id: FileId, framer: &Framer, data: &[u8]) -> io::Result<bool> {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(false) };
        let Content::Plain(file) = &tail.content else { return Ok(false) };
        let in_hole = tail.in_hole && tail.position > 0;
        if data.first() != Some(&0) || (tail.position > 0 && !in_hole) {
            return Ok(false);
        }
        let nuls = data.iter().take_while(|&&byte| byte == 0).count();
        let least = match (in_hole, tail.replaces) {
            (true, _) => 1,
            (false, true) => TRUNCATED_HOLE_BYTES_MIN,
            (false, false) => HOLE_BYTES_MIN,
        };
        if nuls < least {
            return Ok(false);
        }
        let mut position = tail.position + nuls as u64;
        if nuls == data.len()
            && let Ok(next) = seek(file, SeekFrom::Data(position))
        {
            // Nothing lies on the disk before: no need to read it.
            position = position.max(next);
        }
        let position = framer.aligned(position);
        if position == tail.position {
            return Ok(false);
        }
        tail.marker = tail.content.before(position)?;
        tail.position = position;
        tail.in_hole = true;
        // No batch can be in flight: nothing stands before the hole.
        let entry = Entry::Passed { file: id, position, marker: Print::of(&tail.marker), skipping: tail.skipping };
        self.delivery.record(entry)?;
        Ok(true)
    }
}
