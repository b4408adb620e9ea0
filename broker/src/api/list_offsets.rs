//! ListOffsets (key 2): first, last and newest offsets of partitions, and offsets by timestamp.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_wire::protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_wire::protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Call;
use crate::log::Partition;
use crate::node::{Node, check_leader_epoch, unusable};

pub const VERSIONS: RangeInclusive<i16> = 1..=10;

/// Timestamps with a meaning of their own: the high watermark,
const LATEST: i64 = -1;
/// the log start offset,
const EARLIEST: i64 = -2;
/// the record with the largest timestamp (KIP-734, version 7),
const MAX_TIMESTAMP: i64 = -3;
/// the first record on the local disk (KIP-405, version 8), which is the first at all,
const EARLIEST_LOCAL: i64 = -4;
/// and the last in tiered storage (KIP-1005, version 9), which does not exist here.
const LAST_TIERED: i64 = -5;

const UNKNOWN: i64 = -1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let mut topics = Vec::new();
    for asked in request.topics {
        let topic = call.visible(node, &asked.name);
        let mut partitions = Vec::new();
        for one in &asked.partitions {
            let found = match topic.as_ref().map(|topic| topic.partition(one.partition_index)) {
                Err(error) => Err(*error),
                Ok(Err(error)) => Err(unusable(&error)),
                Ok(Ok(partition)) => find(partition, call, one).await,
            };
            let response = ListOffsetsPartitionResponse::default().with_partition_index(one.partition_index);
            partitions.push(match found {
                Ok((timestamp, offset, leader_epoch)) => {
                    let response = response.with_timestamp(timestamp).with_offset(offset);
                    if call.version >= 4 { response.with_leader_epoch(leader_epoch) } else { response }
                }
                Err(error) => response.with_error_code(error.code()).with_timestamp(UNKNOWN).with_offset(UNKNOWN),
            });
        }
        topics.push(ListOffsetsTopicResponse::default().with_name(asked.name).with_partitions(partitions));
    }
    ListOffsetsResponse::default().with_topics(topics)
}

/// Timestamp, offset and leader epoch; -1 for each that there is not.
async fn find(
    partition: &Arc<Partition>,
    call: &Call,
    asked: &ListOffsetsPartition,
) -> Result<(i64, i64, i32), ResponseError> {
    check_leader_epoch(partition, asked.current_leader_epoch)?;
    let epoch = partition.leader_epoch();
    let lowest = match call.version {
        ..7 => EARLIEST,
        7 => MAX_TIMESTAMP,
        8 => EARLIEST_LOCAL,
        _ => LAST_TIERED,
    };
    match asked.timestamp {
        LATEST => Ok((UNKNOWN, partition.high_watermark(), epoch)),
        EARLIEST | EARLIEST_LOCAL if asked.timestamp >= lowest => Ok((UNKNOWN, partition.log_start_offset(), epoch)),
        LAST_TIERED if asked.timestamp >= lowest => Ok((UNKNOWN, UNKNOWN, UNKNOWN as i32)),
        MAX_TIMESTAMP if asked.timestamp >= lowest => searched(partition, None).await,
        0.. => searched(partition, Some(asked.timestamp)).await,
        _ => Err(ResponseError::UnsupportedVersion),
    }
}

/// The first record at or after `timestamp`, or the one with the largest. Reads from the disk, so not on this thread.
async fn searched(partition: &Arc<Partition>, timestamp: Option<i64>) -> Result<(i64, i64, i32), ResponseError> {
    let searched = Arc::clone(partition);
    let found = tokio::task::spawn_blocking(move || match timestamp {
        Some(timestamp) => searched.offset_for_timestamp(timestamp),
        None => searched.max_timestamp(),
    });
    match found.await {
        Ok(Ok(Some(found))) => Ok((found.timestamp, found.offset, found.leader_epoch)),
        Ok(Ok(None)) => Ok((UNKNOWN, UNKNOWN, UNKNOWN as i32)),
        Ok(Err(error)) => {
            tracing::error!("offsets cannot be searched by time: {error}");
            Err(ResponseError::KafkaStorageError)
        }
        Err(_) => Err(ResponseError::KafkaStorageError),
    }
}
