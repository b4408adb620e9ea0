//! The syntax of `simple_query_string`: no text in it is an error.
//!
//! `+` and, `|` or, `-` not, `"phrase"`, `prefix*`, `(group)`, `"phrase"~2`, `\` before a sign; as in Lucene's
//! SimpleQueryParser, operators have no precedence and bind what was read so far.

use super::ast::{Bool, Operator, Query, Scalar};
use super::error::Refusal;
use super::limits::{Limits, SLOP_MAX};
use super::lucene::Fields;

/// Which signs have a meaning (`flags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs(u32);

impl Signs {
    const AND: u32 = 1;
    const OR: u32 = 2;
    const NOT: u32 = 4;
    const PREFIX: u32 = 8;
    const PHRASE: u32 = 16;
    const PRECEDENCE: u32 = 32;
    const ESCAPE: u32 = 64;
    const WHITESPACE: u32 = 128;
    const FUZZY: u32 = 256;
    const SLOP: u32 = 512;
    pub const ALL: Self = Self(u32::MAX);

    /// `AND|OR|PREFIX`, `ALL`, `NONE`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut signs = 0;
        for name in text.split('|').map(str::trim).filter(|name| !name.is_empty()) {
            signs |= match name.to_uppercase().as_str() {
                "ALL" => u32::MAX,
                "NONE" => 0,
                "AND" => Self::AND,
                "OR" => Self::OR,
                "NOT" => Self::NOT,
                "PREFIX" => Self::PREFIX,
                "PHRASE" => Self::PHRASE,
                "PRECEDENCE" => Self::PRECEDENCE,
                "ESCAPE" => Self::ESCAPE,
                "WHITESPACE" => Self::WHITESPACE,
                "FUZZY" => Self::FUZZY,
                "NEAR" | "SLOP" => Self::SLOP,
                _ => return Err(Refusal::argument(format!("Unknown simple_query_string flag [{name}]"))),
            };
        }
        Ok(Self(signs))
    }

    fn has(self, sign: u32) -> bool {
        self.0 & sign != 0
    }
}

/// The query that a text asks for.
pub fn parse(
    text: &str,
    fields: &Fields<'_>,
    operator: Operator,
    signs: Signs,
    limits: &mut Limits,
) -> Result<Query, Refusal> {
    let text: Vec<char> = text.chars().collect();
    Parser { fields, operator, signs, limits }.part(&text).map(|query| query.unwrap_or(Query::None))
}

struct Parser<'a> {
    fields: &'a Fields<'a>,
    operator: Operator,
    signs: Signs,
    limits: &'a mut Limits,
}

/// The query made of what was read so far.
#[derive(Default)]
struct Tree {
    top: Option<Query>,
    /// What joins the next one, when a sign said so.
    next: Option<Operator>,
    /// What `top` is joined by.
    joined: Option<Operator>,
    /// Signs of `not` before the next one.
    nots: usize,
}

impl Tree {
    fn join_by(&mut self, operator: Operator) {
        if self.next.is_none() && self.top.is_some() {
            self.next = Some(operator);
        }
    }

    fn add(&mut self, query: Query, default: Operator) {
        let query = match self.nots % 2 {
            1 => Query::Bool(Box::new(Bool { must: vec![Query::All], must_not: vec![query], ..Bool::default() })),
            _ => query,
        };
        let operator = self.next.take().unwrap_or(default);
        let Some(top) = self.top.take() else {
            self.top = Some(query);
            return;
        };
        let mut joined = match top {
            Query::Bool(joined) if self.joined == Some(operator) => *joined,
            top => joining(operator, top),
        };
        match operator {
            Operator::And => joined.must.push(query),
            Operator::Or => joined.should.push(query),
        }
        self.top = Some(Query::Bool(Box::new(joined)));
        self.joined = Some(operator);
    }
}

/// A `bool` with one clause.
fn joining(operator: Operator, first: Query) -> Bool {
    match operator {
        Operator::And => Bool { must: vec![first], ..Bool::default() },
        Operator::Or => Bool { should: vec![first], minimum_should_match: 1, ..Bool::default() },
    }
}

