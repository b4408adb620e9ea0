//! Produce (key 0): appends record batches; with acks=all answered after they are on disk.

use bytes::Bytes;
use kafka_wire::batch::BatchHeader;
use kafka_wire::compression::Compression;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::produce_request::PartitionProduceData;
use kafka_wire::protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_wire::protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use std::future::Future;
use std::ops::RangeInclusive;
use std::sync::Arc;
use uuid::Uuid;

use super::{Call, NONE, text, topic_name};
use crate::clock::now_ms;
use crate::limits;
use crate::log::{AppendError, Appended, Partition, Topic};
use crate::node::{Node, unusable};
use crate::refusals::{self, BatchRefusal};

/// Versions 0 to 2 are refused, as Kafka 4 does, and advertised, as Kafka 4 does: librdkafka up to 2.10 tests for
/// version 0 before it compresses (KAFKA-18659).
pub const VERSIONS: RangeInclusive<i16> = 0..=13;

/// Topics have ids instead of names from here on (KIP-516).
const TOPIC_IDS: i16 = 13;
/// `acks`: answered when all replicas have the records.
const ALL: i16 = -1;
/// zstd is allowed from here on (KIP-110).
const ZSTD: i16 = 7;

pub enum Produced {
    Answer(ProduceResponse),
    /// acks=0 and nothing went wrong.
    Silent,
    Close(&'static str),
}

/// Appends at once, in the order of the calls; the future waits for the flush.
pub fn handle(node: &Arc<Node>, call: &Call, request: ProduceRequest) -> impl Future<Output = Produced> + use<> {
    let acks = request.acks;
    let outcomes = match refusal(&request) {
        Some(error) => Outcomes::all(node, request, error),
        None => Outcomes::append(node, call, request),
    };
    let version = call.version;
    async move {
        match acks {
            0 if outcomes.has_error() => Produced::Close("a record batch sent with acks=0 was refused"),
            0 => Produced::Silent,
            ALL => Produced::Answer(outcomes.flushed().await.response(version)),
            _ => Produced::Answer(outcomes.response(version)),
        }
    }
}

fn refusal(request: &ProduceRequest) -> Option<ResponseError> {
    if !matches!(request.acks, -1..=1) {
        return Some(ResponseError::InvalidRequiredAcks);
    }
    if request.transactional_id.is_some() {
        return Some(ResponseError::TransactionalIdAuthorizationFailed);
    }
    let partitions: usize = request.topic_data.iter().map(|topic| topic.partition_data.len()).sum();
    (partitions > limits::PARTITIONS_PER_REQUEST_MAX).then_some(ResponseError::InvalidRequest)
}

/// Why a batch was not appended: for the client in Kafka's words and in ours, and for who counts.
struct Refused {
    error: ResponseError,
    message: String,
    reason: BatchRefusal,
}

impl From<ResponseError> for Refused {
    fn from(error: ResponseError) -> Self {
        Self { error, message: error.to_string(), reason: error.into() }
    }
}

type Outcome = Result<(Arc<Partition>, Appended), Refused>;

/// What became of a topic's record batches, by partition.
struct TopicOutcomes {
    name: TopicName,
    id: Uuid,
    partitions: Vec<(i32, Outcome)>,
}

struct Outcomes(Vec<TopicOutcomes>);

impl Outcomes {
    fn all(node: &Node, request: ProduceRequest, error: ResponseError) -> Self {
        let refuse = |one: &PartitionProduceData| {
            node.counters.batches_refused.count(error.into());
            (one.index, Err(error.into()))
        };
        let topics = request.topic_data.into_iter().map(|topic| TopicOutcomes {
            name: topic.name,
            id: topic.topic_id,
            partitions: topic.partition_data.iter().map(refuse).collect(),
        });
        Self(topics.collect())
    }

    fn append(node: &Arc<Node>, call: &Call, request: ProduceRequest) -> Self {
        let mut outcomes = Vec::with_capacity(request.topic_data.len());
        for topic in request.topic_data {
            let found = match call.version {
                ..TOPIC_IDS => call.writable(node, &topic.name),
                _ => (node.log.topic_by_id(topic.topic_id).ok_or(ResponseError::UnknownTopicId))
                    .and_then(|topic| call.writable(node, &topic.name)),
            };
            let partitions = (topic.partition_data.into_iter())
                .map(|one| {
                    let outcome = append(call, request.acks, &found, one.index, one.records);
                    match &outcome {
                        Ok((_, appended)) if appended.duplicate => {
                            node.counters.batches_repeated.inc();
                        }
                        Ok(_) => {
                            node.counters.batches_appended.inc();
                        }
                        Err(refused) => node.counters.batches_refused.count(refused.reason),
                    }
                    (one.index, outcome)
                })
                .collect();
            // A name of its own: one that lies in the request would keep all of it in memory until the flush.
            outcomes.push(TopicOutcomes { name: topic_name(&topic.name), id: topic.topic_id, partitions });
        }
        Self(outcomes)
    }

