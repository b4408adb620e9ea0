//! The framing itself: raw lines go through the stages, and where no record is open there is a safe boundary.

use super::compile::Framer;
use super::container::Piece;
use super::multiline::{Trace, Verdict};
use super::split::{Found, Raw};
use super::{Chunk, Extras, Outcome, Record, Skip, Span};
use std::borrow::Cow;
use std::ops::Range;

/// `stdout`, `stderr`, and everything else.
const STREAMS: usize = 3;
const OTHER: usize = 2;

/// What becomes of that which is open where the bytes end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It waits.
    Wait,
    /// It is complete.
    Flush,
    /// It is complete, and the unfinished line is the beginning of a longer one.
    Cut,
}

/// What [`Machine::run`] saw besides what it handed on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rest {
    pub outcome: Outcome,
    /// Where the unfinished line begins.
    pub unfinished: usize,
    /// Where the first line begins of which there are only pieces.
    pub pieces: Option<usize>,
    /// A group has lines on both sides of it.
    pub astride: bool,
}

/// Some lines, or pieces of them, on their way to become a record.
#[derive(Debug, Clone)]
struct Text<'a> {
    start: usize,
    end: usize,
    value: Cow<'a, [u8]>,
    /// Where the value lies in the data, if it lies there as it is.
    lies: Option<Range<usize>>,
    cut: bool,
    extras: Extras<'a>,
}

#[derive(Debug)]
struct Group<'a> {
    text: Text<'a>,
    trace: Trace,
    /// Lines of which the next one will tell whether they belong to the group.
    maybe: Vec<Text<'a>>,
}

#[derive(Debug, Default)]
struct Stream<'a> {
    pieces: Option<Text<'a>>,
    group: Option<Group<'a>>,
}

/// One pass over some bytes.
pub struct Machine<'f, 'a> {
    framer: &'f Framer,
    data: &'a [u8],
    odd: bool,
    line_bytes_max: usize,
    streams: [Stream<'a>; STREAMS],
    skip: Skip,
    /// What was skipped at `start`.
    skip_at_start: Skip,
    /// Before this place something else was skipped than now: no boundary lies there.
    settled: usize,
    ready: Vec<Record<'a>>,
    /// Where lines lie that were skipped or that the filters took out: they are not torn either.
    excluded: Vec<Range<usize>>,
    start: usize,
    at: usize,
    filtered: bool,
}

impl<'f, 'a> Machine<'f, 'a> {
    /// Over `data` from `at` on, which is a safe boundary; `span` tells about the first byte of `data`, but for what is
    /// skipped: that is what follows `at`.
    pub fn new(framer: &'f Framer, data: &'a [u8], at: usize, span: Span) -> Self {
        Self {
            framer,
            data,
            odd: !span.base.is_multiple_of(2),
            line_bytes_max: span.line_bytes_max,
            streams: Default::default(),
            skip: span.skip,
            skip_at_start: span.skip,
            settled: at,
            ready: Vec::new(),
            excluded: Vec::new(),
            start: at,
            at: if span.base == 0 && at == 0 { framer.mark_bytes(data) } else { at },
            filtered: true,
        }
    }

    /// Without the filters.
    pub fn unfiltered(self) -> Self {
        Self { filtered: false, ..self }
    }

    /// Hands on chunk after chunk, until `sink` wants no more.
    pub fn run(mut self, stop: Stop, sink: &mut impl FnMut(Chunk<'_, 'a>) -> bool) -> Rest {
        if self.skip.has(Skip::LINE) {
            let next = self.framer.splitter.after_delimiter(self.data, self.at, self.odd);
            let Some(next) = next else {
                self.at =
                    if stop == Stop::Flush { self.data.len() } else { self.framer.splitter.edge(self.data, self.odd) };
                self.at = self.at.max(self.start);
                self.emit(self.at, stop == Stop::Cut, sink);
                return self.rest(None);
            };
            self.at = next;
            self.settled = next;
            self.skip = self.skip.without(Skip::LINE);
            if !self.boundary(sink) {
                return self.rest(None);
            }
        }
        loop {
            match self.framer.splitter.next(self.data, self.at, self.odd) {
                Found::Line(raw) => {
                    self.at = raw.end;
                    self.take(raw);
                    if !self.boundary(sink) {
                        return self.rest(None);
                    }
                }
                Found::Unfinished => break,
                Found::Damaged => return self.rest(Some(self.at)),
            }
        }
        if stop != Stop::Wait {
            if let Some(raw) = self.framer.splitter.unfinished(self.data, self.at) {
                self.take(Raw { cut: stop == Stop::Cut, ..raw });
            }
            self.at = self.data.len();
            self.finish(stop);
            self.emit(self.at, stop == Stop::Cut, sink);
        }
        self.rest(None)
    }

