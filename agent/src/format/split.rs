//! Raw lines: where the delimiter ends one, in the bytes of the file.

use super::spool;
use memchr::memchr;
use memchr::memmem::Finder;
use std::ops::Range;

/// What ends a raw line.
#[derive(Debug, Clone)]
pub enum Splitter {
    /// `\n` or `\r\n`.
    Newline,
    Delimiter(Box<Finder<'static>>),
    /// In code units of two bytes; the file's first byte begins one. The second field is a carriage return that belongs
    /// to the delimiter, if any does.
    Wide(Box<Finder<'static>>, Option<[u8; 2]>),
    /// Entries of a spool.
    Spool,
}

/// A line as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw<'a> {
    pub start: usize,
    /// Without the delimiter.
    pub value: Range<usize>,
    /// Behind the delimiter.
    pub end: usize,
    /// Who sent it: only spools know.
    pub source: Option<&'a [u8]>,
    /// It is the beginning of a longer line.
    pub cut: bool,
}

/// What the bytes from some place on begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    Line(Raw<'a>),
    /// No delimiter.
    Unfinished,
    /// A length that cannot be.
    Damaged,
}

impl Splitter {
    /// The raw line at `at`. `odd`: the first byte of `data` is the second one of a code unit, or would be.
    pub fn next<'a>(&self, data: &'a [u8], at: usize, odd: bool) -> Found<'a> {
        if let Self::Spool = self {
            return match spool::front(&data[at..]) {
                spool::Front::Whole(entry) => {
                    let end = at + entry.bytes;
                    let value = end - entry.value.len()..end;
                    Found::Line(Raw { start: at, value, end, source: entry.source, cut: entry.cut })
                }
                spool::Front::Unfinished => Found::Unfinished,
                spool::Front::Damaged => Found::Damaged,
            };
        }
        match self.find(data, at, odd) {
            Some((delimiter, end)) => {
                let value = at..self.without_carriage_return(data, at, delimiter);
                Found::Line(Raw { start: at, value, end, source: None, cut: false })
            }
            None => Found::Unfinished,
        }
    }

    /// The line at `at` whose delimiter will never come; `None` when there is nothing. A `\r` at its end is taken for
    /// the beginning of a delimiter.
    pub fn unfinished<'a>(&self, data: &'a [u8], at: usize) -> Option<Raw<'a>> {
        if at == data.len() || matches!(self, Self::Spool) {
            return None;
        }
        let value = at..self.without_carriage_return(data, at, data.len());
        Some(Raw { start: at, value, end: data.len(), source: None, cut: false })
    }

    /// Where the line after the next delimiter begins.
    pub fn after_delimiter(&self, data: &[u8], at: usize, odd: bool) -> Option<usize> {
        self.find(data, at, odd).map(|(_, end)| end)
    }

    /// How far a line without a delimiter can be used up: the last bytes may be the beginning of one.
    pub fn edge(&self, data: &[u8], odd: bool) -> usize {
        match self {
            Self::Newline => data.len(),
            Self::Delimiter(finder) => data.len().saturating_sub(finder.needle().len() - 1),
            Self::Wide(finder, _) => {
                let edge = data.len().saturating_sub(finder.needle().len() - 1);
                edge - ((edge + usize::from(odd)) % 2).min(edge)
            }
            Self::Spool => 0,
        }
    }

    /// Start and end of the first delimiter from `at` on.
    fn find(&self, data: &[u8], at: usize, odd: bool) -> Option<(usize, usize)> {
        match self {
            Self::Newline => memchr(b'\n', &data[at..]).map(|found| (at + found, at + found + 1)),
            Self::Delimiter(finder) => {
                let found = at + finder.find(&data[at..])?;
                Some((found, found + finder.needle().len()))
            }
            Self::Wide(finder, _) => {
                let mut from = at;
                loop {
                    let found = from + finder.find(&data[from..])?;
                    if (found + usize::from(odd)).is_multiple_of(2) {
                        return Some((found, found + finder.needle().len()));
                    }
                    from = found + 1;
                }
            }
            Self::Spool => None,
        }
    }

    fn without_carriage_return(&self, data: &[u8], start: usize, end: usize) -> usize {
        match self {
            Self::Newline if data[start..end].ends_with(b"\r") => end - 1,
            Self::Wide(_, Some(carriage_return)) if data[start..end].ends_with(carriage_return) => end - 2,
            _ => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finder(delimiter: &[u8]) -> Box<Finder<'static>> {
        Box::new(Finder::new(delimiter).into_owned())
    }

    fn lines(splitter: &Splitter, data: &[u8]) -> (Vec<Vec<u8>>, usize) {
        let (mut got, mut at) = (Vec::new(), 0);
        while let Found::Line(raw) = splitter.next(data, at, false) {
            got.push(data[raw.value].to_vec());
            at = raw.end;
        }
        (got, at)
    }

    #[test]
    fn a_code_unit_that_only_looks_like_a_newline_is_none() {
        // U+0A41 and U+0100 in little endian hold `\n` and `\0` at odd places.
        let wide = Splitter::Wide(finder(b"\n\0"), Some(*b"\r\0"));
        let data = [0x41, 0x0a, 0x00, 0x01, b'x', 0, b'\r', 0, b'\n', 0, b'y', 0];
        assert_eq!(lines(&wide, &data), (vec![data[..6].to_vec()], 10));
        assert_eq!(wide.unfinished(&data, 10).map(|raw| raw.value), Some(10..12));
        assert_eq!(wide.edge(&data, false), 10);
        assert_eq!(wide.edge(&data[..11], false), 10);
    }

    #[test]
    fn a_delimiter_may_have_any_bytes() {
        let splitter = Splitter::Delimiter(finder(b"||"));
        assert_eq!(lines(&splitter, b"a|b||c\n|||d|"), (vec![b"a|b".to_vec(), b"c\n".to_vec()], 9));
        assert_eq!(splitter.edge(b"abc|", false), 3);
    }

    #[test]
    fn a_carriage_return_belongs_to_the_delimiter_also_where_the_file_ends() {
        assert_eq!(lines(&Splitter::Newline, b"a\r\nb\r\r\nc\r"), (vec![b"a".to_vec(), b"b\r".to_vec()], 7));
        assert_eq!(Splitter::Newline.unfinished(b"a\nc\r", 2).map(|raw| (raw.value, raw.end)), Some((2..3, 4)));
    }
}
