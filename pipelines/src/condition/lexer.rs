//! Painless' tokens.

use super::SyntaxError;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    /// Between single or double quotes.
    Text(String),
    /// A regular expression and its flags.
    Regex(String, String),
    Integer(i64),
    /// With the suffix `L`.
    Long(i64),
    Float(f32),
    Double(f64),
    /// Operators and punctuation.
    Sign(&'static str),
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub token: Token,
    pub start: usize,
}

/// Longer signs first, so that the first that fits is the right one.
const SIGNS: [&str; 40] = [
    "===", "!==", "==~", "?.", "?:", "==", "!=", "<=", ">=", "&&", "||", "=~", "++", "--", "+=", "-=", "->", "::",
    "<<", ">>", "<", ">", "+", "-", "*", "/", "%", "!", "?", ":", "(", ")", "[", "]", ".", ",", ";", "=", "{", "}",
];

/// Words of the language that cannot be names; conditions have no statements yet.
pub(super) const STATEMENTS: [&str; 12] =
    ["if", "else", "while", "do", "for", "in", "continue", "break", "new", "try", "catch", "throw"];

pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, SyntaxError> {
    let mut lexer = Lexer { text, position: 0, tokens: Vec::new() };
    loop {
        lexer.skip_blanks()?;
        let start = lexer.position;
        let token = lexer.token()?;
        let end = token == Token::End;
        lexer.tokens.push(Placed { token, start });
        if end {
            return Ok(lexer.tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    position: usize,
    tokens: Vec<Placed>,
}

/// A syntax error at a byte position of the text.
pub(super) fn error_at(text: &str, position: usize, reason: impl Into<String>) -> SyntaxError {
    // As much as shows the place on one line of a message.
    const PLACE_CHARS: usize = 24;
    let before = text.get(..position).unwrap_or(text);
    let rest = text.get(position..).unwrap_or("");
    SyntaxError {
        reason: reason.into(),
        place: if rest.is_empty() { "the end".to_owned() } else { rest.chars().take(PLACE_CHARS).collect() },
        line: before.bytes().filter(|byte| *byte == b'\n').count() as u64,
    }
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.position..]
    }

    fn fail<T>(&self, reason: &str) -> Result<T, SyntaxError> {
        Err(error_at(self.text, self.position, reason))
    }

    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start().len();
            self.position += blank;
            let rest = self.rest();
            // There is no empty regular expression: two slashes are a comment.
            if rest.starts_with("//") {
                self.position += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                match rest.find("*/") {
                    Some(end) => self.position += end + 2,
                    None => return self.fail("unclosed comment"),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn token(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
                let name = rest[..end].to_owned();
                self.position += end;
                Ok(Token::Name(name))
            }
            '\'' | '"' => self.string(first),
            '0'..='9' => self.number(),
            '/' if self.regex_can_follow() => self.regex(),
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                // `a ?.5 : b` is a ternary with a number behind it.
                Some(&"?.") if rest[2..].starts_with(|c: char| c.is_ascii_digit()) => self.sign("?"),
                Some(sign) => self.sign(sign),
                None => self.fail("unexpected character"),
            },
        }
    }

    fn sign(&mut self, sign: &'static str) -> Result<Token, SyntaxError> {
        self.position += sign.len();
        Ok(Token::Sign(sign))
    }

    /// A slash begins a regular expression where a value is expected.
    fn regex_can_follow(&self) -> bool {
        match self.tokens.last().map(|placed| &placed.token) {
            None => true,
            Some(Token::Sign(sign)) => !matches!(*sign, ")" | "]"),
            Some(Token::Name(name)) => name == "return",
            Some(_) => false,
        }
    }

    fn regex(&mut self) -> Result<Token, SyntaxError> {
        let start = self.position + 1;
        let mut escaped = false;
        for (index, c) in self.text[start..].char_indices() {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '/' => {
                    let pattern = self.text[start..start + index].to_owned();
                    self.position = start + index + 1;
                    let rest = self.rest();
                    let flags = rest.len() - rest.trim_start_matches(|c: char| "cilmsUux".contains(c)).len();
                    let flags_text = rest[..flags].to_owned();
                    self.position += flags;
                    return Ok(Token::Regex(pattern, flags_text));
                }
                _ => {}
            }
        }
        self.fail("unclosed regular expression")
    }

    fn string(&mut self, quote: char) -> Result<Token, SyntaxError> {
        let mut text = String::new();
        let mut chars = self.rest()[1..].char_indices();
        while let Some((index, c)) = chars.next() {
            match c {
                _ if c == quote => {
                    self.position += 1 + index + 1;
                    return Ok(Token::Text(text));
                }
                // A backslash escapes itself and the quotes, and nothing else.
                '\\' => match chars.next() {
                    Some((_, c @ ('\\' | '"' | '\''))) => text.push(c),
                    _ => return self.fail("unknown escape in a string"),
                },
                c => text.push(c),
            }
        }
        self.fail("unclosed string")
    }

    fn number(&mut self) -> Result<Token, SyntaxError> {
        let rest = self.rest();
        if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
            let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
            let number = i64::from_str_radix(&digits[..end], 16);
            let long = digits[end..].starts_with(['l', 'L']);
            let Ok(number) = number else { return self.fail("not a number") };
            self.position += 2 + end + usize::from(long);
            return self.end_of_number(if long { Token::Long(number) } else { Token::Integer(number) });
        }
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let mut end = digits(rest);
        let mut decimal = false;
        if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            decimal = true;
            end += 1 + digits(&rest[end + 1..]);
        }
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let count = digits(&exponent[sign..]);
            if count > 0 {
                decimal = true;
                end += 1 + sign + count;
            }
        }
        let text = rest[..end].to_owned();
        let suffix = rest[end..].chars().next().unwrap_or(' ');
        self.position += end;
        let token = match suffix {
            'l' | 'L' if !decimal => text.parse().ok().map(Token::Long),
            'f' | 'F' => text.parse().ok().map(Token::Float),
            'd' | 'D' => text.parse().ok().map(Token::Double),
            _ if decimal => text.parse().ok().map(Token::Double),
            _ => text.parse::<i32>().ok().map(|number| Token::Integer(number.into())),
        };
        self.position += usize::from(matches!(suffix, 'l' | 'L' | 'f' | 'F' | 'd' | 'D'));
        match token {
            Some(token) => self.end_of_number(token),
            None => self.fail("invalid number"),
        }
    }

    fn end_of_number(&self, token: Token) -> Result<Token, SyntaxError> {
        match self.rest().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            true => self.fail("unexpected character after a number"),
            false => Ok(token),
        }
    }
}
