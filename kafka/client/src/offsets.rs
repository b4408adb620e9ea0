//! Where a partition begins and ends, and what lies at a time.

use kafka_wire::protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_wire::protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use kafka_wire::protocol::protocol::StrBytes;

use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// Which offset is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The log start offset.
    Earliest,
    /// The high watermark: the offset of the next record that will become readable.
    Latest,
    /// The first record that is not older, in milliseconds since the epoch; the latest offset when there is none.
    Timestamp(i64),
}

impl OffsetSpec {
    fn on_wire(self) -> i64 {
        match self {
            Self::Latest => -1,
            Self::Earliest => -2,
            Self::Timestamp(timestamp) => timestamp.max(0),
        }
    }
}

/// A consumer, not a replica.
const NO_REPLICA: BrokerId = BrokerId(-1);
/// No leader epoch to compare with.
const NO_EPOCH: i32 = -1;
/// There is no record at or after the timestamp.
const NO_OFFSET: i64 = -1;

impl Client {
    /// One offset of a partition.
    pub async fn list_offset(&self, partition: &TopicPartition, at: OffsetSpec) -> Result<i64, ClientError> {
        let offset = self.retry_topic(&partition.topic, || self.list_offset_once(partition, at)).await?;
        if offset != NO_OFFSET {
            return Ok(offset);
        }
        self.retry_topic(&partition.topic, || self.list_offset_once(partition, OffsetSpec::Latest)).await
    }

    async fn list_offset_once(&self, partition: &TopicPartition, at: OffsetSpec) -> Result<i64, ClientError> {
        let wanted = ListOffsetsPartition::default()
            .with_partition_index(partition.partition)
            .with_current_leader_epoch(NO_EPOCH)
            .with_timestamp(at.on_wire());
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(partition.topic.to_string())))
            .with_partitions(vec![wanted]);
        let request = ListOffsetsRequest::default().with_replica_id(NO_REPLICA).with_topics(vec![topic]);
        let response = self.call_leader(partition, request).await?;
        let found = response.topics.iter().flat_map(|topic| &topic.partitions);
        let found = found.into_iter().find(|found| found.partition_index == partition.partition);
        let found = found.ok_or_else(|| ClientError::LeaderUnknown(partition.clone()))?;
        match ErrorCode::from_wire(found.error_code) {
            None => Ok(found.offset),
            Some(code) => {
                if code.is_stale_metadata() {
                    self.forget_leaders(&partition.topic);
                }
                Err(ClientError::refused(format!("list offset of {partition}"), code, None))
            }
        }
    }
}
