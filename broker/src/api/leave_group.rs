//! LeaveGroup (key 13): members go; from version 3 on several at once, static ones by their instance (KIP-345).

use kafka_wire::protocol::messages::leave_group_response::MemberResponse;
use kafka_wire::protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, code};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=5;

pub async fn handle(node: &Arc<Node>, call: &Call, request: LeaveGroupRequest) -> LeaveGroupResponse {
    if let Err(error) = call.check_groups(node) {
        return LeaveGroupResponse::default().with_error_code(error.code());
    }
    if call.version < 3 {
        let left = node.groups.leave(&request.group_id, &[(&request.member_id, None)]);
        let result = left.and_then(|mut members| members.pop().unwrap_or(Ok(())));
        return LeaveGroupResponse::default().with_error_code(code(&result));
    }
    let asked: Vec<(&str, Option<&str>)> =
        request.members.iter().map(|member| (&*member.member_id, member.group_instance_id.as_deref())).collect();
    match node.groups.leave(&request.group_id, &asked) {
        Err(error) => LeaveGroupResponse::default().with_error_code(error.code()),
        Ok(results) => {
            let members = (request.members.iter().zip(results))
                .map(|(member, result)| {
                    MemberResponse::default()
                        .with_member_id(member.member_id.clone())
                        .with_group_instance_id(member.group_instance_id.clone())
                        .with_error_code(code(&result))
                })
                .collect();
            LeaveGroupResponse::default().with_members(members)
        }
    }
}
