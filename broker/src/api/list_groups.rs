//! ListGroups (key 16): the groups of this node, filtered by state (KIP-518) and type (KIP-848).

use kafka_wire::protocol::messages::list_groups_response::ListedGroup;
use kafka_wire::protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=5;

const CLASSIC: &str = "classic";

pub async fn handle(node: &Arc<Node>, call: &Call, request: ListGroupsRequest) -> ListGroupsResponse {
    let wanted = |filter: &[kafka_wire::protocol::protocol::StrBytes], value: &str| {
        filter.is_empty() || filter.iter().any(|one| one.eq_ignore_ascii_case(value))
    };
    let groups = (node.groups.list().into_iter())
        .filter(|_| call.rights.may_use_groups())
        .filter(|group| wanted(&request.states_filter, group.state) && wanted(&request.types_filter, CLASSIC))
        .map(|group| {
            let listed = ListedGroup::default()
                .with_group_id(GroupId(text(group.id)))
                .with_protocol_type(text(group.protocol_type));
            let listed = if call.version >= 4 { listed.with_group_state(text(group.state)) } else { listed };
            if call.version >= 5 { listed.with_group_type(text(CLASSIC)) } else { listed }
        })
        .collect();
    ListGroupsResponse::default().with_groups(groups)
}
