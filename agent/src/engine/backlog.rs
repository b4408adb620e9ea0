//! A file with much to read is read and framed by several threads: each takes the next stretch of whole lines.
//!
//! All of it happens within one turn. The threads read one after the other, since a stretch begins where the last line
//! of the one before ends, and frame and compress at the same time. What they made is numbered, written down and sent by
//! the agent's thread alone, in the order of the file, so that nobody else sees a difference. Whatever is unusual ends
//! the turn, and is left to the next one: the end of the file, a truncation, a line that is longer than a block.

use super::frame::{Framed, draft};
use super::plain::{Count, Plain, Shipped};
use super::{Clock, Engine};
use crate::batch::{Dress, source_of};
use crate::config::Config;
use crate::content::Content;
use crate::deliver::Delivery;
use crate::fingerprint::{FileId, MARKER_BYTES_MAX, marker_of};
use crate::format::Skip;
use crate::journal::Source;
use crate::metrics::Metrics;
use crate::pool::Pool;
use kafka_wire::batch::{BatchWriter, Producer};
use memchr::memrchr;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Stretches of a turn for each thread: one that is done early then has another one.
const STRETCHES_PER_THREAD: usize = 2;

/// Batches of a stretch take as many times its block before it ends early: what does not compress has headers, too.
const STRETCH_BLOCKS: usize = 2;

/// What a thread needs to frame, besides that of the agent.
#[derive(Debug)]
pub(super) struct Desk {
    block: Vec<u8>,
    writer: BatchWriter,
}

/// What all threads of a turn work on.
struct Course<'a> {
    id: FileId,
    file: &'a File,
    dress: &'a Dress,
    clock: &'a Clock,
    pool: &'a Pool,
    line_bytes_max: usize,
    batch_bytes_max: usize,
    block_bytes: usize,
    next: Mutex<Next>,
    /// What was framed and not sent yet.
    done: Mutex<BTreeMap<usize, Stretch>>,
}

/// Where the next stretch begins.
#[derive(Debug)]
struct Next {
    position: u64,
    /// The bytes before it: they are compared with what is read.
    marker: Vec<u8>,
    /// The file's, when it was last looked at.
    size: u64,
    /// Of the stretch, counted from the beginning of the turn.
    index: usize,
    /// Nothing from this one on is taken.
    end: usize,
}

/// Whole lines that a thread has read: those of a range of its block.
struct Taken {
    index: usize,
    base: u64,
    range: Range<usize>,
    skip: Skip,
    timestamp: i64,
}

/// What has become of a stretch.
struct Stretch {
    base: u64,
    batches: Vec<Sealed>,
    framed: Framed,
    count: Count,
    /// The bytes before the end of what was framed.
    marker: Vec<u8>,
    timestamp: i64,
}

/// A batch without a number.
struct Sealed {
    source: Source,
    records: i32,
    bytes: Vec<u8>,
    /// The bytes before its end.
    marker: Vec<u8>,
}

