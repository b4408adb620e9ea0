//! What members of a consumer group tell each other through the coordinator: subscriptions and assignments.
//!
//! The coordinator passes these bytes on unread, so they come from strangers. Source: Kafka's
//! `ConsumerProtocolSubscription.json` and `ConsumerProtocolAssignment.json` (KIP-429, KIP-792, KIP-881); none of their
//! versions is flexible.
//!
//! ```text
//! subscription: version i16, [topic string], user data nullable bytes,
//!               v1: [topic string, [partition i32]] owned, v2: generation i32, v3: rack nullable string
//! assignment:   version i16, [topic string, [partition i32]], user data nullable bytes
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::TopicPartition;

/// The version that we write, and the last whose fields we know. Later versions append fields, which are skipped.
const VERSION: i16 = 3;
/// Generation of a member that has none.
pub(super) const NO_GENERATION: i32 = -1;

/// What a member brings to a rebalance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Subscription {
    pub topics: Vec<Arc<str>>,
    pub user_data: Option<Vec<u8>>,
    /// Partitions that the member keeps while it rejoins; empty for eager members.
    pub owned: Vec<TopicPartition>,
    /// Generation in which it got them.
    pub generation: i32,
}

/// Another member sent bytes that are not of this protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed consumer protocol bytes")]
pub(super) struct Malformed;

impl Subscription {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = VERSION.to_be_bytes().to_vec();
        put_count(&mut out, self.topics.len());
        self.topics.iter().for_each(|topic| put_text(&mut out, topic));
        put_bytes(&mut out, self.user_data.as_deref());
        put_partitions(&mut out, &self.owned);
        out.extend(self.generation.to_be_bytes());
        out.extend((-1i16).to_be_bytes()); // no rack
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        let version = version(&mut rest)?;
        let count = take_count(&mut rest)?;
        let topics = (0..count).map(|_| take_text(&mut rest)).collect::<Result<_, _>>()?;
        let user_data = take_bytes(&mut rest)?;
        let owned = if version >= 1 { take_partitions(&mut rest)? } else { Vec::new() };
        let mut generation = if version >= 2 { take_i32(&mut rest)? } else { NO_GENERATION };
        if let (NO_GENERATION, Some(user_data)) = (generation, user_data) {
            // Java's CooperativeStickyAssignor put the generation here before version 2 had a field for it.
            generation = user_data.try_into().map_or(NO_GENERATION, i32::from_be_bytes);
        }
        Ok(Self { topics, user_data: user_data.map(<[u8]>::to_vec), owned, generation })
    }
}

/// The bytes that give these partitions to a member.
pub(super) fn encode_assignment(partitions: &[TopicPartition]) -> Vec<u8> {
    let mut out = VERSION.to_be_bytes().to_vec();
    put_partitions(&mut out, partitions);
    put_bytes(&mut out, None);
    out
}

/// The partitions that a leader gave us. No bytes at all mean no partitions: a coordinator that knew no assignment.
pub(super) fn decode_assignment(bytes: &[u8]) -> Result<Vec<TopicPartition>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut rest = bytes;
    version(&mut rest)?;
    let mut partitions = take_partitions(&mut rest)?;
    take_bytes(&mut rest)?;
    partitions.sort_unstable();
    partitions.dedup();
    Ok(partitions)
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(i32::try_from(count).expect("what a member owns fits a message").to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend(i16::try_from(text.len()).expect("a topic has at most 249 characters").to_be_bytes());
    out.extend(text.as_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.extend((-1i32).to_be_bytes()),
        Some(bytes) => {
            put_count(out, bytes.len());
            out.extend(bytes);
        }
    }
}

fn put_partitions(out: &mut Vec<u8>, partitions: &[TopicPartition]) {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in partitions {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    put_count(out, topics.len());
    for (topic, numbers) in topics {
        put_text(out, topic);
        put_count(out, numbers.len());
        numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
    }
}

fn version(rest: &mut &[u8]) -> Result<i16, Malformed> {
    let version = take(rest).map(i16::from_be_bytes)?;
    if version < 0 { Err(Malformed) } else { Ok(version) }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (front, after) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = after;
    Ok(*front)
}

fn take_i32(rest: &mut &[u8]) -> Result<i32, Malformed> {
    take(rest).map(i32::from_be_bytes)
}

/// A count of elements; nothing is reserved for it, and each element takes at least one byte or ends in an error.
fn take_count(rest: &mut &[u8]) -> Result<i32, Malformed> {
    let count = take_i32(rest)?;
    if count < 0 || count as usize > rest.len() { Err(Malformed) } else { Ok(count) }
}

fn take_slice<'a>(rest: &mut &'a [u8], length: usize) -> Result<&'a [u8], Malformed> {
    let (front, after) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = after;
    Ok(front)
}

