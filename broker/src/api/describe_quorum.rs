//! DescribeQuorum (key 55): a quorum of one voter, this node, which always leads it (KIP-595).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_quorum_response::{
    Listener, Node as QuorumNode, PartitionData, ReplicaState, TopicData,
};
use kafka_wire::protocol::messages::{BrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::clock::now_ms;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// The one partition that a quorum keeps in Kafka.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// Nobody was ever elected but this node.
const EPOCH: i32 = 1;
/// There is no log of metadata: every change is on disk when it is answered, so the end is always reached.
const END: i64 = 0;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    if let Err(error) = call.check_admin(node) {
        return DescribeQuorumResponse::default().with_error_code(error.code());
    }
    let this = BrokerId(node.config.node_id);
    let topics = (request.topics.into_iter())
        .map(|asked| {
            let known = asked.topic_name.as_str() == METADATA_TOPIC;
            let partitions = (asked.partitions.iter())
                .map(|one| match known && one.partition_index == 0 {
                    true => described(call, this),
                    false => PartitionData::default()
                        .with_partition_index(one.partition_index)
                        .with_error_code(ResponseError::UnknownTopicOrPartition.code()),
                })
                .collect();
            TopicData::default().with_topic_name(asked.topic_name).with_partitions(partitions)
        })
        .collect();
    let response = DescribeQuorumResponse::default().with_topics(topics);
    if call.version < 2 {
        return response;
    }
    let (host, port) = node.advertised(&call.peers);
    let listener = Listener::default().with_name(text("CONTROLLER")).with_host(text(host)).with_port(port);
    response
        .with_error_message(None)
        .with_nodes(vec![QuorumNode::default().with_node_id(this).with_listeners(vec![listener])])
}

fn described(call: &Call, this: BrokerId) -> PartitionData {
    let voter = ReplicaState::default().with_replica_id(this).with_log_end_offset(END);
    let voter = match call.version {
        ..1 => voter,
        _ => voter.with_last_fetch_timestamp(now_ms()).with_last_caught_up_timestamp(now_ms()),
    };
    PartitionData::default()
        .with_error_message(None)
        .with_leader_id(this)
        .with_leader_epoch(EPOCH)
        .with_high_watermark(END)
        .with_current_voters(vec![voter])
}
