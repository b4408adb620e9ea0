//! Queries for words: match, match_phrase, multi_match.

use super::Dsl;
use super::reader::Reader;
use crate::query::ast::{MinimumShouldMatch, Operator, Query};
use crate::query::error::Refusal;
use crate::query::limits::SLOP_MAX;
use crate::query::lucene::{Fields, Target, boosted};
use serde_json::Value;

pub(super) fn match_words(body: &Value) -> Result<Query, Refusal> {
    let reader = Reader { name: "match" };
    let (field, inner) = reader.field(body)?;
    let mut text = None;
    let (mut operator, mut minimum, mut boost, mut lenient) = (Operator::Or, None, 1.0, false);
    match inner {
        Value::Object(parts) => {
            for (key, value) in parts {
                match key.as_str() {
                    "query" => text = Some(reader.scalar(key, value)?),
                    "operator" => operator = reader.operator(key, value)?,
                    "minimum_should_match" => minimum = Some(MinimumShouldMatch::parse(value)?),
                    "boost" => boost = reader.boost(value)?,
                    "lenient" => lenient = reader.boolean(key, value)?,
                    "zero_terms_query" => reader.only(key, value, &["none"])?,
                    // Nothing here has synonyms, and fuzzy words are not supported at all.
                    "auto_generate_synonyms_phrase_query" => drop(reader.boolean(key, value)?),
                    _ => return Err(reader.unknown(key)),
                }
            }
        }
        value => text = Some(reader.scalar("query", value)?),
    }
    let text = text.ok_or_else(|| Refusal::parsing("No text specified for text query"))?;
    let query = Query::Match { field: field.to_owned(), text, operator, minimum_should_match: minimum };
    Ok(lenient_if(lenient, boosted(query, boost)))
}

pub(super) fn match_phrase(body: &Value, last_is_prefix: bool) -> Result<Query, Refusal> {
    let reader = Reader { name: if last_is_prefix { "match_phrase_prefix" } else { "match_phrase" } };
    let (field, inner) = reader.field(body)?;
    let mut text = None;
    let (mut slop, mut boost) = (0, 1.0);
    match inner {
        Value::Object(parts) => {
            for (key, value) in parts {
                match key.as_str() {
                    "query" => text = Some(reader.text(key, value)?),
                    "slop" => slop = reader.count(key, value, u64::from(SLOP_MAX))? as u32,
                    "boost" => boost = reader.boost(value)?,
                    "zero_terms_query" => reader.only(key, value, &["none"])?,
                    _ => return Err(reader.unknown(key)),
                }
            }
        }
        value => text = Some(reader.text("query", value)?),
    }
    let text = text.ok_or_else(|| Refusal::parsing("No text specified for text query"))?;
    Ok(boosted(Query::Phrase { field: field.to_owned(), text, slop, last_is_prefix }, boost))
}

/// Of several fields' matches the best one scores; a document counts when one field matches.
pub(super) fn lenient_if(lenient: bool, query: Query) -> Query {
    if lenient { Query::Lenient(Box::new(query)) } else { query }
}

impl Dsl<'_> {
    pub(super) fn multi_match(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "multi_match" };
        let mut text = None;
        let mut targets = Vec::new();
        let (mut operator, mut minimum, mut boost, mut slop) = (Operator::Or, None, 1.0, 0);
        let (mut kind, mut lenient) = ("best_fields".to_owned(), None);
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "query" => text = Some(reader.scalar(key, value)?),
                "fields" => targets = self.targets(reader, value)?,
                "type" => {
                    // The words of one field count together in all of these; they differ in the score.
                    reader.only(key, value, &["best_fields", "most_fields", "phrase", "phrase_prefix"])?;
                    kind = reader.text(key, value)?;
                }
                "operator" => operator = reader.operator(key, value)?,
                "minimum_should_match" => minimum = Some(MinimumShouldMatch::parse(value)?),
                "slop" => slop = reader.count(key, value, u64::from(SLOP_MAX))? as u32,
                "lenient" => lenient = Some(reader.boolean(key, value)?),
                "boost" => boost = reader.boost(value)?,
                "tie_breaker" => drop(reader.number(key, value)?),
                _ => return Err(reader.unknown(key)),
            }
        }
        let text = text.ok_or_else(|| Refusal::parsing("No text specified for multi_match query"))?;
        let all = targets.is_empty();
        let fields = Fields { names: self.fields, defaults: or_all(targets) };
        let query = fields.each(None, &mut self.limits, &mut |field| match kind.as_str() {
            "phrase" | "phrase_prefix" => Query::Phrase {
                field: field.to_owned(),
                text: text.to_string(),
                slop,
                last_is_prefix: kind == "phrase_prefix",
            },
            _ => Query::Match {
                field: field.to_owned(),
                text: text.clone(),
                operator,
                minimum_should_match: minimum.clone(),
            },
        })?;
        Ok(lenient_if(lenient.unwrap_or(all), boosted(query, boost)))
    }

    /// `["message^2", "host.*"]`.
    pub(super) fn targets(&self, reader: Reader<'_>, value: &Value) -> Result<Vec<Target>, Refusal> {
        match value {
            Value::String(one) => Ok(vec![Target::parse(one)?]),
            several => {
                reader.array("fields", several)?.iter().map(|one| Target::parse(&reader.text("fields", one)?)).collect()
            }
        }
    }
}

/// All fields, where none is named.
pub(super) fn or_all(targets: Vec<Target>) -> Vec<Target> {
    match targets.is_empty() {
        true => vec![Target { field: "*".to_owned(), boost: 1.0 }],
        false => targets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::ast::Scalar;
    use serde_json::json;

    #[test]
    fn takes_short_and_long_forms() {
        let short = match_words(&json!({ "message": 7 }));
        let long = match_words(&json!({ "message": { "query": 7, "operator": "or" } }));
        assert_eq!(short, long);
        assert_eq!(
            short,
            Ok(Query::Match {
                field: "message".into(),
                text: Scalar::Long(7),
                operator: Operator::Or,
                minimum_should_match: None
            })
        );
        let refused = match_words(&json!({ "message": { "query": "a", "fuzziness": 1 } }));
        assert_eq!(refused.map_err(|error| error.reason), Err("[match] query does not support [fuzziness]".into()));
    }
}
