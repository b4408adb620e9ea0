//! Aggregations: what a request asks for, and buckets in Elasticsearch's form.
//!
//! [`parse`] reads `aggs`; [`Collecting`] gathers each segment's documents block by block into a [`Partial`]; partials of
//! segments and of indices merge; [`answer`] writes what is left at the end. All values come from tantivy's columns. The
//! buckets are our own, not tantivy's: calendar intervals, time zones, filters, keys and gaps are Elasticsearch's here.

mod answer;
mod answer_buckets;
mod collect;
mod digest;
mod keys;
mod metric;
mod parse;
mod parse_buckets;
mod partial;
mod request;
mod rounding;
mod run;
mod values;

pub use answer::answer;
pub use collect::{Collecting, Prepared};
pub use parse::parse;
pub use partial::Partial;
pub use request::Aggregation;
pub use run::run;

use crate::query::{Query, Refusal};

/// What an index knows of its fields, as far as aggregations ask.
pub trait Index {
    /// A field's column and type; `None`: no document has it.
    fn field(&self, field: &str) -> Option<FieldColumn>;

    /// A query as tantivy runs it on this index.
    fn build(&self, query: &Query) -> Result<Box<dyn tantivy::query::Query>, Refusal>;
}

/// Where a field's values are, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldColumn {
    /// The name by which tantivy's fast field readers know it.
    pub column: String,
    pub kind: FieldKind,
}

/// A field's type as an answer shows it. The order says which one an answer takes when indices differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldKind {
    Boolean,
    Long,
    Double,
    Date,
    Ip,
    Keyword,
    /// Has no column.
    Text,
}

impl FieldKind {
    /// Elasticsearch's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Long => "long",
            Self::Double => "double",
            Self::Date => "date",
            Self::Ip => "ip",
            Self::Keyword => "keyword",
            Self::Text => "text",
        }
    }
}

#[cfg(test)]
mod tests;
