//! `query_string` and `simple_query_string`: what they say beside the text.

use super::Dsl;
use super::full_text::{lenient_if, or_all};
use super::reader::Reader;
use crate::query::ast::{MinimumShouldMatch, Operator, Query};
use crate::query::dates;
use crate::query::error::Refusal;
use crate::query::limits::{QUERY_STRING_BYTES_MAX, SLOP_MAX};
use crate::query::lucene::{self, Fields, Settings, Target, boosted};
use crate::query::simple::{self, Signs};
use serde_json::Value;

/// What both have.
struct Common {
    text: Option<String>,
    targets: Vec<Target>,
    operator: Operator,
    lenient: Option<bool>,
    minimum: Option<MinimumShouldMatch>,
    boost: f32,
}

impl Common {
    fn new() -> Self {
        Self { text: None, targets: Vec::new(), operator: Operator::Or, lenient: None, minimum: None, boost: 1.0 }
    }

    /// Whether `key` is one of them.
    fn take(&mut self, dsl: &Dsl<'_>, reader: Reader<'_>, key: &str, value: &Value) -> Result<bool, Refusal> {
        match key {
            "query" => {
                let text = reader.text(key, value)?;
                if text.len() > QUERY_STRING_BYTES_MAX {
                    return Err(Refusal::argument(format!(
                        "Query string length exceeds max allowed length {QUERY_STRING_BYTES_MAX}; actual length: {}",
                        text.len()
                    )));
                }
                self.text = Some(text);
            }
            "fields" => self.targets = dsl.targets(reader, value)?,
            "default_operator" => self.operator = reader.operator(key, value)?,
            "lenient" => self.lenient = Some(reader.boolean(key, value)?),
            "minimum_should_match" => self.minimum = Some(MinimumShouldMatch::parse(value)?),
            "boost" => self.boost = reader.boost(value)?,
            // A word of a pattern is never split, and case is that of the field: what these ask for is so.
            "analyze_wildcard" | "auto_generate_synonyms_phrase_query" | "fuzzy_transpositions" => {
                reader.boolean(key, value)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(&mut self, name: &str) -> Result<(String, bool), Refusal> {
        let text =
            self.text.take().ok_or_else(|| Refusal::parsing(format!("[{name}] must be provided with a [query]")))?;
        let asks_all = self.targets.is_empty() || self.targets.iter().any(|target| target.field == "*");
        Ok((text, self.lenient.unwrap_or(asks_all)))
    }
}

impl Dsl<'_> {
    pub(super) fn query_string(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "query_string" };
        let mut common = Common::new();
        let mut settings = Settings { allow_leading_wildcard: true, ..Settings::default() };
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "default_field" => common.targets = vec![Target::parse(&reader.text(key, value)?)?],
                "time_zone" => settings.time_zone = Some(dates::time_zone(&reader.text(key, value)?)?),
                "phrase_slop" => settings.phrase_slop = reader.count(key, value, u64::from(SLOP_MAX))? as u32,
                "allow_leading_wildcard" => settings.allow_leading_wildcard = reader.boolean(key, value)?,
                "type" => reader.only(key, value, &["best_fields", "most_fields"])?,
                "tie_breaker" => drop(reader.number(key, value)?),
                "enable_position_increments" => reader.only(key, value, &["true"])?,
                _ => match common.take(self, reader, key, value)? {
                    true => {}
                    false => return Err(reader.unknown(key)),
                },
            }
        }
        let (text, lenient) = common.finish(reader.name)?;
        settings.operator = common.operator;
        let fields = Fields { names: self.fields, defaults: or_all(common.targets) };
        let query = lucene::parse(&text, &fields, &settings, &mut self.limits).map_err(|error| match error.kind {
            "parse_exception" => Refusal::shard(format!("Failed to parse query [{}]", beginning(&text))).because(error),
            _ => error,
        })?;
        Ok(lenient_if(lenient, boosted(with_minimum(query, common.minimum), common.boost)))
    }

    pub(super) fn simple_query_string(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "simple_query_string" };
        let mut common = Common::new();
        let mut signs = Signs::ALL;
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "flags" if value.as_i64() == Some(-1) => signs = Signs::ALL,
                "flags" => signs = Signs::parse(&reader.text(key, value)?)?,
                _ => match common.take(self, reader, key, value)? {
                    true => {}
                    false => return Err(reader.unknown(key)),
                },
            }
        }
        let (text, lenient) = common.finish(reader.name)?;
        let fields = Fields { names: self.fields, defaults: or_all(common.targets) };
        let query = simple::parse(&text, &fields, common.operator, signs, &mut self.limits)?;
        Ok(lenient_if(lenient, boosted(with_minimum(query, common.minimum), common.boost)))
    }
}

/// `minimum_should_match` of the outermost clauses.
fn with_minimum(mut query: Query, minimum: Option<MinimumShouldMatch>) -> Query {
    match (&mut query, minimum) {
        (Query::Bool(bool), Some(minimum)) if !bool.should.is_empty() => {
            let least = usize::from(bool.must.is_empty());
            bool.minimum_should_match = minimum.of(bool.should.len()).max(least);
        }
        (Query::Match { minimum_should_match, operator: Operator::Or, .. }, Some(minimum)) => {
            *minimum_should_match = Some(minimum);
        }
        _ => {}
    }
    query
}

/// As much of a text as a message needs.
fn beginning(text: &str) -> &str {
    const SHOWN_CHARACTERS: usize = 200;
    text.char_indices().nth(SHOWN_CHARACTERS).map_or(text, |(end, _)| &text[..end])
}
