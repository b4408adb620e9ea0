//! FindCoordinator (key 10): who coordinates a group or a transaction; always this node, which then says that it has none. Version 4 and later ask for many (KIP-699).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::find_coordinator_response::Coordinator;
use kafka_wire::protocol::messages::{BrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_wire::protocol::protocol::StrBytes;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE, code, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=6;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    let permitted = call.check_groups(node);
    let known = matches!(request.key_type, GROUP if permitted.is_ok()) || request.key_type == TRANSACTION;
    let (host, port) = node.advertised(&call.peers);
    let (node_id, host, port) =
        if known { (node.config.node_id, host, i32::from(port)) } else { (-1, String::new(), -1) };
    let error_code = match request.key_type {
        GROUP => code(&permitted),
        TRANSACTION => NONE,
        _ => ResponseError::InvalidRequest.code(),
    };
    let message = (!known).then(|| StrBytes::from_static_str("only groups and transactions have a coordinator"));
    if call.version >= 4 {
        let coordinators = (request.coordinator_keys.into_iter())
            .map(|key| {
                Coordinator::default()
                    .with_key(key)
                    .with_node_id(BrokerId(node_id))
                    .with_host(text(host.clone()))
                    .with_port(port)
                    .with_error_code(error_code)
                    .with_error_message(message.clone())
            })
            .collect();
        return FindCoordinatorResponse::default().with_coordinators(coordinators);
    }
    let response = FindCoordinatorResponse::default()
        .with_error_code(error_code)
        .with_node_id(BrokerId(node_id))
        .with_host(text(host))
        .with_port(port);
    if call.version >= 1 { response.with_error_message(message) } else { response }
}
