//! SyncGroup (key 14): the leader hands in the assignments of a generation, each member takes its own.

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::{SyncGroupRequest, SyncGroupResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::group::Caller;
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=5;

pub async fn handle(node: &Arc<Node>, call: &Call, request: SyncGroupRequest) -> SyncGroupResponse {
    if request.assignments.iter().any(|one| one.assignment.len() > limits::MEMBER_ASSIGNMENT_BYTES_MAX) {
        return SyncGroupResponse::default().with_error_code(ResponseError::InvalidRequest.code());
    }
    if let Err(error) = call.check_groups(node) {
        return SyncGroupResponse::default().with_error_code(error.code());
    }
    let caller = Caller {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let protocol = (request.protocol_type.as_deref(), request.protocol_name.as_deref());
    // Copied out of the frame, which would else stay in memory as long as the generation.
    let assignments = (request.assignments.iter())
        .map(|one| (one.member_id.to_string(), Bytes::copy_from_slice(&one.assignment)))
        .collect();
    let synced = tokio::select! {
        synced = node.groups.sync(&request.group_id, caller, protocol, assignments) => synced,
        // The client asks again, and finds the broker when it is back.
        () = node.stop.cancelled() => Err(ResponseError::CoordinatorNotAvailable),
    };
    match synced {
        Ok(synced) => {
            let response = SyncGroupResponse::default().with_assignment(synced.assignment);
            match call.version {
                ..5 => response,
                _ => response
                    .with_protocol_type(Some(text(synced.protocol_type)))
                    .with_protocol_name(Some(text(synced.protocol))),
            }
        }
        Err(error) => SyncGroupResponse::default().with_error_code(error.code()),
    }
}
