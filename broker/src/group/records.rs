//! The records of `__consumer_offsets`, byte for byte as Apache Kafka 4.1 writes them (its `OffsetCommitKey` 1,
//! `OffsetCommitValue` 3, `GroupMetadataKey` 2, `GroupMetadataValue` 3 message definitions).
//!
//! ```text
//! offset commit key    i16 = 1, group string, topic string, partition i32
//! offset commit value  i16 = 3, offset i64, leader epoch i32, metadata string, commit timestamp i64
//! group metadata key   i16 = 2, group string
//! group metadata value i16 = 3, protocol type string, generation i32, protocol string?, leader string?,
//!                      state timestamp i64, members [member id string, instance id string?, client id string,
//!                      client host string, rebalance timeout i32, session timeout i32, subscription bytes, assignment bytes]
//! ```
//! Strings have an i16 length (-1: null), bytes and arrays an i32. A null value deletes what the key names.

use bytes::Bytes;

const OFFSET_COMMIT_KEY: i16 = 1;
const GROUP_METADATA_KEY: i16 = 2;
const OFFSET_COMMIT_VALUE: i16 = 3;
const GROUP_METADATA_VALUE: i16 = 3;

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Offset { group: String, topic: String, partition: i32 },
    Group(String),
}

/// A committed offset as a client gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetValue {
    pub offset: i64,
    /// -1: not given.
    pub leader_epoch: i32,
    pub metadata: String,
    /// Milliseconds since the epoch.
    pub commit_timestamp: i64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupValue {
    pub protocol_type: String,
    pub generation: i32,
    pub protocol: Option<String>,
    pub leader: Option<String>,
    pub state_timestamp: i64,
    pub members: Vec<MemberValue>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberValue {
    pub id: String,
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub rebalance_timeout_ms: i32,
    pub session_timeout_ms: i32,
    pub subscription: Bytes,
    pub assignment: Bytes,
}

/// Why a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupRecordError {
    #[error("the record is cut off or malformed")]
    Malformed,
    #[error("version {0} of the record's format is unknown")]
    Version(i16),
}

impl Key {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Offset { group, topic, partition } => {
                out.extend(OFFSET_COMMIT_KEY.to_be_bytes());
                put_string(&mut out, Some(group));
                put_string(&mut out, Some(topic));
                out.extend(partition.to_be_bytes());
            }
            Self::Group(group) => {
                out.extend(GROUP_METADATA_KEY.to_be_bytes());
                put_string(&mut out, Some(group));
            }
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, GroupRecordError> {
        let mut from = Reader(bytes);
        match from.i16()? {
            // Version 0 has the same fields; its values had another meaning of expiry.
            0 | OFFSET_COMMIT_KEY => {
                Ok(Self::Offset { group: from.string()?, topic: from.string()?, partition: from.i32()? })
            }
            GROUP_METADATA_KEY => Ok(Self::Group(from.string()?)),
            other => Err(GroupRecordError::Version(other)),
        }
    }
}

impl OffsetValue {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(OFFSET_COMMIT_VALUE.to_be_bytes());
        out.extend(self.offset.to_be_bytes());
        out.extend(self.leader_epoch.to_be_bytes());
        put_string(&mut out, Some(&self.metadata));
        out.extend(self.commit_timestamp.to_be_bytes());
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, GroupRecordError> {
        let mut from = Reader(bytes);
        match from.i16()? {
            OFFSET_COMMIT_VALUE => Ok(Self {
                offset: from.i64()?,
                leader_epoch: from.i32()?,
                metadata: from.string()?,
                commit_timestamp: from.i64()?,
            }),
            other => Err(GroupRecordError::Version(other)),
        }
    }
}

