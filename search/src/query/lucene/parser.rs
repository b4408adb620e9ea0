//! From signs to queries, by the rules of Lucene's classic parser: `AND` and `OR` mark the clauses beside them as required
//! or optional and have no precedence, and words that stand together are asked together.

use super::fields::{Fields, boosted};
use super::lexer::{RangeEnd, Token, tokens, unescape, wrong};
use crate::query::ast::{Bool, Operator, Pattern, Query, Range, Scalar};
use crate::query::error::Refusal;
use crate::query::limits::{Limits, SLOP_MAX};
use jiff::tz::TimeZone;
use std::ops::Bound;

/// What the request says beside the text.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Between clauses that have nothing between them.
    pub operator: Operator,
    pub phrase_slop: u32,
    /// Of dates in ranges.
    pub time_zone: Option<TimeZone>,
    /// Whether a word may begin with `*` or `?`.
    pub allow_leading_wildcard: bool,
}

/// The query that a text asks for.
pub fn parse(text: &str, fields: &Fields<'_>, settings: &Settings, limits: &mut Limits) -> Result<Query, Refusal> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(Query::None);
    }
    let mut parser = Parser { tokens, at: 0, fields, settings, limits };
    let query = parser.query(None)?;
    match parser.peek(0) {
        None => Ok(query),
        Some(token) => Err(wrong(format!("unexpected {token:?}"))),
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    fields: &'a Fields<'a>,
    settings: &'a Settings,
    limits: &'a mut Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occur {
    Must,
    Should,
    MustNot,
}

/// What stood before a clause.
#[derive(Clone, Copy, Default)]
struct Before {
    and: bool,
    or: bool,
    plus: bool,
    not: bool,
}

