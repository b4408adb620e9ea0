//! One turn of a file: read a block, check that it goes on where reading stood, and have its lines framed.

use super::Engine;
use super::order::PREDECESSOR_POLL;
use super::turns::Next;
use crate::deliver::Contents;
use crate::fingerprint::{FileId, HEAD_BYTES_MAX, MARKER_BYTES_MAX, Print, marker_of};
use crate::journal::Entry;
use crate::tail::{self, Goal, Name};
use memchr::memrchr;
use std::io;
use std::time::{Duration, Instant};

/// What comes after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more to read now.
    More,
    /// Wait for a write.
    End,
    /// Wait for a write, or until then.
    At(Instant),
    /// Wait until batches can be numbered, or the hold is over.
    Parked,
    /// Wait until there is room in this lane.
    Full(usize),
    /// Wait until batches have been acknowledged.
    NoMemory,
}

impl Engine {
    /// Reads at most one block of a file.
    pub(super) fn turn(&mut self, next: Next, now: Instant) -> Turn {
        let id = next.id;
        let Some(tail) = self.files.tails.get(&id) else { return Turn::End };
        if tail.held.is_some() || tail.finished {
            return Turn::Parked;
        }
        match self.vet(id, now) {
            Ok(None) => {}
            Ok(Some(turn)) => return turn,
            Err(error) => {
                self.hold(id, format!("cannot be compared: {error}"));
                return Turn::Parked;
            }
        }
        if self.files.has_unread_predecessor(id) {
            return Turn::At(now + PREDECESSOR_POLL);
        }
        let Some(tail) = self.files.tails.get(&id) else { return Turn::End };
        let Some(lane) = tail.lane.or_else(|| self.lane_of(id)) else { return Turn::Parked };
        if !self.delivery.is_ready(lane) {
            return Turn::Parked;
        }
        if !self.delivery.has_room(lane) || (next.lane != Some(lane) && self.queue.has_line(lane)) {
            return Turn::Full(lane);
        }
        self.reading = true;
        let mut block = std::mem::take(&mut self.block);
        let turn = self.read_block(id, lane, now, &mut block);
        self.block = block;
        turn.unwrap_or_else(|error| {
            self.hold(id, format!("cannot be read: {error}"));
            Turn::Parked
        })
    }