    fn rest(&self, damaged: Option<usize>) -> Rest {
        let groups = || self.streams.iter().filter_map(|stream| stream.group.as_ref());
        let pieces = self.streams.iter().filter_map(|stream| Some(stream.pieces.as_ref()?.start)).min();
        let last = |group: &Group<'a>| group.maybe.last().map_or(group.text.end, |maybe| maybe.end);
        let astride = pieces.is_some_and(|at| groups().any(|group| group.text.start < at && last(group) > at));
        let outcome = Outcome { end: self.start, skip: self.skip_at_start, waits: groups().next().is_some(), damaged };
        Rest { outcome, unfinished: self.at, pieces, astride }
    }

    fn take(&mut self, mut raw: Raw<'a>) {
        let data = self.data;
        if self.framer.container.is_some() && data[raw.value.end..raw.end].starts_with(b"\r") {
            // It may stand in the middle of a line that comes in pieces.
            raw.value.end += 1;
        }
        let value = self.framer.decode(&data[raw.value.clone()], raw.cut);
        let lies = matches!(value, Cow::Borrowed(_)).then_some(raw.value);
        let extras = Extras { source: raw.source, ..Extras::default() };
        let text = Text { start: raw.start, end: raw.end, value, lies, cut: raw.cut, extras };
        let Some(container) = self.framer.container else { return self.line(OTHER, text) };
        let piece = match &text.value {
            Cow::Borrowed(value) => Piece::read(container, value),
            Cow::Owned(value) => Piece::read(container, value).map(Piece::into_owned),
        };
        // What no runtime wrote is a line like any other.
        let Some(piece) = piece else { return self.line(OTHER, text) };
        let stream = match &*piece.stream {
            b"stdout" => 0,
            b"stderr" => 1,
            _ => OTHER,
        };
        let extras = Extras { stream: Some(piece.stream), time: Some(piece.time), ..text.extras };
        self.piece(stream, Text { value: piece.text, lies: None, extras, ..text }, piece.whole);
    }

    /// Takes a piece of a stream's line, or the `last` one.
    fn piece(&mut self, stream: usize, piece: Text<'a>, last: bool) {
        if self.skip.has(Skip::pieces(stream)) {
            if last {
                self.skip = self.skip.without(Skip::pieces(stream));
                self.settled = self.settled.max(self.at);
            }
            return;
        }
        let mut line = match self.streams[stream].pieces.take() {
            Some(mut line) => {
                self.append(&mut line, piece, b"");
                line
            }
            None => piece,
        };
        if last {
            self.line(stream, line);
        } else {
            self.shorten(&mut line);
            self.streams[stream].pieces = Some(line);
        }
    }

    /// Takes a whole line.
    fn line(&mut self, stream: usize, line: Text<'a>) {
        let Some(joiner) = &self.framer.joiner else { return self.complete(line) };
        if self.skip.has(Skip::group(stream)) {
            if joiner.look(&mut joiner.resumed(), &line.value) != Verdict::Starts {
                self.excluded.push(line.start..line.end);
                return;
            }
            self.skip = self.skip.without(Skip::group(stream));
            self.settled = self.settled.max(line.start);
        }
        let Some(mut group) = self.streams[stream].group.take() else {
            let mut text = line;
            let trace = joiner.begin(&text.value);
            self.shorten(&mut text);
            self.streams[stream].group = Some(Group { text, trace, maybe: Vec::new() });
            return;
        };
        match joiner.look(&mut group.trace, &line.value) {
            Verdict::Continues => {
                for maybe in group.maybe.drain(..) {
                    self.append(&mut group.text, maybe, b"\n");
                }
                self.append(&mut group.text, line, b"\n");
                self.streams[stream].group = Some(group);
            }
            Verdict::Maybe => {
                group.maybe.push(line);
                self.streams[stream].group = Some(group);
            }
            Verdict::Starts => {
                self.complete(group.text);
                // As if they stood at the beginning of a range: there they may.
                for maybe in group.maybe {
                    self.line(stream, maybe);
                }
                self.line(stream, line);
            }
        }
    }

