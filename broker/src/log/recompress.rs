//! Stores a batch with another codec than it came with, for topics whose `compression.type` asks for one. The records stay
//! the bytes that they are: only their compression, and what the header says of it, changes.

use super::check::{AppendError, lengths_fit};
use kafka_wire::batch::{BatchHeader, HEADER_BYTES, LENGTH_AND_OFFSET_BYTES};
use kafka_wire::compression::Compression;

/// Places in a batch's header (`kafka_wire::batch` has the whole picture).
const LENGTH_AT: usize = 8;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;

/// Plain bytes that the records of one batch may have: a batch has at most a request's bytes, which compress a
/// hundredfold where they compress well.
pub(super) const PLAIN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// `batch`, whose header is `header`, with its records compressed by `codec`.
///
/// # Errors
/// The records are not what their codec writes: UNKNOWN_SERVER_ERROR, as Kafka answers.
pub(super) fn recompress(header: &BatchHeader, batch: &[u8], codec: Compression) -> Result<Vec<u8>, AppendError> {
    let from = header.compression().map_err(AppendError::Corrupt)?;
    let mut plain = Vec::new();
    from.decompress(&batch[HEADER_BYTES..], PLAIN_BYTES_MAX, &mut plain)
        .map_err(|error| AppendError::Undecodable(error.to_string()))?;
    if !lengths_fit(&plain, header.record_count) {
        return Err(AppendError::Invalid(format!("the records are not {} whole ones", header.record_count)));
    }
    let mut out = Vec::with_capacity(batch.len());
    out.extend_from_slice(&batch[..HEADER_BYTES]);
    codec.compress(&plain, &mut out);
    let length = i32::try_from(out.len() - LENGTH_AND_OFFSET_BYTES)
        .map_err(|_| AppendError::Invalid("the records are too large".to_owned()))?;
    out[LENGTH_AT..][..4].copy_from_slice(&length.to_be_bytes());
    // The codec is the lowest three bits of the attributes, which are big endian.
    out[ATTRIBUTES_AT + 1] = out[ATTRIBUTES_AT + 1] & !0x07 | codec as u8;
    let crc = crc32c::crc32c(&out[ATTRIBUTES_AT..]);
    out[CRC_AT..][..4].copy_from_slice(&crc.to_be_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::{BatchWriter, PlainRecords, Producer, RecordHeaders};

    #[test]
    fn records_are_the_same_with_every_codec() {
        use Compression::{Gzip, Lz4, None, Snappy, Zstd};
        for from in [None, Gzip, Snappy, Lz4, Zstd] {
            let mut writer = BatchWriter::new(from);
            for number in 0..50 {
                writer.push(
                    number,
                    Option::None,
                    Some(format!("value {number}").as_bytes()),
                    &RecordHeaders::new(),
                    Option::None,
                );
            }
            let mut batch = Vec::new();
            writer.seal(Producer { id: 7, epoch: 1, base_sequence: 3 }, &mut batch);
            let header = BatchHeader::read(&batch).expect("own batch");
            for to in [None, Gzip, Snappy, Lz4, Zstd] {
                let other = recompress(&header, &batch, to).expect("sound records");
                let changed = BatchHeader::read(&other).expect("a batch");
                changed.verify_crc(&other).expect("a new checksum");
                assert_eq!(changed.compression(), Ok(to));
                assert_eq!((changed.producer_id, changed.record_count), (7, 50));
                let records = PlainRecords::read(changed, &other, 1 << 20).expect("records");
                let values: Vec<_> =
                    records.iter().map(|record| record.expect("a record").value.map(<[u8]>::to_vec)).collect();
                assert_eq!(values[49].as_deref(), Some(&b"value 49"[..]));
            }
        }
    }
}
