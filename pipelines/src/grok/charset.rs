//! Sets of characters, and sets of bytes with which a part of a pattern can begin.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, HirKind};

/// Which characters may stand in one place of a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CharSet {
    /// For ASCII the answer; for the first byte of a longer character whether it can be in the set.
    pub table: [bool; 256],
    pub wide: Wide,
}

/// Which characters beyond ASCII are in a set.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wide {
    None,
    All,
    /// In order and apart from each other, ends included.
    Ranges(Box<[(char, char)]>),
}

impl CharSet {
    pub fn from_ranges(ranges: &[(char, char)]) -> CharSet {
        let mut table = [false; 256];
        let mut wide: Vec<(char, char)> = Vec::new();
        for (low, high) in ranges {
            for c in u32::from(*low)..=u32::from(*high).min(127) {
                table[c as usize] = true;
            }
            if u32::from(*high) > 127 {
                wide.push(((*low).max('\u{80}'), *high));
            }
        }
        let all = !wide.is_empty() && is_everything(&wide);
        for (low, high) in &wide {
            for first in first_byte(*low)..=first_byte(*high) {
                table[usize::from(first)] = true;
            }
        }
        if all {
            table[128..].fill(true);
        }
        let wide = match wide {
            wide if wide.is_empty() => Wide::None,
            _ if all => Wide::All,
            wide => Wide::Ranges(wide.into()),
        };
        CharSet { table, wide }
    }

    /// Reads a class in the syntax of the crate `regex`; none when that refuses it.
    pub fn parse(class: &str, ignore_case: bool) -> Option<CharSet> {
        let hir = ParserBuilder::new().case_insensitive(ignore_case).build().parse(class).ok()?;
        match hir.kind() {
            HirKind::Class(Class::Unicode(class)) => {
                let ranges: Vec<_> = class.iter().map(|range| (range.start(), range.end())).collect();
                Some(CharSet::from_ranges(&ranges))
            }
            HirKind::Class(Class::Bytes(class)) => {
                let ranges: Vec<_> =
                    class.iter().map(|range| (char::from(range.start()), char::from(range.end()))).collect();
                Some(CharSet::from_ranges(&ranges))
            }
            HirKind::Literal(literal) => {
                let text = std::str::from_utf8(&literal.0).ok()?;
                let ranges: Vec<_> = text.chars().map(|c| (c, c)).collect();
                Some(CharSet::from_ranges(&ranges))
            }
            _ => None,
        }
    }

    /// One character, and those that are the same but for their case.
    pub fn ignoring_case(c: char) -> Option<CharSet> {
        CharSet::parse(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])), true)
    }

    pub fn contains(&self, c: char) -> bool {
        if c.is_ascii() {
            return self.table[c as usize];
        }
        match &self.wide {
            Wide::None => false,
            Wide::All => true,
            Wide::Ranges(ranges) => {
                let after = ranges.partition_point(|(low, _)| *low <= c);
                after > 0 && ranges[after - 1].1 >= c
            }
        }
    }

    /// Bytes of the character at a place when it is in the set, else 0.
    #[inline]
    pub fn length_at(&self, line: &str, position: usize) -> usize {
        match line.as_bytes().get(position) {
            Some(byte) if *byte < 128 => usize::from(self.table[usize::from(*byte)]),
            Some(byte) if self.table[usize::from(*byte)] => self.wide_length_at(line, position),
            _ => 0,
        }
    }

    #[cold]
    fn wide_length_at(&self, line: &str, position: usize) -> usize {
        match line[position..].chars().next() {
            Some(c) if self.contains(c) => c.len_utf8(),
            _ => 0,
        }
    }

    /// Whether each byte of a line can be judged by the table alone.
    pub fn is_bytewise(&self) -> bool {
        !matches!(self.wide, Wide::Ranges(_))
    }
}

fn first_byte(c: char) -> u8 {
    let mut bytes = [0; 4];
    c.encode_utf8(&mut bytes);
    bytes[0]
}

