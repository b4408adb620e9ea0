//! From the AST to tantivy's queries, by the types that the fields of an index have.

use super::addresses;
use super::keywords::Keywords;
use super::terms::{Matches, WordsMatching, text_term};
use super::values::{equal_number, range_of_dates, range_of_numbers, range_of_texts};
use crate::query::Refusal;
use crate::query::ast::{Bool, Operator, Pattern, Piece, Query, Range, Scalar};
use crate::store::schema::{FIELDS, column};
use crate::store::{Kind, Mapping, Seen};
use crate::text;
use std::sync::Arc;
use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, ExistsQuery, Occur,
    PhrasePrefixQuery, PhraseQuery, Query as TantivyQuery, TermQuery, TermSetQuery,
};
use tantivy::schema::IndexRecordOption;

/// Words that the beginning of one, at the end of a phrase, may stand for, as in Elasticsearch.
const EXPANSIONS_MAX: u32 = 50;

/// What a query is built for.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub index: &'a str,
    pub mapping: &'a Mapping,
    /// Milliseconds since 1970, for `now`.
    pub now_millis: i64,
}

type Built = Result<Box<dyn TantivyQuery>, Refusal>;

/// A query of tantivy for the documents of one index.
pub fn build(query: &Query, context: &Context<'_>) -> Built {
    Builder { context, lenient: false }.query(query)
}

#[derive(Clone, Copy)]
struct Builder<'a> {
    context: &'a Context<'a>,
    lenient: bool,
}

/// A field as a query names it, with what is known of it.
struct Target<'a> {
    path: &'a str,
    kind: Kind,
    seen: Seen,
    declared: bool,
}

impl Target<'_> {
    fn has_texts(&self) -> bool {
        self.kind == Kind::Text || self.seen.has(Seen::TEXT)
    }

    fn has_keywords(&self) -> bool {
        matches!(self.kind, Kind::Keyword | Kind::Flat) || self.seen.has(Seen::KEYWORD.with(Seen::IP))
    }

    fn has_numbers(&self) -> bool {
        self.seen.has(Seen::LONG.with(Seen::DOUBLE))
    }
}

