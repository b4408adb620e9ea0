//! A single-node broker that speaks Kafka's wire protocol and keeps Kafka's files.

pub mod log;
