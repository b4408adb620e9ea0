//! What is known of the cluster: brokers, topics, leaders.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_wire::protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_wire::protocol::protocol::StrBytes;

use crate::code::ErrorCode;
use crate::topic_partition::TopicPartition;

/// A snapshot of the cluster; never changed, only replaced.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    pub cluster_id: Option<Arc<str>>,
    /// The node that takes topic creations.
    pub controller: Option<i32>,
    /// `HOST:PORT` by node id.
    pub brokers: BTreeMap<i32, Arc<str>>,
    /// The topics that somebody has asked for.
    pub topics: HashMap<Arc<str>, Topic>,
}

/// What the brokers say about a topic.
#[derive(Debug, Clone)]
pub struct Topic {
    /// Another one when the topic was deleted and made again; `None` from a broker before Kafka 2.8.
    pub id: Option<[u8; 16]>,
    /// Why there are no partitions, such as `UNKNOWN_TOPIC_OR_PARTITION`.
    pub error: Option<ErrorCode>,
    /// Leader by partition; `None` while there is none.
    pub partitions: BTreeMap<i32, Option<Leader>>,
}

/// The leader of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    pub node: i32,
    /// -1: the broker did not say.
    pub epoch: i32,
}

/// Version 10 is the first with topic ids, which are only taken note of; 12 may ask by them alone.
pub(crate) const METADATA_VERSION_MAX: i16 = 12;

impl Metadata {
    pub fn leader(&self, partition: &TopicPartition) -> Option<Leader> {
        self.topics.get(&partition.topic)?.partitions.get(&partition.partition).copied().flatten()
    }

    /// The request for some topics; none asks for the brokers alone.
    pub(crate) fn request(topics: &[Arc<str>], auto_create: bool) -> MetadataRequest {
        let name = |topic: &Arc<str>| Some(TopicName(StrBytes::from_string(topic.to_string())));
        let topics = topics.iter().map(|topic| MetadataRequestTopic::default().with_name(name(topic))).collect();
        MetadataRequest::default().with_topics(Some(topics)).with_allow_auto_topic_creation(auto_create)
    }

    /// This snapshot with what a response says about the brokers and the topics that were asked for.
    pub(crate) fn updated(&self, response: &MetadataResponse) -> Self {
        let mut topics = self.topics.clone();
        for topic in &response.topics {
            if let Some(name) = &topic.name {
                topics.insert(Arc::from(name.as_str()), Topic::from_wire(topic));
            }
        }
        let brokers = response.brokers.iter().map(|broker| (broker.node_id.0, address(&broker.host, broker.port)));
        Self {
            cluster_id: response.cluster_id.as_deref().map(Arc::from).or_else(|| self.cluster_id.clone()),
            controller: Some(response.controller_id.0).filter(|id| *id >= 0),
            brokers: brokers.collect(),
            topics,
        }
    }
}

impl Topic {
    fn from_wire(topic: &MetadataResponseTopic) -> Self {
        let leader = |node: i32, epoch| (node >= 0).then_some(Leader { node, epoch });
        let partitions = topic.partitions.iter();
        Self {
            id: Some(topic.topic_id.into_bytes()).filter(|id| *id != [0; 16]),
            error: ErrorCode::from_wire(topic.error_code),
            partitions: partitions.map(|p| (p.partition_index, leader(p.leader_id.0, p.leader_epoch))).collect(),
        }
    }

    /// Whether every partition has a leader, and there is at least one.
    pub fn is_ready(&self) -> bool {
        self.error.is_none() && !self.partitions.is_empty() && self.partitions.values().all(Option::is_some)
    }
}

/// `HOST:PORT`, with brackets around an IPv6 address.
pub(crate) fn address(host: &str, port: i32) -> Arc<str> {
    if host.contains(':') { Arc::from(format!("[{host}]:{port}")) } else { Arc::from(format!("{host}:{port}")) }
}
