//! Queries for values as they are: term, terms, exists, ids, prefix, wildcard, range.

use super::reader::Reader;
use crate::query::ast::{Pattern, Query, Range, Scalar};
use crate::query::dates;
use crate::query::error::Refusal;
use crate::query::limits::TERMS_MAX;
use crate::query::lucene::boosted;
use serde_json::Value;
use std::ops::Bound;

pub(super) fn match_all(body: &Value) -> Result<Query, Refusal> {
    only_boost("match_all", body).map(|boost| boosted(Query::All, boost))
}

pub(super) fn match_none(body: &Value) -> Result<Query, Refusal> {
    only_boost("match_none", body).map(|_| Query::None)
}

fn only_boost(name: &str, body: &Value) -> Result<f32, Refusal> {
    let reader = Reader { name };
    let mut boost = 1.0;
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "boost" => boost = reader.boost(value)?,
            _ => return Err(reader.unknown(key)),
        }
    }
    Ok(boost)
}

/// `{"field": value}` or `{"field": {"value": value, ..}}`.
struct OfField<'v> {
    field: &'v str,
    value: Scalar,
    boost: f32,
    case_insensitive: bool,
}

fn of_field<'v>(reader: Reader<'_>, body: &'v Value, names: &[&str]) -> Result<OfField<'v>, Refusal> {
    let (field, inner) = reader.field(body)?;
    let mut found = OfField { field, value: Scalar::Bool(false), boost: 1.0, case_insensitive: false };
    let Value::Object(parts) = inner else {
        found.value = reader.scalar(field, inner)?;
        return Ok(found);
    };
    let mut has_value = false;
    for (key, value) in parts {
        match key.as_str() {
            name if names.contains(&name) => {
                found.value = reader.scalar(name, value)?;
                has_value = true;
            }
            "boost" => found.boost = reader.boost(value)?,
            "case_insensitive" => found.case_insensitive = reader.boolean(key, value)?,
            // How Lucene goes about it; the documents are the same.
            "rewrite" if reader.name != "term" => drop(reader.text(key, value)?),
            _ => return Err(reader.unknown(key)),
        }
    }
    match has_value {
        true => Ok(found),
        false => Err(Refusal::argument("value cannot be null")),
    }
}

pub(super) fn term(body: &Value) -> Result<Query, Refusal> {
    let OfField { field, value, boost, case_insensitive } = of_field(Reader { name: "term" }, body, &["value"])?;
    let query = match field {
        "_id" => Query::Ids(vec![value.to_string()]),
        _ => Query::Term { field: field.to_owned(), value, case_insensitive },
    };
    Ok(boosted(query, boost))
}

pub(super) fn terms(body: &Value) -> Result<Query, Refusal> {
    let reader = Reader { name: "terms" };
    let (mut boost, mut query) = (1.0, None);
    for (key, value) in reader.object(body)? {
        if key == "boost" {
            boost = reader.boost(value)?;
            continue;
        }
        if query.is_some() {
            return Err(Refusal::parsing("[terms] query does not support multiple fields"));
        }
        if value.is_object() {
            return Err(Refusal::argument(format!(
                "[terms] lookup of values for [{key}] in another index is not supported"
            )));
        }
        let values = reader.array(key, value)?;
        if values.len() > TERMS_MAX {
            return Err(Refusal::argument(format!(
                "The number of terms [{}] used in the Terms Query request has exceeded the allowed maximum of [{TERMS_MAX}]",
                values.len()
            )));
        }
        let values = values.iter().map(|value| reader.scalar(key, value)).collect::<Result<Vec<_>, _>>()?;
        query = Some(match key.as_str() {
            "_id" => Query::Ids(values.iter().map(Scalar::to_string).collect()),
            field => Query::Terms { field: field.to_owned(), values },
        });
    }
    let query = query.ok_or_else(|| {
        Refusal::parsing(
            "[terms] query requires a field name, followed by array of terms or a document lookup specification",
        )
    })?;
    Ok(boosted(query, boost))
}