    /// Puts `more` behind `text`, as far as the longest value allows.
    fn append(&self, text: &mut Text<'a>, more: Text<'a>, between: &[u8]) {
        text.end = more.end;
        if text.cut {
            return;
        }
        text.cut = more.cut;
        match (&text.lies, &more.lies) {
            (Some(first), Some(next)) if !between.is_empty() && self.data[first.end..next.start] == *between => {
                let lies = first.start..next.end;
                text.value = Cow::Borrowed(&self.data[lies.clone()]);
                text.lies = Some(lies);
            }
            _ => {
                let value = text.value.to_mut();
                value.extend_from_slice(between);
                // More than one byte too many tells no more.
                let room = (self.line_bytes_max + 1).saturating_sub(value.len());
                value.extend_from_slice(&more.value[..more.value.len().min(room)]);
                text.lies = None;
            }
        }
        self.shorten(text);
    }

    /// Cuts a value that is too long, not within a character.
    fn shorten(&self, text: &mut Text<'a>) {
        if text.value.len() <= self.line_bytes_max {
            return;
        }
        let is_within = |at: usize| text.value[at] & 0xc0 == 0x80;
        let mut end = self.line_bytes_max;
        while end > 0 && self.line_bytes_max - end < 3 && is_within(end) {
            end -= 1;
        }
        if is_within(end) {
            end = self.line_bytes_max;
        }
        text.cut = true;
        text.lies = None;
        match &mut text.value {
            Cow::Borrowed(value) => *value = &value[..end],
            Cow::Owned(value) => value.truncate(end),
        }
    }

    /// Makes a record, if the filters let it pass.
    fn complete(&mut self, mut text: Text<'a>) {
        self.shorten(&mut text);
        if self.filtered && !self.framer.passes(&text.value) {
            self.excluded.push(text.start..text.end);
            return;
        }
        let Text { start, end, value, cut, extras, .. } = text;
        self.ready.push(Record { start, end, value, cut, extras });
    }

    /// Completes what is open; the rest of what was cut is to be skipped.
    fn finish(&mut self, stop: Stop) {
        for stream in 0..STREAMS {
            if let Some(line) = self.streams[stream].pieces.take() {
                if line.cut {
                    self.skip = self.skip | Skip::pieces(stream);
                }
                self.line(stream, line);
            }
            while let Some(group) = self.streams[stream].group.take() {
                if group.text.cut && group.maybe.is_empty() {
                    self.skip = self.skip | Skip::group(stream);
                }
                self.complete(group.text);
                for maybe in group.maybe {
                    self.line(stream, maybe);
                }
            }
        }
        if stop == Stop::Cut {
            self.skip = self.skip | Skip::LINE;
        }
    }

    /// Hands on what lies before the first record that is open, unless one that is complete reaches beyond.
    fn boundary(&mut self, sink: &mut impl FnMut(Chunk<'_, 'a>) -> bool) -> bool {
        let open = |stream: &Stream<'a>| {
            let group = stream.group.as_ref().map(|group| group.text.start);
            let pieces = stream.pieces.as_ref().map(|text| text.start);
            group.into_iter().chain(pieces).min()
        };
        let at = self.streams.iter().filter_map(open).min().unwrap_or(self.at);
        let within = |span: Range<usize>| span.start < at && at < span.end;
        if at <= self.start
            || at < self.settled
            || self.ready.iter().any(|record| within(record.start..record.end))
            || self.excluded.iter().cloned().any(within)
        {
            return true;
        }
        self.emit(at, false, sink)
    }

    fn emit(&mut self, end: usize, cut: bool, sink: &mut impl FnMut(Chunk<'_, 'a>) -> bool) -> bool {
        self.ready.sort_by_key(|record| record.start);
        let count = self.ready.partition_point(|record| record.start < end);
        let start = std::mem::replace(&mut self.start, end);
        self.skip_at_start = self.skip;
        self.excluded.retain(|span| span.start >= end);
        let go_on = sink(Chunk { start, end, records: &self.ready[..count], skip: self.skip, cut });
        self.ready.drain(..count);
        go_on
    }
}
