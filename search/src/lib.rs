//! The embedded stand-in for Elasticsearch, and the Discover page.
//!
//! A bulk request goes through [`http`] to [`store`], which journals it, keeps its documents in tantivy indices (a folder for
//! each index and day) and answers when the journal is flushed. A search goes through [`http`] to [`query`], which makes an
//! AST of the request, and [`exec`], which runs it over the partitions that the index names select; [`aggs`] makes the
//! buckets.

pub mod aggs;
pub mod exec;
pub mod highlight;
pub mod http;
mod metrics;
pub mod page;
pub mod query;
mod server;
pub mod store;
pub mod text;

pub use server::{Server, StartError};
pub use store::Retention;
