//! AlterPartitionReassignments (key 45): a partition can only stay where it is (KIP-455).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_wire::protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_wire::protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=1;

pub async fn handle(
    node: &Arc<Node>,
    call: &Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    if let Err(error) = call.check_admin(node) {
        return AlterPartitionReassignmentsResponse::default().with_error_code(error.code());
    }
    let responses = (request.topics.into_iter())
        .map(|asked| {
            let partitions = (asked.partitions.iter())
                .map(|one| {
                    let response = ReassignablePartitionResponse::default().with_partition_index(one.partition_index);
                    match assign(node, &asked.name, one) {
                        Ok(()) => response.with_error_message(None),
                        Err((error, message)) => {
                            response.with_error_code(error.code()).with_error_message(Some(text(message)))
                        }
                    }
                })
                .collect();
            ReassignableTopicResponse::default().with_name(asked.name).with_partitions(partitions)
        })
        .collect();
    let response = AlterPartitionReassignmentsResponse::default().with_error_message(None).with_responses(responses);
    match call.version {
        ..1 => response,
        _ => response.with_allow_replication_factor_change(request.allow_replication_factor_change),
    }
}

fn assign(node: &Node, name: &str, asked: &ReassignablePartition) -> Result<(), (ResponseError, String)> {
    let unknown = |message| (ResponseError::UnknownTopicOrPartition, message);
    let topic = node.log.topic(name).ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    if !(0..topic.partition_count()).contains(&asked.partition_index) {
        return Err(unknown(format!("Unable to find partition {}-{}.", name, asked.partition_index)));
    }
    let this = node.config.node_id;
    match asked.replicas.as_deref() {
        // Null ends a reassignment.
        None => Err((ResponseError::NoReassignmentInProgress, ResponseError::NoReassignmentInProgress.to_string())),
        Some([one]) if one.0 == this => Ok(()),
        Some([]) => {
            let message = "The manual partition assignment includes an empty replica list.".to_owned();
            Err((ResponseError::InvalidReplicaAssignment, message))
        }
        Some(replicas) => {
            let other = replicas.iter().find(|id| id.0 != this).map_or(this, |id| id.0);
            let message =
                format!("The manual partition assignment includes broker {other}, but no such broker is registered.");
            Err((ResponseError::InvalidReplicaAssignment, message))
        }
    }
}
