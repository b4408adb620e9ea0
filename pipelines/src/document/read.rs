//! A reader of JSON that keeps what Elasticsearch keeps: big integers, the order of keys, and refused double keys.

use thiserror::Error;

use super::map::Map;
use super::value::{Text, Value};

/// How deep lists and maps may lie in each other: the limit of Elasticsearch's own reader, which also keeps the
/// recursion here within a thread's stack.
pub const NESTING_MAX: usize = 1000;

/// Why a text is not JSON.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{reason} at position {position}")]
pub struct JsonError {
    pub reason: String,
    /// Byte index in the text.
    pub position: usize,
}

/// What a key means that was there before in the same object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKeys {
    Refuse,
    LastWins,
}

/// Reads one value at the start of the text and says where it ends.
pub fn read_prefix(text: &str, keys: DuplicateKeys) -> Result<(Value, usize), JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), position: 0, keys };
    reader.skip_space();
    let value = reader.value(0)?;
    Ok((value, reader.position))
}

/// Reads a text that is one value and nothing else.
pub fn read(text: &str, keys: DuplicateKeys) -> Result<Value, JsonError> {
    let (value, end) = read_prefix(text, keys)?;
    match text[end..].find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')) {
        None => Ok(value),
        Some(rest) => Err(JsonError { reason: "unexpected text after the value".to_owned(), position: end + rest }),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    keys: DuplicateKeys,
}

impl<'t> Reader<'t> {
    fn fail<T>(&self, reason: impl Into<String>) -> Result<T, JsonError> {
        Err(JsonError { reason: reason.into(), position: self.position })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.position).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.position += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.peek() {
            None => self.fail("unexpected end of text"),
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.map(depth),
            Some(b'[') => self.list(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => self.fail("unexpected character"),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.bytes[self.position..].starts_with(word.as_bytes()) {
            return self.fail("unexpected word");
        }
        let end = self.position + word.len();
        if self.bytes.get(end).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            return self.fail("unexpected word");
        }
        self.position = end;
        Ok(value)
    }

    fn map(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth >= NESTING_MAX {
            return self.fail(format!("nested deeper than {NESTING_MAX}"));
        }
        self.position += 1;
        let mut map = Map::new();
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.position += 1;
            return Ok(Value::Map(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return self.fail("expected a key in double quotes");
            }
            let key = self.string()?;
            if self.keys == DuplicateKeys::Refuse && map.contains_key(&key) {
                return self.fail(format!("Duplicate field '{key}'"));
            }
            self.skip_space();
            if self.peek() != Some(b':') {
                return self.fail("expected a colon after a key");
            }
            self.position += 1;
            self.skip_space();
            let value = self.value(depth + 1)?;
            match self.keys {
                DuplicateKeys::Refuse => map.add(key, value),
                DuplicateKeys::LastWins => drop(map.insert(key, value)),
            }
            self.skip_space();
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b'}') => {
                    self.position += 1;
                    return Ok(Value::Map(map));
                }
                _ => return self.fail("expected a comma or the end of the object"),
            }
            self.skip_space();
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, JsonError> {
        if depth >= NESTING_MAX {
            return self.fail(format!("nested deeper than {NESTING_MAX}"));
        }
        self.position += 1;
        let mut list = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.position += 1;
            return Ok(Value::List(list));
        }
        loop {
            list.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.position += 1,
                Some(b']') => {
                    self.position += 1;
                    return Ok(Value::List(list));
                }
                _ => return self.fail("expected a comma or the end of the list"),
            }
            self.skip_space();
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.position;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.position += 1;
        }
        self.position - start
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.position += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 {
            return self.fail("expected a digit");
        }
        if leading_zero && whole > 1 {
            return self.fail("a number cannot begin with a zero");
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.position += 1;
            if self.digits() == 0 {
                return self.fail("expected a digit after the decimal point");
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.position += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.position += 1;
            }
            if self.digits() == 0 {
                return self.fail("expected a digit in the exponent");
            }
        }
        if self.peek().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b'.') {
            return self.fail("unexpected character in a number");
        }
        let text = &self.text[start..self.position];
        if integer {
            return Ok(text.parse().map_or_else(|_| Value::BigInteger(text.into()), Value::Integer));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Double(number)),
            _ => self.fail("number out of range"),
        }
    }

    /// The text of a string; the position is on its opening quote.
    fn string(&mut self) -> Result<Text, JsonError> {
        self.position += 1;
        let mut string = match self.run()? {
            (run, b'"') => {
                self.position += run.len() + 1;
                return Ok(Text::from(run));
            }
            // Most escapes are of two bytes, so that a string is shorter than it is written.
            (run, _) => Text::with_capacity(run.len() + self.bytes_to_quote(run.len())),
        };
        loop {
            let (run, end) = self.run()?;
            string.push_str(run);
            self.position += run.len();
            if end == b'"' {
                self.position += 1;
                return Ok(string);
            }
            string.push(self.escape()?);
        }
    }

    /// What stands for itself from the position on, and the quote or backslash that ends it.
    fn run(&mut self) -> Result<(&'t str, u8), JsonError> {
        let rest = &self.bytes[self.position..];
        let end = memchr::memchr2(b'"', b'\\', rest);
        let run = &rest[..end.unwrap_or(rest.len())];
        // All bytes are asked, which is faster than to stop at the first.
        if run.iter().fold(false, |any, byte| any | (*byte < 0x20)) {
            self.position += run.iter().position(|byte| *byte < 0x20).unwrap_or(0);
            return self.fail("control character in a string");
        }
        match end {
            // Quotes and backslashes are never inside a multi-byte character.
            Some(end) => Ok((&self.text[self.position..self.position + end], rest[end])),
            None => {
                self.position = self.bytes.len();
                self.fail("unexpected end in a string")
            }
        }
    }

    /// How far it is from a backslash, `behind` bytes behind the position, to the quote that ends the string.
    fn bytes_to_quote(&self, behind: usize) -> usize {
        let start = self.position + behind;
        let mut at = start;
        while let Some(rest) = self.bytes.get(at..)
            && let Some(distance) = memchr::memchr2(b'"', b'\\', rest)
        {
            at += distance;
            if self.bytes[at] == b'"' {
                return at - start;
            }
            at += 2;
        }
        0
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        self.position += 1;
        let Some(letter) = self.peek() else { return self.fail("unexpected end in a string") };
        self.position += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex()?;
                if !(0xd800..0xe000).contains(&unit) {
                    return Ok(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                // A surrogate alone cannot be said in UTF-8.
                if unit < 0xdc00 && self.bytes[self.position..].starts_with(b"\\u") {
                    let mark = self.position;
                    self.position += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                    }
                    self.position = mark;
                }
                char::REPLACEMENT_CHARACTER
            }
            _ => return self.fail("unknown escape in a string"),
        })
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.position..self.position + 4).unwrap_or_default();
        let mut unit = 0;
        for digit in digits {
            let Some(value) = char::from(*digit).to_digit(16) else { return self.fail("expected four hex digits") };
            unit = unit * 16 + value;
        }
        if digits.is_empty() {
            return self.fail("expected four hex digits");
        }
        self.position += 4;
        Ok(unit)
    }
}
