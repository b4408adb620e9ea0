//! Ranges over the columns of numbers, dates and texts.

use crate::query::ast::{Range, Scalar};
use crate::store::schema::FIELDS;
use std::ops::Bound;
use tantivy::columnar::MonotonicallyMappableToU64;
use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{AllQuery, ConstScoreQuery, EmptyQuery, FastFieldRangeQuery, Query};
use tantivy::{DateTime, DocId, SegmentReader, Term};

/// Milliseconds since 1970 beyond which there are no dates: tantivy keeps nanoseconds in 64 bits.
const MILLIS_MAX: i64 = i64::MAX / 1_000_000;

/// Documents with a date between two, both included, in milliseconds since 1970.
pub fn range_of_dates(path: &str, first: i64, last: i64) -> Box<dyn Query> {
    if first > last || first > MILLIS_MAX || last < -MILLIS_MAX {
        return Box::new(EmptyQuery);
    }
    let term = |millis: i64| {
        let mut term = Term::from_field_json_path(FIELDS.fast, path, true);
        term.append_type_and_fast_value(DateTime::from_timestamp_millis(millis));
        term
    };
    let first = first.max(-MILLIS_MAX);
    let last = last.min(MILLIS_MAX);
    Box::new(FastFieldRangeQuery::new(Bound::Included(term(first)), Bound::Included(term(last))))
}

/// Documents with a number in a range.
pub fn range_of_numbers(path: &str, lower: Bound<Scalar>, upper: Bound<Scalar>) -> Box<dyn Query> {
    if let (Bound::Unbounded, Bound::Unbounded) = (&lower, &upper) {
        return Box::new(tantivy::query::ExistsQuery::new(crate::store::schema::column(path), false));
    }
    // The type of one bound is read for both.
    let all_whole = [&lower, &upper].iter().all(|bound| {
        !matches!(
            bound,
            Bound::Included(Scalar::Double(_) | Scalar::Unsigned(_))
                | Bound::Excluded(Scalar::Double(_) | Scalar::Unsigned(_))
        )
    });
    let term = |value: &Scalar| {
        let mut term = Term::from_field_json_path(FIELDS.fast, path, true);
        match value {
            Scalar::Long(value) if all_whole => term.append_type_and_fast_value(*value),
            value => term.append_type_and_fast_value(as_double(value)),
        }
        term
    };
    let bound = |bound: &Bound<Scalar>| bound.as_ref().map(term);
    Box::new(FastFieldRangeQuery::new(bound(&lower), bound(&upper)))
}

/// Documents with exactly this number.
pub fn equal_number(path: &str, number: &Scalar) -> Box<dyn Query> {
    let bound = || Bound::Included(number.clone());
    Box::new(ConstScoreQuery::new(range_of_numbers(path, bound(), bound()), 1.0))
}

/// Documents with one of the numbers: one walk over the column, however many they are.
pub fn any_number(path: &str, numbers: &[Scalar]) -> Box<dyn Query> {
    let mut wanted: Vec<u64> = numbers.iter().map(|number| as_double(number).to_u64()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let name = crate::store::schema::column(path);
    let predicate = FunctionPredicate::from(move |segment: &SegmentReader| {
        let fast = segment.fast_fields();
        let whole = fast.column_opt::<i64>(&name)?;
        let broken = if whole.is_none() { fast.column_opt::<f64>(&name)? } else { None };
        let large = if whole.is_none() && broken.is_none() { fast.column_opt::<u64>(&name)? } else { None };
        let wanted = wanted.clone();
        Ok(move |document: DocId| {
            let has = |value: f64| wanted.binary_search(&value.to_u64()).is_ok();
            whole.as_ref().is_some_and(|column| column.values_for_doc(document).any(|value| has(value as f64)))
                || broken.as_ref().is_some_and(|column| column.values_for_doc(document).any(has))
                || large.as_ref().is_some_and(|column| column.values_for_doc(document).any(|value| has(value as f64)))
        })
    });
    let query: DocPredicateQuery = predicate.into();
    Box::new(ConstScoreQuery::new(Box::new(query), 1.0))
}

/// Documents with a keyword in a range, compared by its bytes.
pub fn range_of_texts(path: &str, range: &Range) -> Box<dyn Query> {
    let bound = |bound: &Bound<Scalar>| {
        bound.as_ref().map(|value| super::terms::text_term(FIELDS.fast, path, &value.to_string()))
    };
    match (&range.lower, &range.upper) {
        (Bound::Unbounded, Bound::Unbounded) => Box::new(AllQuery),
        (lower, upper) => Box::new(FastFieldRangeQuery::new(bound(lower), bound(upper))),
    }
}

fn as_double(value: &Scalar) -> f64 {
    match value {
        Scalar::Long(value) => *value as f64,
        Scalar::Unsigned(value) => *value as f64,
        Scalar::Double(value) => *value,
        Scalar::Text(_) | Scalar::Bool(_) => f64::NAN,
    }
}
