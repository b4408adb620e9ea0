//! DeleteGroups (key 42): forgets groups without members, and their offsets.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_wire::protocol::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, code};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let mut results = Vec::new();
    for id in request.groups_names {
        let deleted = match call.check_admin(node) {
            Ok(()) => node.groups.delete(&id).await,
            Err(_) => Err(ResponseError::GroupAuthorizationFailed),
        };
        results.push(DeletableGroupResult::default().with_group_id(id).with_error_code(code(&deleted)));
    }
    DeleteGroupsResponse::default().with_results(results)
}