    fn read_block(&mut self, id: FileId, lane: usize, now: Instant, block: &mut Vec<u8>) -> io::Result<Turn> {
        if let Some(turn) = self.before_unzip(id, now)? {
            return Ok(turn);
        }
        let Some(framer) = self.framer_of(id) else { return Ok(Turn::Parked) };
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Turn::End) };
        let marker_bytes = tail.marker.len();
        let wanted = if tail.wide {
            self.config.block_bytes.max(framer.window_bytes(self.config.line_bytes_max))
        } else {
            self.config.block_bytes
        };
        let pool = self.delivery.pool();
        pool.set_working(block.len().max(MARKER_BYTES_MAX + wanted) + self.config.batch_bytes_max);
        if !pool.has_room(wanted) && pool.used() > 0 {
            return Ok(Turn::NoMemory);
        }
        let known_size = tail.size;
        let size = tail.content.size()?.bytes();
        if block.len() < MARKER_BYTES_MAX + wanted {
            block.resize(MARKER_BYTES_MAX + wanted, 0);
        }
        let from = tail.position - marker_bytes as u64;
        let read = tail.content.read_at(from, &mut block[..marker_bytes + wanted])?;
        // As long as reading stands within it, the head tells more than the bytes before the position. It is looked at
        // after the read, so that what was read is of no other content.
        let head = self.delivery.state().files.get(&id).map_or(0, |record| record.head.bytes);
        let within_head = tail.position == 0 || tail.position < u64::from(head);
        // One read sees both: a truncation after it is seen by the next one.
        let is_cut = size < tail.position || (size < known_size && tail.content.gzip().is_none());
        if read < marker_bytes || block[..marker_bytes] != tail.marker || is_cut || within_head {
            let marker = read >= marker_bytes && block[..marker_bytes] == tail.marker && size >= tail.position;
            if !marker || !self.has_its_head(id)? {
                self.truncated(id);
                return Ok(Turn::More);
            }
            if is_cut {
                self.shortened(id, size);
            }
        }
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Turn::End) };
        if tail.read_end != Some(from + read as u64) {
            tail.read_end = Some(from + read as u64);
            tail.grown_at = Some(now);
        }
        tail.size = size.max(from + read as u64);
        tail.read_at = Some(now);
        let at_end = read < marker_bytes + wanted;
        let bytes = read - marker_bytes;
        if bytes > 0 && tail.vetting.is_some() {
            // It was empty when it was compared.
            return Ok(Turn::More);
        }
        if bytes > 0
            && let Name::Gone { quiet_at } = &mut tail.name
            && (!at_end || tail.size != known_size)
        {
            *quiet_at = now + self.config.rotated_grace;
        }
        let mut last = at_end && tail.is_last(self.config.once, self.config.rotated_grace, now);
        let data = &block[marker_bytes..read];
        self.grow_head(id);
        if self.skip_hole(id, &framer, data)? {
            return Ok(Turn::More);
        }
        if last && self.waits_for_writer(id, now, from + read as u64)? {
            last = false;
        }
        let end = self.end_of_block(id, &framer, at_end, last, now);
        if !self.dress(id, &framer, data, end) {
            if at_end {
                return Ok(self.at_end(id, last && data.is_empty(), now));
            }
            if let Some(tail) = self.files.tails.get_mut(&id) {
                tail.wide = true;
            }
            return Ok(Turn::More);
        }
        if !self.delivery.settle(id) {
            return Ok(Turn::Parked);
        }
        let most = if framer.is_plain() && !at_end { self.stretches(id, lane, from + read as u64) } else { 1 };
        let (framed, marker) = match (most > 1).then(|| memrchr(b'\n', data)).flatten() {
            Some(newline) => self.work_off(id, lane, block, marker_bytes..marker_bytes + newline + 1, most),
            None => {
                let framed = match framer.is_plain() {
                    true => self.frame(id, lane, data, last),
                    false => self.frame_format(id, lane, &framer, data, end),
                };
                (framed, marker_of(&block[..marker_bytes + framed.at]).to_vec())
            }
        };
        let Some(tail) = self.files.tails.get_mut(&id) else { return Ok(Turn::End) };
        self.metrics.bytes_read.inc_by(framed.at as u64);
        tail.position += framed.at as u64;
        tail.skipping = framed.skipping;
        tail.marker = marker;
        tail.content.passed(tail.position - tail.marker.len() as u64);
        // A block without the end of a line.
        tail.wide = !at_end && framed.at == 0;
        if framed.at > 0 {
            tail.passed = framed.passed;
        }
        self.pass(id);
        if at_end {
            self.wait_for_group(id, &framer);
        }
        if !self.delivery.is_ready(lane) {
            return Ok(Turn::Parked);
        }
        Ok(if at_end && !framed.stopped { self.at_end(id, last, now) } else { Turn::More })
    }

    pub(super) fn at_end(&mut self, id: FileId, last: bool, now: Instant) -> Turn {
        let quiet_at = self.at_gzip_end(id, last, now);
        let Some(tail) = self.files.tails.get_mut(&id) else { return Turn::End };
        if matches!(tail.goal, Goal::Read(_)) {
            tail.goal = Goal::Acknowledge(tail.position);
        }
        tail.ended = true;
        if last && matches!(tail.name, Name::Gone { .. }) {
            tail.finished = true;
            self.finished.push(id);
        }
        quiet_at.map_or(Turn::End, |at| Turn::At(at.max(now)))
    }

    /// Gives the buffers back when nothing was read for a while: an idle agent is to be small.
    pub(super) fn release_when_idle(&mut self) {
        if !std::mem::take(&mut self.reading) {
            self.block = Vec::new();
            self.desks = Vec::new();
            self.writer.release();
            self.delivery.pool().release();
        }
    }

    /// Learns more of a short file's beginning as it grows.
    fn grow_head(&mut self, id: FileId) {
        let (Some(tail), Some(record)) = (self.files.tails.get_mut(&id), self.delivery.state().files.get(&id)) else {
            return;
        };
        let (known, now) = (u64::from(record.head.bytes), tail.size.min(HEAD_BYTES_MAX as u64));
        if now == known || (now < HEAD_BYTES_MAX as u64 && now < known * 2) {
            return;
        }
        if let Ok(head) = tail.content.head()
            && record.head.begins(&head)
        {
            let mut record = record.clone();
            record.head = Print::of(&head);
            tail.set_lead(&head);
            // Without it on disk the next start knows less of the head, no more.
            let _ = self.delivery.record(Entry::File(record));
        }
    }

    /// Where the contents for repeated batches come from.
    pub(super) fn contents(&mut self) -> (&mut crate::deliver::Delivery, &mut dyn Contents) {
        (&mut self.delivery, &mut self.files)
    }
}

impl tail::Tail {
    /// Nothing will follow the file's last line, although it has no newline.
    fn is_last(&self, once: bool, grace: Duration, now: Instant) -> bool {
        if let Some(last) = self.is_last_of_gzip(once, grace, now) {
            return last;
        }
        if let Some(whole) = self.whole {
            return self.size >= whole;
        }
        match (self.name, self.goal) {
            (_, Goal::Read(size)) if once && self.size <= size => true,
            (Name::Gone { quiet_at }, _) => now >= quiet_at,
            _ => false,
        }
    }
}
