//! Queries: the AST, and the two languages that it is written in.
//!
//! [`dsl`] reads Elasticsearch's query DSL (JSON), `lucene` the syntax of `query_string`, `simple` that of
//! `simple_query_string`. All make an [`ast::Query`]. What is not supported is refused by its name; nothing is ignored.

pub mod ast;
mod date_format;
pub mod dates;
pub mod dsl;
mod error;
mod limits;
mod lucene;
mod minimum;
pub mod pattern;
mod scalar;
mod simple;

pub use ast::Query;
pub use error::Refusal;
pub use limits::Limits;
pub use scalar::mapped;

/// The fields that there are: a parser asks which ones a pattern means, and nothing else.
pub trait FieldNames {
    /// Names of the fields that can be searched and match `pattern`.
    fn matching(&self, pattern: &ast::Pattern) -> Vec<String>;
}

#[cfg(test)]
mod tests;
