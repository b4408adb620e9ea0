//! Topics: how many partitions one has, and creating one.

use std::sync::Arc;
use std::time::Duration;

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::create_topics_request::CreatableTopic;
use kafka_wire::protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_wire::protocol::messages::{CreateTopicsRequest, DeleteRecordsRequest, TopicName};
use kafka_wire::protocol::protocol::StrBytes;

use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// The cluster's default.
const DEFAULT: i16 = -1;

impl Client {
    /// The id that the cluster was formatted with; `None` when it does not tell.
    pub async fn cluster_id(&self) -> Result<Option<String>, ClientError> {
        let metadata = self.retry(|| self.refresh(&[], false)).await?;
        Ok(metadata.cluster_id.as_deref().map(str::to_owned))
    }

    /// The number of partitions of a topic, once all of them have leaders. A topic that does not exist is created, if
    /// the broker does that by itself; else this waits until somebody has created it.
    ///
    /// # Errors
    /// The broker refuses the name, or this client.
    pub async fn partitions(&self, topic: &str) -> Result<i32, ClientError> {
        let topic: Arc<str> = Arc::from(topic);
        self.retry_topic(&topic, || self.partitions_once(&topic)).await
    }

    async fn partitions_once(&self, topic: &Arc<str>) -> Result<i32, ClientError> {
        let not_ready = |code| ClientError::refused(format!("metadata of topic {topic:?}"), code, None);
        let metadata = self.refresh(std::slice::from_ref(topic), true).await?;
        let found = metadata.topics.get(topic);
        match found {
            Some(found) if found.is_ready() => i32::try_from(found.partitions.len())
                .map_err(|_| not_ready(ErrorCode::from(ResponseError::InvalidPartitions))),
            _ => {
                let error = found.and_then(|found| found.error);
                Err(not_ready(error.unwrap_or(ErrorCode::from(ResponseError::LeaderNotAvailable))))
            }
        }
    }

    /// Creates a topic with the cluster's default of replicas; `partitions` -1 is the cluster's default too. A topic
    /// that exists is left as it is.
    pub async fn create_topic(&self, topic: &str, partitions: i32) -> Result<(), ClientError> {
        let topic: Arc<str> = Arc::from(topic);
        self.retry_topic(&topic, || self.create_topic_once(&topic, partitions)).await
    }

    async fn create_topic_once(&self, topic: &Arc<str>, partitions: i32) -> Result<(), ClientError> {
        let creatable = CreatableTopic::default()
            .with_name(TopicName(StrBytes::from_string(topic.to_string())))
            .with_num_partitions(partitions)
            .with_replication_factor(DEFAULT);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![creatable])
            .with_timeout_ms(milliseconds(self.config().request_timeout / 2));
        let controller = self.refresh(&[], false).await?.controller;
        let response = match controller {
            Some(node) => self.call_node(node, request).await?,
            None => self.call_any(request).await?,
        };
        let Some(result) = response.topics.first() else { return Ok(()) };
        match ErrorCode::from_wire(result.error_code) {
            None => Ok(()),
            Some(code) if code.kind() == ResponseError::TopicAlreadyExists => Ok(()),
            Some(code) => {
                Err(ClientError::refused(format!("create topic {topic:?}"), code, result.error_message.as_deref()))
            }
        }
    }
}

impl Client {
    /// Deletes the records of a partition before `offset` (KIP-107); returns the new log start offset.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`]: the broker has no such API. The broker refuses this client, or the offset.
    pub async fn delete_records(&self, partition: &TopicPartition, offset: i64) -> Result<i64, ClientError> {
        self.retry_topic(&partition.topic, || self.delete_records_once(partition, offset)).await
    }

    async fn delete_records_once(&self, partition: &TopicPartition, offset: i64) -> Result<i64, ClientError> {
        let before = DeleteRecordsPartition::default().with_partition_index(partition.partition).with_offset(offset);
        let topic = DeleteRecordsTopic::default()
            .with_name(TopicName(StrBytes::from_string(partition.topic.to_string())))
            .with_partitions(vec![before]);
        let request = DeleteRecordsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(milliseconds(self.config().request_timeout / 2));
        let response = self.call_leader(partition, request).await?;
        let answered = response.topics.iter().flat_map(|topic| &topic.partitions);
        let answered = answered.into_iter().find(|answered| answered.partition_index == partition.partition);
        let answered = answered.ok_or_else(|| ClientError::LeaderUnknown(partition.clone()))?;
        match ErrorCode::from_wire(answered.error_code) {
            None => Ok(answered.low_watermark),
            Some(code) => {
                if code.is_stale_metadata() {
                    self.forget_leaders(&partition.topic);
                }
                Err(ClientError::refused(format!("delete records of {partition}"), code, None))
            }
        }
    }
}

/// A duration as the protocol writes it.
pub(crate) fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
