//! DescribeProducers (key 61): the idempotent producers that partitions remember (KIP-664).

use kafka_wire::protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_wire::protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::{Node, unusable};

pub const VERSIONS: RangeInclusive<i16> = 0..=0;

/// There is no transaction.
const NONE: i64 = -1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topics = (request.topics.into_iter())
        .map(|asked| {
            let topic = call.readable(node, &asked.name);
            let partitions = (asked.partition_indexes.iter())
                .map(|index| {
                    let response = PartitionResponse::default().with_partition_index(*index);
                    let error = match topic.as_ref().map(|topic| topic.partition(*index)) {
                        Ok(Ok(partition)) => {
                            return response
                                .with_active_producers(partition.producers().into_iter().map(described).collect());
                        }
                        Ok(Err(error)) => unusable(&error),
                        Err(error) => *error,
                    };
                    response.with_error_code(error.code()).with_error_message(Some(text(error.to_string())))
                })
                .collect();
            TopicResponse::default().with_name(asked.name).with_partitions(partitions)
        })
        .collect();
    DescribeProducersResponse::default().with_topics(topics)
}

fn described((id, epoch, last_sequence, last_timestamp): (i64, i16, i32, i64)) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(i32::from(epoch))
        .with_last_sequence(last_sequence)
        .with_last_timestamp(last_timestamp)
        .with_coordinator_epoch(NONE as i32)
        .with_current_txn_start_offset(NONE)
}
