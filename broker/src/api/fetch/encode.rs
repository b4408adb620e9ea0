//! The response to a fetch, in pieces: records stay the bytes that were read, everything around them is encoded.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_wire::protocol::messages::fetch_response::PartitionData;
use kafka_wire::protocol::protocol::Encodable;
use uuid::Uuid;

use super::super::{Call, header};
use crate::connection::Piece;

/// Messages have compact lengths and tagged fields from here on (KIP-482).
const FLEXIBLE: i16 = 12;

#[derive(Default)]
pub(super) struct FetchedTopic {
    pub name: String,
    pub id: Uuid,
    pub partitions: Vec<FetchedPartition>,
}

pub(super) struct FetchedPartition {
    /// Everything but the records.
    pub head: PartitionData,
    /// Whole batches, or nothing.
    pub records: Piece,
}

/// The frame's pieces, without its length. `None`: a field does not fit the version, which is a bug.
pub(super) fn response_pieces(
    call: &Call,
    error_code: i16,
    session_id: i32,
    topics: &[FetchedTopic],
) -> Option<Vec<Piece>> {
    let version = call.version;
    let flexible = version >= FLEXIBLE;
    let mut pieces = Vec::new();
    let mut out = BytesMut::new();
    header(call, &mut out)?;
    out.put_i32(0); // throttle time
    if version >= 7 {
        out.put_i16(error_code);
        out.put_i32(session_id);
    }
    put_count(&mut out, topics.len(), flexible)?;
    for topic in topics {
        if version >= super::TOPIC_IDS {
            out.put_slice(topic.id.as_bytes());
        } else if flexible {
            put_count(&mut out, topic.name.len(), flexible)?;
            out.put_slice(topic.name.as_bytes());
        } else {
            out.put_i16(i16::try_from(topic.name.len()).ok()?);
            out.put_slice(topic.name.as_bytes());
        }
        put_count(&mut out, topic.partitions.len(), flexible)?;
        for partition in &topic.partitions {
            if partition.records.len() == 0 {
                // Not null: Kafka always sends a length here, and clients count on it.
                partition.head.clone().with_records(Some(Bytes::new())).encode(&mut out, version).ok()?;
                continue;
            }
            // Encoded with null records, which are followed by an empty set of tagged fields at most: these last
            // bytes give way to the real length and the records.
            partition.head.clone().with_records(None).encode(&mut out, version).ok()?;
            let null_bytes = if flexible { 2 } else { 4 };
            out.truncate(out.len() - null_bytes);
            put_count(&mut out, partition.records.len(), flexible)?;
            pieces.push(out.split().freeze().into());
            pieces.push(partition.records.clone());
            put_no_tags(&mut out, flexible);
        }
        put_no_tags(&mut out, flexible);
    }
    put_no_tags(&mut out, flexible);
    pieces.push(out.freeze().into());
    Some(pieces)
}

fn put_no_tags(out: &mut BytesMut, flexible: bool) {
    if flexible {
        out.put_u8(0);
    }
}

/// A count or length: i32, or an unsigned varint of one more in flexible versions.
fn put_count(out: &mut BytesMut, count: usize, flexible: bool) -> Option<()> {
    let count = i32::try_from(count).ok()?;
    if !flexible {
        out.put_i32(count);
        return Some(());
    }
    let mut left = count.unsigned_abs() + 1;
    while left >= 0x80 {
        out.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    out.put_u8(left as u8);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Peers;
    use kafka_wire::protocol::messages::fetch_response::FetchableTopicResponse;
    use kafka_wire::protocol::messages::{ApiKey, FetchResponse, TopicName};
    use kafka_wire::protocol::protocol::StrBytes;

    fn bytes(piece: &Piece) -> Bytes {
        match piece {
            Piece::Bytes(bytes) => bytes.clone(),
            Piece::File(_) => unreachable!("made of bytes below"),
        }
    }

    #[test]
    fn the_pieces_are_what_the_whole_message_would_be() {
        let at = std::net::SocketAddr::from(([127, 0, 0, 1], 9092));
        for version in super::super::VERSIONS {
            let key = ApiKey::Fetch;
            let peers = Peers { peer: at, local: at, listener: 0 };
            let call =
                Call { key, version, correlation_id: 7, client_id: None, peers, rights: std::sync::Arc::default() };
            let partition = |index, records: &'static [u8]| FetchedPartition {
                head: PartitionData::default()
                    .with_partition_index(index)
                    .with_high_watermark(9)
                    .with_last_stable_offset(9)
                    .with_aborted_transactions(Some(Vec::new())),
                records: Bytes::from_static(records).into(),
            };
            let topic = |name: &str, partitions| FetchedTopic {
                name: name.to_owned(),
                id: Uuid::from_u128(version as u128 + 1),
                partitions,
            };
            let long = Box::leak(vec![b'r'; 300].into_boxed_slice());
            let topics = [
                topic("a", vec![partition(0, b"one"), partition(1, b""), partition(2, long)]),
                topic("b", vec![partition(0, b"last")]),
            ];
            let expect = FetchResponse::default().with_session_id(if version >= 7 { 7 } else { 0 }).with_responses(
                topics
                    .iter()
                    .map(|topic| {
                        FetchableTopicResponse::default()
                            .with_topic(TopicName(StrBytes::from_string(topic.name.clone())))
                            .with_topic_id(topic.id)
                            .with_partitions(
                                topic
                                    .partitions
                                    .iter()
                                    .map(|one| one.head.clone().with_records(Some(bytes(&one.records))))
                                    .collect(),
                            )
                    })
                    .collect(),
            );
            let mut whole = BytesMut::new();
            header(&call, &mut whole).expect("a header");
            expect.encode(&mut whole, version).expect("a response");
            let pieces = response_pieces(&call, 0, 7, &topics).expect("a response");
            assert_eq!(pieces.iter().map(bytes).collect::<Vec<_>>().concat(), whole, "version {version}");
        }
    }
}
