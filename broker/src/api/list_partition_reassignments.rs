//! ListPartitionReassignments (key 46): none is ever under way on one node (KIP-455).

use kafka_wire::protocol::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, code};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=0;

pub async fn handle(
    node: &Arc<Node>,
    call: &Call,
    _request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    ListPartitionReassignmentsResponse::default()
        .with_error_code(code(&call.check_admin(node)))
        .with_error_message(None)
}
