//! DescribeGroups (key 15): state, protocol and members of groups.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_wire::protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=6;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let groups = (request.groups.into_iter())
        .map(|id| {
            if let Err(error) = call.check_groups(node) {
                return DescribedGroup::default().with_group_id(id).with_error_code(error.code());
            }
            let Some(group) = node.groups.describe(&id) else {
                // Version 6 says that there is none; before, it was a group in state Dead (KIP-1043).
                let described = DescribedGroup::default().with_group_state(text("Dead"));
                let described = match call.version {
                    ..6 => described,
                    _ => described
                        .with_error_code(ResponseError::GroupIdNotFound.code())
                        .with_error_message(Some(text(format!("Group {} not found.", id.as_str())))),
                };
                return described.with_group_id(id);
            };
            let members = (group.members.into_iter())
                .map(|member| {
                    let described = DescribedGroupMember::default()
                        .with_member_id(text(member.id))
                        .with_client_id(text(member.client_id))
                        .with_client_host(text(member.client_host))
                        .with_member_metadata(member.subscription)
                        .with_member_assignment(member.assignment);
                    match call.version {
                        ..4 => described,
                        _ => described.with_group_instance_id(member.instance_id.map(text)),
                    }
                })
                .collect();
            DescribedGroup::default()
                .with_group_id(id)
                .with_group_state(text(group.state))
                .with_protocol_type(text(group.protocol_type))
                .with_protocol_data(text(group.protocol))
                .with_members(members)
        })
        .collect();
    DescribeGroupsResponse::default().with_groups(groups)
}
