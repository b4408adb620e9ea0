//! Elasticsearch's query DSL: a JSON object with the name of a query and what it asks.

mod compound;
mod full_text;
mod query_string;
mod reader;
mod terms;

pub use reader::Reader;

use super::FieldNames;
use super::ast::Query;
use super::error::Refusal;
use super::limits::Limits;
use serde_json::Value;

/// Reads `{"match": {..}}`. `fields` says which ones a pattern of names means.
pub fn parse(query: &Value, fields: &dyn FieldNames) -> Result<Query, Refusal> {
    Dsl::new(fields).query(query)
}

/// One request's queries: they share its limits.
pub struct Dsl<'a> {
    fields: &'a dyn FieldNames,
    limits: Limits,
}

impl<'a> Dsl<'a> {
    pub fn new(fields: &'a dyn FieldNames) -> Self {
        Self { fields, limits: Limits::default() }
    }

    /// Reads one query.
    pub fn query(&mut self, query: &Value) -> Result<Query, Refusal> {
        Limits::nested(self, |dsl| &mut dsl.limits, |dsl| dsl.named(query))
    }

    fn named(&mut self, query: &Value) -> Result<Query, Refusal> {
        let Value::Object(object) = query else {
            return Err(Refusal::parsing("[_na] query malformed, must start with start_object"));
        };
        let mut entries = object.iter();
        let Some((name, body)) = entries.next() else {
            return Err(Refusal::argument("query malformed, empty clause found"));
        };
        if let Some((second, _)) = entries.next() {
            return Err(Refusal::parsing(format!(
                "[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME] [{second}]"
            )));
        }
        self.limits.leaves(1)?;
        match name.as_str() {
            "match_all" => terms::match_all(body),
            "match_none" => terms::match_none(body),
            "term" => terms::term(body),
            "terms" => terms::terms(body),
            "exists" => terms::exists(body),
            "ids" => terms::ids(body),
            "prefix" => terms::prefix(body),
            "wildcard" => terms::wildcard(body),
            "range" => terms::range(body),
            "match" => full_text::match_words(body),
            "match_phrase" => full_text::match_phrase(body, false),
            "match_phrase_prefix" => full_text::match_phrase(body, true),
            "multi_match" => self.multi_match(body),
            "bool" => self.bool(body),
            "constant_score" => self.constant_score(body),
            "dis_max" => self.dis_max(body),
            "query_string" => self.query_string(body),
            "simple_query_string" => self.simple_query_string(body),
            _ => Err(Refusal::parsing(format!("unknown query [{name}]"))),
        }
    }
}
