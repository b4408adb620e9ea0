//! What all connections of a broker share.

use kafka_wire::protocol::ResponseError;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::api::{FetchSessions, Peers};
use crate::config::Config;
use crate::counters::Counters;
use crate::group::{Coordinator, OFFSETS_TOPIC};
use crate::limits;
use crate::log::{CreateTopicError, DataDirectory, DeleteTopicError, Partition, PartitionError, Topic, TopicConfig};
use crate::memory::RequestMemory;
use crate::producer_ids::ProducerIds;
use crate::security::Security;
use crate::warnings::Warnings;

pub(crate) struct Node {
    pub config: Config,
    pub security: Security,
    pub log: Arc<DataDirectory>,
    pub groups: Arc<Coordinator>,
    pub producer_ids: ProducerIds,
    pub request_memory: RequestMemory,
    pub fetch_sessions: FetchSessions,
    pub counters: Counters,
    pub addresses: Addresses,
    pub warnings: Warnings,
    /// Cancelled when the broker stops: no more requests are read, parked ones are answered.
    pub stop: CancellationToken,
}

impl Node {
    /// Host and port that a client is told: where it finds this broker in the way that it came.
    pub fn advertised(&self, peers: &Peers) -> (String, u16) {
        match self.config.listen.get(peers.listener).and_then(|listener| listener.advertise.clone()) {
            Some(advertised) => advertised,
            None => (peers.local.ip().to_canonical().to_string(), peers.local.port()),
        }
    }

    pub fn advertised_listeners(&self) -> String {
        let advertised = self.config.listen.iter().map(|one| match &one.advertise {
            Some((host, port)) => format!("{}://{host}:{port}", one.protocol.name()),
            None => one.to_string(),
        });
        advertised.collect::<Vec<_>>().join(",")
    }

    pub fn listeners(&self) -> String {
        self.config.listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
    }

    /// Replaces what is set of a topic's configs, or only checks it.
    pub async fn set_topic_config(
        self: &Arc<Self>,
        name: &str,
        overrides: BTreeMap<String, String>,
        validate_only: bool,
    ) -> Result<(), (ResponseError, String)> {
        let config = (self.log.topic_defaults().with(overrides))
            .map_err(|error| (ResponseError::InvalidConfig, error.to_string()))?;
        if is_internal(name) {
            // What groups have committed must not be retained by time or size, nor told another way.
            let message = format!("The configs of {name} are the broker's own.");
            return Err((ResponseError::PolicyViolation, message));
        }
        if validate_only {
            return Ok(());
        }
        let (node, topic) = (Arc::clone(self), name.to_owned());
        blocking(move || node.log.set_topic_config(&topic, config).map_err(|error| not_deleted(&error)))
            .await
            .map_err(|error| (error, format!("The configs of {name} cannot be changed: {error}")))
    }

    /// Makes a topic.
    pub async fn create_topic(
        self: &Arc<Self>,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, ResponseError> {
        if is_internal(name) {
            // Its partitions are the coordinator's, which made it at the start.
            return Err(ResponseError::InvalidTopicException);
        }
        self.check_room(partitions)?;
        let (node, name) = (Arc::clone(self), name.to_owned());
        blocking(move || node.log.create_topic(&name, partitions, config).map_err(|error| not_created(&error))).await
    }

    /// Removes a topic and what groups have committed for it.
    pub async fn delete_topic(self: &Arc<Self>, name: &str) -> Result<(), ResponseError> {
        if is_internal(name) {
            return Err(ResponseError::InvalidTopicException);
        }
        let (node, deleted) = (Arc::clone(self), name.to_owned());
        blocking(move || node.log.delete_topic(&deleted).map_err(|error| not_deleted(&error))).await?;
        self.groups.forget_topic(name).await
    }

    /// Raises a topic's number of partitions to `count`.
    pub async fn add_partitions(self: &Arc<Self>, name: &str, count: i32) -> Result<(), ResponseError> {
        if is_internal(name) {
            // A group's partition follows from the number of partitions: its offsets would be looked for elsewhere.
            return Err(ResponseError::InvalidTopicException);
        }
        let has = self.log.topic(name).map_or(0, |topic| topic.partition_count());
        self.check_room(count.saturating_sub(has))?;
        let (node, name) = (Arc::clone(self), name.to_owned());
        blocking(move || node.log.add_partitions(&name, count).map_err(|error| not_created(&error))).await.map(drop)
    }

    /// Two that ask at the same time may pass together; the limit is not that exact.
    fn check_room(&self, more: i32) -> Result<(), ResponseError> {
        let there: i32 = self.log.topics().values().map(|topic| topic.partition_count()).sum();
        match there.saturating_add(more) > limits::PARTITIONS_MAX {
            true => Err(ResponseError::PolicyViolation),
            false => Ok(()),
        }
    }
}

/// Topics that belong to the broker.
pub(crate) fn is_internal(name: &str) -> bool {
    name == OFFSETS_TOPIC
}

/// Refuses a client whose metadata is older or newer than this partition's leader epoch (KIP-320); -1 does not ask.
pub(crate) fn check_leader_epoch(partition: &Partition, epoch: i32) -> Result<(), ResponseError> {
    match epoch {
        -1 => Ok(()),
        epoch if epoch < partition.leader_epoch() => Err(ResponseError::FencedLeaderEpoch),
        epoch if epoch > partition.leader_epoch() => Err(ResponseError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// Directories are made and removed away from the threads that serve connections.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ResponseError> + Send + 'static,
) -> Result<T, ResponseError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(ResponseError::UnknownServerError))
}

fn not_created(error: &CreateTopicError) -> ResponseError {
    match error {
        CreateTopicError::Name(_) => ResponseError::InvalidTopicException,
        CreateTopicError::Exists(_) => ResponseError::TopicAlreadyExists,
        CreateTopicError::Partitions(_) => ResponseError::InvalidPartitions,
        CreateTopicError::Disk(source) => {
            tracing::error!("{error}: {source}");
            ResponseError::KafkaStorageError
        }
    }
}

fn not_deleted(error: &DeleteTopicError) -> ResponseError {
    match error {
        DeleteTopicError::Unknown(_) => ResponseError::UnknownTopicOrPartition,
        DeleteTopicError::Disk(source) => {
            tracing::error!("{error}: {source}");
            ResponseError::KafkaStorageError
        }
    }
}

/// Why a partition cannot be used, in Kafka's words.
pub(crate) fn unusable(error: &PartitionError) -> ResponseError {
    match error {
        PartitionError::Unknown => ResponseError::UnknownTopicOrPartition,
        PartitionError::Offline(_) => ResponseError::KafkaStorageError,
    }
}