impl Parser<'_> {
    fn peek(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek(0) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn query(&mut self, field: Option<&str>) -> Result<Query, Refusal> {
        Limits::nested(self, |parser| &mut *parser.limits, |parser| parser.clauses(field))
    }

    fn clauses(&mut self, field: Option<&str>) -> Result<Query, Refusal> {
        let mut clauses: Vec<(Occur, Query)> = Vec::new();
        let mut is_plain = true;
        loop {
            if let Some(words) = self.words() {
                // What stands together is analysed together, and is one clause.
                let occur = match self.settings.operator {
                    Operator::Or => Occur::Should,
                    Operator::And => Occur::Must,
                };
                clauses.push((occur, self.text(field, &words)?));
            } else {
                let mut before = Before::default();
                if !clauses.is_empty() {
                    before.and = self.take(&Token::And);
                    before.or = !before.and && self.take(&Token::Or);
                }
                before.plus = self.take(&Token::Plus);
                before.not = !before.plus && (self.take(&Token::Minus) || self.take(&Token::Not));
                is_plain &= !(before.plus || before.not);
                let query = self.clause(field)?;
                self.add(&mut clauses, before, query);
            }
            if matches!(self.peek(0), None | Some(Token::Close)) {
                break;
            }
        }
        if clauses.len() == 1 && is_plain {
            return Ok(clauses.remove(0).1);
        }
        Ok(combine(clauses))
    }

    /// At least two words with nothing between them; the last one of those that an operator follows is not among them.
    fn words(&mut self) -> Option<String> {
        let mut words = String::new();
        let mut count = 0;
        while let (Some(Token::Term(word)), next) = (self.peek(count), self.peek(count + 1)) {
            let binds = Some(Token::Colon) == next.cloned()
                || matches!(next, Some(Token::Star | Token::Fuzzy(_) | Token::Boost(_) | Token::And | Token::Or));
            if binds {
                break;
            }
            if count > 0 {
                words.push(' ');
            }
            words.push_str(word);
            count += 1;
        }
        if count < 2 {
            return None;
        }
        self.at += count;
        Some(words)
    }

    fn add(&self, clauses: &mut Vec<(Occur, Query)>, before: Before, query: Query) {
        if let Some((occur, _)) = clauses.last_mut().filter(|(occur, _)| *occur != Occur::MustNot) {
            if before.and {
                *occur = Occur::Must;
            }
            if before.or && self.settings.operator == Operator::And {
                *occur = Occur::Should;
            }
        }
        let is_required = match self.settings.operator {
            Operator::Or => before.plus || before.and,
            Operator::And => !before.or,
        };
        let occur = match (before.not, is_required) {
            (true, _) => Occur::MustNot,
            (false, true) => Occur::Must,
            (false, false) => Occur::Should,
        };
        clauses.push((occur, query));
    }

    fn clause(&mut self, field: Option<&str>) -> Result<Query, Refusal> {
        let named = match (self.peek(0), self.peek(1)) {
            (Some(Token::Term(name)), Some(Token::Colon)) => Some(unescape(name)),
            (Some(Token::Star), Some(Token::Colon)) => Some("*".to_owned()),
            _ => None,
        };
        if named.is_some() {
            self.at += 2;
        }
        let field = named.as_deref().or(field);
        if self.take(&Token::Open) {
            let query = self.query(field)?;
            if !self.take(&Token::Close) {
                return Err(wrong("a parenthesis is not closed"));
            }
            return Ok(match self.peek(0) {
                Some(&Token::Boost(boost)) => {
                    self.at += 1;
                    boosted(query, boost)
                }
                _ => query,
            });
        }
        self.leaf(field)
    }

    fn leaf(&mut self, field: Option<&str>) -> Result<Query, Refusal> {
        let Some(token) = self.peek(0).cloned() else { return Err(wrong("the query ends where a clause is expected")) };
        self.at += 1;
        let (mut boost, mut fuzzy) = (1.0, None);
        loop {
            match self.peek(0) {
                Some(&Token::Boost(value)) => boost = value,
                Some(Token::Fuzzy(value)) => fuzzy = Some(value.clone()),
                _ => break,
            }
            self.at += 1;
        }
        let query = match token {
            Token::Quoted(text) => {
                let slop = match fuzzy.take() {
                    None => self.settings.phrase_slop,
                    Some(slop) => slop.parse::<f32>().map_err(|_| wrong("expected a number after ~"))? as u32,
                };
                let text = unescape(&text);
                match field {
                    Some("_exists_") => Query::Exists { field: text },
                    Some("_id") => Query::Ids(vec![text]),
                    _ => self.fields.each(field, self.limits, &mut |field| Query::Phrase {
                        field: field.to_owned(),
                        text: text.clone(),
                        slop: slop.min(SLOP_MAX),
                        last_is_prefix: false,
                    })?,
                }
            }
            Token::Term(text) => self.text(field, &text)?,
            Token::Star => self.exists(field)?,
            Token::Wild(text) => self.wild(field, &text)?,
            Token::Range { lower, upper, lower_included, upper_included } => {
                self.range(field, bound(lower, lower_included), bound(upper, upper_included))?
            }
            other => return Err(wrong(format!("unexpected {other:?} where a clause is expected"))),
        };
        match fuzzy {
            Some(_) => Err(Refusal::argument("fuzzy terms [~] are not supported in a query string")),
            None => Ok(boosted(query, boost)),
        }
    }

    /// A word, or several that stand together; `>5` and the like are ranges.
    fn text(&mut self, field: Option<&str>, text: &str) -> Result<Query, Refusal> {
        let plain = unescape(text);
        for (sign, is_lower, included) in
            [(">=", true, true), ("<=", false, true), (">", true, false), ("<", false, false)]
        {
            let Some(value) = text.strip_prefix(sign).map(unescape).filter(|value| !value.is_empty()) else { continue };
            let value = Scalar::Text(value);
            let value = if included { Bound::Included(value) } else { Bound::Excluded(value) };
            return match is_lower {
                true => self.range(field, value, Bound::Unbounded),
                false => self.range(field, Bound::Unbounded, value),
            };
        }
        match field {
            Some("_exists_") => return Ok(Query::Exists { field: plain }),
            Some("_id") => return Ok(Query::Ids(vec![plain])),
            _ => {}
        }
        self.fields.each(field, self.limits, &mut |field| Query::Match {
            field: field.to_owned(),
            text: Scalar::Text(plain.clone()),
            operator: self.settings.operator,
            minimum_should_match: None,
        })
    }

    /// `field:*`.
    fn exists(&mut self, field: Option<&str>) -> Result<Query, Refusal> {
        match field {
            None | Some("*") => Ok(Query::All),
            Some(field) => {
                self.fields.each(Some(field), self.limits, &mut |field| Query::Exists { field: field.to_owned() })
            }
        }
    }

    fn wild(&mut self, field: Option<&str>, text: &str) -> Result<Query, Refusal> {
        if field == Some("_exists_") {
            return self.fields.each(Some(text), self.limits, &mut |field| Query::Exists { field: field.to_owned() });
        }
        let pattern = Pattern::parse(text)?;
        if !self.settings.allow_leading_wildcard && pattern.prefix().is_empty() {
            return Err(wrong("'*' or '?' not allowed as first character in WildcardQuery"));
        }
        if pattern.is_all() {
            return self.exists(field);
        }
        self.fields.each(field, self.limits, &mut |field| Query::Wildcard {
            field: field.to_owned(),
            pattern: pattern.clone(),
            case_insensitive: false,
        })
    }

    fn range(&mut self, field: Option<&str>, lower: Bound<Scalar>, upper: Bound<Scalar>) -> Result<Query, Refusal> {
        let range = Range { lower, upper, format: None, time_zone: self.settings.time_zone.clone() };
        self.fields
            .each(field, self.limits, &mut |field| Query::Range { field: field.to_owned(), range: range.clone() })
    }
}

fn bound(end: RangeEnd, included: bool) -> Bound<Scalar> {
    match (end.text.as_str(), end.is_quoted, included) {
        ("*", false, _) => Bound::Unbounded,
        (text, _, true) => Bound::Included(Scalar::Text(unescape(text))),
        (text, _, false) => Bound::Excluded(Scalar::Text(unescape(text))),
    }
}

/// A `bool` of the clauses; when all are forbidden, of every document without them.
fn combine(clauses: Vec<(Occur, Query)>) -> Query {
    let mut all = Bool::default();
    for (occur, query) in clauses {
        match occur {
            Occur::Must => all.must.push(query),
            Occur::Should => all.should.push(query),
            Occur::MustNot => all.must_not.push(query),
        }
    }
    if all.must.is_empty() && all.should.is_empty() {
        all.must.push(Query::All);
    }
    all.minimum_should_match = usize::from(all.must.is_empty());
    Query::Bool(Box::new(all))
}
