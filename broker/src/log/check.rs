//! Checks of one batch that a client wants to append, before anything is locked; answers as Apache Kafka 4.1 gives them.

use super::config::{TimestampType, TopicConfig};
use super::recompress::PLAIN_BYTES_MAX;
use kafka_wire::batch::{BatchError, BatchHeader, HEADER_BYTES, NO_PRODUCER_ID, NO_TIMESTAMP, PlainRecords};
use kafka_wire::compression::Compression;
use kafka_wire::varint::take_varint;
use std::io;

/// Why a batch was not appended; each variant has its own answer in the protocol.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// CORRUPT_MESSAGE (2).
    #[error("batch is corrupt: {0}")]
    Corrupt(BatchError),
    /// INVALID_RECORD (87).
    #[error("batch is invalid: {0}")]
    Invalid(String),
    /// UNKNOWN_SERVER_ERROR (-1), as Kafka answers.
    #[error("batch has unknown codec {0}")]
    Codec(u8),
    /// UNKNOWN_SERVER_ERROR (-1), as Kafka answers.
    #[error("records cannot be decompressed: {0}")]
    Undecodable(String),
    /// MESSAGE_TOO_LARGE (10).
    #[error("batch of {bytes} bytes is too large: at most {max}")]
    TooLarge { bytes: usize, max: usize },
    /// INVALID_TIMESTAMP (32).
    #[error("timestamp {timestamp} is out of range: the clock says {now_ms}")]
    Timestamp { timestamp: i64, now_ms: i64 },
    /// OUT_OF_ORDER_SEQUENCE_NUMBER (45).
    #[error("producer {producer_id} sent sequence {got}, want {want}")]
    OutOfOrder { producer_id: i64, got: i32, want: i32 },
    /// INVALID_PRODUCER_EPOCH (47).
    #[error("producer {producer_id} has epoch {got}, but {current} is known")]
    OldEpoch { producer_id: i64, got: i16, current: i16 },
    /// UNKNOWN_TOPIC_OR_PARTITION (3): deleted meanwhile.
    #[error("the topic has been deleted")]
    Deleted,
    /// KAFKA_STORAGE_ERROR (56); the log is as it was before. Full disks land here.
    #[error("write the log")]
    Disk(#[source] io::Error),
    /// KAFKA_STORAGE_ERROR (56): the log has all of the disk that it may take.
    #[error("the log takes {used} bytes of the {max} that it may (disk_max)")]
    NoRoom { used: u64, max: u64 },
    /// KAFKA_STORAGE_ERROR (56): a flush failed, the process is about to stop.
    #[error("the log has stopped after a failed flush")]
    Stopped,
}

/// Who made a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Client,
    /// The broker itself: its timestamps and sizes are its own business.
    Broker,
}

/// The header of `batch` when it is exactly one sound batch that the topic accepts.
pub(super) fn check(
    batch: &[u8],
    config: &TopicConfig,
    origin: Origin,
    now_ms: i64,
) -> Result<BatchHeader, AppendError> {
    let invalid = |reason: String| AppendError::Invalid(reason);
    let header = BatchHeader::read(batch).map_err(|error| match error {
        BatchError::Magic(0 | 1) | BatchError::CutOff { .. } => invalid(error.to_string()),
        error => AppendError::Corrupt(error),
    })?;
    if header.batch_bytes > batch.len() {
        return Err(invalid(BatchError::CutOff { got: batch.len(), want: header.batch_bytes }.to_string()));
    }
    if header.batch_bytes < batch.len() {
        return Err(invalid(format!(
            "{} bytes follow the one batch that is allowed",
            batch.len() - header.batch_bytes
        )));
    }
    if origin == Origin::Client && batch.len() > config.max_message_bytes {
        return Err(AppendError::TooLarge { bytes: batch.len(), max: config.max_message_bytes });
    }
    let mut lengths = Lengths::new(&batch[HEADER_BYTES..], header.record_count);
    let is_plain = header.compression() == Ok(Compression::None);
    header
        .verify_crc_with(batch, |end| {
            if is_plain {
                lengths.walk(end.saturating_sub(HEADER_BYTES));
            }
        })
        .map_err(AppendError::Corrupt)?;
    header.verify_count().map_err(|error| invalid(error.to_string()))?;
    if header.is_control() || header.is_transactional() {
        return Err(invalid("control and transactional batches are not accepted".to_owned()));
    }
    if header.producer_id != NO_PRODUCER_ID
        && (header.producer_id < 0 || header.producer_epoch < 0 || header.base_sequence < 0)
    {
        return Err(invalid(format!("producer {} without epoch or sequence", header.producer_id)));
    }
    let codec = header.compression().map_err(|error| match error {
        BatchError::Codec(codec) => AppendError::Codec(codec),
        error => AppendError::Corrupt(error),
    })?;
    if codec == Compression::None && !lengths.fit() {
        return Err(invalid(format!("the records are not {} whole ones", header.record_count)));
    }
    if codec != Compression::None && config.validate_compressed && origin == Origin::Client {
        check_records(&header, batch)?;
    }
    if origin == Origin::Client && config.timestamp_type == TimestampType::CreateTime {
        check_timestamps(&header, config, now_ms)?;
    }
    Ok(header)
}

/// What Apache Kafka looks at in compressed records: that they are whole, as many as announced, and numbered in order.
fn check_records(header: &BatchHeader, batch: &[u8]) -> Result<(), AppendError> {
    let records = PlainRecords::read(*header, batch, PLAIN_BYTES_MAX)
        .map_err(|error| AppendError::Undecodable(error.to_string()))?;
    for (want, record) in (header.base_offset..).zip(&records) {
        let record = record.map_err(|error| AppendError::Invalid(error.to_string()))?;
        if record.offset != want {
            return Err(AppendError::Invalid(format!("a record has offset {}, want {want}", record.offset)));
        }
    }
    Ok(())
}

