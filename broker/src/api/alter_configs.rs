//! AlterConfigs (key 33): replaces all that is set of a topic's configs; older clients know nothing finer.

use kafka_wire::protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_wire::protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_wire::protocol::messages::{AlterConfigsRequest, AlterConfigsResponse};
use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::incremental_alter_configs::{Refused, check_broker_configs, null_value, twice, unsupported};
use super::resource::{BROKER, TOPIC, check_topic};
use super::{Call, text};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

pub async fn handle(node: &Arc<Node>, call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::new();
    for resource in request.resources {
        let outcome = match seen.insert((resource.resource_type, resource.resource_name.clone())) {
            true => alter(node, call, &resource, request.validate_only).await,
            false => Err(twice()),
        };
        let response = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name);
        responses.push(match outcome {
            Ok(()) => response.with_error_message(None),
            Err((error, message)) => response.with_error_code(error.code()).with_error_message(Some(text(message))),
        });
    }
    AlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    node: &Arc<Node>,
    call: &Call,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    call.check_admin(node).map_err(|error| (error, error.to_string()))?;
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            check_topic(node, name)?;
            let mut overrides = std::collections::BTreeMap::new();
            for one in &resource.configs {
                let value = one.value.as_deref().ok_or_else(|| null_value(&one.name))?;
                overrides.insert(one.name.to_string(), value.to_owned());
            }
            node.set_topic_config(name, overrides, validate_only).await
        }
        BROKER => check_broker_configs(node, name, resource.configs.iter().map(|one| one.name.as_str())),
        other => Err(unsupported(other)),
    }
}
