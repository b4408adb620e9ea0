//! What a search asks for, whatever syntax it was written in: names are concrete fields, values are not yet typed.
//!
//! The parsers ([`super::dsl`], `super::lucene`) make it, the store executes it. A field's types are the store's to know:
//! it asks [`Scalar`] and [`Range`] for what a value means as a number, a date or an address.

use jiff::tz::TimeZone;
use std::ops::Bound;

/// A query. What has no score of its own scores 1; [`Query::Boosted`] multiplies.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// Every document.
    All,
    /// No document.
    None,
    /// Documents whose `field` has exactly this value; in a field of words, the word as it is written, not analysed.
    Term {
        field: String,
        value: Scalar,
        /// Letters are compared without their case.
        case_insensitive: bool,
    },
    /// Documents whose `field` has one of the values.
    Terms { field: String, values: Vec<Scalar> },
    /// The words of `text`, analysed as `field` is; in a field that is not of words, the same as [`Query::Term`].
    Match {
        field: String,
        text: Scalar,
        operator: Operator,
        /// Only with [`Operator::Or`]: how many of the words must be there; see [`MinimumShouldMatch::of`].
        minimum_should_match: Option<MinimumShouldMatch>,
    },
    /// The words of `text` one after the other; in a field that is not of words, the same as [`Query::Term`].
    Phrase {
        field: String,
        text: String,
        /// How many places the words may be apart in sum.
        slop: u32,
        /// The last word may be the beginning of one.
        last_is_prefix: bool,
    },
    /// Documents that have any value in `field`, or in a field below it.
    Exists { field: String },
    /// Documents with a value of `field` in the range.
    Range { field: String, range: Range },
    /// Values (in a field of words: words) that begin with `value`, which is not analysed.
    Prefix { field: String, value: String, case_insensitive: bool },
    /// Values (in a field of words: words) that match a pattern.
    Wildcard { field: String, pattern: Pattern, case_insensitive: bool },
    /// Documents with one of these ids.
    Ids(Vec<String>),
    /// Clauses; with no `must` and no `filter`, one of `should` must match unless `minimum_should_match` says otherwise.
    Bool(Box<Bool>),
    /// Documents that one of the queries finds; the best score counts.
    AnyOf(Vec<Query>),
    /// Scores 1 for every document that the query finds.
    ConstantScore(Box<Query>),
    /// Multiplies the score.
    Boosted(Box<Query>, f32),
    /// A value inside that its field's type cannot hold finds nothing, where it would be an error otherwise.
    Lenient(Box<Query>),
}

/// The clauses of a `bool` query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bool {
    /// All must match, and their scores add up.
    pub must: Vec<Query>,
    /// All must match; they do not score.
    pub filter: Vec<Query>,
    /// As many as `minimum_should_match` must match; scores add up.
    pub should: Vec<Query>,
    /// None may match.
    pub must_not: Vec<Query>,
    /// Resolved: at most the number of `should`, or more, in which case nothing matches. 0: they only score.
    pub minimum_should_match: usize,
}

/// Whether one word is enough.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Operator {
    #[default]
    Or,
    And,
}

/// A value as it stood in the request.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Text(String),
    Long(i64),
    /// Above `i64::MAX`.
    Unsigned(u64),
    Double(f64),
    Bool(bool),
}

/// A pattern of `*` (any characters) and `?` (one character).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pattern(pub Vec<Piece>);

/// A part of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    AnyCharacter,
    AnyCharacters,
}

/// The bounds of a range; `Unbounded` on both sides is what `exists` asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    pub lower: Bound<Scalar>,
    pub upper: Bound<Scalar>,
    /// Of dates; alternatives are separated by `||`.
    pub format: Option<String>,
    /// In which dates without an offset are meant, and in which `/d` rounds.
    pub time_zone: Option<TimeZone>,
}

/// How many of several clauses must match: `2`, `-1`, `75%`, `-25%`, `3<90%`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinimumShouldMatch(pub(super) Vec<(Option<usize>, Amount)>);

/// A count or a share of clauses; negative: that many may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Amount {
    Count(i64),
    Percent(i64),
}
