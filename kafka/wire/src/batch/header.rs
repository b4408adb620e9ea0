//! The 61 bytes in front of the records: a checked view, and the two fields that a broker fills in.

use super::checksum::behind_equal_bytes;
use super::writer::Producer;
use crate::compression::Compression;

/// Bytes in front of the records.
pub const HEADER_BYTES: usize = 61;
/// Bytes of base offset and batch length: what must be there to know where a batch ends.
pub const LENGTH_AND_OFFSET_BYTES: usize = 12;
/// The only format of record batches that Kafka 4 still speaks (KIP-724).
const MAGIC: u8 = 2;

const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

const CODEC_MASK: i16 = 0b111;
const LOG_APPEND_TIME: i16 = 1 << 3;
const TRANSACTIONAL: i16 = 1 << 4;
const CONTROL: i16 = 1 << 5;

/// Why bytes are not one whole, sound record batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    #[error("record batch is cut off: got {got} bytes, want {want}")]
    CutOff { got: usize, want: usize },
    #[error("record batch length {0} is smaller than a header")]
    LengthTooSmall(i32),
    #[error("record batch magic {0} is not 2")]
    Magic(u8),
    #[error("record batch crc mismatch: got {got:#010x}, want {want:#010x}")]
    Crc { got: u32, want: u32 },
    #[error("record batch codec {0} is unknown")]
    Codec(u8),
    #[error("record batch counts {records} records but its last offset delta is {last_offset_delta}")]
    Count { records: i32, last_offset_delta: i32 },
}

/// Bytes of a step of [`BatchHeader::verify_crc_with`].
const CRC_STEP_BYTES: usize = 32 * 1024;

