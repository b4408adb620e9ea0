//! Heartbeat (key 12): a member says that it lives, and hears of rebalances.

use kafka_wire::protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, code};
use crate::group::Caller;
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=4;

pub async fn handle(node: &Arc<Node>, call: &Call, request: HeartbeatRequest) -> HeartbeatResponse {
    let caller = Caller {
        member_id: &request.member_id,
        instance_id: request.group_instance_id.as_deref(),
        generation: request.generation_id,
    };
    let heard = call.check_groups(node).and_then(|()| node.groups.heartbeat(&request.group_id, caller));
    HeartbeatResponse::default().with_error_code(code(&heard))
}
