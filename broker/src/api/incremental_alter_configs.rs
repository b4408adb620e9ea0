//! IncrementalAlterConfigs (key 44): sets, removes, and adds to configs (KIP-339). Kafka's tools use it alone.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_wire::protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_wire::protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::resource::{BROKER, TOPIC, check_broker_name, check_topic};
use super::{Call, text};
use crate::configs::{self, ConfigType};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=1;

/// Kafka's `AlterConfigOp.OpType`.
const SET: i8 = 0;
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) type Refused = (ResponseError, String);

pub async fn handle(
    node: &Arc<Node>,
    call: &Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
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
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

async fn alter(
    node: &Arc<Node>,
    call: &Call,
    resource: &AlterConfigsResource,
    validate_only: bool,
) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    if !resource.configs.iter().all(|one| seen.insert(&one.name)) {
        return Err((ResponseError::InvalidRequest, "Error due to duplicate config keys".to_owned()));
    }
    let null = |one: &&AlterableConfig| one.value.is_none() && one.config_operation != DELETE;
    if let Some(one) = resource.configs.iter().find(null) {
        return Err(null_value(&one.name));
    }
    call.check_admin(node).map_err(|error| (error, error.to_string()))?;
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => {
            let topic = check_topic(node, name)?;
            let overrides = changed(topic.config().overrides().clone(), &resource.configs)?;
            node.set_topic_config(name, overrides, validate_only).await
        }
        BROKER => {
            // Removing what is not set does no harm; tools remove throttles that they might have set.
            let set = resource.configs.iter().filter(|one| one.config_operation != DELETE);
            check_broker_configs(node, name, set.map(|one| one.name.as_str()))
        }
        other => Err(unsupported(other)),
    }
}

pub(super) fn twice() -> Refused {
    (ResponseError::InvalidRequest, "Each resource must appear at most once.".to_owned())
}

pub(super) fn null_value(name: &str) -> Refused {
    (ResponseError::InvalidRequest, format!("Null value not supported for : {name}"))
}

/// The configs of a broker, or without a name of all, are said at its start.
pub(super) fn check_broker_configs<'a>(
    node: &Node,
    broker: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), Refused> {
    if !broker.is_empty() {
        check_broker_name(node, broker)?;
    }
    let names: Vec<&str> = names.collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err((
            ResponseError::InvalidRequest,
            format!("Cannot update these configs dynamically: Set({})", names.join(", ")),
        )),
    }
}

pub(super) fn unsupported(resource_type: i8) -> Refused {
    (ResponseError::InvalidRequest, format!("Configs of resources of type {resource_type} cannot be set here"))
}

fn changed(
    mut overrides: BTreeMap<String, String>,
    changes: &[AlterableConfig],
) -> Result<BTreeMap<String, String>, Refused> {
    for change in changes {
        let (name, value) = (change.name.as_str(), change.value.as_deref().unwrap_or_default());
        let key = configs::topic_key(name);
        let is_list = key.is_some_and(|key| key.kind == ConfigType::List);
        match change.config_operation {
            SET => drop(overrides.insert(name.to_owned(), value.to_owned())),
            DELETE => drop(overrides.remove(name)),
            APPEND | SUBTRACT if !is_list => {
                let operation = if change.config_operation == APPEND { "append to" } else { "subtract from" };
                let message = format!("Can't {operation} config {name} because it is not a list.");
                return Err((ResponseError::InvalidConfig, message));
            }
            APPEND | SUBTRACT => {
                let now = overrides.get(name).map(String::as_str).or(key.and_then(|key| key.default));
                let parts = |text: &str| text.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect();
                let mut values: Vec<String> = parts(now.unwrap_or_default());
                let given: Vec<String> = parts(value);
                values.retain(|one| !given.contains(one));
                if change.config_operation == APPEND {
                    values.extend(given);
                }
                overrides.insert(name.to_owned(), values.join(","));
            }
            other => return Err((ResponseError::InvalidRequest, format!("Unknown operation type {other}"))),
        }
    }
    Ok(overrides)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(operation: i8, name: &str, value: &str, expect: Option<&[(&str, &str)]>) {
        let before = [("retention.ms", "5"), ("cleanup.policy", "delete")];
        let map =
            |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let change = AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(operation)
            .with_value(Some(text(value)));
        assert_eq!(changed(map(&before), &[change]).ok(), expect.map(map), "{operation} {name}={value}");
    }

    #[test]
    fn operations() {
        check(SET, "retention.ms", "7", Some(&[("cleanup.policy", "delete"), ("retention.ms", "7")]));
        check(DELETE, "retention.ms", "", Some(&[("cleanup.policy", "delete")]));
        check(
            APPEND,
            "cleanup.policy",
            "compact",
            Some(&[("cleanup.policy", "delete,compact"), ("retention.ms", "5")]),
        );
        check(SUBTRACT, "cleanup.policy", "delete", Some(&[("cleanup.policy", ""), ("retention.ms", "5")]));
        check(APPEND, "retention.ms", "7", None);
        check(9, "retention.ms", "7", None);
    }
}
