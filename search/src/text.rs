//! How texts become words: as Elasticsearch's `standard` analyzer does it.

use std::ops::Range;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use unicode_segmentation::UnicodeSegmentation;

/// Bytes of a word; a longer one is cut, as Lucene does at 255 characters.
pub const WORD_BYTES_MAX: usize = 255;

/// The words of `text` in lower case, in their order: Unicode's word boundaries (UAX #29), words with a letter or a digit.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    Words::of(text).map(move |range| text[range].to_lowercase())
}

/// The places of the words in a text.
enum Words<'a> {
    /// Most log lines: no table is asked.
    Ascii {
        text: &'a [u8],
        place: usize,
    },
    Any {
        words: Box<dyn Iterator<Item = (usize, &'a str)> + 'a>,
        rest: Range<usize>,
        text: &'a str,
    },
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        match text.is_ascii() {
            true => Self::Ascii { text: text.as_bytes(), place: 0 },
            false => Self::Any { words: Box::new(text.unicode_word_indices()), rest: 0..0, text },
        }
    }
}

impl Iterator for Words<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        match self {
            Self::Ascii { text, place } => next_ascii(text, place),
            Self::Any { words, rest, text } => {
                if rest.start >= rest.end {
                    let (start, word) = words.next()?;
                    *rest = start..start + word.len();
                }
                let mut end = rest.end.min(rest.start + WORD_BYTES_MAX);
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                let word = rest.start..end;
                rest.start = end;
                Some(word)
            }
        }
    }
}

/// UAX #29 for ASCII: letters, digits and `_` stick together; `'` and `.` stay between letters or between digits, `:` between
/// letters, `,` and `;` between digits.
fn next_ascii(text: &[u8], place: &mut usize) -> Option<Range<usize>> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    loop {
        while *place < text.len() && !is_part(text[*place]) {
            *place += 1;
        }
        if *place == text.len() {
            return None;
        }
        let start = *place;
        let mut end = start;
        let mut has_sound = false;
        while end < text.len() && end - start < WORD_BYTES_MAX {
            let byte = text[end];
            if is_part(byte) {
                has_sound |= byte != b'_';
                end += 1;
                continue;
            }
            let before = text[end - 1];
            let Some(after) = text.get(end + 1).copied() else { break };
            let letters = before.is_ascii_alphabetic() && after.is_ascii_alphabetic();
            let digits = before.is_ascii_digit() && after.is_ascii_digit();
            let goes_on = match byte {
                b'.' | b'\'' => letters || digits,
                b':' => letters,
                b',' | b';' => digits,
                _ => false,
            };
            if !goes_on || end + 1 - start >= WORD_BYTES_MAX {
                break;
            }
            end += 1;
        }
        *place = end;
        if has_sound {
            return Some(start..end);
        }
    }
}

/// [`words`] for tantivy.
#[derive(Clone, Default)]
pub struct StandardTokenizer {
    token: Token,
}

/// The words of one text.
pub struct StandardStream<'a> {
    text: &'a str,
    words: Words<'a>,
    token: &'a mut Token,
}

impl Tokenizer for StandardTokenizer {
    type TokenStream<'a> = StandardStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> StandardStream<'a> {
        self.token.reset();
        StandardStream { text, words: Words::of(text), token: &mut self.token }
    }
}

impl TokenStream for StandardStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(range) = self.words.next() else { return false };
        let word = &self.text[range.clone()];
        self.token.text.clear();
        match word.is_ascii() {
            true => {
                self.token.text.push_str(word);
                self.token.text.make_ascii_lowercase();
            }
            false => self.token.text.extend(word.chars().flat_map(char::to_lowercase)),
        }
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = range.start;
        self.token.offset_to = range.end;
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &[&str]) {
        assert_eq!(words(text).collect::<Vec<_>>(), expect, "{text:?}");
    }

    #[test]
    fn words_are_those_of_the_standard_analyzer() {
        check("GET /cart.html?id=12 HTTP/1.1", &["get", "cart.html", "id", "12", "http", "1.1"]);
        check(
            "user_name it's 10.0.0.1:80 a:b 1,234;5 x-y",
            &["user_name", "it's", "10.0.0.1", "80", "a:b", "1,234;5", "x", "y"],
        );
        check("_ __ _a a_", &["_a", "a_"]);
        check("end. 'quoted' a..b", &["end", "quoted", "a", "b"]);
        check("Größe ÄRGER", &["größe", "ärger"]);
        check("", &[]);
    }

    #[test]
    fn long_words_are_cut() {
        let long = "a".repeat(600);
        assert_eq!(words(&long).map(|word| word.len()).collect::<Vec<_>>(), [255, 255, 90]);
        let long = "ä".repeat(300);
        assert_eq!(words(&long).map(|word| word.len()).collect::<Vec<_>>(), [254, 254, 92]);
    }
}