impl Parser<'_> {
    fn part(&mut self, text: &[char]) -> Result<Option<Query>, Refusal> {
        Limits::nested(self, |parser| &mut *parser.limits, |parser| parser.read(text))
    }

    fn read(&mut self, text: &[char]) -> Result<Option<Query>, Refusal> {
        let mut tree = Tree::default();
        let mut at = 0;
        while let Some(&sign) = text.get(at) {
            match sign {
                '(' if self.signs.has(Signs::PRECEDENCE) => at = self.group(text, at + 1, &mut tree)?,
                ')' if self.signs.has(Signs::PRECEDENCE) => at += 1,
                '"' if self.signs.has(Signs::PHRASE) => at = self.phrase(text, at + 1, &mut tree)?,
                '+' if self.signs.has(Signs::AND) => {
                    tree.join_by(Operator::And);
                    at += 1;
                }
                '|' if self.signs.has(Signs::OR) => {
                    tree.join_by(Operator::Or);
                    at += 1;
                }
                '-' if self.signs.has(Signs::NOT) => {
                    tree.nots += 1;
                    at += 1;
                    continue;
                }
                ' ' | '\t' | '\n' | '\r' if self.signs.has(Signs::WHITESPACE) => at += 1,
                _ => at = self.word(text, at, &mut tree)?,
            }
            tree.nots = 0;
        }
        Ok(tree.top)
    }

    /// From behind a parenthesis to behind its partner; without one it means nothing.
    fn group(&mut self, text: &[char], begin: usize, tree: &mut Tree) -> Result<usize, Refusal> {
        let mut depth = 1;
        let mut at = begin;
        while at < text.len() {
            match text[at] {
                '\\' => at += 1,
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                match self.part(&text[begin..at])? {
                    Some(query) => tree.add(query, self.operator),
                    None => tree.next = None,
                }
                return Ok(at + 1);
            }
            at += 1;
        }
        Ok(begin)
    }

    /// From behind a quotation mark to behind its partner, and the slop behind that.
    fn phrase(&mut self, text: &[char], begin: usize, tree: &mut Tree) -> Result<usize, Refusal> {
        let mut phrase = String::new();
        let mut at = begin;
        while at < text.len() && text[at] != '"' {
            if text[at] == '\\' && self.signs.has(Signs::ESCAPE) && at + 1 < text.len() {
                at += 1;
            }
            phrase.push(text[at]);
            at += 1;
        }
        if at >= text.len() {
            return Ok(begin);
        }
        at += 1;
        let mut slop = 0;
        if self.signs.has(Signs::SLOP) && text.get(at) == Some(&'~') {
            let digits: String = text[at + 1..].iter().take_while(|digit| digit.is_ascii_digit()).collect();
            at += 1 + digits.len();
            slop = digits.parse().unwrap_or(0);
        }
        if phrase.is_empty() {
            tree.next = None;
            return Ok(at);
        }
        let query = self.fields.each(None, self.limits, &mut |field| Query::Phrase {
            field: field.to_owned(),
            text: phrase.clone(),
            slop: slop.min(SLOP_MAX),
            last_is_prefix: false,
        })?;
        tree.add(query, self.operator);
        Ok(at)
    }

    fn ends_word(&self, sign: char) -> bool {
        match sign {
            '"' => self.signs.has(Signs::PHRASE),
            '|' => self.signs.has(Signs::OR),
            '+' => self.signs.has(Signs::AND),
            '(' | ')' => self.signs.has(Signs::PRECEDENCE),
            ' ' | '\t' | '\n' | '\r' => self.signs.has(Signs::WHITESPACE),
            _ => false,
        }
    }

    fn word(&mut self, text: &[char], begin: usize, tree: &mut Tree) -> Result<usize, Refusal> {
        let mut word = String::new();
        let mut at = begin;
        let mut is_prefix = false;
        while at < text.len() {
            let mut sign = text[at];
            if sign == '\\' && self.signs.has(Signs::ESCAPE) {
                is_prefix = false;
                at += 1;
                match text.get(at) {
                    Some(&next) => sign = next,
                    None => break,
                }
            } else if self.ends_word(sign) {
                break;
            } else if sign == '~' && !word.is_empty() && self.signs.has(Signs::FUZZY) {
                return Err(Refusal::argument("fuzzy words [~] are not supported in a simple_query_string"));
            } else {
                is_prefix = !word.is_empty() && sign == '*' && self.signs.has(Signs::PREFIX);
            }
            word.push(sign);
            at += 1;
        }
        if word.is_empty() {
            return Ok(at.max(begin + 1));
        }
        if is_prefix {
            word.pop();
        }
        let query = self.fields.each(None, self.limits, &mut |field| match is_prefix {
            true => Query::Prefix { field: field.to_owned(), value: word.clone(), case_insensitive: false },
            false => Query::Match {
                field: field.to_owned(),
                text: Scalar::Text(word.clone()),
                operator: self.operator,
                minimum_should_match: None,
            },
        })?;
        tree.add(query, self.operator);
        Ok(at)
    }
}