impl Builder<'_> {
    fn query(&self, query: &Query) -> Built {
        Ok(match query {
            Query::All => Box::new(AllQuery),
            Query::None => Box::new(EmptyQuery),
            Query::Term { field, value, case_insensitive } => return self.term(field, value, *case_insensitive),
            Query::Terms { field, values } => return self.terms(field, values),
            Query::Match { field, text, operator, minimum_should_match } => {
                let least = |words| minimum_should_match.as_ref().map(|least| least.of(words));
                return self.words(field, text, *operator, &least);
            }
            Query::Phrase { field, text, slop, last_is_prefix } => {
                return self.phrase(field, text, *slop, *last_is_prefix);
            }
            Query::Exists { field } => return Ok(self.exists(field)),
            Query::Range { field, range } => return self.range(field, range),
            Query::Prefix { field, value, case_insensitive } => {
                let pattern = Pattern(vec![Piece::Literal(value.clone()), Piece::AnyCharacters]);
                return self.pattern(field, &pattern, *case_insensitive);
            }
            Query::Wildcard { field, pattern, case_insensitive } => {
                return self.pattern(field, pattern, *case_insensitive);
            }
            Query::Ids(ids) => constant(Keywords::ids(ids.clone())),
            Query::Bool(clauses) => return self.bool(clauses),
            Query::AnyOf(queries) => {
                let built = queries.iter().map(|query| self.query(query)).collect::<Result<Vec<_>, _>>()?;
                any_of(built)
            }
            Query::ConstantScore(query) => constant(self.query(query)?),
            Query::Boosted(query, boost) => Box::new(BoostQuery::new(self.query(query)?, *boost)),
            Query::Lenient(query) => return Self { lenient: true, ..*self }.query(query),
        })
    }

    /// `None`: no document of the index can have a value there.
    fn target<'f>(&self, field: &'f str) -> Option<Target<'f>> {
        let (path, entry) = self.context.mapping.resolve(field)?;
        Some(Target { path, kind: entry.kind(), seen: entry.seen, declared: entry.declared.is_some() })
    }

    /// What fits of several ways to read a value; the first fault, when none does.
    fn ways(&self, ways: Vec<Built>) -> Built {
        let mut built = Vec::new();
        let mut fault = None;
        for way in ways {
            match way {
                Ok(query) => built.push(query),
                Err(refusal) => fault = fault.or(Some(refusal)),
            }
        }
        match fault {
            Some(refusal) if built.is_empty() && !self.lenient => Err(refusal),
            _ => Ok(any_of(built)),
        }
    }

    fn term(&self, field: &str, value: &Scalar, case_insensitive: bool) -> Built {
        if field == "_id" {
            return self.query(&Query::Ids(vec![value.to_string()]));
        }
        if field == "_index" {
            let is_it = value.to_string() == self.context.index;
            return Ok(if is_it { Box::new(AllQuery) } else { Box::new(EmptyQuery) });
        }
        let Some(target) = self.target(field) else { return Ok(Box::new(EmptyQuery)) };
        let shown = value.to_string();
        let mut ways: Vec<Built> = Vec::new();
        if case_insensitive && (target.has_keywords() || target.has_texts()) {
            return self.pattern(field, &Pattern(vec![Piece::Literal(shown)]), true);
        }
        if target.has_texts() {
            ways.push(Ok(word(target.path, &shown)));
        }
        if target.kind == Kind::Ip {
            ways.push(self.address(&target, value));
        } else if target.has_keywords() {
            ways.push(Ok(Keywords::text(target.path, shown)));
        }
        if target.seen.has(Seen::DATE) || target.kind == Kind::Date {
            ways.push(
                value.dates(self.context.now_millis).map(|(first, last)| range_of_dates(target.path, first, last)),
            );
        }
        if target.has_numbers() || matches!(target.kind, Kind::Long | Kind::Double) {
            ways.push(value.number().map(|number| equal_number(target.path, &number)));
        }
        if target.seen.has(Seen::BOOLEAN) || target.kind == Kind::Boolean {
            ways.push(value.boolean().map(|value| Keywords::truth(target.path, value)));
        }
        self.ways(ways)
    }

    /// An address, or all of a network; texts in the field that are no addresses are found as they are.
    fn address(&self, target: &Target<'_>, value: &Scalar) -> Built {
        match value.addresses() {
            Ok((first, last)) => Ok(match first == last {
                true => constant(Keywords::text(target.path, first.to_canonical().to_string())),
                false => addresses::between(target.path, first, last),
            }),
            Err(refusal) if target.declared && !target.seen.has(Seen::KEYWORD) => Err(refusal),
            Err(_) => Ok(Keywords::text(target.path, value.to_string())),
        }
    }

    fn terms(&self, field: &str, values: &[Scalar]) -> Built {
        if field == "_id" {
            return self.query(&Query::Ids(values.iter().map(Scalar::to_string).collect()));
        }
        let Some(target) = self.target(field) else {
            let each = values.iter().map(|value| self.term(field, value, false)).collect::<Result<Vec<_>, _>>()?;
            return Ok(constant(any_of(each)));
        };
        let only_keywords = target.kind == Kind::Keyword && !target.seen.has(Seen::TEXT) && !target.has_numbers();
        if only_keywords && !target.seen.has(Seen::BOOLEAN.with(Seen::DATE)) {
            return Ok(constant(Keywords::texts(target.path, values.iter().map(Scalar::to_string).collect())));
        }
        let only_numbers = target.has_numbers() && !target.has_keywords() && !target.has_texts();
        if only_numbers && values.len() > 1 && !target.seen.has(Seen::DATE.with(Seen::BOOLEAN)) {
            let numbers = values.iter().map(|value| value.number()).collect::<Result<Vec<_>, _>>()?;
            return Ok(super::values::any_number(target.path, &numbers));
        }
        let each = values.iter().map(|value| self.term(field, value, false)).collect::<Result<Vec<_>, _>>()?;
        Ok(constant(any_of(each)))
    }

    fn words(&self, field: &str, value: &Scalar, operator: Operator, least: &dyn Fn(usize) -> Option<usize>) -> Built {
        let Some(target) = self.target(field).filter(Target::has_texts) else { return self.term(field, value, false) };
        let mut words: Vec<Box<dyn TantivyQuery>> =
            text::words(&value.to_string()).map(|text| word(target.path, &text)).collect();
        let in_words: Box<dyn TantivyQuery> = match (words.len(), operator) {
            (0, _) => Box::new(EmptyQuery),
            (1, _) => words.pop().expect("there is one"),
            (_, Operator::And) => Box::new(BooleanQuery::intersection(words)),
            (number, Operator::Or) => match least(number).unwrap_or(1) {
                least if least > number => Box::new(EmptyQuery),
                least => Box::new(BooleanQuery::union_with_minimum_required_clauses(words, least.max(1))),
            },
        };
        match target.has_keywords() {
            true => self.ways(vec![Ok(in_words), Self { lenient: true, ..*self }.term(field, value, false)]),
            false => Ok(in_words),
        }
    }

    fn phrase(&self, field: &str, text: &str, slop: u32, last_is_prefix: bool) -> Built {
        let Some(target) = self.target(field).filter(Target::has_texts) else {
            return match last_is_prefix {
                true => {
                    self.pattern(field, &Pattern(vec![Piece::Literal(text.to_owned()), Piece::AnyCharacters]), false)
                }
                false => self.term(field, &Scalar::Text(text.to_owned()), false),
            };
        };
        let mut words: Vec<String> = text::words(text).collect();
        let terms = |words: &[String]| words.iter().map(|word| text_term(FIELDS.words, target.path, word)).collect();
        Ok(match (words.len(), last_is_prefix) {
            (0, _) => Box::new(EmptyQuery),
            (1, true) => words_beginning(target.path, words.pop().expect("there is one")),
            (1, false) => word(target.path, &words[0]),
            (_, false) => {
                let mut phrase = PhraseQuery::new(terms(&words));
                phrase.set_slop(slop);
                Box::new(phrase)
            }
            (_, true) if slop == 0 => {
                let mut phrase = PhrasePrefixQuery::new(terms(&words));
                phrase.set_max_expansions(EXPANSIONS_MAX);
                Box::new(phrase)
            }
            (_, true) => return Err(Refusal::argument("[slop] of a [match_phrase_prefix] is not supported")),
        })
    }

    fn exists(&self, field: &str) -> Box<dyn TantivyQuery> {
        if matches!(field, "_id" | "_index" | "_source") {
            return Box::new(AllQuery);
        }
        let path = self.target(field).map_or(field, |target| target.path);
        let below = format!("{path}.");
        let has_no_column = |(name, entry): (&String, &crate::store::FieldEntry)| {
            let is_meant = name == path || name.starts_with(&below);
            (is_meant && entry.seen.has(Seen::TEXT.with(Seen::PLACE))).then(|| name.clone())
        };
        let named: Vec<Term> = (self.context.mapping.fields.iter().filter_map(has_no_column))
            .map(|name| Term::from_field_text(FIELDS.names, &name))
            .collect();
        let mut ways: Vec<Box<dyn TantivyQuery>> = vec![Box::new(ExistsQuery::new(column(path), true))];
        if !named.is_empty() {
            ways.push(Box::new(TermSetQuery::new(named)));
        }
        constant(any_of(ways))
    }

    fn range(&self, field: &str, range: &Range) -> Built {
        let Some(target) = self.target(field) else { return Ok(Box::new(EmptyQuery)) };
        let mut ways: Vec<Built> = Vec::new();
        let is_date = target.kind == Kind::Date || target.seen.has(Seen::DATE);
        if is_date {
            let dates = range.dates(self.context.now_millis);
            ways.push(dates.map(|(first, last)| range_of_dates(target.path, first, last)));
        }
        if target.has_numbers() || matches!(target.kind, Kind::Long | Kind::Double) {
            ways.push(range.numbers().map(|(lower, upper)| range_of_numbers(target.path, lower, upper)));
        }
        if target.kind == Kind::Ip {
            ways.push(addresses::range(target.path, range));
        } else if target.has_keywords() && !is_date {
            ways.push(Ok(range_of_texts(target.path, range)));
        }
        if target.has_texts() && ways.is_empty() {
            let reason = format!("a [range] over the words of the text field [{field}] is not supported");
            ways.push(Err(Refusal::argument(reason)));
        }
        self.ways(ways).map(constant)
    }

    fn pattern(&self, field: &str, pattern: &Pattern, case_insensitive: bool) -> Built {
        if field == "_index" {
            let is_it = pattern.matches(self.context.index);
            return Ok(if is_it { Box::new(AllQuery) } else { Box::new(EmptyQuery) });
        }
        let Some(target) = self.target(field) else { return Ok(Box::new(EmptyQuery)) };
        let (prefix, matches) = matches_of(pattern, case_insensitive);
        let mut ways: Vec<Built> = Vec::new();
        if target.has_keywords() {
            ways.push(Ok(Keywords::matching(target.path, prefix.clone(), matches.clone())));
        }
        if target.has_texts() {
            ways.push(Ok(Box::new(WordsMatching { path: target.path.to_owned(), prefix, matches })));
        }
        if ways.is_empty() {
            let kind = target.kind.name();
            let reason = format!(
                "Can only use prefix and wildcard queries on keyword and text fields - not on [{field}] which is of type [{kind}]"
            );
            ways.push(Err(Refusal::shard(reason)));
        }
        self.ways(ways)
    }

    fn bool(&self, clauses: &Bool) -> Built {
        let Bool { must, filter, should, must_not, minimum_should_match } = clauses;
        let mut all: Vec<(Occur, Box<dyn TantivyQuery>)> = Vec::new();
        for query in must {
            all.push((Occur::Must, self.query(query)?));
        }
        for query in filter {
            all.push((Occur::Must, Box::new(ConstScoreQuery::new(self.query(query)?, 0.0))));
        }
        let wanted = should.iter().map(|query| self.query(query)).collect::<Result<Vec<_>, _>>()?;
        if *minimum_should_match > wanted.len() {
            return Ok(Box::new(EmptyQuery));
        }
        match minimum_should_match {
            0 => all.extend(wanted.into_iter().map(|query| (Occur::Should, query))),
            1 if wanted.len() == 1 => all.extend(wanted.into_iter().map(|query| (Occur::Must, query))),
            least => {
                let some = BooleanQuery::union_with_minimum_required_clauses(wanted, *least);
                all.push((Occur::Must, Box::new(some)));
            }
        }
        if !all.iter().any(|(occur, _)| *occur == Occur::Must) {
            // Clauses that only exclude, or only score, leave every document.
            let score = if must_not.is_empty() && should.is_empty() { 1.0 } else { 0.0 };
            all.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), score))));
        }
        for query in must_not {
            all.push((Occur::MustNot, self.query(query)?));
        }
        Ok(Box::new(BooleanQuery::new(all)))
    }
}

