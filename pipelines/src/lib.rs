//! From record to document: the worker and Elastic's ingest pipelines.

pub mod document;
pub mod grok;
pub mod library;
pub mod lines;
pub mod pipeline;
pub mod simulate;
pub mod sink;
pub mod worker;

mod condition;
mod date;
mod java_regex;
mod processor;
mod slots;
mod template;

pub use lines::{LinesRun, run_lines};
