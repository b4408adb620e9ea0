//! Patterns of `*` and `?`: read, matched against text, and as an automaton that costs no more than the pattern is long.

use super::ast::{Pattern, Piece};
use super::error::Refusal;
use super::limits::PATTERN_BYTES_MAX;

impl Pattern {
    /// `\` takes the meaning from the next character.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Refusal::argument(format!(
                "The length of pattern [{}] exceeds the allowed maximum of [{PATTERN_BYTES_MAX}]",
                text.len()
            )));
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            let literal = match character {
                '*' => {
                    if pieces.last() != Some(&Piece::AnyCharacters) {
                        pieces.push(Piece::AnyCharacters);
                    }
                    continue;
                }
                '?' => {
                    pieces.push(Piece::AnyCharacter);
                    continue;
                }
                '\\' => characters.next().unwrap_or('\\'),
                other => other,
            };
            match pieces.last_mut() {
                Some(Piece::Literal(text)) => text.push(literal),
                _ => pieces.push(Piece::Literal(literal.to_string())),
            }
        }
        Ok(Self(pieces))
    }

    /// `text` as it is; `None` when it is longer than a pattern may be.
    pub fn exactly(text: &str) -> Option<Self> {
        (text.len() <= PATTERN_BYTES_MAX).then(|| Self(vec![Piece::Literal(text.to_owned())]))
    }

    /// What begins with `text`; `None` when it is longer than a pattern may be.
    pub fn beginning(text: &str) -> Option<Self> {
        let pieces = vec![Piece::Literal(text.to_owned()), Piece::AnyCharacters];
        (text.len() <= PATTERN_BYTES_MAX).then_some(Self(pieces))
    }

    /// Matches everything.
    pub fn is_all(&self) -> bool {
        self.0 == [Piece::AnyCharacters]
    }

    /// The text that it is, when nothing in it is a wildcard.
    pub fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// What every match begins with.
    pub fn prefix(&self) -> &str {
        match self.0.first() {
            Some(Piece::Literal(text)) => text,
            _ => "",
        }
    }

    /// Whether all of `text` matches, in time of at most pattern times text.
    pub fn matches(&self, text: &str) -> bool {
        self.automaton(false).matches(text)
    }

    /// Over the bytes of UTF-8.
    pub fn automaton(&self, ignore_case: bool) -> PatternAutomaton {
        let mut steps = Vec::new();
        for piece in &self.0 {
            match piece {
                Piece::AnyCharacters => steps.push(Step::Any),
                Piece::AnyCharacter => steps.push(Step::One),
                Piece::Literal(text) => {
                    for character in text.chars() {
                        let other = other_case(character).filter(|_| ignore_case);
                        steps.push(Step::Character(bytes(character), other.map(bytes)));
                    }
                }
            }
        }
        PatternAutomaton { steps }
    }
}

/// The same letter in the other case: only those of ASCII have one here, as in Lucene.
fn other_case(character: char) -> Option<char> {
    let other =
        if character.is_ascii_lowercase() { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() };
    (other != character).then_some(other)
}

/// A character's bytes, and how many they are.
fn bytes(character: char) -> ([u8; 4], u8) {
    let mut buffer = [0; 4];
    let count = character.encode_utf8(&mut buffer).len() as u8;
    (buffer, count)
}

#[derive(Debug, Clone)]
enum Step {
    Any,
    One,
    Character(([u8; 4], u8), Option<([u8; 4], u8)>),
}

/// A pattern as a nondeterministic automaton that is run as it is: no pattern, however hostile, makes it larger.
#[derive(Debug, Clone)]
pub struct PatternAutomaton {
    steps: Vec<Step>,
}

/// Where in the pattern a text may be after its bytes so far: step and bytes of the current character, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternState(Vec<(u16, Within)>);

/// How much of a character has been read, and which one it may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Within {
    /// At its beginning.
    Begin,
    /// So many bytes of the step's character.
    Same(u8),
    /// So many bytes of its other case.
    Other(u8),
    /// So many bytes of any character are still to come.
    Rest(u8),
}