    fn has_error(&self) -> bool {
        self.0.iter().flat_map(|topic| &topic.partitions).any(|(_, outcome)| outcome.is_err())
    }

    async fn flushed(mut self) -> Self {
        for (_, outcome) in self.0.iter_mut().flat_map(|topic| &mut topic.partitions) {
            let Ok((partition, appended)) = outcome else { continue };
            if let Err(error) = partition.flushed(appended.next_offset).await {
                let (error, message) = (ResponseError::KafkaStorageError, error.to_string());
                *outcome = Err(Refused { error, message, reason: BatchRefusal::Stopped });
            }
        }
        self
    }

    fn response(self, version: i16) -> ProduceResponse {
        let topics = (self.0.into_iter())
            .map(|TopicOutcomes { name, id, partitions }| {
                let responses = partitions.into_iter().map(|(index, outcome)| response(index, outcome, version));
                let topic = TopicProduceResponse::default().with_partition_responses(responses.collect());
                if version >= TOPIC_IDS { topic.with_topic_id(id) } else { topic.with_name(name) }
            })
            .collect();
        ProduceResponse::default().with_responses(topics)
    }
}

/// One partition of a request: exactly one sound record batch.
fn append(
    call: &Call,
    acks: i16,
    topic: &Result<Arc<Topic>, ResponseError>,
    index: i32,
    records: Option<Bytes>,
) -> Outcome {
    let topic = topic.as_ref().map_err(|error| *error)?;
    let partition =
        topic.partition(index).map_err(|error| Refused { message: error.to_string(), ..unusable(&error).into() })?;
    if acks == ALL && topic.config().min_insync_replicas > 1 {
        return Err(ResponseError::NotEnoughReplicas.into());
    }
    // Apache Kafka never answers null records; its client would wait for ever.
    let records = records
        .ok_or_else(|| Refused { message: "records are null".to_owned(), ..ResponseError::InvalidRequest.into() })?;
    if call.version < ZSTD && is_zstd(&records) {
        return Err(ResponseError::UnsupportedCompressionType.into());
    }
    match partition.append(&records, now_ms()) {
        Ok(appended) => Ok((Arc::clone(partition), appended)),
        Err(error) => {
            let kafka = refused(&error);
            let reason = refusals::of_append(&error, kafka);
            Err(Refused { error: kafka, message: error.to_string(), reason })
        }
    }
}

/// What Apache Kafka 4.1 answers.
fn refused(error: &AppendError) -> ResponseError {
    match error {
        AppendError::Corrupt(_) => ResponseError::CorruptMessage,
        AppendError::Invalid(_) => ResponseError::InvalidRecord,
        AppendError::Codec(_) | AppendError::Undecodable(_) => ResponseError::UnknownServerError,
        AppendError::TooLarge { .. } => ResponseError::MessageTooLarge,
        AppendError::Timestamp { .. } => ResponseError::InvalidTimestamp,
        AppendError::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
        AppendError::OldEpoch { .. } => ResponseError::InvalidProducerEpoch,
        AppendError::Deleted => ResponseError::UnknownTopicOrPartition,
        AppendError::Disk(_) | AppendError::NoRoom { .. } | AppendError::Stopped => ResponseError::KafkaStorageError,
    }
}

fn is_zstd(records: &[u8]) -> bool {
    let header = BatchHeader::read(records);
    header.is_ok_and(|header| header.compression() == Ok(Compression::Zstd))
}

fn response(index: i32, outcome: Outcome, version: i16) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match outcome {
        Ok((partition, appended)) => {
            let response = response
                .with_error_code(NONE)
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time);
            if version >= 5 { response.with_log_start_offset(partition.log_start_offset()) } else { response }
        }
        Err(Refused { error, message, .. }) => {
            let response = response.with_error_code(error.code()).with_base_offset(-1).with_log_append_time_ms(-1);
            if version >= 8 { response.with_error_message(Some(text(message))) } else { response }
        }
    }
}