impl Course<'_> {
    /// Reads the next stretch into `block`; `None`: there is none in this turn.
    fn take(&self, block: &mut Vec<u8>) -> Option<Taken> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.index >= next.end {
            return None;
        }
        let taken = self.read(&mut next, block);
        match &taken {
            Some(_) => next.index += 1,
            None => next.end = next.index,
        }
        taken
    }

    fn read(&self, next: &mut Next, block: &mut Vec<u8>) -> Option<Taken> {
        let marker_bytes = next.marker.len();
        let bytes = marker_bytes + self.block_bytes;
        if block.len() < bytes {
            block.resize(MARKER_BYTES_MAX + self.block_bytes, 0);
        }
        let block = &mut block[..bytes];
        // Short, unreadable or changed: the next turn looks at it. As there, the size is looked at before the bytes.
        let size = self.file.metadata().ok()?.len();
        if size < next.size {
            return None;
        }
        next.size = size;
        self.file.read_exact_at(block, next.position - marker_bytes as u64).ok()?;
        let (marker, data) = block.split_at(marker_bytes);
        if *marker != *next.marker {
            return None;
        }
        let whole = memrchr(b'\n', data)? + 1;
        let base = next.position;
        next.position += whole as u64;
        next.marker = marker_of(&block[..marker_bytes + whole]).to_vec();
        Some(Taken {
            index: next.index,
            base,
            range: marker_bytes..marker_bytes + whole,
            skip: Skip::NOTHING,
            timestamp: self.clock.now_millis(),
        })
    }

    /// Frames what was taken.
    fn frame(&self, taken: Taken, block: &[u8], writer: &mut BatchWriter) {
        let Taken { index, base, range, skip, timestamp } = taken;
        let (line_bytes_max, batch_bytes_max) = (self.line_bytes_max, self.batch_bytes_max);
        let plain = Plain { dress: self.dress, timestamp, line_bytes_max, batch_bytes_max };
        let (front, data) = (range.start, &block[range]);
        let marker_at = |end: usize| marker_of(&block[..front + end]).to_vec();
        let (mut batches, mut sealed_bytes) = (Vec::new(), 0);
        let (framed, count) = plain.frame(writer, data, base, skip, false, |writer, range, ending| {
            let end = range.end;
            let source = source_of(self.id, base + range.start as u64, &data[range], ending);
            let (records, mut bytes) = (writer.record_count(), self.pool.buffer());
            writer.seal(Producer::NONE, &mut bytes);
            sealed_bytes += bytes.len();
            batches.push(Sealed { source, records, bytes, marker: marker_at(end) });
            // Records may be many times as large as their lines.
            if sealed_bytes > STRETCH_BLOCKS * self.block_bytes { Shipped::Last } else { Shipped::Yes }
        });
        let stretch = Stretch { base, batches, framed, count, marker: marker_at(framed.at), timestamp };
        self.done.lock().unwrap_or_else(PoisonError::into_inner).insert(index, stretch);
    }

    /// Takes stretches and frames them until there is none.
    fn work(&self, block: &mut Vec<u8>, writer: &mut BatchWriter) {
        while let Some(taken) = self.take(block) {
            self.frame(taken, block, writer);
        }
    }

    /// Nothing more is to be taken.
    fn end(&self) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).end = 0;
    }

    fn take_done(&self, index: usize) -> Option<Stretch> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).remove(&index)
    }
}

/// What was sent of a turn.
struct Sending<'a> {
    lane: usize,
    base: u64,
    config: &'a Config,
    delivery: &'a mut Delivery,
    metrics: &'a Metrics,
    /// The next stretch to be sent.
    index: usize,
    /// The most that one had.
    batches: usize,
    framed: Framed,
    /// The bytes before the end of what was sent.
    marker: Vec<u8>,
}

impl Sending<'_> {
    /// Sends what is there of the stretches that are next; `false`: nothing more of this turn may be sent.
    fn send(&mut self, course: &Course<'_>) -> bool {
        while !self.framed.stopped
            && let Some(stretch) = course.take_done(self.index)
        {
            self.index += 1;
            self.send_stretch(stretch);
        }
        !self.framed.stopped
    }

    fn send_stretch(&mut self, stretch: Stretch) {
        self.batches = self.batches.max(stretch.batches.len());
        for Sealed { source, records, bytes, marker } in stretch.batches {
            let (end, skipping) = (source.end, source.after);
            let draft = draft(self.config, source, stretch.timestamp);
            if self.delivery.send_sealed(self.lane, bytes, records, draft).is_err() {
                self.framed.stopped = true;
                return;
            }
            self.framed = Framed { at: (end - self.base) as usize, skipping, ..Framed::default() };
            self.marker = marker;
        }
        self.metrics.stretches.inc();
        self.metrics.lines_read.inc_by(stretch.count.lines);
        self.metrics.lines_cut.inc_by(stretch.count.cut);
        // What comes behind a stretch that was not framed to its end begins elsewhere.
        let at = (stretch.base - self.base) as usize + stretch.framed.at;
        self.framed = Framed { at, ..stretch.framed };
        self.marker = stretch.marker;
    }
}