impl PatternAutomaton {
    /// Before the first byte.
    pub fn begin(&self) -> PatternState {
        let mut state = PatternState(Vec::new());
        self.enter(&mut state, 0);
        state
    }

    /// After one byte more.
    pub fn next(&self, state: &PatternState, byte: u8) -> PatternState {
        let mut next = PatternState(Vec::with_capacity(state.0.len() + 1));
        for &(at, within) in &state.0 {
            let Some(step) = self.steps.get(usize::from(at)) else { continue };
            match step {
                Step::Any => self.any(&mut next, at, at, within, byte),
                Step::One => self.any(&mut next, at, at + 1, within, byte),
                Step::Character(character, other) => {
                    let (same, read) = match within {
                        Within::Begin => (true, 0),
                        Within::Same(read) => (true, read),
                        Within::Other(read) => (false, read),
                        Within::Rest(_) => continue,
                    };
                    if same {
                        self.literal(&mut next, at, character, read, byte, Within::Same);
                    }
                    if let Some(other) = other.as_ref().filter(|_| !same || read == 0) {
                        self.literal(&mut next, at, other, read, byte, Within::Other);
                    }
                }
            }
        }
        next.0.sort_unstable();
        next.0.dedup();
        next
    }

    /// Whether all of `text` matches.
    pub fn matches(&self, text: &str) -> bool {
        let mut state = self.begin();
        for byte in text.bytes() {
            if state.0.is_empty() {
                return false;
            }
            state = self.next(&state, byte);
        }
        self.is_match(&state)
    }

    /// The bytes so far are a match.
    pub fn is_match(&self, state: &PatternState) -> bool {
        state.0.iter().any(|&(at, within)| usize::from(at) == self.steps.len() && within == Within::Begin)
    }

    /// More bytes may make them one.
    pub fn can_match(&self, state: &PatternState) -> bool {
        !state.0.is_empty()
    }

    fn any(&self, next: &mut PatternState, at: u16, then: u16, within: Within, byte: u8) {
        let rest = match within {
            Within::Rest(rest) => rest - 1,
            _ => match byte {
                0..0xc0 => 0,
                0xc0..0xe0 => 1,
                0xe0..0xf0 => 2,
                _ => 3,
            },
        };
        match rest {
            0 => self.enter(next, then),
            rest => next.0.push((at, Within::Rest(rest))),
        }
    }

    fn literal(
        &self,
        next: &mut PatternState,
        at: u16,
        (character, count): &([u8; 4], u8),
        read: u8,
        byte: u8,
        within: fn(u8) -> Within,
    ) {
        if character[usize::from(read)] != byte {
            return;
        }
        match read + 1 == *count {
            true => self.enter(next, at + 1),
            false => next.0.push((at, within(read + 1))),
        }
    }

    /// At the beginning of step `at`, and of those that can be left out.
    fn enter(&self, state: &mut PatternState, at: u16) {
        state.0.push((at, Within::Begin));
        if let Some(Step::Any) = self.steps.get(usize::from(at)) {
            self.enter(state, at + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, expect: bool) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        assert_eq!(pattern.matches(text), expect, "{pattern:?} {text}");
    }

    #[test]
    fn matches() {
        check("a*c", "abbc", true);
        check("a*c", "abb", false);
        check("?", "ä", true);
        check("??", "ä", false);
        check("*", "", true);
        check("ä*€?", "ä..€x", true);
        check(r"a\*", "a*", true);
        check(r"a\*", "ab", false);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn ignores_case() {
        let automaton = Pattern::parse("äPP*").expect("a pattern").automaton(true);
        let state = "äpPle".bytes().fold(automaton.begin(), |state, byte| automaton.next(&state, byte));
        assert!(automaton.is_match(&state));
    }

    #[test]
    fn hostile_patterns_cost_no_more_than_their_length() {
        let pattern = Pattern::parse(&"*a?".repeat(300)).expect("a pattern");
        assert!(!pattern.matches(&"a".repeat(500)));
        assert!(Pattern::parse(&"*a".repeat(501)).is_err());
    }
}
