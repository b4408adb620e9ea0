//! What the client of a call may use, in Kafka's words. Where nobody has to say who they are, everybody may use everything.

use kafka_wire::protocol::ResponseError;
use std::sync::Arc;

use super::Call;
use crate::log::Topic;
use crate::node::Node;

impl Call {
    /// The topic, for a client that wants its records.
    pub(super) fn readable(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        found(node, name, self.rights.may_read(name))
    }

    /// The topic, for a client that wants to append.
    pub(super) fn writable(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        found(node, name, self.rights.may_write(name))
    }

    /// The topic, for a client that wants to know about it.
    pub(super) fn visible(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        found(node, name, self.rights.may_see(name))
    }

    /// The topic, for a client that wants to change or delete it.
    pub(super) fn administered(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        found(node, name, self.rights.admin)
    }

    /// May the client be in groups, and see them?
    pub(super) fn check_groups(&self) -> Result<(), ResponseError> {
        permitted(self.rights.may_use_groups(), ResponseError::GroupAuthorizationFailed)
    }

    /// May the client do what concerns no single topic?
    pub(super) fn check_admin(&self) -> Result<(), ResponseError> {
        permitted(self.rights.admin, ResponseError::ClusterAuthorizationFailed)
    }
}

/// Who may not use a topic does not learn whether it exists.
fn found(node: &Node, name: &str, permitted: bool) -> Result<Arc<Topic>, ResponseError> {
    match permitted {
        true => node.log.topic(name).ok_or(ResponseError::UnknownTopicOrPartition),
        false => Err(ResponseError::TopicAuthorizationFailed),
    }
}

fn permitted(is: bool, error: ResponseError) -> Result<(), ResponseError> {
    if is { Ok(()) } else { Err(error) }
}
