//! Rows of characters of one set: the longest, shorter ones, and lazy ones.

use super::{Frame, Matcher, Stopped};
use crate::grok::charset::CharSet;
use crate::grok::program::{Instruction, Pc, Scan, Span, Way};

/// Bytes in which the end of a row is looked for without a call: most fields are no longer.
const SHORT: usize = 32;

impl<'p, const FURTHEST: bool> Matcher<'p, '_, '_, FURTHEST> {
    pub(super) fn span_at(&self, pc: Pc) -> (&'p Span, Pc) {
        match self.program.instructions[pc as usize] {
            Instruction::Span { span, next } => (&self.program.spans[span as usize], next),
            // Only spans have such frames.
            _ => unreachable!("instruction {pc} is no span"),
        }
    }

    /// Matches a span; gives the end that is to be tried first.
    #[inline]
    pub(super) fn span(&mut self, span: &Span, pc: Pc, position: usize) -> Result<Option<usize>, Stopped> {
        if span.way == Way::Lazy {
            return self.lazy(span, pc, position);
        }
        let (noted, endless) = (self.scratch.visits.is_on(), span.max.is_none() && span.min <= 1);
        // Of a row with a count only the place where it begins can be noted.
        if noted && !endless && span.way == Way::Greedy && self.note(span.point, position, position)?.is_some() {
            return Ok(None);
        }
        let (shortest, end) = match noted && endless {
            true => match self.noted_row(span, position)? {
                Some(row) => row,
                None => return Ok(None),
            },
            false => match self.row(span, position) {
                Some(row) => row,
                None => return Ok(None),
            },
        };
        self.step((end - position) as u64 / 16)?;
        if span.way == Way::Greedy && end > shortest {
            // Whether the longest row can be followed is seen at once by what follows.
            self.scratch.stack.push(Frame::Greedy { pc, min: shortest as u32, end: end as u32 });
        }
        Ok(Some(end))
    }

    /// The shortest and the longest row that were not tried before; from a place on where a row was tried, all were.
    fn noted_row(&mut self, span: &Span, position: usize) -> Result<Option<(usize, usize)>, Stopped> {
        let first = self.program.sets[span.set as usize].length_at(self.line, position);
        if span.min == 1 && first == 0 {
            return Ok(None);
        }
        let shortest = if span.min == 0 { position } else { position + first };
        let limit = self.scratch.visits.first_noted(span.point, shortest);
        if limit == Some(shortest) {
            return Ok(None);
        }
        let end = self.row_within(span, shortest, limit.unwrap_or(self.bytes.len()));
        if limit != Some(end) {
            self.note(span.point, shortest, end)?;
            return Ok(Some((shortest, end)));
        }
        self.note(span.point, shortest, end - 1)?;
        Ok((span.way != Way::Only).then(|| (shortest, self.char_before(end))))
    }

    /// The shortest and the longest row of a span.
    #[inline]
    pub(super) fn row(&self, span: &Span, position: usize) -> Option<(usize, usize)> {
        let rest = &self.bytes[position..];
        let set = &self.program.sets[span.set as usize];
        let length = match (span.scan, span.max) {
            (Scan::Chars, _) => return self.row_of_chars(span, position),
            (Scan::Table, Some(max)) => row_of_bytes(span, set, &rest[..rest.len().min(max as usize)]),
            _ => row_of_bytes(span, set, rest),
        };
        if length < span.min as usize {
            return None;
        }
        let mut shortest = position + span.min as usize;
        // One character can have several bytes; more than one is counted by characters.
        while !self.line.is_char_boundary(shortest) {
            shortest += 1;
        }
        Some((shortest, position + length))
    }

    pub(super) fn row_of_chars(&self, span: &Span, position: usize) -> Option<(usize, usize)> {
        let set = &self.program.sets[span.set as usize];
        let (mut end, mut count) = (position, 0);
        let mut shortest = (span.min == 0).then_some(position);
        if span.max.is_none() && span.min <= 1 {
            let row = ascii_row(span, set, &self.bytes[position..]);
            if row > 0 {
                shortest.get_or_insert(position + 1);
                (end, count) = (position + row, 1);
            }
        }
        while span.max.is_none_or(|max| count < max) {
            match set.length_at(self.line, end) {
                0 => break,
                length => end += length,
            }
            count += 1;
            if count == span.min {
                shortest = Some(end);
            }
        }
        shortest.map(|shortest| (shortest, end))
    }

    pub(super) fn char_before(&self, position: usize) -> usize {
        let mut place = position - 1;
        while !self.line.is_char_boundary(place) {
            place -= 1;
        }
        place
    }

    /// The next shorter end of a greedy span that can be followed.
    pub(super) fn shorter(&mut self, span: &Span, min: usize, end: usize) -> Result<Option<usize>, Stopped> {
        if end <= min {
            return Ok(None);
        }
        let shorter = &self.bytes[min..end];
        let found = match (span.follow_byte, span.follow) {
            (Some(byte), _) => memchr::memrchr(byte, shorter),
            (None, Some(follow)) => {
                let follow = &self.program.follows[follow as usize].table;
                shorter.iter().rposition(|byte| follow[usize::from(*byte)])
            }
            (None, None) => Some(shorter.len() - 1),
        };
        self.step((end - min - found.unwrap_or(0)) as u64 / 16)?;
        let Some(found) = found else { return Ok(None) };
        let place = min + found;
        if self.line.is_char_boundary(place) {
            return Ok(Some(place));
        }
        // In the middle of a character: its start, where it is worth a try.
        Ok(Some(self.char_before(place)).filter(|place| *place >= min))
    }

