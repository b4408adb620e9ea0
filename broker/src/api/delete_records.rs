//! DeleteRecords (key 21): moves the beginning of partitions forward (KIP-107).

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_wire::protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::Call;
use crate::log::Partition;
use crate::node::{Node, is_internal, unusable};

pub const VERSIONS: RangeInclusive<i16> = 0..=2;

/// Everything that a consumer may read.
const HIGH_WATERMARK: i64 = -1;
/// `low_watermark` of a partition whose records were not deleted.
const UNKNOWN: i64 = -1;

pub async fn handle(node: &Arc<Node>, call: &Call, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let mut topics = Vec::new();
    for asked in request.topics {
        let topic = call.administered(node, &asked.name);
        let mut results = Vec::new();
        for one in asked.partitions {
            let deleted = match topic.as_ref().map(|topic| topic.partition(one.partition_index)) {
                Err(error) => Err(*error),
                Ok(Err(error)) => Err(unusable(&error)),
                // What groups have committed goes by no offset that somebody names.
                Ok(Ok(_)) if is_internal(&asked.name) => Err(ResponseError::PolicyViolation),
                Ok(Ok(partition)) => delete(node, partition, one.offset).await,
            };
            let result = DeleteRecordsPartitionResult::default().with_partition_index(one.partition_index);
            results.push(match deleted {
                Ok(low_watermark) => result.with_low_watermark(low_watermark),
                Err(error) => result.with_error_code(error.code()).with_low_watermark(UNKNOWN),
            });
        }
        topics.push(DeleteRecordsTopicResult::default().with_name(asked.name).with_partitions(results));
    }
    DeleteRecordsResponse::default().with_topics(topics)
}

/// The new log start offset.
async fn delete(node: &Arc<Node>, partition: &Arc<Partition>, offset: i64) -> Result<i64, ResponseError> {
    let high_watermark = partition.high_watermark();
    let offset = if offset == HIGH_WATERMARK { high_watermark } else { offset };
    if !(0..=high_watermark).contains(&offset) {
        return Err(ResponseError::OffsetOutOfRange);
    }
    let (log, partition) = (Arc::clone(&node.log), Arc::clone(partition));
    let deleted = tokio::task::spawn_blocking(move || {
        log.delete_records(&partition, offset).map(|done| done.then(|| partition.log_start_offset()))
    });
    match deleted.await {
        Ok(Ok(Some(log_start))) => Ok(log_start),
        Ok(Ok(None)) => Err(ResponseError::OffsetOutOfRange),
        Ok(Err(error)) => {
            tracing::error!("records cannot be deleted: {error}");
            Err(ResponseError::KafkaStorageError)
        }
        Err(_) => Err(ResponseError::KafkaStorageError),
    }
}
