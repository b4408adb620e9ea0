//! Queries of queries: bool, constant_score, dis_max.

use super::Dsl;
use super::reader::Reader;
use crate::query::ast::{Bool, MinimumShouldMatch, Query};
use crate::query::error::Refusal;
use crate::query::lucene::boosted;
use serde_json::Value;

impl Dsl<'_> {
    pub(super) fn bool(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "bool" };
        let mut bool = Bool::default();
        let (mut minimum, mut boost) = (None, 1.0);
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "must" => bool.must = self.queries(value)?,
                "filter" => bool.filter = self.queries(value)?,
                "should" => bool.should = self.queries(value)?,
                "must_not" | "mustNot" => bool.must_not = self.queries(value)?,
                "minimum_should_match" => minimum = Some(MinimumShouldMatch::parse(value)?),
                "boost" => boost = reader.boost(value)?,
                "adjust_pure_negative" => reader.only(key, value, &["true"])?,
                _ => return Err(reader.unknown(key)),
            }
        }
        let is_required = bool.must.is_empty() && bool.filter.is_empty() && !bool.should.is_empty();
        bool.minimum_should_match = match minimum {
            // Without any clause to choose from there is nothing that could be missing.
            Some(minimum) if !bool.should.is_empty() => minimum.of(bool.should.len()),
            _ => usize::from(is_required),
        };
        if is_required && bool.minimum_should_match == 0 {
            // Lucene finds nothing by a `bool` of optional clauses of which none matches.
            bool.minimum_should_match = 1;
        }
        let nothing_is_asked = bool.must.is_empty() && bool.filter.is_empty() && bool.should.is_empty();
        if nothing_is_asked {
            bool.must.push(Query::All);
        }
        Ok(boosted(Query::Bool(Box::new(bool)), boost))
    }

    /// One query or an array of them.
    pub(super) fn queries(&mut self, value: &Value) -> Result<Vec<Query>, Refusal> {
        match value {
            Value::Array(queries) => queries.iter().map(|query| self.query(query)).collect(),
            one => Ok(vec![self.query(one)?]),
        }
    }

    pub(super) fn constant_score(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "constant_score" };
        let (mut boost, mut filter) = (1.0, None);
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "filter" => filter = Some(self.query(value)?),
                "boost" => boost = reader.boost(value)?,
                _ => return Err(reader.unknown(key)),
            }
        }
        let filter = filter.ok_or_else(|| Refusal::parsing("[constant_score] requires a 'filter' element"))?;
        Ok(boosted(Query::ConstantScore(Box::new(filter)), boost))
    }

    pub(super) fn dis_max(&mut self, body: &Value) -> Result<Query, Refusal> {
        let reader = Reader { name: "dis_max" };
        let (mut boost, mut queries) = (1.0, Vec::new());
        for (key, value) in reader.object(body)? {
            match key.as_str() {
                "queries" => queries = self.queries(value)?,
                "boost" => boost = reader.boost(value)?,
                "tie_breaker" => reader.only(key, value, &["0", "0.0"])?,
                _ => return Err(reader.unknown(key)),
            }
        }
        if queries.is_empty() {
            return Err(Refusal::parsing("[dis_max] requires 'queries' field with at least one clause"));
        }
        Ok(boosted(Query::AnyOf(queries), boost))
    }
}
