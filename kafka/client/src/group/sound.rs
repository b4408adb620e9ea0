//! Which of the fetched bytes are whole, sound batches: only those are given to the owner.

use bytes::Bytes;
use kafka_wire::batch::{BatchError, Batches};

/// The whole, sound batches that have something at `position` or later, and the offset after them. What is wrong with a
/// batch behind sound ones is said when it is the first.
pub(super) fn whole_batches(records: &Bytes, position: i64) -> Result<(Bytes, i64), BatchError> {
    let (mut start, mut end, mut next) = (0, 0, position);
    for batch in Batches::new(records) {
        let checked = batch.and_then(|(header, batch)| header.verify_crc(batch).map(|()| header));
        let header = match checked {
            Ok(header) => header,
            Err(_) if end > start => break,
            Err(error) => return Err(error),
        };
        if header.last_offset() < position {
            start += header.batch_bytes;
        }
        end += header.batch_bytes;
        next = next.max(header.last_offset().saturating_add(1));
    }
    Ok((records.slice(start..end), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders, assign_offset};
    use kafka_wire::compression::Compression;

    /// Batches of three records each from offset 0.
    fn log(batches: i64) -> Vec<u8> {
        let mut log = Vec::new();
        let mut writer = BatchWriter::new(Compression::None);
        for index in 0..batches {
            for _ in 0..3 {
                writer.push(1, None, Some(b"line"), &RecordHeaders::new(), None);
            }
            let start = log.len();
            writer.seal(Producer::NONE, &mut log);
            assign_offset(&mut log[start..], index * 3, 0);
        }
        log
    }

    fn check(records: &[u8], position: i64, expect: Option<(std::ops::Range<usize>, i64)>) {
        let records = Bytes::copy_from_slice(records);
        let got = whole_batches(&records, position).ok();
        assert_eq!(got, expect.map(|(range, next)| (records.slice(range), next)));
    }

    #[test]
    fn whole_batches_from_a_position() {
        let log = log(3);
        let one = log.len() / 3;
        check(&log, 0, Some((0..log.len(), 9)));
        check(&log, 2, Some((0..log.len(), 9)));
        check(&log, 3, Some((one..log.len(), 9)));
        check(&log[..log.len() - 1], 4, Some((one..2 * one, 6)));
        check(&log[..one - 1], 0, Some((0..0, 0)));
        check(&[], 5, Some((0..0, 5)));
    }

    #[test]
    fn a_damaged_batch_is_not_delivered() {
        let mut log = log(3);
        let one = log.len() / 3;
        log[2 * one - 1] ^= 1;
        check(&log, 0, Some((0..one, 3)));
        check(&log, 3, None);
        check(&log[one..], 3, None);
    }
}
