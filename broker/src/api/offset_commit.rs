//! OffsetCommit (key 8): keeps the offsets that a group has done; answered once they are on disk.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_wire::protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE};
use crate::group::{Caller, Commit};
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 2..=9;

pub async fn handle(node: &Arc<Node>, call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let caller = Caller {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id_or_member_epoch,
    };
    let mut commits = Vec::new();
    let mut topics = Vec::new();
    for topic in &request.topics {
        let known = call.readable(node, &topic.name);
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            let index = partition.partition_index;
            let metadata = partition.committed_metadata.as_deref().unwrap_or_default();
            let error = if let Err(error) = &known {
                error.code()
            } else if known.as_ref().is_ok_and(|topic| !(0..topic.partition_count()).contains(&index)) {
                ResponseError::UnknownTopicOrPartition.code()
            } else if metadata.len() > limits::OFFSET_METADATA_BYTES_MAX {
                ResponseError::OffsetMetadataTooLarge.code()
            } else {
                commits.push(Commit {
                    topic: topic.name.to_string(),
                    partition: index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: metadata.to_owned(),
                });
                NONE
            };
            partitions
                .push(OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(error));
        }
        topics.push(OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions));
    }
    let committed = match call.check_groups(node) {
        Ok(()) => node.groups.commit(&request.group_id, caller, commits).await,
        Err(error) => Err(error),
    };
    if let Err(error) = committed {
        for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            if partition.error_code == NONE {
                partition.error_code = error.code();
            }
        }
    }
    OffsetCommitResponse::default().with_topics(topics)
}
