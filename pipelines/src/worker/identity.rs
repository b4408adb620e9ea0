//! A document's `_id`, made from what its record says about the line's place.
//!
//! ```text
//! line of a file:   file id 8 | position 6 | hash of the line 4
//! other records:    hash of topic id and partition 8 | offset 6 | hash of the value 4
//! ```
//!
//! 18 bytes, big-endian, as base64url without padding: Lucene keeps ids of that alphabet and a length divisible by four
//! as raw bytes, and ids that grow together share their front. The same record has the same id whatever pipeline it
//! passes, and however often it is read. A topic that is deleted and made again has another id, so that its records are
//! not taken for the old ones; a broker before Kafka 2.8 tells no id, and there the topic's name stands in for it. A record
//! that comes back from the dead letters brings the id that it had in a header.

use crate::sink::{DocumentId, RECORD_ID_BYTES};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_64;

/// Positions and offsets have six bytes.
const PLACE_MAX: u64 = (1 << 48) - 1;
/// Digits of the smallest numbers that may not fit into 64 bits.
const DECIMAL_DIGITS_MIN: usize = 20;

/// Where a line stands in a file that an agent knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FilePlace {
    pub file_id: u64,
    pub position: u64,
}

impl FilePlace {
    /// No agent of ours has a position that is too large for an id.
    pub fn new(file_id: u64, position: u64) -> Option<Self> {
        (position <= PLACE_MAX).then_some(Self { file_id, position })
    }

    pub fn id(self, line: &[u8]) -> DocumentId {
        id(self.file_id, self.position, line)
    }
}

/// The value of a header `sluice.file.id`: 16 hex digits. Anything else is not from an agent of ours.
pub(crate) fn file_id(value: &[u8]) -> Option<u64> {
    let hex = (value.len() == 16 && value.iter().all(u8::is_ascii_hexdigit)).then_some(value)?;
    u64::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// The value of a header `log.offset`.
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    // Every line has one, nearly all of them so few digits that they cannot overflow.
    if (1..DECIMAL_DIGITS_MIN).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) {
        return Some(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')));
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// The `_id` of the document that an agent's record becomes, unless its pipeline sets another; `None`: no record of an
/// agent is at such a place.
pub fn document_id(file_id: u64, position: u64, value: &[u8]) -> Option<String> {
    FilePlace::new(file_id, position).map(|place| place.id(value).as_str().to_owned())
}

/// Header of a record that was a dead letter: the `_id` that its document had.
pub const REPLAYED_ID_HEADER: &str = "sluice.id";

/// The id that a record brings in its [`REPLAYED_ID_HEADER`], if it is one of ours.
pub(crate) fn replayed(value: &[u8]) -> Option<DocumentId> {
    let id: [u8; RECORD_ID_BYTES] = value.try_into().ok()?;
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    id.iter().all(is_base64url).then_some(DocumentId::Record(id))
}

/// The first 8 bytes of the ids of a partition's records that are of no file.
pub(crate) fn partition_hash(topic: &str, topic_id: Option<[u8; 16]>, partition: i32) -> u64 {
    let mut bytes = match topic_id {
        Some(id) => id.to_vec(),
        None => topic.as_bytes().to_vec(),
    };
    bytes.extend_from_slice(&partition.to_be_bytes());
    xxh3_64(&bytes)
}

/// The id of a record by its place in a partition.
pub(crate) fn of_record(partition_hash: u64, offset: i64, value: &[u8]) -> DocumentId {
    id(partition_hash, offset as u64 & PLACE_MAX, value)
}

fn id(owner: u64, place: u64, line: &[u8]) -> DocumentId {
    let mut bytes = [0; 18];
    bytes[..8].copy_from_slice(&owner.to_be_bytes());
    bytes[8..14].copy_from_slice(&place.to_be_bytes()[2..]);
    bytes[14..].copy_from_slice(&(xxh3_64(line) as u32).to_be_bytes());
    let mut text = [0; RECORD_ID_BYTES];
    URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).expect("18 bytes have 24 characters");
    DocumentId::Record(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file_id: &str, position: &str) -> Option<FilePlace> {
        FilePlace::new(super::file_id(file_id.as_bytes())?, decimal(position.as_bytes())?)
    }

    #[test]
    fn ids_are_stable() {
        // These stand in indices: they must never change.
        let place = parse("0123456789abcdef", "4096").expect("a place");
        assert_eq!(place.id(b"a line").as_str(), "ASNFZ4mrze8AAAAAEAA1R6tM");
        assert_eq!(of_record(partition_hash("logs", None, 3), 42, b"a line").as_str().len(), RECORD_ID_BYTES);
    }

    #[test]
    fn another_place_or_line_is_another_id() {
        let place = |position| FilePlace { file_id: 7, position };
        let hash = partition_hash("logs", None, 0);
        let anew = |id| of_record(partition_hash("logs", Some([id; 16]), 0), 1, b"a");
        let ids = [
            place(1).id(b"a"),
            place(2).id(b"a"),
            place(1).id(b"b"),
            of_record(hash, 1, b"a"),
            of_record(partition_hash("logs", None, 1), 1, b"a"),
            anew(1),
            anew(2),
        ];
        for (n, id) in ids.iter().enumerate() {
            assert!(!ids[..n].contains(id), "{id:?} repeats");
        }
    }

    #[test]
    fn an_id_comes_back_with_its_record() {
        assert_eq!(
            replayed(b"ASNFZ4mrze8AAAAAEAA1R6tM").map(|id| id.as_str().to_owned()).as_deref(),
            Some("ASNFZ4mrze8AAAAAEAA1R6tM")
        );
        for not_ours in
            [&b""[..], b"ASNFZ4mrze8AAAAAEAA1R6t", b"ASNFZ4mrze8AAAAAEAA1R6t\"", b"ASNFZ4mrze8AAAAAEAA1R6tMM"]
        {
            assert_eq!(replayed(not_ours), None);
        }
    }

    #[test]
    fn only_an_agents_headers_are_a_place() {
        let check = |file_id: &str, position: &str, want: bool| {
            assert_eq!(parse(file_id, position).is_some(), want, "{file_id} {position}");
        };
        check("00000000000000ff", "0", true);
        check("00000000000000ff", "281474976710655", true);
        check("00000000000000ff", "281474976710656", false);
        check("00000000000000ff", "-1", false);
        check("+0000000000000ff", "1", false);
        check("ff", "1", false);
        check("", "", false);
        check("00000000000000ff", "00000000000000000000000000000007", true);
        check("00000000000000ff", "99999999999999999999", false);
        check("00000000000000ff", "1x", false);
    }
}
