//! What has configs: Kafka's `ConfigResource.Type`, and whether a named one is here.

use kafka_wire::protocol::ResponseError;
use std::sync::Arc;

use crate::log::{Topic, check_topic_name};
use crate::node::Node;

pub(super) const TOPIC: i8 = 2;
pub(super) const BROKER: i8 = 4;
pub(super) const BROKER_LOGGER: i8 = 8;
pub(super) const CLIENT_METRICS: i8 = 16;
pub(super) const GROUP: i8 = 32;

/// The topic of this name, or what Kafka says when there is none.
pub(super) fn check_topic(node: &Node, name: &str) -> Result<Arc<Topic>, (ResponseError, String)> {
    check_topic_name(name).map_err(|error| (ResponseError::InvalidTopicException, error.to_string()))?;
    let error = ResponseError::UnknownTopicOrPartition;
    node.log.topic(name).ok_or_else(|| (error, format!("The topic '{name}' does not exist.")))
}

/// This broker and no other.
pub(super) fn check_broker_name(node: &Node, name: &str) -> Result<(), (ResponseError, String)> {
    let this = node.config.node_id;
    match name.parse::<i32>() {
        Ok(id) if this == id => Ok(()),
        Ok(id) => {
            Err((ResponseError::InvalidRequest, format!("Unexpected broker id, expected {this}, but received {id}")))
        }
        Err(_) => Err((ResponseError::InvalidRequest, format!("Broker id must be an integer, but it is: {name}"))),
    }
}
