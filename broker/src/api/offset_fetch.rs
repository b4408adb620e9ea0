//! OffsetFetch (key 9): the committed offsets of a group; from version 8 on of several (KIP-709).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use kafka_wire::protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use kafka_wire::protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text, topic_name};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 1..=9;

/// What is answered for a partition without a committed offset.
const NO_OFFSET: i64 = -1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if call.version >= 8 {
        let groups = (request.groups.into_iter())
            .map(|group| {
                let response = OffsetFetchResponseGroup::default().with_group_id(group.group_id.clone());
                match offsets(node, call, &group.group_id, group.topics.as_deref()) {
                    Ok(topics) => response.with_topics(topics),
                    Err(error) => response.with_error_code(error.code()),
                }
            })
            .collect();
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let asked = request.topics.map(|topics| {
        (topics.into_iter())
            .map(|topic| {
                OffsetFetchRequestTopics::default()
                    .with_name(topic.name)
                    .with_partition_indexes(topic.partition_indexes)
            })
            .collect::<Vec<_>>()
    });
    let topics = match offsets(node, call, &request.group_id, asked.as_deref()) {
        Ok(topics) => topics,
        Err(error) if call.version >= 2 => return OffsetFetchResponse::default().with_error_code(error.code()),
        Err(_) => Vec::new(),
    };
    let topics = (topics.into_iter())
        .map(|topic| {
            let partitions = (topic.partitions.into_iter())
                .map(|partition| {
                    let response = OffsetFetchResponsePartition::default()
                        .with_partition_index(partition.partition_index)
                        .with_committed_offset(partition.committed_offset)
                        .with_metadata(partition.metadata);
                    match call.version {
                        ..5 => response,
                        _ => response.with_committed_leader_epoch(partition.committed_leader_epoch),
                    }
                })
                .collect();
            OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
        })
        .collect();
    OffsetFetchResponse::default().with_topics(topics)
}

/// `None`: all that the group has committed.
fn offsets(
    node: &Node,
    call: &Call,
    group: &str,
    asked: Option<&[OffsetFetchRequestTopics]>,
) -> Result<Vec<OffsetFetchResponseTopics>, ResponseError> {
    call.check_groups(node)?;
    let Some(asked) = asked else {
        let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
        for (name, index, committed) in node.groups.all_committed(group)? {
            if topics.last().is_none_or(|topic| topic.name.as_str() != name) {
                topics.push(OffsetFetchResponseTopics::default().with_name(topic_name(&name)));
            }
            let last = topics.last_mut().expect("pushed above");
            last.partitions.push(partition(index, Some(committed)));
        }
        return Ok(topics);
    };
    let wanted: Vec<(&str, i32)> = (asked.iter())
        .flat_map(|topic| topic.partition_indexes.iter().map(|index| (topic.name.as_str(), *index)))
        .collect();
    let mut committed = node.groups.committed(group, &wanted)?.into_iter();
    Ok((asked.iter())
        .map(|topic| {
            let partitions = (topic.partition_indexes.iter())
                .map(|index| partition(*index, committed.next().expect("one for each that was wanted")))
                .collect();
            OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions)
        })
        .collect())
}

fn partition(index: i32, committed: Option<crate::group::OffsetValue>) -> OffsetFetchResponsePartitions {
    let response = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match committed {
        None => response.with_committed_offset(NO_OFFSET).with_committed_leader_epoch(-1).with_metadata(Some(text(""))),
        Some(committed) => response
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(text(committed.metadata))),
    }
}
