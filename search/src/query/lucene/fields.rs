//! Which fields an expression is asked of: those that it names, or the default ones.

use crate::query::FieldNames;
use crate::query::ast::{Pattern, Query};
use crate::query::error::Refusal;
use crate::query::limits::Limits;

/// A field, or a pattern of fields, and what its score is multiplied by.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub field: String,
    pub boost: f32,
}

impl Target {
    /// `field` or `field^2`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let Some((field, boost)) = text.rsplit_once('^') else {
            return Ok(Self { field: text.to_owned(), boost: 1.0 });
        };
        let boost = boost
            .parse()
            .map_err(|_| Refusal::new("number_format_exception", format!("For input string: {boost:?}")))?;
        Ok(Self { field: field.to_owned(), boost })
    }
}

/// The fields of one query string.
pub struct Fields<'a> {
    pub names: &'a dyn FieldNames,
    /// Those of what names no field.
    pub defaults: Vec<Target>,
}

impl Fields<'_> {
    /// The query that `leaf` makes of each field; the best one scores. `None`: the default fields.
    pub fn each(
        &self,
        field: Option<&str>,
        limits: &mut Limits,
        leaf: &mut dyn FnMut(&str) -> Query,
    ) -> Result<Query, Refusal> {
        let named = field.map(|field| [Target { field: field.to_owned(), boost: 1.0 }]);
        let targets = named.as_ref().map_or(self.defaults.as_slice(), |named| named.as_slice());
        let mut queries = Vec::new();
        for target in targets {
            let pattern = Pattern::parse(&target.field)?;
            let found = match pattern.literal() {
                Some(name) => vec![name.to_owned()],
                None => self.names.matching(&pattern),
            };
            limits.leaves(found.len())?;
            for name in found {
                queries.push(boosted(leaf(&name), target.boost));
            }
        }
        Ok(match queries.len() {
            0 => Query::None,
            1 => queries.remove(0),
            _ => Query::AnyOf(queries),
        })
    }
}

/// A query whose score counts `boost` times.
pub fn boosted(query: Query, boost: f32) -> Query {
    if boost == 1.0 { query } else { Query::Boosted(Box::new(query), boost) }
}
