//! Rewrites an expression of Java for the engines of Rust.

use super::class::push_literal;

/// How deep groups and classes may lie in each other.
pub(super) const NESTING_MAX: usize = 100;

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
pub(super) const DOLLAR: &str = r"(?=(?:\r\n|(?<!\r)\n|[\r\x{85}\x{2028}\x{2029}])?\z)";

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
pub(super) struct Modes {
    pub unicode: bool,
    lines: bool,
    dot_all: bool,
    pub free: bool,
}

pub(super) struct Translator {
    pub chars: Vec<char>,
    pub position: usize,
    pub out: Translated,
    pub modes: Modes,
}

impl Translator {
    pub(super) fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.position + ahead).copied()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let c = self.peek(0)?;
        self.position += 1;
        Some(c)
    }

    pub(super) fn take(&mut self, c: char) -> bool {
        let found = self.peek(0) == Some(c);
        self.position += usize::from(found);
        found
    }

    pub(super) fn fail<T>(&self, reason: &str) -> Result<T, String> {
        let pattern: String = self.chars.iter().collect();
        Err(format!("invalid regular expression {pattern:?}: {reason} near index {}", self.position))
    }

    pub(super) fn push(&mut self, text: &str) {
        self.out.plain.push_str(text);
        self.out.exact.push_str(text);
    }

    pub(super) fn literal(&mut self, c: char) {
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
}
