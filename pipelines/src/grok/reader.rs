//! Reads the small parts of a pattern's text: characters, escapes, `%{NAME:field:type}` and `{2,3}`.

use super::syntax::SyntaxError;

/// The characters of one pattern text.
pub(super) struct Reader<'a> {
    text: &'a str,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text }
    }

    pub fn rest(&self) -> &'a str {
        self.text
    }

    pub fn skip(&mut self, bytes: usize) {
        self.text = &self.text[bytes..];
    }

    pub fn eat(&mut self, token: &str) -> bool {
        match self.text.strip_prefix(token) {
            Some(rest) => {
                self.text = rest;
                true
            }
            None => false,
        }
    }

    pub fn next(&mut self) -> Option<char> {
        let c = self.text.chars().next()?;
        self.text = &self.text[c.len_utf8()..];
        Some(c)
    }

    /// Takes what stands before a closing token, and the token.
    pub fn until(&mut self, close: &str, what: &'static str) -> Result<&'a str, SyntaxError> {
        let end = self.text.find(close).ok_or(SyntaxError::Unclosed { what })?;
        let inside = &self.text[..end];
        self.text = &self.text[end + close.len()..];
        Ok(inside)
    }

    /// `\p{..}` with its letter read.
    pub fn property(&mut self, letter: char) -> Result<String, SyntaxError> {
        if !self.eat("{") {
            return Err(SyntaxError::Unsupported { construct: format!("\\{letter}") });
        }
        let name = self.until("}", "\\p{")?;
        let (name, negated) = match name.strip_prefix('^') {
            Some(name) => (name, letter == 'p'),
            None => (name, letter == 'P'),
        };
        let letter = if negated { 'P' } else { 'p' };
        // Ruby's POSIX-like names that Unicode does not know.
        let name = match name.to_ascii_lowercase().as_str() {
            "alpha" => "Alphabetic",
            "digit" => "Nd",
            "lower" => "Lowercase",
            "upper" => "Uppercase",
            "space" => "White_Space",
            "punct" => "P",
            "cntrl" => "Cc",
            _ => name,
        };
        Ok(format!("\\{letter}{{{name}}}"))
    }

    /// The character that an escape stands for, its letter read.
    pub fn escaped(&mut self, letter: char) -> Result<char, SyntaxError> {
        let unsupported = || SyntaxError::Unsupported { construct: format!("\\{letter}") };
        Ok(match letter {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'x' if self.eat("{") => {
                let digits = self.until("}", "\\x{")?;
                u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).ok_or_else(unsupported)?
            }
            // Above 7F a single byte is no character.
            'x' => self.hex(1, 2).filter(char::is_ascii).ok_or_else(unsupported)?,
            'u' => self.hex(4, 4).ok_or_else(unsupported)?,
            '0' => {
                let digits = self.text.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = u32::from_str_radix(&self.text[..digits], 8).unwrap_or(0);
                self.skip(digits);
                char::from_u32(code).ok_or_else(unsupported)?
            }
            _ if letter.is_ascii_alphanumeric()
                && !matches!(letter, '1'..='9')
                && "ABCGKPQRXZbckgpz".contains(letter) =>
            {
                return Err(unsupported());
            }
            // Every other letter stands for itself in Ruby.
            _ => letter,
        })
    }

    fn hex(&mut self, min: usize, max: usize) -> Option<char> {
        let digits = self.text.bytes().take(max).take_while(u8::is_ascii_hexdigit).count();
        if digits < min {
            return None;
        }
        let code = u32::from_str_radix(&self.text[..digits], 16).ok()?;
        self.skip(digits);
        char::from_u32(code)
    }
}

/// A use of a named pattern, split up.
pub(super) struct Reference<'a> {
    pub name: &'a str,
    /// `field` or `field:type`.
    pub field: Option<&'a str>,
    pub definition: Option<&'a str>,
}

impl<'a> Reference<'a> {
    /// Reads one at the start of the text; none when it only looks like one.
    pub fn read(text: &'a str) -> Option<(Reference<'a>, usize)> {
        let end = text.find('}')?;
        let inside = text.get(2..end)?;
        let (inside, definition) = match inside.split_once('=') {
            Some((inside, definition)) => (inside, Some(definition)),
            None => (inside, None),
        };
        let (name, field) = match inside.split_once(':') {
            Some((name, field)) => (name, Some(field)),
            None => (inside, None),
        };
        let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let field_byte = |c: char| c.is_alphanumeric() || "@[]_:.-".contains(c);
        let fielded = field.is_none_or(|field| !field.is_empty() && field.chars().all(field_byte));
        (named && fielded).then_some((Reference { name, field, definition }, end + 1))
    }
}

/// `{2,3}` at the start of a text, with its length; anything else in curly brackets is literal.
pub(super) fn interval(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let end = text.find('}')?;
    let inside = text.get(1..end)?;
    let number = |digits: &str| -> Option<u32> {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    let (min, max) = match inside.split_once(',') {
        None => {
            let exact = number(inside)?;
            (exact, Some(exact))
        }
        Some(("", max)) => (0, Some(number(max)?)),
        Some((min, "")) => (number(min)?, None),
        Some((min, max)) => (number(min)?, Some(number(max)?)),
    };
    Some((min, max, end + 1))
}
