//! The real cluster behind [`Broker`]: our own Kafka client.

use super::broker::{Broker, Identity, Later, SendError};
use bytes::Bytes;
use kafka_client::{Client, ProduceError, Producer, ProducerConfig, ProducerIdentity, TopicPartition, chain};
use kafka_wire::protocol::ResponseError;
use std::sync::Arc;
use std::time::Duration;

/// A Kafka cluster.
pub struct KafkaBroker {
    client: Client,
    producer: Producer,
}

impl KafkaBroker {
    /// Does no I/O; has to be called within a tokio runtime.
    pub fn new(client: Client) -> Self {
        let producer = Producer::new(client.clone(), ProducerConfig::default());
        Self { client, producer }
    }
}

impl Broker for KafkaBroker {
    fn cluster_id(&self) -> Later<Result<Option<String>, String>> {
        let client = self.client.clone();
        Box::pin(async move { client.cluster_id().await.map_err(|error| chain(&error)) })
    }

    fn partitions(&self, topic: &str) -> Later<Result<i32, String>> {
        let (client, topic) = (self.client.clone(), topic.to_owned());
        Box::pin(async move { client.partitions(&topic).await.map_err(|error| chain(&error)) })
    }

    fn obtain_identity(&self) -> Later<Result<Identity, String>> {
        let producer = self.producer.clone();
        Box::pin(async move {
            let identity = producer.obtain_identity().await.map_err(|error| chain(&error))?;
            Ok(Identity { id: identity.id, epoch: identity.epoch })
        })
    }

    fn resume(&self, identity: Identity) {
        self.producer.resume(ProducerIdentity { id: identity.id, epoch: identity.epoch });
    }

    fn send(&self, topic: &Arc<str>, partition: i32, batch: Bytes) -> Later<Result<(), SendError>> {
        // Queued by this call, so that the order of batches is that of the calls.
        let answer = self.producer.send(TopicPartition { topic: Arc::clone(topic), partition }, batch);
        Box::pin(async move {
            match answer.await {
                Ok(_) => Ok(()),
                Err(ProduceError::Unsure { code }) if code.kind() == ResponseError::MessageTooLarge => {
                    Err(SendError::UnsureTooLarge)
                }
                Err(error @ ProduceError::Unsure { .. }) => Err(SendError::Unsure(chain(&error))),
                Err(ProduceError::TooLarge { .. }) => Err(SendError::TooLarge),
                Err(error @ ProduceError::Refused { .. }) => Err(SendError::Refused(error.to_string())),
                Err(ProduceError::SequenceLost { code }) if code.kind() == ResponseError::OutOfOrderSequenceNumber => {
                    Err(SendError::OutOfOrder)
                }
                Err(ProduceError::SequenceLost { .. }) => Err(SendError::SequenceLost),
                Err(ProduceError::Aborted) => Err(SendError::Aborted),
                Err(ProduceError::Closed) => Err(SendError::Closed),
            }
        })
    }

    fn problem(&self) -> Option<String> {
        self.client.problem()
    }

    fn close(&self) -> Later<()> {
        let producer = self.producer.clone();
        Box::pin(async move { producer.close(Duration::ZERO).await })
    }
}
