//! Words, phrases, ranges and signs of Lucene's syntax, by the rules of its classic parser.

use crate::query::error::Refusal;

/// One sign. Texts are as they were written, with their escapes.
#[derive(Debug, Clone, PartialEq)]
pub enum Token {
    And,
    Or,
    Not,
    Plus,
    Minus,
    Open,
    Close,
    Colon,
    /// `*` alone.
    Star,
    /// `^2.5`.
    Boost(f32),
    /// `~`, `~2`, `~0.5`.
    Fuzzy(String),
    /// `"..."`.
    Quoted(String),
    Term(String),
    /// A term with `*` or `?` in it.
    Wild(String),
    /// `[a TO b}`.
    Range {
        lower: RangeEnd,
        upper: RangeEnd,
        lower_included: bool,
        upper_included: bool,
    },
}

/// One end of a range.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeEnd {
    pub text: String,
    /// A quoted `*` is no wildcard.
    pub is_quoted: bool,
}

pub fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut lexer = Lexer { rest: text.chars().collect(), at: 0 };
    let mut tokens = Vec::new();
    while let Some(token) = lexer.token()? {
        tokens.push(token);
    }
    Ok(tokens)
}

/// Why a query string cannot be read; the caller adds which one.
pub fn wrong(why: impl Into<String>) -> Refusal {
    Refusal::new("parse_exception", why.into())
}

struct Lexer {
    rest: Vec<char>,
    at: usize,
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{3000}')
}

/// May begin a term.
fn begins_term(character: char) -> bool {
    !is_space(character) && !"+-!():^[]\"{}~*?\\/".contains(character)
}

impl Lexer {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn token(&mut self) -> Result<Option<Token>, Refusal> {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        let Some(first) = self.peek() else { return Ok(None) };
        let followed_by_space = self.rest.get(self.at + 1).copied().is_some_and(is_space);
        if "+-!".contains(first) && followed_by_space {
            // A sign that stands alone is a word, and one that no analyser keeps.
            self.at += 1;
            return Ok(Some(Token::Term(first.to_string())));
        }
        let sign = match first {
            '+' => Token::Plus,
            '-' => Token::Minus,
            '!' => Token::Not,
            '(' => Token::Open,
            ')' => Token::Close,
            ':' => Token::Colon,
            '^' => return self.boost().map(Some),
            '~' => return Ok(Some(self.fuzzy())),
            '"' => return self.quoted().map(|text| Some(Token::Quoted(text))),
            '[' | '{' => return self.range().map(Some),
            '/' => {
                return Err(Refusal::argument(
                    "regular expressions are not supported in a query string: escape the slash as [\\/], or quote the text",
                ));
            }
            ']' | '}' => return Err(wrong(format!("{first:?} at character {} opens no range", self.at))),
            _ => return self.term().map(Some),
        };
        self.at += 1;
        Ok(Some(sign))
    }

    fn number(&mut self) -> String {
        let begin = self.at;
        while self.peek().is_some_and(|character| character.is_ascii_digit() || character == '.') {
            self.at += 1;
        }
        self.rest[begin..self.at].iter().collect()
    }

    fn boost(&mut self) -> Result<Token, Refusal> {
        self.at += 1;
        let number = self.number();
        number.parse().map(Token::Boost).map_err(|_| wrong(format!("expected a number after ^, got {number:?}")))
    }

    fn fuzzy(&mut self) -> Token {
        self.at += 1;
        Token::Fuzzy(self.number())
    }

    fn quoted(&mut self) -> Result<String, Refusal> {
        let mut text = String::new();
        self.at += 1;
        while let Some(character) = self.peek() {
            self.at += 1;
            match character {
                '"' => return Ok(text),
                '\\' => {
                    text.push('\\');
                    text.extend(self.peek());
                    self.at += 1;
                }
                _ => text.push(character),
            }
        }
        Err(wrong("a quotation mark has no partner"))
    }

    fn term(&mut self) -> Result<Token, Refusal> {
        let begin = self.at;
        let mut is_wild = false;
        while let Some(character) = self.peek() {
            match character {
                '\\' if self.at + 1 == self.rest.len() => {
                    return Err(wrong("Term can not end with escape character."));
                }
                '\\' => self.at += 1,
                '*' | '?' => is_wild = true,
                '-' | '+' if self.at > begin => {}
                _ if begins_term(character) => {}
                _ => break,
            }
            self.at += 1;
        }
        let text: String = self.rest[begin..self.at].iter().collect();
        Ok(match text.as_str() {
            "AND" | "&&" => Token::And,
            "OR" | "||" => Token::Or,
            "NOT" => Token::Not,
            "*" => Token::Star,
            _ if is_wild => Token::Wild(text),
            _ => Token::Term(text),
        })
    }

    fn range(&mut self) -> Result<Token, Refusal> {
        let lower_included = self.peek() == Some('[');
        self.at += 1;
        let lower = self.range_end()?;
        let mut upper = self.range_end()?;
        if upper.text == "TO" && !upper.is_quoted {
            upper = self.range_end()?;
        }
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        let upper_included = match self.peek() {
            Some(']') => true,
            Some('}') => false,
            _ => return Err(wrong("a range is written as [lower TO upper]")),
        };
        self.at += 1;
        Ok(Token::Range { lower, upper, lower_included, upper_included })
    }

    fn range_end(&mut self) -> Result<RangeEnd, Refusal> {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        if self.peek() == Some('"') {
            return Ok(RangeEnd { text: self.quoted()?, is_quoted: true });
        }
        let begin = self.at;
        while self.peek().is_some_and(|character| character != ' ' && character != ']' && character != '}') {
            self.at += 1;
        }
        match self.at == begin {
            true => Err(wrong("a range is written as [lower TO upper]")),
            false => Ok(RangeEnd { text: self.rest[begin..self.at].iter().collect(), is_quoted: false }),
        }
    }
}

/// A text without its escapes: `\:` is `:`, and `\u00e4` is `ä`.
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            out.push(character);
            continue;
        }
        match characters.next() {
            Some('u') => {
                let digits: String = characters.clone().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                match code.and_then(char::from_u32) {
                    Some(letter) => {
                        out.push(letter);
                        characters.nth(3);
                    }
                    None => out.push('u'),
                }
            }
            Some(next) => out.push(next),
            None => {}
        }
    }
    out
}
