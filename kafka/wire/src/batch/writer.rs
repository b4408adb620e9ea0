//! Writes record batches: records are framed straight into the batch's buffer, one copy and no allocation per record.

use super::decimal::{decimal_bytes, put_decimal};
use super::header::{HEADER_BYTES, LENGTH_AND_OFFSET_BYTES, at};
use super::{NO_PRODUCER_ID, NO_TIMESTAMP};
use crate::compression::Compression;
use crate::lz4::{self, Repeat};
use crate::varint::{Short, VARLONG_BYTES_MAX, put_varint, put_varlong, short_varlong, varlong_bytes};

/// Plain bytes of a batch that compresses well: who reads it needs memory for them.
const PLAIN_BYTES_MAX: usize = 4 << 20;

/// The idempotent producer's part of a batch header (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Producer {
    pub id: i64,
    pub epoch: i16,
    /// Sequence of the batch's first record in its partition.
    pub base_sequence: i32,
}

impl Producer {
    /// A producer without idempotence.
    pub const NONE: Self = Self { id: NO_PRODUCER_ID, epoch: -1, base_sequence: -1 };
}

/// The encoded headers of a record, made once and copied into every record that has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordHeaders {
    count: i32,
    encoded: Vec<u8>,
    /// The last one has no value yet.
    is_open: bool,
}

impl RecordHeaders {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends one header; keys may repeat, and their order is kept.
    ///
    /// # Panics
    /// The last key wants a number.
    pub fn push(&mut self, key: &str, value: Option<&[u8]>) {
        self.push_key(key);
        put_bytes(&mut self.encoded, value);
    }

    /// Appends the key of the last header, whose value is another number in each record, as decimal digits.
    ///
    /// # Panics
    /// There is such a key already.
    pub fn push_number_key(&mut self, key: &str) {
        self.push_key(key);
        self.is_open = true;
    }

    fn push_key(&mut self, key: &str) {
        assert!(!self.is_open, "only the last header has a number of each record's own");
        self.count += 1;
        put_bytes(&mut self.encoded, Some(key.as_bytes()));
    }

    /// Bytes that the headers add to a record, but for their count.
    pub fn encoded_bytes(&self) -> usize {
        self.encoded.len()
    }
}

/// Collects the records of one batch and seals it. Reused for the next batch, it keeps its buffers.
#[derive(Debug)]
pub struct BatchWriter {
    compression: Compression,
    /// Records in plain form, but for those in parts that are compressed already.
    records: Vec<u8>,
    /// Bytes of those.
    compressed_bytes: usize,
    record_count: i32,
    base_timestamp: i64,
    max_timestamp: i64,
    lz4: Option<Lz4>,
}

/// What LZ4 needs besides the plain records: records of one file differ in little but their values.
#[derive(Debug)]
struct Lz4 {
    encoder: lz4::Encoder,
    /// A batch as far as it is compressed, behind room for its header.
    batch: Vec<u8>,
    /// Where headers are, and those of the record before.
    repeats: Vec<Repeat>,
    /// Where the headers of the last record are, from their count on.
    headers: std::ops::Range<usize>,
}