fn take_text(rest: &mut &[u8]) -> Result<Arc<str>, Malformed> {
    let length = usize::try_from(take(rest).map(i16::from_be_bytes)?).map_err(|_| Malformed)?;
    std::str::from_utf8(take_slice(rest, length)?).map(Arc::from).map_err(|_| Malformed)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Malformed> {
    match take_i32(rest)? {
        -1 => Ok(None),
        length => take_slice(rest, usize::try_from(length).map_err(|_| Malformed)?).map(Some),
    }
}

fn take_partitions(rest: &mut &[u8]) -> Result<Vec<TopicPartition>, Malformed> {
    let mut partitions = Vec::new();
    for _ in 0..take_count(rest)? {
        let topic = take_text(rest)?;
        for _ in 0..take_count(rest)? {
            partitions.push(TopicPartition { topic: Arc::clone(&topic), partition: take_i32(rest)? });
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::{Bytes, BytesMut};
    use kafka_wire::protocol::messages::consumer_protocol_subscription::TopicPartition as Owned;
    use kafka_wire::protocol::messages::{ConsumerProtocolAssignment, ConsumerProtocolSubscription, TopicName};
    use kafka_wire::protocol::protocol::{Decodable, Encodable, StrBytes};

    fn subscription() -> Subscription {
        Subscription {
            topics: vec!["logs".into(), "other".into()],
            user_data: Some(vec![0, 0, 0, 9]),
            owned: vec![TopicPartition::new("logs", 0), TopicPartition::new("logs", 3)],
            generation: 9,
        }
    }

    /// The same by Kafka's schema; versions 0 and 1 have no generation field.
    fn by_schema(version: i16) -> Vec<u8> {
        let name = |text: &'static str| StrBytes::from_static_str(text);
        let mut message = ConsumerProtocolSubscription::default()
            .with_topics(vec![name("logs"), name("other")])
            .with_user_data(Some(Bytes::from_static(&[0, 0, 0, 9])));
        if version >= 1 {
            let owned = Owned::default().with_topic(TopicName(name("logs"))).with_partitions(vec![0, 3]);
            message = message.with_owned_partitions(vec![owned]);
        }
        if version >= 2 {
            message = message.with_generation_id(9);
        }
        if version >= 3 {
            message = message.with_rack_id(None);
        }
        let mut bytes = BytesMut::from(version.to_be_bytes().as_slice());
        message.encode(&mut bytes, version).expect("fields fit the version");
        bytes.to_vec()
    }

    #[test]
    fn subscriptions_are_those_of_the_schema() {
        assert_eq!(subscription().encode(), by_schema(3));
        for version in 1..=3 {
            assert_eq!(Subscription::decode(&by_schema(version)), Ok(subscription()), "version {version}");
        }
        let oldest = Subscription { owned: Vec::new(), ..subscription() };
        assert_eq!(Subscription::decode(&by_schema(0)), Ok(oldest));
        // A later version only appends.
        let mut later = by_schema(3);
        later[1] = 4;
        later.extend([1, 2, 3]);
        assert_eq!(Subscription::decode(&later), Ok(subscription()));
    }

    #[test]
    fn assignments_are_those_of_the_schema() {
        let partitions = subscription().owned;
        let mut bytes = Bytes::from(encode_assignment(&partitions)).split_off(2);
        let decoded = ConsumerProtocolAssignment::decode(&mut bytes, VERSION).expect("our bytes fit the schema");
        assert!(bytes.is_empty());
        assert_eq!(decoded.user_data, None);
        assert_eq!(decoded.assigned_partitions[0].partitions, [0, 3]);
        assert_eq!(decode_assignment(&encode_assignment(&partitions)), Ok(partitions));
        assert_eq!(decode_assignment(&encode_assignment(&[])), Ok(Vec::new()));
        assert_eq!(decode_assignment(&[]), Ok(Vec::new()));
    }

    #[test]
    fn damage_is_refused() {
        let whole = subscription().encode();
        // The rack at the end is not read.
        for cut in 0..whole.len() - 2 {
            assert_eq!(Subscription::decode(&whole[..cut]), Err(Malformed), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let _ = Subscription::decode(&damaged);
                let _ = decode_assignment(&damaged);
            }
        }
        assert_eq!(decode_assignment(&[0, 1, 0x7f, 0xff, 0xff, 0xff]), Err(Malformed));
    }
}
