//! From document to bulk item: the sink for Elasticsearch 7 to 9 and OpenSearch.
//!
//! ```text
//! deliver ─▶ gather ─▶ carry (one task per bulk request) ─▶ exchange ─▶ _bulk
//!             size,      again, hold, divide                  one HTTP request and its answer
//!             count, age
//! ```
//!
//! Architecture invariant: every document that was given to [`ElasticsearchSink`] gets exactly one outcome, from the
//! bulk item that answered for it. Nothing is dropped; what may succeed later is sent again, for ever.

mod alarm;
mod backoff;
mod bulk;
mod carry;
mod config;
mod delivery;
mod exchange;
mod gather;
mod metrics;
mod node;
mod response;
mod sink;
mod verdict;

pub use config::{Auth, Config, ConfigError};
pub use sink::ElasticsearchSink;
