//! From record to document: the worker and Elastic's ingest pipelines.

pub mod sink;
