//! OffsetDelete (key 47): forgets committed offsets of topics that a group no longer reads (KIP-496).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_wire::protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=0;

pub async fn handle(node: &Arc<Node>, call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    if call.check_admin(node).is_err() {
        return OffsetDeleteResponse::default().with_error_code(ResponseError::GroupAuthorizationFailed.code());
    }
    let subscribed = match node.groups.subscribed_topics(&request.group_id) {
        Ok(topics) => topics,
        Err(error) => return OffsetDeleteResponse::default().with_error_code(error.code()),
    };
    let mut gone = Vec::new();
    let mut topics = Vec::new();
    for asked in &request.topics {
        let known = node.log.topic(&asked.name);
        let mut partitions = Vec::new();
        for one in &asked.partitions {
            let index = one.partition_index;
            let error_code = if known.as_ref().is_none_or(|topic| !(0..topic.partition_count()).contains(&index)) {
                ResponseError::UnknownTopicOrPartition.code()
            } else if subscribed.contains(asked.name.as_str()) {
                ResponseError::GroupSubscribedToTopic.code()
            } else {
                gone.push((asked.name.to_string(), index));
                NONE
            };
            partitions
                .push(OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(error_code));
        }
        topics.push(OffsetDeleteResponseTopic::default().with_name(asked.name.clone()).with_partitions(partitions));
    }
    match node.groups.forget_offsets(&request.group_id, &gone).await {
        Ok(()) => OffsetDeleteResponse::default().with_topics(topics),
        Err(error) => OffsetDeleteResponse::default().with_error_code(error.code()),
    }
}
