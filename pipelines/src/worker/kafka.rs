//! The worker's source on a real broker.

use super::config::Config;
use super::source::{CommitError, Committed, Event, Source};
use async_trait::async_trait;
use kafka_client::{Client, GroupConfig, GroupConsumer, TopicPartition};

/// A member of the configured group.
pub(crate) struct KafkaSource {
    client: Client,
    consumer: GroupConsumer,
}

impl KafkaSource {
    pub fn start(config: &Config) -> Self {
        let group = GroupConfig {
            instance_id: config.instance_id.clone(),
            session_timeout: config.settings.session_timeout,
            fetch_bytes_max: config.settings.fetch_bytes_max(),
            fetched_bytes_max: usize::try_from(config.settings.fetch_bytes_max()).unwrap_or(usize::MAX),
            skips: config.skips.clone(),
            ..GroupConfig::new(&config.group, config.topics.clone())
        };
        Self { client: config.client.clone(), consumer: GroupConsumer::start(config.client.clone(), group) }
    }
}

#[async_trait]
impl Source for KafkaSource {
    async fn next(&mut self) -> Event {
        match self.consumer.next().await {
            kafka_client::Event::Assigned(assigned) => Event::Assigned(assigned),
            kafka_client::Event::Revoked(revoked) => Event::Revoked(revoked),
            kafka_client::Event::Lost(lost) => Event::Lost(lost),
            kafka_client::Event::Fetched { partition, records, position, high_watermark } => {
                Event::Fetched { partition, records, position, high_watermark }
            }
            kafka_client::Event::OutOfRange { partition, wanted, reset_to } => {
                Event::OutOfRange { partition, wanted, reset_to }
            }
            kafka_client::Event::Skipped { partition, first, last } => Event::Skipped { partition, first, last },
            kafka_client::Event::HighWatermark { partition, high_watermark } => {
                Event::HighWatermark { partition, high_watermark }
            }
            kafka_client::Event::Failed(error) => Event::Failed(error.to_string()),
        }
    }

    fn commit(&self, offsets: Vec<(TopicPartition, i64)>) -> Committed {
        let commit = self.consumer.commit(offsets);
        Box::pin(async move {
            commit.await.map_err(|error| match error {
                kafka_client::CommitError::Stale => CommitError::Stale,
                error => CommitError::Failed(error.to_string()),
            })
        })
    }

    fn pause(&self, partition: &TopicPartition) {
        self.consumer.pause(partition);
    }

    fn resume(&self, partition: &TopicPartition) {
        self.consumer.resume(partition);
    }

    fn acknowledge_revoked(&self, partitions: &[TopicPartition]) {
        self.consumer.acknowledge_revoked(partitions);
    }

    fn problems(&self) -> Vec<String> {
        self.client.problem().into_iter().chain(self.consumer.problems()).collect()
    }

    async fn leave(self) {
        self.consumer.leave().await;
    }
}
