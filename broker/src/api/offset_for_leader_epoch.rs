//! OffsetForLeaderEpoch (key 23): where a leader epoch ended; librdkafka from 2.1 on and Java consumers find out with
//! it whether records that they read have been lost (KIP-320).

use kafka_wire::protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_wire::protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE};
use crate::node::{Node, check_leader_epoch, unusable};

pub const VERSIONS: RangeInclusive<i16> = 2..=4;

/// There is no such epoch, or no end.
const UNKNOWN: i64 = -1;

pub async fn handle(
    node: &Arc<Node>,
    call: &Call,
    request: OffsetForLeaderEpochRequest,
) -> OffsetForLeaderEpochResponse {
    let topics = (request.topics.into_iter())
        .map(|asked| {
            let topic = call.visible(node, &asked.topic);
            let partitions = (asked.partitions.iter())
                .map(|one| {
                    let ended = match topic.as_ref().map(|topic| topic.partition(one.partition)) {
                        Err(error) => Err(*error),
                        Ok(Err(error)) => Err(unusable(&error)),
                        Ok(Ok(partition)) => check_leader_epoch(partition, one.current_leader_epoch).map(|()| {
                            partition.leader_epochs().end_offset(one.leader_epoch, partition.high_watermark())
                        }),
                    };
                    let response = EpochEndOffset::default().with_partition(one.partition);
                    match ended {
                        Ok(Some((epoch, end))) => {
                            response.with_error_code(NONE).with_leader_epoch(epoch).with_end_offset(end)
                        }
                        Ok(None) => response.with_leader_epoch(UNKNOWN as i32).with_end_offset(UNKNOWN),
                        Err(error) => response
                            .with_error_code(error.code())
                            .with_leader_epoch(UNKNOWN as i32)
                            .with_end_offset(UNKNOWN),
                    }
                })
                .collect();
            OffsetForLeaderTopicResult::default().with_topic(asked.topic).with_partitions(partitions)
        })
        .collect();
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}