/// Whether ranges from 80 on leave nothing out.
fn is_everything(ranges: &[(char, char)]) -> bool {
    let mut next = '\u{80}';
    for (low, high) in ranges {
        if *low > next {
            return false;
        }
        match *high {
            char::MAX => return true,
            '\u{d7ff}' => next = '\u{e000}',
            high => next = char::from_u32(u32::from(high) + 1).unwrap_or(char::MAX),
        }
    }
    false
}

/// The bytes with which something can begin, and whether it can succeed where the line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct First {
    bytes: [u64; 4],
    pub end: bool,
}

impl First {
    pub const NOTHING: First = First { bytes: [0; 4], end: false };
    pub const ANYTHING: First = First { bytes: [u64::MAX; 4], end: true };

    pub fn byte(byte: u8) -> First {
        let mut first = First::NOTHING;
        first.insert(byte);
        first
    }

    pub fn with_end(self, end: bool) -> First {
        First { end, ..self }
    }

    pub fn set(set: &CharSet) -> First {
        let mut first = First::NOTHING;
        for byte in 0..=255u8 {
            if set.table[usize::from(byte)] {
                first.insert(byte);
            }
        }
        first
    }

    pub fn insert(&mut self, byte: u8) {
        self.bytes[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub fn contains(&self, byte: u8) -> bool {
        self.bytes[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub fn or(mut self, other: First) -> First {
        self.bytes.iter_mut().zip(other.bytes).for_each(|(byte, other)| *byte |= other);
        First { end: self.end | other.end, ..self }
    }

    pub fn and(mut self, other: First) -> First {
        self.bytes.iter_mut().zip(other.bytes).for_each(|(byte, other)| *byte &= other);
        First { end: self.end & other.end, ..self }
    }

    /// Without the bytes of another; what is said of the line's end stays.
    pub fn without(mut self, other: First) -> First {
        self.bytes.iter_mut().zip(other.bytes).for_each(|(byte, other)| *byte &= !other);
        self
    }

    pub fn shares_bytes(&self, other: &First) -> bool {
        self.bytes.iter().zip(other.bytes).any(|(byte, other)| byte & other != 0)
    }

    /// The only byte with which it can begin.
    pub fn only_byte(&self) -> Option<u8> {
        let count: u32 = self.bytes.iter().map(|bytes| bytes.count_ones()).sum();
        if count != 1 || self.end { None } else { (0..=255).find(|byte| self.contains(*byte)) }
    }

    /// Whether some byte rules this out.
    pub fn tells(&self) -> bool {
        self.bytes != [u64::MAX; 4]
    }

    pub fn table(&self) -> [bool; 256] {
        std::array::from_fn(|byte| self.contains(byte as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(class: &str, inside: &str, outside: &str) {
        let set = CharSet::parse(class, false).unwrap_or_else(|| panic!("{class}"));
        for c in inside.chars() {
            assert!(set.contains(c), "{class} {c:?}");
            assert_eq!(set.length_at(&c.to_string(), 0), c.len_utf8(), "{class} {c:?}");
        }
        for c in outside.chars() {
            assert!(!set.contains(c), "{class} {c:?}");
            assert_eq!(set.length_at(&c.to_string(), 0), 0, "{class} {c:?}");
        }
    }

    #[test]
    fn a_set_holds_what_its_class_says() {
        check("[a-c]", "abc", "d\u{e4}\u{10ffff}");
        check("[^a]", "b\n\u{80}\u{d7ff}\u{e000}\u{10ffff}", "a");
        check("[\\p{Alphabetic}\u{e4}]", "a\u{e4}\u{df}\u{65e5}", "1-\u{20ac}");
        check("[\u{e4}\u{1f600}]", "\u{e4}\u{1f600}", "\u{e5}\u{1f601}\u{c3}");
        assert_eq!(CharSet::parse("[^a]", false).unwrap().wide, Wide::All);
        assert_eq!(CharSet::parse("[a]", false).unwrap().wide, Wide::None);
    }
}