impl BatchWriter {
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            records: Vec::new(),
            compressed_bytes: 0,
            record_count: 0,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
            lz4: (compression == Compression::Lz4).then(|| Lz4 {
                encoder: lz4::Encoder::new(),
                batch: Vec::new(),
                repeats: Vec::new(),
                headers: 0..0,
            }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    pub fn record_count(&self) -> i32 {
        self.record_count
    }

    /// Bytes of the records so far, before compression.
    pub fn plain_bytes(&self) -> usize {
        self.compressed_bytes + self.records.len()
    }

    /// Whether the sealed batch stays within `bytes_max` if `record_bytes` more are pushed, however badly they compress. What
    /// is compressed already counts as such, so that a batch of LZ4 holds several times as many lines. A first record always
    /// has room.
    pub fn has_room(&self, record_bytes: usize, bytes_max: usize) -> bool {
        if self.is_empty() {
            return true;
        }
        let compressed = self.lz4.as_ref().map_or(0, |lz4| lz4.batch.len());
        compressed + self.records.len() + record_bytes <= bytes_max
            && (self.compressed_bytes == 0 || self.plain_bytes() + record_bytes <= PLAIN_BYTES_MAX)
    }

    /// Appends one record. `timestamp` is in milliseconds since the epoch; `number` is the value of the key that ends
    /// `headers` ([`RecordHeaders::push_number_key`]): what is constant over a file stays one run of bytes.
    ///
    /// # Panics
    /// There is such a key and no number, or the other way round.
    pub fn push(
        &mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &RecordHeaders,
        number: Option<u64>,
    ) {
        assert_eq!(headers.is_open, number.is_some(), "want a number for the last header's key");
        if self.record_count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let delta = timestamp.wrapping_sub(self.base_timestamp);
        let length = 1
            + varlong_bytes(delta)
            + varlong_bytes(i64::from(self.record_count))
            + sized_bytes(key)
            + sized_bytes(value)
            + varlong_bytes(i64::from(headers.count))
            + headers.encoded.len()
            + number.map_or(0, decimal_bytes);

        if self.records.len() + length + VARLONG_BYTES_MAX > lz4::PART_BYTES
            && !self.records.is_empty()
            && let Some(lz4) = &mut self.lz4
        {
            // While they are still in the cache.
            lz4.part(&self.records);
            self.compressed_bytes += self.records.len();
            self.records.clear();
        }
        let out = &mut self.records;
        out.reserve(length + VARLONG_BYTES_MAX);
        let numbers =
            [length as i64, delta, i64::from(self.record_count), value.map_or(-1, |value| value.len() as i64)];
        let value_at = match (key, numbers.map(short_varlong)) {
            // What nearly all records have: each word is written whole, and the next one over what it has too many.
            (None, [Some(length), Some(delta), Some(count), Some(value_bytes)]) => {
                const NO_ATTRIBUTES: Short = Short::byte(0);
                const NO_KEY: Short = Short::byte(1);
                length.then(NO_ATTRIBUTES).then(delta).put(out);
                count.then(NO_KEY).then(value_bytes).put(out);
                let value_at = out.len() - value_bytes.length();
                out.extend_from_slice(value.unwrap_or_default());
                value_at
            }
            _ => {
                put_varlong(out, length as i64);
                // No attributes.
                out.push(0);
                put_varlong(out, delta);
                put_varint(out, self.record_count);
                put_bytes(out, key);
                let value_at = out.len();
                put_bytes(out, value);
                value_at
            }
        };
        let headers_at = out.len();
        put_varint(out, headers.count);
        out.extend_from_slice(&headers.encoded);
        if let Some(number) = number {
            put_decimal(out, number);
        }
        if let Some(lz4) = &mut self.lz4 {
            lz4.note_record(value_at, headers_at, out.len());
        }
        self.record_count += 1;
    }

    /// Appends the finished batch to `out` and leaves the writer empty for the next one. Base offset 0 and leader
    /// epoch -1 are placeholders that the broker replaces.
    ///
    /// # Panics
    /// There are no records: an empty batch does not exist on the wire.
    pub fn seal(&mut self, producer: Producer, out: &mut Vec<u8>) {
        assert!(self.record_count > 0, "an empty record batch cannot be sealed");
        let start = out.len();
        match &mut self.lz4 {
            Some(lz4) if !lz4.batch.is_empty() => {
                lz4.part(&self.records);
                lz4::end(&mut lz4.batch);
                if out.is_empty() {
                    std::mem::swap(out, &mut lz4.batch);
                } else {
                    out.extend_from_slice(&lz4.batch);
                }
            }
            Some(lz4) => {
                out.resize(start + HEADER_BYTES, 0);
                lz4.encoder.frame(&self.records, &lz4.repeats, out);
            }
            None => {
                out.resize(start + HEADER_BYTES, 0);
                self.compression.compress(&self.records, out);
            }
        }

        let batch = &mut out[start..];
        let length =
            i32::try_from(batch.len() - LENGTH_AND_OFFSET_BYTES).expect("callers bound a batch far below 2 GiB");
        let mut put = |at: usize, bytes: &[u8]| batch[at..at + bytes.len()].copy_from_slice(bytes);
        put(at::BATCH_LENGTH, &length.to_be_bytes());
        put(at::PARTITION_LEADER_EPOCH, &(-1i32).to_be_bytes());
        put(at::MAGIC, &[2]);
        put(at::ATTRIBUTES, &(self.compression as i16).to_be_bytes());
        put(at::LAST_OFFSET_DELTA, &(self.record_count - 1).to_be_bytes());
        put(at::BASE_TIMESTAMP, &self.base_timestamp.to_be_bytes());
        put(at::MAX_TIMESTAMP, &self.max_timestamp.to_be_bytes());
        put(at::PRODUCER_ID, &producer.id.to_be_bytes());
        put(at::PRODUCER_EPOCH, &producer.epoch.to_be_bytes());
        put(at::BASE_SEQUENCE, &producer.base_sequence.to_be_bytes());
        put(at::RECORD_COUNT, &self.record_count.to_be_bytes());
        let crc = crc32c::crc32c(&batch[at::ATTRIBUTES..]);
        batch[at::CRC..at::CRC + 4].copy_from_slice(&crc.to_be_bytes());

        self.clear();
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.records.clear();
        self.compressed_bytes = 0;
        self.record_count = 0;
        if let Some(lz4) = &mut self.lz4 {
            lz4.batch.clear();
            lz4.begin();
        }
    }

    /// Forgets the records and gives the memory of the buffers back.
    pub fn release(&mut self) {
        self.clear();
        self.records = Vec::new();
        if let Some(lz4) = &mut self.lz4 {
            lz4.repeats = Vec::new();
            lz4.batch = Vec::new();
            lz4.encoder.release();
        }
    }
}

impl Lz4 {
    /// Compresses `records`, which begin a new part: nothing of the parts before is referred to.
    fn part(&mut self, records: &[u8]) {
        if self.batch.is_empty() {
            self.batch.resize(HEADER_BYTES, 0);
            lz4::begin_parts(&mut self.batch);
        }
        self.encoder.part(records, &self.repeats, &mut self.batch);
        self.begin();
    }

    fn begin(&mut self) {
        self.repeats.clear();
        self.headers = 0..0;
    }

    /// Has everything in front of a record's value passed over: lengths and counts are other ones in each record. Its headers
    /// are mostly those of the record before.
    #[inline]
    fn note_record(&mut self, value_at: usize, headers_at: usize, end: usize) {
        let before = std::mem::replace(&mut self.headers, headers_at..end);
        match self.repeats.last_mut() {
            Some(last) => last.resume_at = value_at as u32,
            // The first record of a part begins it.
            None => self.repeats.push(Repeat::none(value_at as u32)),
        }
        let (at, length) = (headers_at as u32, before.len().min(end - headers_at) as u32);
        self.repeats.push(Repeat { at, length, distance: at - before.start as u32, resume_at: at });
    }
}

/// Bytes that [`put_bytes`] appends.
#[inline]
fn sized_bytes(bytes: Option<&[u8]>) -> usize {
    match bytes {
        None => varlong_bytes(-1),
        Some(bytes) => varlong_bytes(bytes.len() as i64) + bytes.len(),
    }
}

#[inline]
fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.extend_from_slice(bytes);
        }
    }
}
