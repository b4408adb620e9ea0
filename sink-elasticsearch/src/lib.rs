//! From document to bulk item: the sink for Elasticsearch 7 to 9 and OpenSearch.
//!
//! ```text
//! deliver ─▶ gather ─▶ carry (a task for each bulk request) ─▶ exchange ─▶ _bulk
//!             size,      pace: how much at a time              one HTTP request and its answer
//!             count,     nodes: where to                           │
//!             age        again, divide ◀── settle: item by item ◀──┘
//!                                          hold, rescue, reject
//! ```
//!
//! Architecture invariant: every document that was given to [`ElasticsearchSink`] gets exactly one outcome, from the
//! bulk item that answered for it. Nothing is dropped; what may succeed later is sent again, and rejected only when
//! others are taken meanwhile and the time is over that the configuration gives it.

mod alarm;
#[cfg(test)]
mod answers;
mod backoff;
mod bulk;
mod carry;
mod config;
mod connection;
mod delivery;
mod exchange;
mod gather;
mod hold;
mod limits;
mod metrics;
mod node;
mod nodes;
mod offender;
mod pace;
mod part;
mod rescue;
mod response;
mod settle;
pub mod setup;
mod sink;
mod verdict;

pub use config::{Auth, Compression, Config, ConfigError, ConnectionConfig, Tls, without_credentials};
pub use connection::{AskError, Connection};
pub use reqwest::{Method, StatusCode};
pub use sink::ElasticsearchSink;
