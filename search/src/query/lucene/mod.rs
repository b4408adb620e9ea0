//! Lucene's query syntax, as `query_string` takes it.

mod fields;
mod lexer;
mod parser;

pub use fields::{Fields, Target, boosted};
pub use parser::{Settings, parse};
