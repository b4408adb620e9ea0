//! Plain lines become records of batches, on whatever thread: nothing here knows of the agent's books.

use super::frame::Framed;
use crate::batch::Dress;
use crate::format::Skip;
use crate::journal::Ending;
use crate::lines::{Lines, after_newline, unfinished};
use kafka_wire::batch::BatchWriter;
use std::ops::Range;

/// How the lines of a block become records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain<'a> {
    pub dress: &'a Dress,
    /// Of every record, in milliseconds since the epoch.
    pub timestamp: i64,
    pub line_bytes_max: usize,
    pub batch_bytes_max: usize,
}

/// What has become of a batch that was given away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shipped {
    Yes,
    /// It was taken; there is no room for another one.
    Last,
    /// It was not taken.
    No,
}

/// Lines that were framed, and how many of them were cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub lines: u64,
    pub cut: u64,
}

impl Plain<'_> {
    /// Frames the lines of `data`, the bytes of the file from `base` on. `skip`: they begin with the rest of a cut line.
    /// `last`: what stands behind the last newline is a line, too. Each batch is given to `ship` with its range and the
    /// ending of that; when it is not taken, or the last one, nothing that follows is framed.
    pub(super) fn frame(
        &self,
        writer: &mut BatchWriter,
        data: &[u8],
        base: u64,
        skip: Skip,
        last: bool,
        mut ship: impl FnMut(&mut BatchWriter, Range<usize>, Ending) -> Shipped,
    ) -> (Framed, Count) {
        let mut framed = Framed { skipping: skip, ..Framed::default() };
        let mut count = Count::default();
        writer.clear();
        // Gives a batch away; `true`: framing goes on behind it.
        let mut give = |writer: &mut BatchWriter, framed: &mut Framed, range: Range<usize>, ending| {
            let at = range.end;
            let shipped = ship(writer, range, ending);
            if shipped != Shipped::No {
                *framed = Framed { at, skipping: skip_line(ending == Ending::Cut), ..Framed::default() };
            }
            framed.stopped = shipped != Shipped::Yes;
            !framed.stopped
        };
        let mut skipping = skip.has(Skip::LINE);
        let mut start = 0;
        loop {
            if skipping {
                let next = after_newline(data, start);
                skipping = next.is_none();
                start = next.unwrap_or(data.len());
                framed = Framed { at: start, skipping: skip_line(skipping), passed: true, stopped: false };
                if skipping {
                    break;
                }
            }
            let mut lines = Lines::new(data, start, self.line_bytes_max);
            for line in lines.by_ref() {
                let bytes = line.value.len() + self.dress.frame_bytes_max;
                if !writer.has_room(bytes, self.batch_bytes_max) {
                    if !give(writer, &mut framed, start..line.start, Ending::Newline) {
                        return (framed, count);
                    }
                    start = line.start;
                }
                self.dress.frame(writer, self.timestamp, base + line.start as u64, line.value, line.cut);
                count.lines += 1;
                if line.cut {
                    count.cut += 1;
                    if !give(writer, &mut framed, start..line.end, Ending::Cut) {
                        return (framed, count);
                    }
                    start = line.end;
                    skipping = true;
                    // The last one of these lines.
                    break;
                }
            }
            if skipping {
                continue;
            }
            let mut end = lines.position();
            let mut ending = Ending::Newline;
            if last && end < data.len() {
                let line = unfinished(data, end, self.line_bytes_max);
                self.dress.frame(writer, self.timestamp, base + line.start as u64, line.value, line.cut);
                count.lines += 1;
                (end, ending) = (line.end, if line.cut { Ending::Cut } else { Ending::Open });
            }
            if !writer.is_empty() {
                give(writer, &mut framed, start..end, ending);
                // There is nothing more that could need room.
                framed.stopped &= framed.at < end;
            }
            break;
        }
        (framed, count)
    }
}

fn skip_line(line: bool) -> Skip {
    if line { Skip::LINE } else { Skip::NOTHING }
}
