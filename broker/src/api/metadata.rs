//! Metadata (key 3): the node, its topics and their partitions; makes topics that are asked for, where that is on.

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_wire::protocol::messages::{BrokerId, MetadataRequest, MetadataResponse};
use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{Call, NONE, text, topic_name};
use crate::log::{NewTopic, Topic};
use crate::node::Node;

pub const VERSIONS: RangeInclusive<i16> = 0..=13;

pub async fn handle(node: &Arc<Node>, call: &Call, request: MetadataRequest) -> MetadataResponse {
    // Version 0 had no flag and always created, and an empty list there means all topics.
    let create = node.config.auto_create_topics && (call.version < 4 || request.allow_auto_topic_creation);
    let asked = request.topics.filter(|topics| call.version > 0 || !topics.is_empty());
    let topics = match asked {
        None => {
            let topics = node.log.topics();
            let visible = topics.values().filter(|topic| call.rights.may_see(&topic.name));
            visible.map(|topic| described(node, call, topic)).collect()
        }
        Some(asked) => {
            let refused = if create { make_missing(node, call, &asked).await } else { HashMap::new() };
            let described = asked.iter().map(|one| match &one.name {
                Some(name) => named(node, call, name, &refused),
                None => by_id(node, call, one.topic_id),
            });
            described.collect()
        }
    };
    let (host, port) = node.advertised(&call.peers);
    let node_id = BrokerId(node.config.node_id);
    let broker =
        MetadataResponseBroker::default().with_node_id(node_id).with_host(text(host)).with_port(i32::from(port));
    MetadataResponse::default()
        .with_brokers(vec![broker])
        .with_cluster_id(Some(text(node.log.cluster_id())))
        .with_controller_id(node_id)
        .with_topics(topics)
}

/// Makes the topics that there are not. They are there when the answer goes out; in Kafka the client has to ask again. Gives
/// those that were not made.
async fn make_missing(node: &Arc<Node>, call: &Call, asked: &[MetadataRequestTopic]) -> HashMap<String, ResponseError> {
    let names: BTreeSet<&str> = asked.iter().filter_map(|one| one.name.as_ref().map(|name| name.as_str())).collect();
    let is_missing =
        |name: &&str| call.rights.may_see(name) && call.rights.may_write(name) && node.log.topic(name).is_none();
    let new = |name: &str| NewTopic {
        name: name.to_owned(),
        partitions: node.config.num_partitions,
        config: node.log.topic_defaults().clone(),
    };
    let missing: Vec<NewTopic> = names.into_iter().filter(is_missing).map(new).collect();
    let names: Vec<String> = missing.iter().map(|topic| topic.name.clone()).collect();
    let made = node.create_topics(missing).await;
    names.into_iter().zip(made).filter_map(|(name, made)| Some((name, made.err()?))).collect()
}

/// `refused` are the topics that should have been made.
fn named(node: &Node, call: &Call, name: &str, refused: &HashMap<String, ResponseError>) -> MetadataResponseTopic {
    let error = match call.visible(node, name) {
        // Perhaps somebody else was faster.
        Ok(topic) => return described(node, call, &topic),
        Err(ResponseError::UnknownTopicOrPartition) => match refused.get(name) {
            Some(error) => *error,
            None if crate::log::check_topic_name(name).is_ok() => ResponseError::UnknownTopicOrPartition,
            None => ResponseError::InvalidTopicException,
        },
        Err(error) => error,
    };
    MetadataResponseTopic::default().with_name(Some(topic_name(name))).with_error_code(error.code())
}

fn by_id(node: &Node, call: &Call, id: uuid::Uuid) -> MetadataResponseTopic {
    match node.log.topic_by_id(id).filter(|topic| call.rights.may_see(&topic.name)) {
        Some(topic) => described(node, call, &topic),
        None => {
            let topic = MetadataResponseTopic::default()
                .with_topic_id(id)
                .with_error_code(ResponseError::UnknownTopicId.code());
            // Null from version 12 on; before that a topic always had a name.
            if call.version < 12 { topic.with_name(Some(topic_name(""))) } else { topic }
        }
    }
}

fn described(node: &Node, call: &Call, topic: &Arc<Topic>) -> MetadataResponseTopic {
    let this = BrokerId(node.config.node_id);
    let partitions = (0..topic.partition_count())
        .map(|index| {
            let described =
                MetadataResponsePartition::default().with_partition_index(index).with_replica_nodes(vec![this]);
            let Ok(partition) = topic.partition(index) else {
                // Offline: its replica is here, but nobody leads.
                let described = described.with_leader_id(BrokerId(-1));
                let described = described.with_error_code(ResponseError::LeaderNotAvailable.code());
                return if call.version >= 5 { described.with_offline_replicas(vec![this]) } else { described };
            };
            let described = described.with_error_code(NONE).with_leader_id(this).with_isr_nodes(vec![this]);
            if call.version >= 7 { described.with_leader_epoch(partition.leader_epoch()) } else { described }
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(topic_name(&topic.name)))
        .with_topic_id(topic.id)
        .with_is_internal(crate::node::is_internal(&topic.name))
        .with_partitions(partitions)
}
