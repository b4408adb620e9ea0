//! Rewrites an expression of Java for the engines of Rust.

use super::class::{predefined, property, push_literal};

/// How deep groups and classes may lie in each other.
const NESTING_MAX: usize = 100;

/// One expression in two forms.
#[derive(Debug, Default)]
pub(super) struct Translated {
    /// For the linear engine: `$` is the end of the text.
    pub plain: String,
    /// For the backtracking engine: `$` holds before a last line break too.
    pub exact: String,
    pub has_dollar: bool,
    /// Whether only the backtracking engine can run it.
    pub backtracks: bool,
}

/// Java's `$` outside of multi-line mode.
const DOLLAR: &str = r"(?=(?:\r\n|(?<!\r)\n|[\r\x{85}\x{2028}\x{2029}])?\z)";

pub(super) fn translate(pattern: &str, flags: &str) -> Result<Translated, String> {
    let mut translator = Translator {
        chars: pattern.chars().collect(),
        position: 0,
        out: Translated::default(),
        modes: Modes {
            unicode: flags.contains('U'),
            lines: flags.contains('m'),
            dot_all: flags.contains('s'),
            free: false,
        },
    };
    let inline: String = flags.chars().filter(|flag| matches!(flag, 'i' | 'm' | 's' | 'x')).collect();
    if !inline.is_empty() {
        translator.push(&format!("(?{inline})"));
    }
    translator.modes.free = flags.contains('x');
    if flags.contains('l') {
        while let Some(c) = translator.next() {
            translator.literal(c);
        }
        return Ok(translator.out);
    }
    translator.alternatives(0)?;
    if translator.position < translator.chars.len() {
        return Err(format!("invalid regular expression {pattern:?}: unmatched closing parenthesis"));
    }
    Ok(translator.out)
}

#[derive(Clone, Copy)]
struct Modes {
    unicode: bool,
    lines: bool,
    dot_all: bool,
    free: bool,
}

struct Translator {
    chars: Vec<char>,
    position: usize,
    out: Translated,
    modes: Modes,
}

