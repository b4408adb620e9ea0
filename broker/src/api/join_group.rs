//! JoinGroup (key 11): becomes a member of a consumer group, and waits for the new generation.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_wire::protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::{Call, text};
use crate::group::{Join, JoinAnswer};
use crate::limits;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=9;

pub async fn handle(node: &Arc<Node>, call: &Call, request: JoinGroupRequest) -> JoinGroupResponse {
    let answer = match call.check_groups(node).and_then(|()| checked(node, call, &request)) {
        Ok(join) => tokio::select! {
            answer = node.groups.join(&request.group_id, join) => answer,
            // The client asks again, and finds the broker when it is back.
            () = node.stop.cancelled() => {
                let stopping = Err(ResponseError::CoordinatorNotAvailable);
                JoinAnswer { member_id: request.member_id.to_string(), result: stopping }
            }
        },
        Err(error) => JoinAnswer { member_id: request.member_id.to_string(), result: Err(error) },
    };
    let response = JoinGroupResponse::default().with_member_id(text(answer.member_id));
    let joined = match answer.result {
        Ok(joined) => joined,
        Err(error) => {
            // Null from version 7 on; before that the protocol's name was never null.
            let name = (call.version < 7).then(|| text(""));
            return response.with_error_code(error.code()).with_generation_id(-1).with_protocol_name(name);
        }
    };
    let members = (joined.members.into_iter())
        .map(|(id, instance_id, metadata)| {
            let member = JoinGroupResponseMember::default().with_member_id(text(id)).with_metadata(metadata);
            if call.version >= 5 { member.with_group_instance_id(instance_id.map(text)) } else { member }
        })
        .collect();
    let response = response
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_members(members);
    let response =
        if call.version >= 7 { response.with_protocol_type(Some(text(joined.protocol_type))) } else { response };
    if call.version >= 9 { response.with_skip_assignment(joined.skip_assignment) } else { response }
}

fn checked(node: &Node, call: &Call, request: &JoinGroupRequest) -> Result<Join, ResponseError> {
    if !node.config.session_timeout_ms.contains(&request.session_timeout_ms) {
        return Err(ResponseError::InvalidSessionTimeout);
    }
    let too_long = |name: &str| name.len() > limits::GROUP_NAME_BYTES_MAX;
    let metadata_bytes: usize =
        request.protocols.iter().map(|protocol| protocol.name.len() + protocol.metadata.len()).sum();
    if metadata_bytes > limits::MEMBER_METADATA_BYTES_MAX
        || too_long(&request.member_id)
        || too_long(&request.protocol_type)
        || request.group_instance_id.as_deref().is_some_and(too_long)
        || call.client_id.as_deref().is_some_and(too_long)
        || request.protocols.iter().any(|protocol| too_long(&protocol.name))
    {
        return Err(ResponseError::InvalidRequest);
    }
    let client_id = call.client_id.clone().unwrap_or_default();
    let session_timeout = milliseconds(request.session_timeout_ms);
    let prefix = request.group_instance_id.as_deref().unwrap_or(&client_id);
    Ok(Join {
        member_id: request.member_id.to_string(),
        instance_id: request.group_instance_id.as_ref().map(ToString::to_string),
        fresh_member_id: format!("{prefix}-{}", uuid::Uuid::new_v4()),
        client_id,
        client_host: format!("/{}", call.peers.peer.ip()),
        session_timeout,
        // Version 0 has one timeout for both.
        rebalance_timeout: match call.version {
            0 => session_timeout,
            _ => milliseconds(request.rebalance_timeout_ms),
        },
        protocol_type: request.protocol_type.to_string(),
        // Copied out of the frame, which would else stay in memory as long as the member.
        protocols: (request.protocols.iter())
            .map(|protocol| (protocol.name.to_string(), bytes::Bytes::copy_from_slice(&protocol.metadata)))
            .collect(),
        member_id_required: call.version >= 4,
        can_skip_assignment: call.version >= 9,
    })
}

fn milliseconds(count: i32) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