fn constant(query: Box<dyn TantivyQuery>) -> Box<dyn TantivyQuery> {
    Box::new(ConstScoreQuery::new(query, 1.0))
}

fn any_of(mut queries: Vec<Box<dyn TantivyQuery>>) -> Box<dyn TantivyQuery> {
    match queries.len() {
        0 => Box::new(EmptyQuery),
        1 => queries.pop().expect("there is one"),
        _ => Box::new(DisjunctionMaxQuery::new(queries)),
    }
}

fn word(path: &str, word: &str) -> Box<dyn TantivyQuery> {
    Box::new(TermQuery::new(text_term(FIELDS.words, path, word), IndexRecordOption::WithFreqs))
}

fn words_beginning(path: &str, prefix: String) -> Box<dyn TantivyQuery> {
    Box::new(WordsMatching { path: path.to_owned(), prefix, matches: Arc::new(|_| true) })
}

/// With what a text that fits begins, and whether it fits.
fn matches_of(pattern: &Pattern, case_insensitive: bool) -> (String, Matches) {
    let prefix = match pattern.0.first() {
        Some(Piece::Literal(literal)) if !case_insensitive => literal.clone(),
        _ => String::new(),
    };
    let automaton = pattern.automaton(case_insensitive);
    let matches = move |value: &str| {
        let mut state = automaton.begin();
        for byte in value.bytes() {
            state = automaton.next(&state, byte);
            if !automaton.can_match(&state) {
                return false;
            }
        }
        automaton.is_match(&state)
    };
    (prefix, Arc::new(matches))
}
