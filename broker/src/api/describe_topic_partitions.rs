//! DescribeTopicPartitions (key 75): partitions of topics, in pages (KIP-966); what `kafka-topics --describe` asks.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_wire::protocol::messages::{BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, topic_name};
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=0;

pub async fn handle(
    node: &Arc<Node>,
    call: &Call,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let mut names: Vec<String> = match request.topics.is_empty() {
        true => {
            let topics = node.log.topics();
            topics.keys().filter(|name| call.rights.may_see(name)).map(ToString::to_string).collect()
        }
        false => request.topics.iter().map(|topic| topic.name.to_string()).collect(),
    };
    names.sort();
    names.dedup();
    let from = request.cursor.as_ref().map(|cursor| (cursor.topic_name.as_str(), cursor.partition_index));
    let mut left = request.response_partition_limit.clamp(1, limits::DESCRIBED_PARTITIONS_MAX);
    let mut topics = Vec::new();
    let mut next = None;
    let this = BrokerId(node.config.node_id);
    for name in names.iter().filter(|name| from.is_none_or(|(topic, _)| name.as_str() >= topic)) {
        if left == 0 {
            next = Some(Cursor::default().with_topic_name(topic_name(name)));
            break;
        }
        let described = DescribeTopicPartitionsResponseTopic::default().with_name(Some(topic_name(name)));
        let topic = match call.visible(node, name) {
            Ok(topic) => topic,
            Err(error) => {
                let error = match crate::log::check_topic_name(name).is_ok() {
                    true => error,
                    false => ResponseError::InvalidTopicException,
                };
                topics.push(described.with_error_code(error.code()));
                continue;
            }
        };
        let first = from.filter(|(topic, _)| topic == name).map_or(0, |(_, partition)| partition);
        let mut partitions = Vec::new();
        for index in first.max(0)..topic.partition_count() {
            if left == 0 {
                let cursor = Cursor::default().with_topic_name(topic_name(name));
                next = Some(cursor.with_partition_index(index));
                break;
            }
            left -= 1;
            let described = DescribeTopicPartitionsResponsePartition::default()
                .with_partition_index(index)
                .with_replica_nodes(vec![this])
                .with_eligible_leader_replicas(Some(Vec::new()))
                .with_last_known_elr(Some(Vec::new()));
            partitions.push(match topic.partition(index) {
                Ok(partition) => described
                    .with_leader_id(this)
                    .with_leader_epoch(partition.leader_epoch())
                    .with_isr_nodes(vec![this]),
                Err(_) => described
                    .with_error_code(ResponseError::LeaderNotAvailable.code())
                    .with_leader_id(BrokerId(-1))
                    .with_offline_replicas(vec![this]),
            });
        }
        topics.push(
            described
                .with_topic_id(topic.id)
                .with_is_internal(crate::node::is_internal(name))
                .with_partitions(partitions),
        );
        if next.is_some() {
            break;
        }
    }
    DescribeTopicPartitionsResponse::default().with_topics(topics).with_next_cursor(next)
}