impl GroupValue {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(GROUP_METADATA_VALUE.to_be_bytes());
        put_string(&mut out, Some(&self.protocol_type));
        out.extend(self.generation.to_be_bytes());
        put_string(&mut out, self.protocol.as_deref());
        put_string(&mut out, self.leader.as_deref());
        out.extend(self.state_timestamp.to_be_bytes());
        put_length(&mut out, self.members.len());
        for member in &self.members {
            put_string(&mut out, Some(&member.id));
            put_string(&mut out, member.instance_id.as_deref());
            put_string(&mut out, Some(&member.client_id));
            put_string(&mut out, Some(&member.client_host));
            out.extend(member.rebalance_timeout_ms.to_be_bytes());
            out.extend(member.session_timeout_ms.to_be_bytes());
            for bytes in [&member.subscription, &member.assignment] {
                put_length(&mut out, bytes.len());
                out.extend_from_slice(bytes);
            }
        }
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, GroupRecordError> {
        let mut from = Reader(bytes);
        match from.i16()? {
            GROUP_METADATA_VALUE => {}
            other => return Err(GroupRecordError::Version(other)),
        }
        let mut value = Self {
            protocol_type: from.string()?,
            generation: from.i32()?,
            protocol: from.nullable_string()?,
            leader: from.nullable_string()?,
            state_timestamp: from.i64()?,
            members: Vec::new(),
        };
        // Grown one by one: a forged count ends at the end of the bytes.
        for _ in 0..from.i32()?.max(0) {
            value.members.push(MemberValue {
                id: from.string()?,
                instance_id: from.nullable_string()?,
                client_id: from.string()?,
                client_host: from.string()?,
                rebalance_timeout_ms: from.i32()?,
                session_timeout_ms: from.i32()?,
                subscription: from.bytes()?,
                assignment: from.bytes()?,
            });
        }
        Ok(value)
    }
}

fn put_string(out: &mut Vec<u8>, string: Option<&str>) {
    let Some(string) = string else {
        out.extend((-1i16).to_be_bytes());
        return;
    };
    let length = i16::try_from(string.len()).expect("names were bounded where they came in");
    out.extend(length.to_be_bytes());
    out.extend_from_slice(string.as_bytes());
}

fn put_length(out: &mut Vec<u8>, length: usize) {
    out.extend(i32::try_from(length).expect("members and their bytes were bounded where they came in").to_be_bytes());
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], GroupRecordError> {
        let (front, rest) = self.0.split_at_checked(length).ok_or(GroupRecordError::Malformed)?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GroupRecordError> {
        self.take(N)?.try_into().map_err(|_| GroupRecordError::Malformed)
    }

    fn i16(&mut self) -> Result<i16, GroupRecordError> {
        self.array().map(i16::from_be_bytes)
    }

    fn i32(&mut self) -> Result<i32, GroupRecordError> {
        self.array().map(i32::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, GroupRecordError> {
        self.array().map(i64::from_be_bytes)
    }

    fn nullable_string(&mut self) -> Result<Option<String>, GroupRecordError> {
        let length = self.i16()?;
        if length == -1 {
            return Ok(None);
        }
        let bytes = self.take(usize::try_from(length).map_err(|_| GroupRecordError::Malformed)?)?;
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| GroupRecordError::Malformed)
    }

    fn string(&mut self) -> Result<String, GroupRecordError> {
        self.nullable_string()?.ok_or(GroupRecordError::Malformed)
    }

    fn bytes(&mut self) -> Result<Bytes, GroupRecordError> {
        let length = usize::try_from(self.i32()?).map_err(|_| GroupRecordError::Malformed)?;
        self.take(length).map(Bytes::copy_from_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_cuts<T: PartialEq + std::fmt::Debug>(
        bytes: &[u8],
        decode: impl Fn(&[u8]) -> Result<T, GroupRecordError>,
        expect: T,
    ) {
        assert_eq!(decode(bytes), Ok(expect));
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(GroupRecordError::Malformed), "cut at {length}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_cuts_are_found() {
        let key = Key::Offset { group: "g".into(), topic: "logs".into(), partition: 3 };
        assert_eq!(key.encode(), b"\0\x01\0\x01g\0\x04logs\0\0\0\x03");
        check_cuts(&key.encode(), Key::decode, key);
        let key = Key::Group("sluice".into());
        check_cuts(&key.encode(), Key::decode, key);
        let value = OffsetValue { offset: 7, leader_epoch: -1, metadata: "m".into(), commit_timestamp: 5 };
        check_cuts(&value.encode(), OffsetValue::decode, value);
        let value = GroupValue {
            protocol_type: "consumer".into(),
            generation: 4,
            protocol: Some("range".into()),
            leader: None,
            state_timestamp: 9,
            members: vec![MemberValue {
                id: "m-1".into(),
                instance_id: Some("i".into()),
                client_id: "c".into(),
                client_host: "/127.0.0.1".into(),
                rebalance_timeout_ms: 1,
                session_timeout_ms: 2,
                subscription: Bytes::from_static(b"sub"),
                assignment: Bytes::from_static(b"assign"),
            }],
        };
        check_cuts(&value.encode(), GroupValue::decode, value);
    }

    #[test]
    fn a_forged_member_count_reserves_nothing() {
        let mut bytes = GroupValue::default().encode();
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(GroupValue::decode(&bytes), Err(GroupRecordError::Malformed));
    }
}
