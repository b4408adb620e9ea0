//! ListConfigResources (key 74): what has configs (KIP-1142); version 0 knew client metrics only, of which there are none.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::list_config_resources_response::ConfigResource;
use kafka_wire::protocol::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::resource::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};
use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    if let Err(error) = call.check_admin(node) {
        return ListConfigResourcesResponse::default().with_error_code(error.code());
    }
    let all = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
    let wanted = match call.version {
        0 => vec![CLIENT_METRICS],
        _ if request.resource_types.is_empty() => all.to_vec(),
        _ => request.resource_types,
    };
    if wanted.iter().any(|kind| !all.contains(kind)) {
        return ListConfigResourcesResponse::default().with_error_code(ResponseError::UnsupportedVersion.code());
    }
    let mut resources = Vec::new();
    let mut add = |kind, name: &str| {
        if wanted.contains(&kind) {
            resources.push(ConfigResource::default().with_resource_type(kind).with_resource_name(text(name)));
        }
    };
    node.log.topics().keys().for_each(|name| add(TOPIC, name));
    let this = node.config.node_id.to_string();
    add(BROKER, &this);
    add(BROKER_LOGGER, &this);
    ListConfigResourcesResponse::default().with_config_resources(resources)
}