    /// The shortest row from a place on that can be followed.
    pub(super) fn lazy(&mut self, span: &Span, pc: Pc, from: usize) -> Result<Option<usize>, Stopped> {
        // From a place on that was noted all was tried: a row is followed up to there, and no part of the line twice.
        let noted = match self.scratch.visits.is_on() {
            true => self.scratch.visits.first_noted(span.point, from),
            false => None,
        };
        if noted == Some(from) {
            return Ok(None);
        }
        let limit = noted.unwrap_or(self.bytes.len());
        let set = &self.program.sets[span.set as usize];
        let follow = span.follow.map(|follow| &self.program.follows[follow as usize]);
        let mut end = from;
        let mut found = true;
        if let (Some(byte), true) = (span.follow_byte, set.is_bytewise()) {
            // The row goes on to that byte, if everything before it is in the set.
            let rest = &self.bytes[from..limit];
            let distance = memchr::memchr(byte, rest).unwrap_or(rest.len());
            let row = self.row_within(span, from, from + distance);
            found = row == from + distance && distance < rest.len();
            end = row;
        } else {
            loop {
                if noted.is_some_and(|noted| end >= noted) {
                    found = false;
                    break;
                }
                let can_follow = follow.is_none_or(|follow| match self.bytes.get(end) {
                    Some(byte) => follow.table[usize::from(*byte)],
                    None => follow.end,
                });
                if can_follow {
                    break;
                }
                match set.length_at(self.line, end) {
                    0 => {
                        found = false;
                        break;
                    }
                    length => end += length,
                }
            }
        }
        self.step(1 + (end - from) as u64 / 16)?;
        if self.scratch.visits.is_on() && self.note(span.point, from, end.min(limit))?.is_some() {
            return Ok(None);
        }
        if !found {
            return Ok(None);
        }
        self.scratch.stack.push(Frame::Lazy { pc, end: end as u32 });
        Ok(Some(end))
    }

    /// Where a row ends, at `limit` at the latest.
    pub(super) fn row_within(&self, span: &Span, from: usize, limit: usize) -> usize {
        let row = &self.bytes[from..limit];
        let set = &self.program.sets[span.set as usize];
        if span.scan != Scan::Chars {
            return from + row_of_bytes(span, set, row);
        }
        let mut end = from + ascii_row(span, set, row);
        while end < limit {
            match set.length_at(self.line, end) {
                0 => break,
                length => end += length,
            }
        }
        end.min(limit)
    }
}

/// How many bytes of a set there are from the start on, where bytes alone tell it.
#[inline]
fn row_of_bytes(span: &Span, set: &CharSet, bytes: &[u8]) -> usize {
    let short = if span.scan == Scan::Table { bytes } else { &bytes[..bytes.len().min(SHORT)] };
    let (begun, is_all) = span.sure_row(short);
    if is_all {
        return begun;
    }
    let rest = &bytes[begun..];
    let length = match span.scan {
        Scan::Until(byte) => memchr::memchr(byte, rest),
        Scan::UntilTwo(one, two) => memchr::memchr2(one, two, rest),
        Scan::UntilThree(one, two, three) => memchr::memchr3(one, two, three, rest),
        Scan::Rest => None,
        Scan::Table | Scan::Chars => Some(table_row(&set.table, rest)),
    };
    begun + length.unwrap_or(rest.len())
}

/// How many bytes there are from the start on that a table has.
#[inline]
fn table_row(table: &[bool; 256], bytes: &[u8]) -> usize {
    let mut length = 0;
    // Eight at a time, of which none has to wait for another.
    for chunk in bytes.as_chunks::<8>().0 {
        if !chunk.iter().fold(true, |all, byte| all & table[usize::from(*byte)]) {
            break;
        }
        length += 8;
    }
    length + bytes[length..].iter().position(|byte| !table[usize::from(*byte)]).unwrap_or(bytes.len() - length)
}

/// How many bytes of a set there are from the start on, up to the first character beyond ASCII.
#[inline]
fn ascii_row(span: &Span, set: &CharSet, bytes: &[u8]) -> usize {
    let (begun, is_all) = span.sure_row(bytes);
    if is_all {
        return begun;
    }
    let (table, bytes) = (&set.table, &bytes[begun..]);
    let mut length = 0;
    for chunk in bytes.as_chunks::<8>().0 {
        if !chunk.is_ascii() || !chunk.iter().fold(true, |all, byte| all & table[usize::from(*byte)]) {
            break;
        }
        length += 8;
    }
    let rest = &bytes[length..];
    begun + length + rest.iter().position(|byte| !byte.is_ascii() || !table[usize::from(*byte)]).unwrap_or(rest.len())
}
