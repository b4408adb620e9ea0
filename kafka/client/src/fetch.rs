//! Fetching from one partition.

use std::time::Duration;

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_wire::protocol::protocol::StrBytes;

use crate::call::Call;
use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;
use crate::topics::milliseconds;

/// How much a fetch may bring and how long the broker may wait for it.
#[derive(Debug, Clone, Copy)]
pub struct FetchLimits {
    /// A first batch that is larger comes whole all the same (KIP-74).
    pub bytes_max: i32,
    /// The broker answers when it has this many.
    pub bytes_min: i32,
    /// The broker answers at the latest after this.
    pub wait_max: Duration,
}

impl Default for FetchLimits {
    /// Kafka's `max.partition.fetch.bytes`, `fetch.min.bytes` and `fetch.max.wait.ms`.
    fn default() -> Self {
        Self { bytes_max: 1024 * 1024, bytes_min: 1, wait_max: Duration::from_millis(500) }
    }
}

/// What a fetch brought.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// Record batches. The first may begin before the wanted offset, the last may be cut off.
    pub records: Bytes,
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

/// Version 13 wants topic ids.
pub(crate) const FETCH_VERSION_MAX: i16 = 12;

impl Client {
    /// Fetches the batches from `offset` on, which may be none. Waits like every long poll: use a
    /// [`Client::separate`] one where other calls must not stand behind it.
    ///
    /// # Errors
    /// [`ClientError::OffsetOutOfRange`], or the broker refuses this client.
    pub async fn fetch(
        &self,
        partition: &TopicPartition,
        offset: i64,
        limits: FetchLimits,
    ) -> Result<Fetched, ClientError> {
        self.retry_topic(&partition.topic, || self.fetch_once(partition, offset, limits)).await
    }

    async fn fetch_once(
        &self,
        partition: &TopicPartition,
        offset: i64,
        limits: FetchLimits,
    ) -> Result<Fetched, ClientError> {
        let call = Call::new(request(partition, offset, limits))
            .version_max(FETCH_VERSION_MAX)
            .timeout(self.config().request_timeout + limits.wait_max);
        let response = self.call_leader(partition, call).await?;
        let what = || format!("fetch from {partition}");
        if let Some(code) = ErrorCode::from_wire(response.error_code) {
            return Err(ClientError::refused(what(), code, None));
        }
        let found = response.responses.into_iter().flat_map(|topic| topic.partitions);
        let found = found.into_iter().find(|found| found.partition_index == partition.partition);
        let found = found.ok_or_else(|| ClientError::LeaderUnknown(partition.clone()))?;
        match ErrorCode::from_wire(found.error_code) {
            None => Ok(Fetched {
                records: found.records.unwrap_or_default(),
                high_watermark: found.high_watermark,
                log_start_offset: found.log_start_offset,
            }),
            Some(code) if code.kind() == ResponseError::OffsetOutOfRange => {
                Err(ClientError::OffsetOutOfRange { partition: partition.clone(), offset })
            }
            Some(code) => {
                if code.is_stale_metadata() {
                    self.forget_leaders(&partition.topic);
                }
                Err(ClientError::refused(what(), code, None))
            }
        }
    }
}

fn request(partition: &TopicPartition, offset: i64, limits: FetchLimits) -> FetchRequest {
    let wanted = FetchPartition::default()
        .with_partition(partition.partition)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(limits.bytes_max);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(partition.topic.to_string())))
        .with_partitions(vec![wanted]);
    FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(milliseconds(limits.wait_max))
        .with_min_bytes(limits.bytes_min)
        .with_max_bytes(limits.bytes_max)
        .with_topics(vec![topic])
}
