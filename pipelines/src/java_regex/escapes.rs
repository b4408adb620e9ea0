//! Rewrites escapes and classes of characters of a Java expression.

use super::class::{predefined, property, push_literal};
use super::translate::{DOLLAR, NESTING_MAX, Translator};

impl Translator {
    fn hex(&mut self, digits: usize) -> Option<char> {
        let text: String = (0..digits).map_while(|ahead| self.peek(ahead)).collect();
        let code = u32::from_str_radix(&text, 16).ok().filter(|_| text.len() == digits)?;
        self.position += digits;
        char::from_u32(code)
    }

    /// The character that an escape names, if it names one.
    fn escaped_char(&mut self, letter: char) -> Result<Option<char>, String> {
        Ok(Some(match letter {
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'x' if self.take('{') => {
                let close = self.chars[self.position..].iter().position(|c| *c == '}');
                let found = close.and_then(|close| self.hex(close));
                match found {
                    Some(c) if self.take('}') => c,
                    _ => return self.fail("illegal hexadecimal escape"),
                }
            }
            'x' => match self.hex(2) {
                Some(c) => c,
                None => return self.fail("illegal hexadecimal escape"),
            },
            'u' => match self.hex(4) {
                Some(c) => c,
                None => return self.fail("illegal Unicode escape"),
            },
            'c' => match self.next() {
                Some(c) if c.is_ascii() => char::from(c as u8 ^ 64),
                _ => return self.fail("illegal control escape"),
            },
            '0' => {
                let mut code = 0;
                let mut digits = 0;
                while let Some(digit) = self.peek(0).and_then(|c| c.to_digit(8)) {
                    if digits == 3 || code * 8 + digit > 0o377 {
                        break;
                    }
                    code = code * 8 + digit;
                    digits += 1;
                    self.position += 1;
                }
                match char::from_u32(code) {
                    Some(c) if digits > 0 => c,
                    _ => return self.fail("illegal octal escape"),
                }
            }
            _ => return Ok(None),
        }))
    }

    /// `\Q..\E`
    fn quoted(&mut self) -> Vec<char> {
        let mut quoted = Vec::new();
        while let Some(c) = self.next() {
            if c == '\\' && self.take('E') {
                break;
            }
            quoted.push(c);
        }
        quoted
    }

    /// The inside of a class that an escape names, and whether it is turned round.
    fn escaped_class(&mut self, letter: char) -> Result<Option<(String, bool)>, String> {
        if let Some((class, negated)) = predefined(letter, self.modes.unicode) {
            return Ok(Some((class.to_owned(), negated)));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let name: String = if self.take('{') {
            let Some(close) = self.chars[self.position..].iter().position(|c| *c == '}') else {
                return self.fail("unclosed name of a property");
            };
            let name = self.chars[self.position..self.position + close].iter().collect();
            self.position += close + 1;
            name
        } else {
            self.next().map(String::from).unwrap_or_default()
        };
        match property(&name) {
            Some(class) => Ok(Some((class, letter == 'P'))),
            None => self.fail(&format!("unknown character property {name:?}")),
        }
    }

    /// Behind a backslash, outside of a class.
    pub(super) fn escape(&mut self) -> Result<(), String> {
        let Some(letter) = self.next() else { return self.fail("unexpected end behind a backslash") };
        match letter {
            'A' | 'z' => self.push(&format!("\\{letter}")),
            'Z' => {
                self.out.has_dollar = true;
                self.out.plain.push_str(r"\z");
                self.out.exact.push_str(DOLLAR);
            }
            'b' if self.modes.unicode => self.push(r"\b"),
            'B' if self.modes.unicode => self.push(r"\B"),
            'b' => {
                self.out.plain.push_str(r"(?-u:\b)");
                self.out.exact.push_str(r"\b");
            }
            'B' => {
                // Without Unicode it could fall into a character.
                self.push(r"\B");
            }
            'G' => {
                self.out.backtracks = true;
                self.push(r"\G");
            }
            'R' => self.push(r"(?:\r\n|[\n\x0B\x0C\r\x{85}\x{2028}\x{2029}])"),
            'X' => return self.fail("grapheme clusters are not supported"),
            'Q' => {
                for c in self.quoted() {
                    self.literal(c);
                }
            }
            'E' => {}
            'k' => {
                let close = self.chars[self.position..].iter().position(|c| *c == '>');
                let (true, Some(close)) = (self.take('<'), close) else {
                    return self.fail("a reference needs a name between < and >");
                };
                let name: String = self.chars[self.position..self.position + close - 1].iter().collect();
                self.position += close;
                self.out.backtracks = true;
                self.push(&format!(r"\k<{name}>"));
            }
            '1'..='9' => {
                self.out.backtracks = true;
                self.push(&format!(r"(?:\{letter})"));
            }
            _ => {
                if let Some(c) = self.escaped_char(letter)? {
                    self.literal(c);
                } else if let Some((class, negated)) = self.escaped_class(letter)? {
                    self.push(&format!("[{}{class}]", if negated { "^" } else { "" }));
                } else if letter.is_ascii_alphabetic() {
                    return self.fail("illegal/unsupported escape sequence");
                } else {
                    self.literal(letter);
                }
            }
        }
        Ok(())
    }

    /// A class behind its opening bracket.
    pub(super) fn class(&mut self, out: &mut String, depth: usize) -> Result<(), String> {
        if depth > NESTING_MAX {
            return self.fail("nested too deep");
        }
        out.push('[');
        if self.take('^') {
            out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.next() else { return self.fail("unclosed character class") };
            match c {
                ']' if !first => {
                    out.push(']');
                    return Ok(());
                }
                '[' => self.class(out, depth + 1)?,
                '&' if self.peek(0) == Some('&') => {
                    self.position += 1;
                    out.push_str("&&");
                    // What follows up to the end of the class is one operand.
                    first = false;
                    continue;
                }
                '\\' => {
                    let Some(letter) = self.next() else { return self.fail("unclosed character class") };
                    if letter == 'Q' {
                        for c in self.quoted() {
                            push_literal(out, c);
                        }
                    } else if let Some((class, negated)) = self.escaped_class(letter)? {
                        out.push_str(&format!("[{}{class}]", if negated { "^" } else { "" }));
                    } else {
                        let c = match self.escaped_char(letter)? {
                            Some(c) => c,
                            None if letter.is_ascii_alphabetic() => {
                                return self.fail("illegal/unsupported escape sequence");
                            }
                            None => letter,
                        };
                        self.member(out, c)?;
                    }
                }
                c if self.modes.free && c.is_whitespace() => {}
                c => self.member(out, c)?,
            }
            first = false;
        }
    }

    /// A character of a class, or the range that it begins.
    fn member(&mut self, out: &mut String, c: char) -> Result<(), String> {
        push_literal(out, c);
        let range = self.peek(0) == Some('-') && !matches!(self.peek(1), None | Some(']' | '['));
        if !range {
            return Ok(());
        }
        self.position += 1;
        let end = match self.next() {
            Some('\\') => {
                let Some(letter) = self.next() else { return self.fail("unclosed character class") };
                if predefined(letter, false).is_some() {
                    // `a-\d`: the hyphen is one.
                    push_literal(out, '-');
                    self.position -= 2;
                    return Ok(());
                }
                self.escaped_char(letter)?.unwrap_or(letter)
            }
            Some(end) => end,
            None => return self.fail("unclosed character class"),
        };
        if end < c {
            return self.fail("illegal character range");
        }
        out.push('-');
        push_literal(out, end);
        Ok(())
    }
}
