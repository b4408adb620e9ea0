//! Runs queries on the partitions of the store.

mod addresses;
mod best;
pub mod build;
pub mod hits;
pub(crate) mod keywords;
pub mod sort;
pub mod source;
mod terms;
mod values;

pub use build::{Context, build};
pub use hits::{Hit, Hits, HitsRequest, SearchError, Target};
