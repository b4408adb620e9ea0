//! Framing: the lines of a block become records, and full batches are sent.

use super::Engine;
use super::plain::{Plain, Shipped};
use crate::batch::{Dress, source_of};
use crate::config::Config;
use crate::deliver::Draft;
use crate::detect;
use crate::fingerprint::FileId;
use crate::format::{End, Format, Framer, Skip};
use crate::journal::{Ending, Entry, Source};

/// Progress of the framing within a block; positions are relative to its data.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Framed {
    pub at: usize,
    pub skipping: Skip,
    /// The bytes before `at` are in no batch: they have no records.
    pub passed: bool,
    /// There is more in the block: it could not be written down, or had no room.
    pub stopped: bool,
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
        let Self { files, delivery, config, writer, .. } = self;
        let Some(tail) = files.tails.get(&id) else { return Framed::default() };
        let Some(dress) = &tail.dress else { return Framed { skipping: tail.skipping, ..Framed::default() } };
        let timestamp = self.clock.now_millis();
        let (line_bytes_max, batch_bytes_max) = (config.line_bytes_max, config.batch_bytes_max);
        let plain = Plain { dress, timestamp, line_bytes_max, batch_bytes_max };
        let base = tail.position;
        let (framed, count) = plain.frame(writer, data, base, tail.skipping, last, |writer, range, ending| {
            let source = source_of(id, base + range.start as u64, &data[range], ending);
            match delivery.send(lane, writer, draft(config, source, timestamp)) {
                Err(_) => Shipped::No,
                // Records may be many times as large as their lines.
                Ok(()) if !delivery.pool().has_room(batch_bytes_max) => Shipped::Last,
                Ok(()) => Shipped::Yes,
            }
        });
        self.metrics.lines_read.inc_by(count.lines);
        self.metrics.lines_cut.inc_by(count.cut);
        framed
    }

    /// Sends what was framed of a range that is not plain. `skips`: at its front and behind it.
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
        let draft = Draft { format: format.clone(), ..draft(&self.config, source, timestamp) };
        self.delivery.send(lane, &mut self.writer, draft).is_ok()
    }
}

/// A batch of plain lines, as the settings of the agent want it.
pub(super) fn draft(config: &Config, source: Source, timestamp: i64) -> Draft {
    Draft {
        source,
        format: None,
        host: config.headers.then(|| config.host_name.clone()),
        timestamp,
        line_bytes_max: config.line_bytes_max,
        compression: config.compression,
    }
}
