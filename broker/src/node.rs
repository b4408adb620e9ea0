//! What all connections of a broker share.

use kafka_wire::protocol::ResponseError;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

use crate::addresses::Addresses;
use crate::api::{FetchSessions, Peers};
use crate::config::Config;
use crate::counters::Counters;
use crate::group::{Coordinator, OFFSETS_TOPIC};
use crate::limits;
use crate::log::{CreateTopicError, DataDirectory, DeleteTopicError, NewTopic, Partition, PartitionError, Topic};
use crate::memory::RequestMemory;
use crate::producer_ids::ProducerIds;
use crate::security::Security;
use crate::together;
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

    /// Makes topics together; outcomes in their order.
    pub async fn create_topics(self: &Arc<Self>, asked: Vec<NewTopic>) -> Vec<Result<Arc<Topic>, ResponseError>> {
        let mut room = self.room();
        self.together(
            asked,
            // The partitions of the internal topic are the coordinator's, which made it at the start.
            |topic| take_room(&mut room, &topic.name, topic.partitions),
            |node, sound| {
                node.log.create_topics(sound).into_iter().map(|one| one.map_err(|e| not_created(&e))).collect()
            },
        )
        .await
    }

    /// Removes topics together, and what groups have committed for them; outcomes in their order.
    pub async fn delete_topics(self: &Arc<Self>, names: Vec<String>) -> Vec<Result<(), ResponseError>> {
        let refuse_internal = |name: &String| match is_internal(name) {
            true => Err(ResponseError::InvalidTopicException),
            false => Ok(()),
        };
        let mut outcomes = self
            .together(names.clone(), refuse_internal, |node, sound| {
                node.log.delete_topics(&sound).into_iter().map(|one| one.map_err(|e| not_deleted(&e))).collect()
            })
            .await;
        let gone: HashSet<&str> =
            names.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()).map(|(name, _)| &**name).collect();
        if let Err(error) = self.groups.forget_topics(&gone).await {
            outcomes.iter_mut().filter(|outcome| outcome.is_ok()).for_each(|outcome| *outcome = Err(error));
        }
        outcomes
    }

    /// Raises topics' numbers of partitions; outcomes in their order.
    pub async fn add_partitions(self: &Arc<Self>, asked: Vec<(String, i32)>) -> Vec<Result<(), ResponseError>> {
        let mut room = self.room();
        let outcomes = self.together(
            asked,
            // A group's partition follows from the number of partitions: its offsets would be looked for elsewhere.
            |(name, count)| {
                let has = self.log.topic(name).map_or(0, |topic| topic.partition_count());
                take_room(&mut room, name, count.saturating_sub(has))
            },
            |node, sound| {
                node.log.add_partitions(sound).into_iter().map(|one| one.map_err(|e| not_created(&e))).collect()
            },
        );
        outcomes.await.into_iter().map(|outcome| outcome.map(drop)).collect()
    }

    /// Does all that `check` lets pass in one piece of `work`, away from the threads that serve connections.
    async fn together<A: Send + 'static, T: Send + 'static>(
        self: &Arc<Self>,
        asked: Vec<A>,
        mut check: impl FnMut(&A) -> Result<(), ResponseError>,
        work: impl FnOnce(&Self, Vec<A>) -> Vec<Result<T, ResponseError>> + Send + 'static,
    ) -> Vec<Result<T, ResponseError>> {
        let (sound, refused) = together::part(asked.into_iter().map(|one| check(&one).map(|()| one)));
        let node = Arc::clone(self);
        let done = match sound.is_empty() {
            true => Vec::new(),
            false => blocking(move || Ok(work(&node, sound))).await.unwrap_or_default(),
        };
        let mut done = done.into_iter();
        together::in_order(refused, || done.next().unwrap_or(Err(ResponseError::UnknownServerError)))
    }

    /// Partitions that may still be made. Two that ask at the same time may pass together; the limit is not that exact.
    fn room(&self) -> i32 {
        let there: i32 = self.log.topics().values().map(|topic| topic.partition_count()).sum();
        limits::PARTITIONS_MAX.saturating_sub(there)
    }
}

/// Topics that belong to the broker.
pub(crate) fn is_internal(name: &str) -> bool {
    name == OFFSETS_TOPIC
}

/// Refuses the broker's own topics, and partitions beyond the room that is left.
fn take_room(room: &mut i32, name: &str, more: i32) -> Result<(), ResponseError> {
    if is_internal(name) {
        return Err(ResponseError::InvalidTopicException);
    }
    if more > *room {
        return Err(ResponseError::PolicyViolation);
    }
    *room -= more.max(0);
    Ok(())
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