pub(super) fn exists(body: &Value) -> Result<Query, Refusal> {
    let reader = Reader { name: "exists" };
    let (mut boost, mut field) = (1.0, None);
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => field = Some(reader.text(key, value)?),
            "boost" => boost = reader.boost(value)?,
            _ => return Err(reader.unknown(key)),
        }
    }
    let field = field
        .filter(|field| !field.is_empty())
        .ok_or_else(|| Refusal::parsing("[exists] must be provided with a [field]"))?;
    Ok(boosted(Query::Exists { field }, boost))
}

pub(super) fn ids(body: &Value) -> Result<Query, Refusal> {
    let reader = Reader { name: "ids" };
    let (mut boost, mut ids) = (1.0, Vec::new());
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "values" => {
                let values = reader.array(key, value)?;
                if values.len() > TERMS_MAX {
                    return Err(Refusal::argument(format!(
                        "[ids] has {} values, more than [{TERMS_MAX}]",
                        values.len()
                    )));
                }
                ids = values.iter().map(|value| reader.text(key, value)).collect::<Result<_, _>>()?;
            }
            "boost" => boost = reader.boost(value)?,
            _ => return Err(reader.unknown(key)),
        }
    }
    Ok(boosted(Query::Ids(ids), boost))
}

pub(super) fn prefix(body: &Value) -> Result<Query, Refusal> {
    let found = of_field(Reader { name: "prefix" }, body, &["value"])?;
    let (value, case_insensitive) = (found.value.to_string(), found.case_insensitive);
    Ok(boosted(Query::Prefix { field: found.field.to_owned(), value, case_insensitive }, found.boost))
}

pub(super) fn wildcard(body: &Value) -> Result<Query, Refusal> {
    let found = of_field(Reader { name: "wildcard" }, body, &["value", "wildcard"])?;
    let pattern = Pattern::parse(&found.value.to_string())?;
    let (field, case_insensitive) = (found.field.to_owned(), found.case_insensitive);
    Ok(boosted(Query::Wildcard { field, pattern, case_insensitive }, found.boost))
}

pub(super) fn range(body: &Value) -> Result<Query, Refusal> {
    let reader = Reader { name: "range" };
    let (field, body) = reader.field(body)?;
    let mut range = Range { lower: Bound::Unbounded, upper: Bound::Unbounded, format: None, time_zone: None };
    let (mut boost, mut include_lower, mut include_upper) = (1.0, None, None);
    for (key, value) in reader.object(body)? {
        // An end that is null is no end.
        let end = || match value {
            Value::Null => Ok(None),
            value => reader.scalar(key, value).map(Some),
        };
        match key.as_str() {
            "gte" => range.lower = end()?.map_or(Bound::Unbounded, Bound::Included),
            "gt" => range.lower = end()?.map_or(Bound::Unbounded, Bound::Excluded),
            "lte" => range.upper = end()?.map_or(Bound::Unbounded, Bound::Included),
            "lt" => range.upper = end()?.map_or(Bound::Unbounded, Bound::Excluded),
            "from" => range.lower = end()?.map_or(Bound::Unbounded, Bound::Included),
            "to" => range.upper = end()?.map_or(Bound::Unbounded, Bound::Included),
            "include_lower" => include_lower = Some(reader.boolean(key, value)?),
            "include_upper" => include_upper = Some(reader.boolean(key, value)?),
            "format" => {
                let format = reader.text(key, value)?;
                dates::DateFormat::parse(&format)?;
                range.format = Some(format);
            }
            "time_zone" => range.time_zone = Some(dates::time_zone(&reader.text(key, value)?)?),
            "boost" => boost = reader.boost(value)?,
            "relation" => reader.only(key, value, &["intersects"])?,
            _ => return Err(reader.unknown(key)),
        }
    }
    range.lower = included(range.lower, include_lower);
    range.upper = included(range.upper, include_upper);
    Ok(boosted(Query::Range { field: field.to_owned(), range }, boost))
}

fn included(bound: Bound<Scalar>, include: Option<bool>) -> Bound<Scalar> {
    match (bound, include) {
        (Bound::Included(value), Some(false)) => Bound::Excluded(value),
        (Bound::Excluded(value), Some(true)) => Bound::Included(value),
        (bound, _) => bound,
    }
}
