//! Framing: the lines of a block become records, and full batches are sent.

use super::Engine;
use crate::batch::{Dress, source_of};
use crate::deliver::Draft;
use crate::detect;
use crate::fingerprint::FileId;
use crate::journal::{Ending, Entry};
use crate::lines::{Lines, after_newline, unfinished};

/// Progress of the framing within a block; positions are relative to its data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Framed {
    pub at: usize,
    pub skipping: bool,
}

impl Engine {
    /// Settles what kind of lines the file has, once there is one, and dresses its records. `false`: not yet.
    pub(super) fn dress(&mut self, id: FileId, data: &[u8], last: bool) -> bool {
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
            let Some(sample) = whole.or_else(|| ((last && !data.is_empty()) || long).then_some(data.len())) else {
                return false;
            };
            record.dataset = Some(detect::dataset(&record.path, &data[..sample.min(64 * 1024)]).to_owned());
            record.dataset_detected = true;
            if self.delivery.record(Entry::File(record.clone())).is_err() {
                return false;
            }
        }
        let dataset = record.dataset.as_deref().unwrap_or(detect::GENERIC);
        let host = self.config.headers.then_some(self.config.host_name.as_str());
        tail.dress = Some(Dress::new(host, &record.path, dataset, id));
        true
    }

    /// Frames the lines of `data`, which begins at the file's position. When the journal cannot be written it stops
    /// after the last batch that was sent.
    pub(super) fn frame(&mut self, id: FileId, lane: usize, data: &[u8], last: bool) -> Framed {
        let Some(tail) = self.files.tails.get_mut(&id) else { return Framed { at: 0, skipping: false } };
        let mut framed = Framed { at: 0, skipping: tail.skipping };
        let Some(dress) = tail.dress.take() else { return framed };
        let base = tail.position;
        let timestamp = self.clock.now_millis();
        let line_bytes_max = self.config.line_bytes_max;
        self.writer.clear();
        let mut skipping = framed.skipping;
        let mut start = 0;
        let mut lines_read = 0;
        'rest: loop {
            if skipping {
                let next = after_newline(data, start);
                skipping = next.is_none();
                start = next.unwrap_or(data.len());
                framed = Framed { at: start, skipping };
                if skipping {
                    break;
                }
            }
            let mut lines = Lines::new(data, start, line_bytes_max);
            for line in lines.by_ref() {
                let bytes = line.value.len() + dress.frame_bytes_max;
                if !self.writer.is_empty() && self.writer.plain_bytes() + bytes > self.config.batch_bytes_max {
                    if !self.ship(id, lane, base, data, start..line.start, Ending::Newline, timestamp) {
                        break 'rest;
                    }
                    start = line.start;
                    framed.at = start;
                }
                dress.frame(&mut self.writer, timestamp, base + line.start as u64, line.value, line.cut);
                lines_read += 1;
                if line.cut {
                    self.metrics.lines_cut.inc();
                    if !self.ship(id, lane, base, data, start..line.end, Ending::Cut, timestamp) {
                        break 'rest;
                    }
                    start = line.end;
                    framed = Framed { at: start, skipping: true };
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
                framed = Framed { at: end, skipping: ending == Ending::Cut };
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
            host: self.config.headers.then(|| self.config.host_name.clone()),
            timestamp,
            line_bytes_max: self.config.line_bytes_max,
            compression: self.config.compression,
        };
        self.delivery.send(lane, &mut self.writer, draft).is_ok()
    }
}