fn check_timestamps(header: &BatchHeader, config: &TopicConfig, now_ms: i64) -> Result<(), AppendError> {
    for timestamp in [header.base_timestamp, header.max_timestamp] {
        let ahead = timestamp.saturating_sub(now_ms);
        let behind = now_ms.saturating_sub(timestamp);
        if timestamp != NO_TIMESTAMP
            && (ahead > config.timestamp_after_max_ms || behind > config.timestamp_before_max_ms)
        {
            return Err(AppendError::Timestamp { timestamp, now_ms });
        }
    }
    Ok(())
}

/// Whether plain records are as many as their batch says, and fill it.
pub(super) fn lengths_fit(records: &[u8], record_count: i32) -> bool {
    let mut lengths = Lengths::new(records, record_count);
    lengths.walk(records.len());
    lengths.fit()
}

/// Steps over the lengths of plain records, without a look at what they count.
struct Lengths<'a> {
    records: &'a [u8],
    at: usize,
    left: i32,
}

impl<'a> Lengths<'a> {
    fn new(records: &'a [u8], record_count: i32) -> Self {
        Self { records, at: 0, left: record_count }
    }

    /// Up to the first record that begins at `end` or behind it, or has no sound length.
    fn walk(&mut self, end: usize) {
        while self.left > 0
            && self.at < end
            && let Some(mut rest) = self.records.get(self.at..)
            && let Ok(length) = take_varint(&mut rest)
            && let Some(rest) = usize::try_from(length).ok().and_then(|length| rest.get(length..))
        {
            self.at = self.records.len() - rest.len();
            self.left -= 1;
        }
    }

    fn fit(&self) -> bool {
        self.left <= 0 && self.at == self.records.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};

    fn good() -> Vec<u8> {
        let mut writer = BatchWriter::new(Compression::None);
        for value in [b"a", b"b"] {
            writer.push(1000, None, Some(value), &RecordHeaders::new(), None);
        }
        let mut batch = Vec::new();
        writer.seal(Producer::NONE, &mut batch);
        batch
    }

    /// Applies `change`, mends the checksum, and compares the variant's name.
    fn expect(name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut batch = good();
        change(&mut batch);
        if batch.len() > HEADER_BYTES && !name.starts_with("Corrupt") {
            let crc = crc32c::crc32c(&batch[21..]).to_be_bytes();
            batch[17..21].copy_from_slice(&crc);
        }
        let mut config = TopicConfig::default();
        config.max_message_bytes = 200;
        let got = format!("{:?}", check(&batch, &config, Origin::Client, 5000));
        assert!(got.contains(name), "want {name}, got {got}");
    }

    #[test]
    fn compressed_records_are_looked_at_where_the_topic_asks_for_it() {
        let mut batch = Vec::new();
        let mut writer = BatchWriter::new(Compression::Lz4);
        writer.push(1000, None, Some(b"a"), &RecordHeaders::new(), None);
        writer.seal(Producer::NONE, &mut batch);
        let mut other = batch.clone();
        // One record is announced as two; and no codec wrote what is there.
        other[57..61].copy_from_slice(&2i32.to_be_bytes());
        other[23..27].copy_from_slice(&1i32.to_be_bytes());
        let mut rubbish = batch.clone();
        rubbish[HEADER_BYTES..].fill(7);
        for (mut batch, name) in [(batch, "Ok("), (other, "Invalid"), (rubbish, "Undecodable")] {
            let crc = crc32c::crc32c(&batch[21..]).to_be_bytes();
            batch[17..21].copy_from_slice(&crc);
            let mut config = TopicConfig::default();
            assert!(check(&batch, &config, Origin::Client, 5000).is_ok(), "only the header counts");
            config.set("validate.compressed", "true").expect("a config of ours");
            let got = format!("{:?}", check(&batch, &config, Origin::Client, 5000));
            assert!(got.starts_with(name) || got.contains(name), "want {name}, got {got}");
        }
    }

    #[test]
    fn answers() {
        expect("Ok(", |_| {});
        expect("Corrupt(Crc", |batch| batch[70] ^= 1);
        expect("Corrupt(Magic", |batch| batch[16] = 3);
        expect("Corrupt(LengthTooSmall", |batch| batch[8..12].copy_from_slice(&10i32.to_be_bytes()));
        expect("Invalid", |batch| batch[16] = 1);
        expect("Invalid", |batch| batch[8..12].copy_from_slice(&1000i32.to_be_bytes()));
        expect("Invalid", |batch| batch.truncate(40));
        expect("Invalid", Vec::clear);
        expect("Invalid", |batch| batch.extend(good()));
        expect("Invalid", |batch| batch[57..61].copy_from_slice(&3i32.to_be_bytes()));
        expect("Invalid", |batch| batch[23..27].copy_from_slice(&5i32.to_be_bytes()));
        expect("Invalid", |batch| batch[22] |= 0x20);
        expect("Invalid", |batch| batch[22] |= 0x10);
        expect("Invalid", |batch| batch[61] = 2);
        expect("Codec(7)", |batch| batch[22] |= 7);
        expect("TooLarge", |batch| {
            batch.resize(300, 0);
            batch[8..12].copy_from_slice(&288i32.to_be_bytes());
        });
        expect("Timestamp", |batch| batch[35..43].copy_from_slice(&3_606_000i64.to_be_bytes()));
        expect("Ok(", |batch| batch[27..43].copy_from_slice(&[0xff; 16]));
    }
}
