//! Kafka's bytes: frames, messages behind a check, and record batches. No I/O happens here.
//!
//! Messages come from the `kafka-protocol` crate; record batches (magic 2) are our own, because the pipeline moves
//! them whole: the agent writes them straight from file blocks, the broker stores them without decoding a record, the
//! worker reads lines as slices of what it fetched.

pub mod batch;
pub mod check;
pub mod compression;
pub mod frame;
mod lz4;
mod lz4_find;
mod lz4_read;
pub mod sasl;
#[cfg(test)]
mod testing;
pub mod varint;

pub use kafka_protocol as protocol;