impl Translator {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.position + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.position += 1;
        Some(c)
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek(0) == Some(c);
        self.position += usize::from(found);
        found
    }

    fn fail<T>(&self, reason: &str) -> Result<T, String> {
        let pattern: String = self.chars.iter().collect();
        Err(format!("invalid regular expression {pattern:?}: {reason} near index {}", self.position))
    }

    fn push(&mut self, text: &str) {
        self.out.plain.push_str(text);
        self.out.exact.push_str(text);
    }

    fn literal(&mut self, c: char) {
        let mut text = String::new();
        push_literal(&mut text, c);
        self.push(&text);
    }

    /// Until the end, or the parenthesis that closes this group.
    fn alternatives(&mut self, depth: usize) -> Result<(), String> {
        if depth > NESTING_MAX {
            return self.fail("nested too deep");
        }
        while let Some(c) = self.peek(0) {
            if c == ')' {
                return Ok(());
            }
            self.position += 1;
            match c {
                '|' => self.push("|"),
                '(' => {
                    if self.group(depth)? {
                        self.quantifier()?;
                    }
                }
                '[' => {
                    let mut class = String::new();
                    self.class(&mut class, depth)?;
                    self.push(&class);
                    self.quantifier()?;
                }
                '\\' => {
                    self.escape()?;
                    self.quantifier()?;
                }
                '.' => {
                    let dot = if self.modes.dot_all { "(?s:.)" } else { r"[^\n\r\x{85}\x{2028}\x{2029}]" };
                    self.push(dot);
                    self.quantifier()?;
                }
                '^' => self.push(if self.modes.lines { "(?m:^)" } else { r"\A" }),
                '$' if self.modes.lines => self.push("(?m:$)"),
                '$' => {
                    self.out.has_dollar = true;
                    self.out.plain.push_str(r"\z");
                    self.out.exact.push_str(DOLLAR);
                }
                '*' | '+' | '?' => return self.fail("dangling meta character"),
                '#' if self.modes.free => while self.next().is_some_and(|c| c != '\n') {},
                c if self.modes.free && c.is_whitespace() => {}
                c => {
                    self.literal(c);
                    self.quantifier()?;
                }
            }
        }
        if depth > 0 { self.fail("unclosed group") } else { Ok(()) }
    }

    /// A quantifier, if there is one.
    fn quantifier(&mut self) -> Result<(), String> {
        let mut text = String::new();
        match self.peek(0) {
            Some(c @ ('*' | '+' | '?')) => {
                self.position += 1;
                text.push(c);
            }
            Some('{') => {
                let close = self.chars[self.position..].iter().position(|c| *c == '}');
                let Some(close) = close else { return self.fail("unclosed counted closure") };
                let inside: String = self.chars[self.position + 1..self.position + close].iter().collect();
                let valid = !inside.is_empty()
                    && inside.starts_with(|c: char| c.is_ascii_digit())
                    && inside.chars().all(|c| c.is_ascii_digit() || c == ',')
                    && inside.matches(',').count() <= 1;
                if !valid {
                    return self.fail("illegal repetition");
                }
                self.position += close + 1;
                text = format!("{{{inside}}}");
            }
            _ => return Ok(()),
        }
        if self.take('+') {
            self.out.backtracks = true;
            text.push('+');
        } else if self.take('?') {
            text.push('?');
        }
        self.push(&text);
        Ok(())
    }

    /// A group behind its parenthesis. False when it was only flags for what follows, which cannot be repeated.
    fn group(&mut self, depth: usize) -> Result<bool, String> {
        let modes = self.modes;
        if self.take('?') {
            match self.next() {
                Some(':') => self.push("(?:"),
                Some('>') => {
                    self.out.backtracks = true;
                    self.push("(?>");
                }
                Some(c @ ('=' | '!')) => {
                    self.out.backtracks = true;
                    self.push(&format!("(?{c}"));
                }
                Some('<') if matches!(self.peek(0), Some('=' | '!')) => {
                    self.out.backtracks = true;
                    let c = self.next().unwrap_or('=');
                    self.push(&format!("(?<{c}"));
                }
                Some('<') => {
                    let mut name = String::new();
                    loop {
                        match self.next() {
                            Some('>') if !name.is_empty() => break,
                            Some(c) if c.is_ascii_alphanumeric() => name.push(c),
                            _ => return self.fail("invalid name of a group"),
                        }
                    }
                    self.push(&format!("(?P<{name}>"));
                }
                Some(c) => {
                    self.position -= 1;
                    let _ = c;
                    if !self.flags()? {
                        return Ok(false);
                    }
                }
                None => return self.fail("unclosed group"),
            }
        } else {
            self.push("(");
        }
        self.alternatives(depth + 1)?;
        if !self.take(')') {
            return self.fail("unclosed group");
        }
        self.push(")");
        self.modes = modes;
        Ok(true)
    }

    /// `(?i-s)` or the beginning of `(?i:..)`; true for the latter.
    fn flags(&mut self) -> Result<bool, String> {
        let mut on = true;
        let (mut set, mut unset) = (String::new(), String::new());
        loop {
            match self.next() {
                Some('-') => on = false,
                Some(flag @ ('i' | 'm' | 's' | 'x')) => {
                    match flag {
                        'm' => self.modes.lines = on,
                        's' => self.modes.dot_all = on,
                        'x' => self.modes.free = on,
                        _ => {}
                    }
                    // Blanks are taken out here already.
                    if flag != 'x' {
                        if on { &mut set } else { &mut unset }.push(flag);
                    }
                }
                // The engines always fold case by Unicode, and know line breaks by `\n` in these modes.
                Some('u' | 'd') => {}
                Some('U') => self.modes.unicode = on,
                Some(end @ (')' | ':')) => {
                    let minus = if unset.is_empty() { "" } else { "-" };
                    match (end, set.is_empty() && unset.is_empty()) {
                        (')', true) => {}
                        (')', false) => self.push(&format!("(?{set}{minus}{unset})")),
                        _ => self.push(&format!("(?{set}{minus}{unset}:")),
                    }
                    return Ok(end == ':');
                }
                _ => return self.fail("unknown flag of a group"),
            }
        }
    }

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
    fn escape(&mut self) -> Result<(), String> {
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
    fn class(&mut self, out: &mut String, depth: usize) -> Result<(), String> {
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