/// The fields of a batch's header, read from bytes that were long enough. Only [`BatchHeader::verify_crc`] looks at
/// the records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// Bytes of the whole batch, header and length field included.
    pub batch_bytes: usize,
    pub partition_leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`, which may hold more or less than the whole batch.
    ///
    /// # Errors
    /// [`BatchError::CutOff`] below 61 bytes; a length or magic that no batch of version 2 has. Magic is judged before
    /// the length, since older formats have another meaning there.
    pub fn read(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() < HEADER_BYTES {
            return Err(BatchError::CutOff { got: bytes.len(), want: HEADER_BYTES });
        }
        if bytes[16] != MAGIC {
            return Err(BatchError::Magic(bytes[16]));
        }
        let length = i32::from_be_bytes(field(bytes, 8));
        let batch_bytes =
            usize::try_from(length).map_err(|_| BatchError::LengthTooSmall(length))? + LENGTH_AND_OFFSET_BYTES;
        if batch_bytes < HEADER_BYTES {
            return Err(BatchError::LengthTooSmall(length));
        }
        Ok(Self {
            base_offset: i64::from_be_bytes(field(bytes, 0)),
            batch_bytes,
            partition_leader_epoch: i32::from_be_bytes(field(bytes, 12)),
            crc: u32::from_be_bytes(field(bytes, CRC_AT)),
            attributes: i16::from_be_bytes(field(bytes, ATTRIBUTES_AT)),
            last_offset_delta: i32::from_be_bytes(field(bytes, LAST_OFFSET_DELTA_AT)),
            base_timestamp: i64::from_be_bytes(field(bytes, BASE_TIMESTAMP_AT)),
            max_timestamp: i64::from_be_bytes(field(bytes, MAX_TIMESTAMP_AT)),
            producer_id: i64::from_be_bytes(field(bytes, PRODUCER_ID_AT)),
            producer_epoch: i16::from_be_bytes(field(bytes, PRODUCER_EPOCH_AT)),
            base_sequence: i32::from_be_bytes(field(bytes, BASE_SEQUENCE_AT)),
            record_count: i32::from_be_bytes(field(bytes, RECORD_COUNT_AT)),
        })
    }

    /// Compares the checksum with `batch`, the bytes of exactly this batch.
    pub fn verify_crc(&self, batch: &[u8]) -> Result<(), BatchError> {
        self.verify_crc_with(batch, |_| ())
    }

    /// The same in steps: `seen` is called with the end of what was just read and is still in a core's own cache, for whoever
    /// looks at the records as well.
    pub fn verify_crc_with(&self, batch: &[u8], mut seen: impl FnMut(usize)) -> Result<(), BatchError> {
        let Some(batch) = batch.get(..self.batch_bytes) else {
            return Err(BatchError::CutOff { got: batch.len(), want: self.batch_bytes });
        };
        let (mut got, mut end) = (0, ATTRIBUTES_AT);
        for step in batch[ATTRIBUTES_AT..].chunks(CRC_STEP_BYTES) {
            got = crc32c::crc32c_append(got, step);
            end += step.len();
            seen(end);
        }
        if got == self.crc { Ok(()) } else { Err(BatchError::Crc { got, want: self.crc }) }
    }

    /// Refuses a record count that does not fit the offsets. A batch that Kafka compacted may count fewer records
    /// than its offsets span; a producer's may not.
    pub fn verify_count(&self) -> Result<(), BatchError> {
        if self.record_count > 0 && self.record_count.checked_sub(1) == Some(self.last_offset_delta) {
            return Ok(());
        }
        Err(BatchError::Count { records: self.record_count, last_offset_delta: self.last_offset_delta })
    }

    /// The codec of the records.
    pub fn compression(&self) -> Result<Compression, BatchError> {
        let codec = (self.attributes & CODEC_MASK) as u8;
        Compression::from_codec(codec).ok_or(BatchError::Codec(codec))
    }

    /// Offset of the last record. Saturates instead of overflowing, since both parts come from outside.
    pub fn last_offset(&self) -> i64 {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    /// Every record's timestamp is [`BatchHeader::max_timestamp`], whatever its delta says (KIP-32).
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    /// Holds transaction markers instead of a producer's records (KIP-98).
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    /// Sequence of the last record; sequences go on at 0 after 2^31 - 1.
    pub fn last_sequence(&self) -> i32 {
        wrap_sequence(self.base_sequence, self.last_offset_delta)
    }
}

/// The sequence `delta` records after `sequence`, wrapping from 2^31 - 1 to 0 as Kafka's `DefaultRecordBatch` does.
pub fn wrap_sequence(sequence: i32, delta: i32) -> i32 {
    (i64::from(sequence) + i64::from(delta)).rem_euclid(1 << 31) as i32
}

/// Writes the broker's two fields into a batch; the checksum does not cover them.
///
/// # Panics
/// `batch` is shorter than a header: callers have read one from it.
pub fn assign_offset(batch: &mut [u8], base_offset: i64, partition_leader_epoch: i32) {
    batch[0..8].copy_from_slice(&base_offset.to_be_bytes());
    batch[12..16].copy_from_slice(&partition_leader_epoch.to_be_bytes());
}

/// Sets the log append time of a whole batch and recomputes the checksum (KIP-32).
///
/// # Panics
/// `batch` is shorter than a header: callers have read one from it.
pub fn set_log_append_time(batch: &mut [u8], timestamp: i64) {
    let attributes = i16::from_be_bytes(field(batch, ATTRIBUTES_AT)) | LOG_APPEND_TIME;
    batch[ATTRIBUTES_AT..ATTRIBUTES_AT + 2].copy_from_slice(&attributes.to_be_bytes());
    batch[MAX_TIMESTAMP_AT..MAX_TIMESTAMP_AT + 8].copy_from_slice(&timestamp.to_be_bytes());
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

/// Puts another producer, epoch and sequence into a whole batch and corrects the checksum by what that changes: a sealed
/// batch can be sent under a new identity without its records being looked at. One that was wrong stays wrong.
///
/// # Panics
/// `batch` is shorter than a header: callers have read one from it.
pub fn set_producer(batch: &mut [u8], producer: Producer) {
    let before = crc32c::crc32c(&batch[ATTRIBUTES_AT..HEADER_BYTES]);
    batch[PRODUCER_ID_AT..PRODUCER_ID_AT + 8].copy_from_slice(&producer.id.to_be_bytes());
    batch[PRODUCER_EPOCH_AT..PRODUCER_EPOCH_AT + 2].copy_from_slice(&producer.epoch.to_be_bytes());
    batch[BASE_SEQUENCE_AT..BASE_SEQUENCE_AT + 4].copy_from_slice(&producer.base_sequence.to_be_bytes());
    let after = crc32c::crc32c(&batch[ATTRIBUTES_AT..HEADER_BYTES]);
    let differs = behind_equal_bytes(before ^ after, batch.len() - HEADER_BYTES);
    let crc = u32::from_be_bytes(field(batch, CRC_AT)) ^ differs;
    batch[CRC_AT..CRC_AT + 4].copy_from_slice(&crc.to_be_bytes());
}

/// The whole batches in a fetched or stored run of bytes. A cut-off batch at the end is left out, as consumers must
/// (a broker may send a part of one); anything else that is wrong ends the iteration with an error.
#[derive(Debug, Clone)]
pub struct Batches<'a> {
    bytes: &'a [u8],
}

impl<'a> Batches<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The bytes that were not yielded: empty, or a part of a batch.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Result<(BatchHeader, &'a [u8]), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let header = match BatchHeader::read(self.bytes) {
            Ok(header) => header,
            Err(BatchError::CutOff { .. }) => return None,
            Err(error) => {
                self.bytes = &[];
                return Some(Err(error));
            }
        };
        if header.batch_bytes > self.bytes.len() {
            return None;
        }
        let (batch, rest) = self.bytes.split_at(header.batch_bytes);
        self.bytes = rest;
        Some(Ok((header, batch)))
    }
}

/// The `N` bytes at `at`; the caller has checked the length.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("a slice of N bytes is an array of N bytes")
}

/// Byte places that the writer fills.
pub(super) mod at {
    pub const BATCH_LENGTH: usize = 8;
    pub const PARTITION_LEADER_EPOCH: usize = 12;
    pub const MAGIC: usize = 16;
    pub const CRC: usize = super::CRC_AT;
    pub const ATTRIBUTES: usize = super::ATTRIBUTES_AT;
    pub const LAST_OFFSET_DELTA: usize = super::LAST_OFFSET_DELTA_AT;
    pub const BASE_TIMESTAMP: usize = super::BASE_TIMESTAMP_AT;
    pub const MAX_TIMESTAMP: usize = super::MAX_TIMESTAMP_AT;
    pub const PRODUCER_ID: usize = super::PRODUCER_ID_AT;
    pub const PRODUCER_EPOCH: usize = super::PRODUCER_EPOCH_AT;
    pub const BASE_SEQUENCE: usize = super::BASE_SEQUENCE_AT;
    pub const RECORD_COUNT: usize = super::RECORD_COUNT_AT;
}
