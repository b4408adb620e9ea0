//! Places in a line: its edges, those of words, and what stands beside or comes later.

use std::sync::LazyLock;

use super::{Matcher, UNSET};
use crate::grok::charset::CharSet;
use crate::grok::class::UNICODE_WORD;
use crate::grok::program::{Look, Place};

impl<const FURTHEST: bool> Matcher<'_, '_, '_, FURTHEST> {
    pub(super) fn is_at(&self, place: Place, position: usize) -> bool {
        let (before, after) = (position.checked_sub(1).map(|place| self.bytes[place]), self.bytes.get(position));
        match place {
            // Behind a newline at the very end no line begins.
            Place::LineStart => before.is_none() || before == Some(b'\n') && after.is_some(),
            Place::LineEnd => after.is_none_or(|byte| *byte == b'\n'),
            Place::TextStart => before.is_none(),
            Place::TextEnd => after.is_none(),
            Place::TextEndOrNewline => after.is_none() || position + 1 == self.bytes.len() && after == Some(&b'\n'),
            Place::WordBoundary => self.is_word_before(position) != self.is_word_after(position),
            Place::NotWordBoundary => self.is_word_before(position) == self.is_word_after(position),
        }
    }

    pub(super) fn is_word_before(&self, position: usize) -> bool {
        match position.checked_sub(1).map(|place| self.bytes[place]) {
            None => false,
            Some(byte) if byte < 128 => byte.is_ascii_alphanumeric() || byte == b'_',
            Some(_) => self.line[..position].chars().next_back().is_some_and(is_word),
        }
    }

    pub(super) fn is_word_after(&self, position: usize) -> bool {
        match self.bytes.get(position) {
            None => false,
            Some(byte) if *byte < 128 => byte.is_ascii_alphanumeric() || *byte == b'_',
            Some(_) => self.line[position..].chars().next().is_some_and(is_word),
        }
    }

    pub(super) fn looks(&self, set: u32, look: Look, position: usize) -> bool {
        let set = &self.program.sets[set as usize];
        let behind = || match position.checked_sub(1).map(|place| self.bytes[place]) {
            None => false,
            Some(byte) if byte < 128 => set.table[usize::from(byte)],
            Some(_) => self.line[..position].chars().next_back().is_some_and(|c| set.contains(c)),
        };
        match look {
            Look::Ahead => set.length_at(self.line, position) > 0,
            Look::NotAhead => set.length_at(self.line, position) == 0,
            Look::Behind => behind(),
            Look::NotBehind => !behind(),
        }
    }

    /// Whether a required literal comes at a place or later.
    pub(super) fn comes(&mut self, literal: u32, position: usize) -> bool {
        let last = match self.scratch.last_places[literal as usize] {
            Some(last) => last,
            None => {
                let needle = self.program.required[literal as usize].needle();
                let last = memchr::memmem::rfind(self.bytes, needle);
                self.scratch.last_places[literal as usize] = Some(last);
                last
            }
        };
        last.is_some_and(|last| last >= position)
    }

    pub(super) fn repeats(&self, capture: u32, ignore_case: bool, position: usize) -> Option<usize> {
        let slot = 2 * capture as usize;
        let (start, end) = (self.scratch.slots[slot], self.scratch.slots[slot + 1]);
        if start == UNSET || end == UNSET {
            return None;
        }
        let text = &self.line[start as usize..end as usize];
        let rest = &self.line[position..];
        if !ignore_case {
            return rest.starts_with(text).then(|| position + text.len());
        }
        let mut chars = rest.chars();
        for c in text.chars() {
            if !c.to_lowercase().eq(chars.next()?.to_lowercase()) {
                return None;
            }
        }
        Some(self.line.len() - chars.as_str().len())
    }
}

/// Whether a character beyond ASCII is one of words.
fn is_word(c: char) -> bool {
    static WORD: LazyLock<Option<CharSet>> = LazyLock::new(|| CharSet::parse(UNICODE_WORD, false));
    WORD.as_ref().is_some_and(|word| word.contains(c))
}
