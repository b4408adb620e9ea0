//! What the client of a call may use, in Kafka's words. Where nobody has to say who they are, everybody may use everything.

use kafka_wire::protocol::ResponseError;
use std::sync::Arc;

use super::Call;
use crate::log::Topic;
use crate::node::Node;
use crate::refusals::RequestRefusal;

impl Call {
    /// The topic, for a client that wants its records.
    pub(super) fn readable(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        self.found(node, name, self.rights.may_read(name))
    }

    /// The topic, for a client that wants to append; that its batches are refused is counted with them.
    pub(super) fn writable(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        match self.rights.may_write(name) {
            true => known(node, name),
            false => Err(ResponseError::TopicAuthorizationFailed),
        }
    }

    /// The topic, for a client that wants to know about it.
    pub(super) fn visible(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        self.found(node, name, self.rights.may_see(name))
    }

    /// The topic, for a client that wants to change or delete it.
    pub(super) fn administered(&self, node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
        self.found(node, name, self.rights.admin)
    }

    /// May the client be in groups, and see them?
    pub(super) fn check_groups(&self, node: &Node) -> Result<(), ResponseError> {
        self.permitted(node, self.rights.may_use_groups(), ResponseError::GroupAuthorizationFailed)
    }

    /// May the client do what concerns no single topic?
    pub(super) fn check_admin(&self, node: &Node) -> Result<(), ResponseError> {
        self.permitted(node, self.rights.admin, ResponseError::ClusterAuthorizationFailed)
    }

    /// Counts it where it is not.
    pub(super) fn permitted(&self, node: &Node, is: bool, error: ResponseError) -> Result<(), ResponseError> {
        if is {
            return Ok(());
        }
        node.counters.requests_refused.count(RequestRefusal::Authorization);
        Err(error)
    }

    /// Who may not use a topic does not learn whether it exists.
    fn found(&self, node: &Node, name: &str, is_permitted: bool) -> Result<Arc<Topic>, ResponseError> {
        self.permitted(node, is_permitted, ResponseError::TopicAuthorizationFailed)?;
        known(node, name)
    }
}

fn known(node: &Node, name: &str) -> Result<Arc<Topic>, ResponseError> {
    node.log.topic(name).ok_or(ResponseError::UnknownTopicOrPartition)
}
