//! The bytes of a Produce request, written around the batches instead of copying them (protocol guide, "Produce").
//!
//! ```text
//! length i32, then the header: key i16 = 0, version i16, correlation id i32, client id string, tags (9+)
//! transactional id string = null, acks i16 = -1, timeout i32, topics [name, partitions [index i32, records, tags], tags],
//! tags
//! ```
//! Versions 3 to 8 have 16-bit string and 32-bit array lengths, 9 and above compact ones and tags (KIP-482).

use bytes::{BufMut, Bytes, BytesMut};
use kafka_wire::frame::LENGTH_BYTES;
use kafka_wire::protocol::messages::ProduceRequest;
use kafka_wire::protocol::protocol::{Encodable, HeaderVersion, Request};

use crate::call::request_header;
use crate::topic_partition::TopicPartition;
use crate::topics::milliseconds;

/// Version 13 wants topic ids.
pub(super) const PRODUCE_VERSION_MAX: i16 = 12;
/// First version with compact lengths and tags.
const FLEXIBLE_VERSION: i16 = 9;
/// The broker answers when every in-sync replica has the batch; for Sluice's own, when it is on disk.
const ACKS_ALL: i16 = -1;

/// What stands in front of the topics.
pub(super) struct Head<'a> {
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: &'a str,
    pub timeout: std::time::Duration,
}

/// The parts of a whole frame. `batches` is sorted by topic and not empty; a partition occurs once.
pub(super) fn frame(head: &Head<'_>, batches: &[(&TopicPartition, Bytes)]) -> Result<Vec<Bytes>, String> {
    let flexible = head.version >= FLEXIBLE_VERSION;
    let mut parts = Vec::with_capacity(2 * batches.len() + 1);
    let mut out = BytesMut::with_capacity(128);
    out.put_i32(0);
    request_header(ProduceRequest::KEY, head.version, head.correlation_id, head.client_id)
        .encode(&mut out, ProduceRequest::header_version(head.version))
        .map_err(|error| error.to_string())?;
    put_null_string(&mut out, flexible);
    out.put_i16(ACKS_ALL);
    out.put_i32(milliseconds(head.timeout));
    put_count(&mut out, flexible, batches.chunk_by(same_topic).count());
    for topic in batches.chunk_by(same_topic) {
        let name = &topic[0].0.topic;
        if flexible {
            put_unsigned_varint(&mut out, name.len() + 1);
        } else {
            out.put_i16(i16::try_from(name.len()).map_err(|error| error.to_string())?);
        }
        out.put_slice(name.as_bytes());
        put_count(&mut out, flexible, topic.len());
        for (partition, batch) in topic {
            out.put_i32(partition.partition);
            put_count(&mut out, flexible, batch.len());
            parts.push(out.split().freeze());
            parts.push(batch.clone());
            put_tags(&mut out, flexible);
        }
        put_tags(&mut out, flexible);
    }
    put_tags(&mut out, flexible);
    parts.push(out.freeze());

    let length = parts.iter().map(Bytes::len).sum::<usize>() - LENGTH_BYTES;
    let length = i32::try_from(length).map_err(|error| error.to_string())?;
    let mut first = BytesMut::from(std::mem::take(&mut parts[0]));
    first[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    parts[0] = first.freeze();
    Ok(parts)
}

fn same_topic(left: &(&TopicPartition, Bytes), right: &(&TopicPartition, Bytes)) -> bool {
    left.0.topic == right.0.topic
}

fn put_null_string(out: &mut BytesMut, flexible: bool) {
    if flexible { out.put_u8(0) } else { out.put_i16(-1) }
}

/// The length of an array or of bytes. Callers bound a request far below 2 GiB.
fn put_count(out: &mut BytesMut, flexible: bool, count: usize) {
    if flexible { put_unsigned_varint(out, count + 1) } else { out.put_i32(count as i32) }
}

fn put_tags(out: &mut BytesMut, flexible: bool) {
    if flexible {
        out.put_u8(0);
    }
}

fn put_unsigned_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::check;
    use kafka_wire::protocol::protocol::Decodable;
    use std::time::Duration;

    #[test]
    fn every_version_is_what_a_broker_reads() {
        let partitions = [TopicPartition::new("a", 0), TopicPartition::new("a", 7), TopicPartition::new("b", 1)];
        let batches: Vec<_> =
            partitions.iter().zip([10usize, 200, 70_000]).map(|(p, size)| (p, Bytes::from(vec![7; size]))).collect();
        for version in 3..=PRODUCE_VERSION_MAX {
            let head = Head { version, correlation_id: 5, client_id: "me", timeout: Duration::from_secs(3) };
            let frame = frame(&head, &batches).expect("small enough").concat();
            assert_eq!(frame[..4], (frame.len() as i32 - 4).to_be_bytes());
            let header = check::request_header(&frame[4..]).expect("a sound header");
            assert_eq!((header.api_key, header.api_version, header.correlation_id), (0, version, 5));
            assert_eq!(header.client_id, Some("me"));
            let mut body = Bytes::copy_from_slice(&frame[4 + header.body_offset..]);
            check::request(0, version, &body).expect("a sound body");
            let request = ProduceRequest::decode(&mut body, version).expect("a readable body");
            assert_eq!((request.acks, request.timeout_ms, request.transactional_id), (-1, 3000, None));
            let got: Vec<_> = (request.topic_data.iter())
                .flat_map(|topic| {
                    topic.partition_data.iter().map(|p| (topic.name.to_string(), p.index, p.records.clone()))
                })
                .collect();
            let want: Vec<_> =
                batches.iter().map(|(p, batch)| (p.topic.to_string(), p.partition, Some(batch.clone()))).collect();
            assert_eq!(got, want, "version {version}");
        }
    }
}
