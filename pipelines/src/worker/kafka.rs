//! The worker's source on a real broker.

use super::config::Config;
use super::source::{CommitError, Committed, Event, Retention, Source};
use async_trait::async_trait;
use kafka_client::{Client, GroupConfig, GroupConsumer, TopicPartition};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// When the brokers are asked for the first time; a backlog that is in danger by then was so before.
const ASK_RETENTION_FIRST: Duration = Duration::from_secs(5);
/// A topic's retention is asked for again after this time: somebody may have changed it, in answer to an alarm.
const ASK_RETENTION_EVERY: Duration = Duration::from_secs(60);

/// A member of the configured group.
pub(crate) struct KafkaSource {
    client: Client,
    consumer: GroupConsumer,
    retentions: Retentions,
    /// Ends with this.
    _asking: JoinSet<()>,
}

/// By topic.
type Retentions = Arc<Mutex<HashMap<String, Retention>>>;

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
        let consumer = GroupConsumer::start(config.client.clone(), group);
        let (client, retentions) = (config.client.clone(), Retentions::default());
        let mut asking = JoinSet::new();
        for topic in config.topics.clone() {
            asking.spawn(ask_retention(client.clone(), topic, Arc::clone(&retentions)));
        }
        Self { client, consumer, retentions, _asking: asking }
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

    fn retention(&self, topic: &str) -> Retention {
        self.retentions.lock().expect(LOCK).get(topic).copied().unwrap_or_default()
    }

    fn problems(&self) -> Vec<String> {
        self.client.problem().into_iter().chain(self.consumer.problems()).collect()
    }

    async fn leave(self) {
        self.consumer.leave().await;
    }
}

const LOCK: &str = "nothing panics while it holds the retentions";

/// Asks again and again. A broker that does not tell is left alone: an alarm less is all that comes of it.
async fn ask_retention(client: Client, topic: String, retentions: Retentions) {
    // A new topic is there with its first record, and one that is not there would be reported.
    tokio::time::sleep(ASK_RETENTION_FIRST).await;
    loop {
        match client.topic_configs(&topic, &["retention.ms", "retention.bytes"]).await {
            Ok(configs) => {
                let value = |name| configs.get(name).map(String::as_str);
                let retention = Retention::parse(value("retention.ms"), value("retention.bytes"));
                retentions.lock().expect(LOCK).insert(topic.clone(), retention);
            }
            Err(error) => {
                tracing::info!("the retention of topic {topic:?} is not known, so no alarm is given about it: {error}");
                return;
            }
        }
        tokio::time::sleep(ASK_RETENTION_EVERY).await;
    }
}
