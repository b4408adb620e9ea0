//! Record batches of magic 2: header view, checked reading, writing (protocol guide, "Record Batch"; KIP-98).
//!
//! ```text
//!  0 base offset            i64   assigned by the broker, not covered by the checksum
//!  8 batch length           i32   bytes after this field
//! 12 partition leader epoch i32   assigned by the broker, not covered by the checksum
//! 16 magic                  i8    2
//! 17 crc                    u32   CRC-32C of everything from the attributes on
//! 21 attributes             i16   0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon
//! 23 last offset delta      i32
//! 27 base timestamp         i64   milliseconds since the epoch
//! 35 max timestamp          i64
//! 43 producer id            i64   -1: none
//! 51 producer epoch         i16
//! 53 base sequence          i32
//! 57 record count           i32
//! 61 records                      compressed as one run by the codec
//! ```
//!
//! A record is `length varint, attributes i8 = 0, timestamp delta varlong, offset delta varint, key length varint
//! (-1: null), key, value length varint (-1: null), value, header count varint`, then for each header `key length
//! varint, key, value length varint (-1: null), value`.

mod checksum;
mod decimal;
mod header;
mod parts;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use header::{
    BatchError, BatchHeader, Batches, HEADER_BYTES, LENGTH_AND_OFFSET_BYTES, assign_offset, set_log_append_time,
    set_producer, wrap_sequence,
};
pub use parts::RecordParts;
pub use reader::{Header, Headers, PlainRecords, Record, RecordError, Records};
pub use writer::{BatchWriter, Producer, RecordHeaders};

/// Producer id of a batch that does not belong to an idempotent producer.
pub const NO_PRODUCER_ID: i64 = -1;
/// Timestamp of a record that has none.
pub const NO_TIMESTAMP: i64 = -1;
