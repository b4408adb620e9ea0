//! Framing of files that are more than plain lines, and what their groups wait for.

use super::Engine;
use super::frame::Framed;
use crate::fingerprint::{FileId, Print};
use crate::format::{End, Framer, Span};
use crate::journal::Entry;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Bytes of values by which the kind of a file's lines is guessed.
const SAMPLE_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a byte order mark.
const MARK_BYTES: usize = 2;

impl Engine {
    /// The framer of a file, settled at its first turn: that of the input that names it, for its byte order.
    pub(super) fn framer_of(&mut self, id: FileId) -> Option<Arc<Framer>> {
        let tail = self.files.tails.get_mut(&id)?;
        if let Some(framer) = &tail.framer {
            return Some(Arc::clone(framer));
        }
        let path = &self.delivery.state().files.get(&id)?.path;
        let named = |path: &Path| self.scope.input_of(path).map(|input| &self.inputs[input].framer);
        let framer = named(path).or_else(|| named(&tail.path)).cloned().unwrap_or_default();
        // Unreadable now: the next turn says so.
        let head = tail.content.head().ok()?;
        if !framer.is_plain() && head.len() < MARK_BYTES {
            // Its first bytes may yet say otherwise.
            return Some(framer);
        }
        let framer = framer.for_head(&head);
        tail.framer = Some(Arc::clone(&framer));
        Some(framer)
    }

    /// Values by which the kind of lines is guessed; `None`: there is no whole line yet.
    pub(super) fn sample(&self, id: FileId, framer: &Framer, data: &[u8], end: End) -> Option<Vec<u8>> {
        let tail = self.files.tails.get(&id)?;
        let span = Span { base: tail.position, skip: tail.skipping, line_bytes_max: self.config.line_bytes_max };
        framer.sample(data, span, end, SAMPLE_BYTES_MAX)
    }

    /// Frames the records of `data`, which begins at the file's position. When the journal cannot be written, or there is
    /// no memory for another batch, it stops after the last one that was sent.
    pub(super) fn frame_format(&mut self, id: FileId, lane: usize, framer: &Framer, data: &[u8], end: End) -> Framed {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Framed::default() };
        let mut framed = Framed { skipping: tail.skipping, ..Framed::default() };
        let Some(dress) = tail.dress.take() else { return framed };
        let base = tail.position;
        let line_bytes_max = self.config.line_bytes_max;
        let span = Span { base, skip: framed.skipping, line_bytes_max };
        let timestamp = self.clock.now_millis();
        self.writer.clear();
        let format = framer.journaled();
        // Of the batch that is being made: its range, what is skipped at its front and behind it, whether it is cut.
        let (mut range, mut before, mut after, mut cut) = (0..0, framed.skipping, framed.skipping, false);
        let (mut lines_read, mut stopped) = (0, false);
        let outcome = framer.frame(data, span, end, |chunk| {
            let bytes: usize = chunk.records.iter().map(|record| dress.record_bytes(record)).sum();
            if !self.writer.has_room(bytes, self.config.batch_bytes_max) {
                stopped =
                    !self.ship_format(id, lane, base, data, range.clone(), (before, after), cut, timestamp, &format);
                if stopped {
                    return false;
                }
                framed = Framed { at: range.end, skipping: after, ..Framed::default() };
                // Records may be many times as large as their lines.
                stopped = !self.delivery.pool().has_room(self.config.batch_bytes_max);
                if stopped {
                    return false;
                }
            }
            if self.writer.is_empty() {
                (range, before) = (chunk.start..chunk.end, after);
            }
            for record in chunk.records {
                dress.frame_record(&mut self.writer, timestamp, base + record.start as u64, record);
                lines_read += 1;
                if record.cut {
                    self.metrics.lines_cut.inc();
                }
            }
            (range.end, after, cut) = (chunk.end, chunk.skip, chunk.cut);
            if self.writer.is_empty() {
                framed = Framed { at: range.end, skipping: after, passed: true, stopped: false };
            }
            true
        });
        if !stopped && !self.writer.is_empty() {
            let end = range.end;
            stopped = !self.ship_format(id, lane, base, data, range, (before, after), cut, timestamp, &format);
            if !stopped {
                framed = Framed { at: end, skipping: after, ..Framed::default() };
            }
        }
        framed.stopped = stopped;
        self.metrics.lines_read.inc_by(lines_read);
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.dress = Some(dress);
            tail.waits = outcome.waits;
        }
        if let Some(at) = outcome.damaged {
            let reason = format!("is damaged at position {}: no entry has such a length", base + at as u64);
            self.hold(id, reason);
        }
        framed
    }

    /// What is known of what comes behind a block that reaches to the end of the file, or is `full`.
    pub(super) fn end_of_block(&self, id: FileId, framer: &Framer, at_end: bool, last: bool, now: Instant) -> End {
        let Some(tail) = self.files.tails.get(&id) else { return End::More };
        match framer.timeout() {
            _ if last => End::Final,
            _ if !at_end => {
                if tail.wide {
                    End::Full
                } else {
                    End::More
                }
            }
            Some(timeout) if tail.grown_at.is_some_and(|grown_at| now >= grown_at + timeout) => End::Idle,
            _ => End::More,
        }
    }

    /// Wakes the file when its group has waited long enough.
    pub(super) fn wait_for_group(&mut self, id: FileId, framer: &Framer) {
        let Some(tail) = self.files.tails.get_mut(&id) else { return };
        if let (true, false, Some(grown_at), Some(timeout)) =
            (tail.waits, tail.waits_in_line, tail.grown_at, framer.timeout())
        {
            tail.waits_in_line = true;
            self.groups.insert((grown_at + timeout, id));
        }
    }

    /// Gives files a turn whose groups have waited long enough.
    pub(super) fn end_groups(&mut self, now: Instant) {
        while let Some(&(at, id)) = self.groups.first()
            && at <= now
        {
            self.groups.pop_first();
            let Some(tail) = self.files.tails.get_mut(&id) else { continue };
            tail.waits_in_line = false;
            let timeout = tail.framer.as_ref().and_then(|framer| framer.timeout());
            match tail.grown_at.zip(timeout).map(|(grown_at, timeout)| grown_at + timeout) {
                // It has grown since: the time begins anew.
                Some(later) if tail.waits && later > now => {
                    tail.waits_in_line = true;
                    self.groups.insert((later, id));
                }
                _ => self.schedule(id),
            }
        }
    }

    /// Moves the position over a range without records, once nothing of the file is in flight.
    pub(super) fn pass(&mut self, id: FileId) {
        let Some(tail) = self.files.tails.get(&id) else { return };
        if !tail.passed || self.delivery.in_flight(id) || self.delivery.state().in_flight(id) {
            return;
        }
        let marker = Print::of(&tail.marker);
        let entry = Entry::Passed { file: id, position: tail.position, marker, skipping: tail.skipping };
        if self.delivery.record(entry).is_ok()
            && let Some(tail) = self.files.tails.get_mut(&id)
        {
            tail.passed = false;
        }
    }
}
