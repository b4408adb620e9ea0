//! ElectLeaders (key 43): each partition has one replica, which leads it already (KIP-460).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_wire::protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

pub async fn handle(node: &Arc<Node>, call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    if let Err(error) = call.check_admin(node) {
        let response = ElectLeadersResponse::default();
        return if call.version >= 1 { response.with_error_code(error.code()) } else { response };
    }
    // Of all partitions only those are named that needed an election.
    let asked = request.topic_partitions.unwrap_or_default();
    let results = (asked.into_iter())
        .map(|asked| {
            let topic = node.log.topic(&asked.topic);
            let result = |index: i32| {
                let (error, message) = match &topic {
                    None => {
                        (ResponseError::UnknownTopicOrPartition, format!("No such topic as {}", asked.topic.as_str()))
                    }
                    Some(topic) if !(0..topic.partition_count()).contains(&index) => {
                        (ResponseError::UnknownTopicOrPartition, format!("No such partition as {}-{index}", topic.name))
                    }
                    Some(_) => (ResponseError::ElectionNotNeeded, ResponseError::ElectionNotNeeded.to_string()),
                };
                PartitionResult::default()
                    .with_partition_id(index)
                    .with_error_code(error.code())
                    .with_error_message(Some(text(message)))
            };
            let results = asked.partitions.iter().map(|index| result(*index)).collect();
            ReplicaElectionResult::default().with_topic(asked.topic.clone()).with_partition_result(results)
        })
        .collect();
    ElectLeadersResponse::default().with_replica_election_results(results)
}
