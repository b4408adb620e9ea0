//! Framing: the lines of a block become records, and full batches are sent.

use super::Engine;
use crate::batch::{Dress, source_of};
use crate::deliver::Draft;
use crate::detect;
use crate::fingerprint::FileId;
use crate::format::{End, Format, Framer, Skip};
use crate::journal::{Ending, Entry};
use crate::lines::{Lines, after_newline, unfinished};

/// Progress of the framing within a block; positions are relative to its data.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Framed {
    pub at: usize,
    pub skipping: Skip,
    /// The bytes before `at` are in no batch: they have no records.
    pub passed: bool,
}

impl Engine {
    /// Settles what kind of lines the file has, once there is one, and dresses its records. `false`: not yet.
    pub(super) fn dress(&mut self, id: FileId, framer: &Framer, data: &[u8], end: End) -> bool {
        let needs_sample = self.files.tails.get(&id).is_some_and(|tail| tail.dress.is_none()) && !framer.is_plain();
        let sample = if needs_sample { self.sample(id, framer, data, end) } else { None };
        let (Some(tail), Some(record)) = (self.files.tails.get_mut(&id), self.delivery.state().files.get(&id)) else {
            return false;
        };
        if tail.dress.is_some() {
            return true;
        }
        let mut record = record.clone();
        if record.dataset.is_none() {
            // Lines in the middle, as after a start at the end, are as good as the first ones.
            let whole = data.iter().rposition(|&byte| byte == b'\n').map(|newline| newline + 1);
            let long = data.len() > self.config.line_bytes_max;
            let last = end == End::Final;
            let plain = whole.or_else(|| ((last && !data.is_empty()) || long).then_some(data.len()));
            let plain = plain.map(|bytes| &data[..bytes.min(64 * 1024)]);
            let Some(sample) = (if framer.is_plain() { plain } else { sample.as_deref() }) else { return false };
            record.dataset = Some(detect::dataset(&record.path, sample).to_owned());
            record.dataset_detected = true;
            if self.delivery.record(Entry::File(record.clone())).is_err() {
                return false;
            }
        }
        let dataset = record.dataset.as_deref().unwrap_or(detect::GENERIC);
        let host = self.config.headers.then_some(self.config.host_name.as_str());
        tail.dress = Some(Dress::new(host, &record.path, dataset, id, &record.labels));
        true
    }

    /// Frames the lines of `data`, which begins at the file's position. When the journal cannot be written it stops
    /// after the last batch that was sent.
    pub(super) fn frame(&mut self, id: FileId, lane: usize, data: &[u8], last: bool) -> Framed {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Framed::default() };
        let mut framed = Framed { at: 0, skipping: tail.skipping, passed: false };
        let Some(dress) = tail.dress.take() else { return framed };
        let base = tail.position;
        let timestamp = self.clock.now_millis();
        let line_bytes_max = self.config.line_bytes_max;
        self.writer.clear();
        let mut skipping = framed.skipping.has(Skip::LINE);
        let mut start = 0;
        let mut lines_read = 0;
        'rest: loop {
            if skipping {
                let next = after_newline(data, start);
                skipping = next.is_none();
                start = next.unwrap_or(data.len());
                framed = Framed { at: start, skipping: skip(skipping), passed: true };
                if skipping {
                    break;
                }
            }
            let mut lines = Lines::new(data, start, line_bytes_max);
            for line in lines.by_ref() {
                let bytes = line.value.len() + dress.frame_bytes_max;
                if !self.writer.has_room(bytes, self.config.batch_bytes_max) {
                    if !self.ship(id, lane, base, data, start..line.start, Ending::Newline, timestamp) {
                        break 'rest;
                    }
                    start = line.start;
                    framed = Framed { at: start, skipping: Skip::NOTHING, passed: false };
                }
                dress.frame(&mut self.writer, timestamp, base + line.start as u64, line.value, line.cut);
                lines_read += 1;
                if line.cut {
                    self.metrics.lines_cut.inc();
                    if !self.ship(id, lane, base, data, start..line.end, Ending::Cut, timestamp) {
                        break 'rest;
                    }
                    start = line.end;
                    framed = Framed { at: start, skipping: Skip::LINE, passed: false };
                    skipping = true;
                    continue 'rest;
                }
            }
            let mut end = lines.position();
            let mut ending = Ending::Newline;
            if last && end < data.len() {
                let line = unfinished(data, end, line_bytes_max);
                dress.frame(&mut self.writer, timestamp, base + line.start as u64, line.value, line.cut);
                lines_read += 1;
                (end, ending) = (line.end, if line.cut { Ending::Cut } else { Ending::Open });
            }
            if !self.writer.is_empty() && self.ship(id, lane, base, data, start..end, ending, timestamp) {
                framed = Framed { at: end, skipping: skip(ending == Ending::Cut), passed: false };
            }
            break;
        }
        self.metrics.lines_read.inc_by(lines_read);
        if let Some(tail) = self.files.tails.get_mut(&id) {
            tail.dress = Some(dress);
        }
        framed
    }

    #[allow(clippy::too_many_arguments)]
    fn ship(
        &mut self,
        id: FileId,
        lane: usize,
        base: u64,
        data: &[u8],
        range: std::ops::Range<usize>,
        ending: Ending,
        timestamp: i64,
    ) -> bool {
        let source = source_of(id, base + range.start as u64, &data[range], ending);
        let draft = Draft {
            source,
            format: None,
            host: self.config.headers.then(|| self.config.host_name.clone()),
            timestamp,
            line_bytes_max: self.config.line_bytes_max,
            compression: self.config.compression,
        };
        self.delivery.send(lane, &mut self.writer, draft).is_ok()
    }

    /// As [`Engine::ship`], of a range that is not plain. `skips`: at its front and behind it.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn ship_format(
        &mut self,
        id: FileId,
        lane: usize,
        base: u64,
        data: &[u8],
        range: std::ops::Range<usize>,
        skips: (Skip, Skip),
        cut: bool,
        timestamp: i64,
        format: &Option<Box<Format>>,
    ) -> bool {
        let ending = if cut { Ending::Cut } else { Ending::Newline };
        let mut source = source_of(id, base + range.start as u64, &data[range], ending);
        (source.before, source.after) = skips;
        let draft = Draft {
            source,
            format: format.clone(),
            host: self.config.headers.then(|| self.config.host_name.clone()),
            timestamp,
            line_bytes_max: self.config.line_bytes_max,
            compression: self.config.compression,
        };
        self.delivery.send(lane, &mut self.writer, draft).is_ok()
    }
}

fn skip(line: bool) -> Skip {
    if line { Skip::LINE } else { Skip::NOTHING }
}