impl Engine {
    /// How many stretches the turn of a file may have of which the first block was read, up to `end`.
    pub(super) fn stretches(&self, id: FileId, lane: usize, end: u64) -> usize {
        let Some(tail) = self.files.tails.get(&id) else { return 1 };
        let threads = self.config.framing_threads_max;
        // A limit counts what a turn has taken only after it.
        let serial = threads < 2 || self.config.bytes_per_second_max.is_some() || self.config.cpu_share_max.is_some();
        // Those who wait, for a turn or for room in the lane, do so for no more than a block of this file.
        let others_wait = !self.queue.is_empty() || self.queue.has_line(lane);
        if serial || others_wait || tail.wide || tail.in_hole || !matches!(tail.content, Content::Plain(_)) {
            return 1;
        }
        let block_bytes = self.config.block_bytes;
        let unread = tail.size.saturating_sub(end) / block_bytes as u64;
        let room = self.delivery.pool().room() / self.stretch_bytes();
        let most = threads * STRETCHES_PER_THREAD;
        // More than fit would only make the lines behind them late.
        let fit = self.delivery.room(lane) / self.stretch_batches;
        most.min(1 + room).min(fit.max(1)).min(1 + usize::try_from(unread).unwrap_or(usize::MAX))
    }

    /// The most memory that a stretch takes: its block, and the batches of it.
    fn stretch_bytes(&self) -> usize {
        MARKER_BYTES_MAX + (1 + STRETCH_BLOCKS) * self.config.block_bytes + self.config.batch_bytes_max
    }

    /// Frames the lines of `block[range]`, which begins at the file's position and ends with one, and up to `most - 1`
    /// stretches behind. Gives how far that went, and the bytes before. When the journal cannot be written it stops after
    /// the last batch that was sent.
    pub(super) fn work_off(
        &mut self,
        id: FileId,
        lane: usize,
        block: &mut Vec<u8>,
        range: Range<usize>,
        most: usize,
    ) -> (Framed, Vec<u8>) {
        let pool = Arc::clone(self.delivery.pool());
        let helpers = (most - 1).min(self.config.framing_threads_max - 1);
        // What is usual: there is room for more, and nobody else takes it meanwhile.
        let blocks = (1 + helpers) * (MARKER_BYTES_MAX + self.config.block_bytes);
        pool.set_working(blocks + most * self.config.batch_bytes_max);
        if self.desks.len() < helpers {
            let compression = self.config.compression;
            self.desks.resize_with(helpers, || Desk { block: Vec::new(), writer: BatchWriter::new(compression) });
        }
        let Self { files, delivery, config, writer, desks, clock, metrics, .. } = self;
        let Some(tail) = files.tails.get_mut(&id) else { return Default::default() };
        let (skip, marker) = (tail.skipping, tail.marker.clone());
        let framed = Framed { skipping: skip, ..Framed::default() };
        let (Content::Plain(file), Some(dress)) = (&tail.content, &tail.dress) else { return (framed, marker) };
        let before = marker_of(&block[..range.end]).to_vec();
        let end = (range.end - range.start) as u64;
        let course = Course {
            id,
            file,
            dress,
            clock,
            pool: &pool,
            line_bytes_max: config.line_bytes_max,
            batch_bytes_max: config.batch_bytes_max,
            block_bytes: config.block_bytes,
            next: Mutex::new(Next {
                position: tail.position + end,
                marker: before,
                size: tail.size,
                index: 1,
                end: most,
            }),
            done: Mutex::default(),
        };
        let (base, timestamp) = (tail.position, clock.now_millis());
        let mut sending = Sending { lane, base, config, delivery, metrics, index: 0, batches: 1, framed, marker };
        let spawned = std::thread::scope(|scope| {
            let mut spawned = Ok(());
            for Desk { block, writer } in desks.iter_mut().take(helpers) {
                let thread = std::thread::Builder::new().name("agent-framer".to_owned());
                spawned = thread.spawn_scoped(scope, || course.work(block, writer)).map(|_| ());
                if spawned.is_err() {
                    break;
                }
            }
            let mut taken = Some(Taken { index: 0, base, range, skip, timestamp });
            while let Some(stretch) = taken {
                course.frame(stretch, block, writer);
                taken = if sending.send(&course) { course.take(block) } else { None };
            }
            if sending.framed.stopped {
                course.end();
            }
            spawned
        });
        sending.send(&course);
        let (framed, marker) = (sending.framed, sending.marker);
        self.stretch_batches = sending.batches;
        let Next { position, size, .. } = course.next.into_inner().unwrap_or_else(PoisonError::into_inner);
        tail.size = size.max(tail.size).max(position);
        if let Err(error) = spawned {
            tracing::warn!("cannot start a thread: {error}; files are read by one alone");
            self.config.framing_threads_max = 1;
        }
        (framed, marker)
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
