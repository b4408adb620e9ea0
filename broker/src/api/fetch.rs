//! Fetch (key 1): record batches from given offsets on, waiting for enough of them (KIP-74, long poll).

mod encode;
mod session;

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::FetchRequest;
use kafka_wire::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::protocol::messages::fetch_response::PartitionData;
use std::future::Future;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

use super::Call;
use crate::connection::Piece;
use crate::limits;
use crate::log::{Partition, ReadError, ReadRange, Topic};
use crate::node::{Node, check_leader_epoch, unusable};
use encode::{FetchedPartition, FetchedTopic, response_pieces};
pub(crate) use session::FetchSessions;

pub const VERSIONS: RangeInclusive<i16> = 4..=18;

/// Topics have ids instead of names from here on (KIP-516).
const TOPIC_IDS: i16 = 13;
/// `isolation_level` of consumers that read only what is committed.
const READ_COMMITTED: i8 = 1;

/// The response frame in pieces. `None`: the request asks for more than a request may.
pub async fn handle(node: &Arc<Node>, call: &Call, mut request: FetchRequest) -> Option<Vec<Piece>> {
    if request.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>() > limits::PARTITIONS_PER_REQUEST_MAX {
        return None;
    }
    let fresh_id = uuid::Uuid::new_v4().as_fields().0;
    let uses_ids = call.version >= TOPIC_IDS;
    let context = match node.fetch_sessions.begin(&mut request, uses_ids, fresh_id, std::time::Instant::now()) {
        Ok(context) => context,
        Err(error) => return response_pieces(call, error.code(), session::NO_SESSION, &[]),
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)).min(limits::FETCH_WAIT_MAX);
    let deadline = Instant::now() + wait;
    let wanted = resolve(node, call, &context.topics);
    let min_bytes = usize::try_from(request.min_bytes).unwrap_or(0);
    loop {
        // Registered before the log is looked at, so that nothing that is flushed in between is missed.
        let grown = Grown::watch(&wanted);
        let found = find_all(&wanted, &request);
        let final_answer = found.has_error || found.bytes >= min_bytes;
        if final_answer || Instant::now() >= deadline || node.stop.is_cancelled() {
            let mut topics = found.read();
            if context.session_id != session::NO_SESSION {
                for topic in &mut topics {
                    let place = (topic.name.as_str(), topic.id);
                    let is_news = |one: &FetchedPartition| {
                        node.fetch_sessions.is_news(&context, place, &one.head, one.records.len())
                    };
                    topic.partitions.retain(is_news);
                }
                topics.retain(|topic| !topic.partitions.is_empty());
            }
            return response_pieces(call, super::NONE, context.session_id, &topics);
        }
        tokio::select! {
            () = grown => {}
            () = tokio::time::sleep_until(deadline) => {}
            () = node.stop.cancelled() => {}
        }
    }
}

/// A topic of the request, and each of its partitions or why there is none.
struct Wanted {
    name: String,
    id: uuid::Uuid,
    partitions: Vec<(FetchPartition, Result<Arc<Partition>, ResponseError>)>,
}

fn resolve(node: &Node, call: &Call, topics: &[FetchTopic]) -> Vec<Wanted> {
    let resolve = |asked: &FetchTopic| {
        let topic: Result<Arc<Topic>, ResponseError> = match call.version {
            ..TOPIC_IDS => call.readable(node, &asked.topic),
            _ => (node.log.topic_by_id(asked.topic_id).ok_or(ResponseError::UnknownTopicId))
                .and_then(|topic| call.readable(node, &topic.name)),
        };
        let find = |one: &FetchPartition| {
            let topic = topic.as_ref().map_err(|error| *error)?;
            let partition = topic.partition(one.partition).map_err(|error| unusable(&error))?;
            check_leader_epoch(partition, one.current_leader_epoch)?;
            Ok(Arc::clone(partition))
        };
        let partitions = asked.partitions.iter().map(|one| (one.clone(), find(one))).collect();
        Wanted { name: asked.topic.to_string(), id: asked.topic_id, partitions }
    };
    topics.iter().map(resolve).collect()
}

/// Where the answer's records lie. Nothing has been read of them.
struct Found {
    topics: Vec<FoundTopic>,
    bytes: usize,
    has_error: bool,
}

struct FoundTopic {
    name: String,
    id: uuid::Uuid,
    partitions: Vec<(PartitionData, ReadRange)>,
}

fn find_all(wanted: &[Wanted], request: &FetchRequest) -> Found {
    let limit = usize::try_from(request.max_bytes).unwrap_or(0).min(limits::FETCH_BYTES_MAX);
    let committed_only = request.isolation_level == READ_COMMITTED;
    let mut found = Found { topics: Vec::with_capacity(wanted.len()), bytes: 0, has_error: false };
    for topic in wanted {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for (asked, partition) in &topic.partitions {
            let left = limit.saturating_sub(found.bytes);
            let one = match partition {
                // The first batch of an answer goes out however large it is, or a consumer would be stuck (KIP-74).
                Ok(partition) => find(partition, asked, left, found.bytes == 0, committed_only),
                Err(error) => (failed(asked, *error), ReadRange::default()),
            };
            found.bytes += one.1.len();
            found.has_error |= one.0.error_code != super::NONE;
            partitions.push(one);
        }
        found.topics.push(FoundTopic { name: topic.name.clone(), id: topic.id, partitions });
    }
    found
}

impl Found {
    /// The records, for the answer: a little is read at once, since a copy costs less than a system call for each
    /// partition; much stays in its file until it is sent.
    fn read(self) -> Vec<FetchedTopic> {
        let inline = self.bytes <= limits::FETCH_INLINE_BYTES_MAX;
        let fetched = |(mut head, range): (PartitionData, ReadRange)| {
            if !inline && range.file().is_some() {
                return FetchedPartition { head, records: Piece::File(range) };
            }
            let records = range.read().unwrap_or_else(|error| {
                tracing::error!("{}", traced(&error));
                head.error_code = ResponseError::KafkaStorageError.code();
                Bytes::new()
            });
            FetchedPartition { head, records: records.into() }
        };
        (self.topics.into_iter())
            .map(|topic| FetchedTopic {
                name: topic.name,
                id: topic.id,
                partitions: topic.partitions.into_iter().map(fetched).collect(),
            })
            .collect()
    }
}

/// An error with its causes.
fn traced(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn find(
    partition: &Partition,
    asked: &FetchPartition,
    left: usize,
    whole_first_batch: bool,
    committed_only: bool,
) -> (PartitionData, ReadRange) {
    let (log_start, high_watermark) = (partition.log_start_offset(), partition.high_watermark());
    let out_of_range = || {
        // With the offsets that there are, by which a Java consumer sees what to do.
        let head = failed(asked, ResponseError::OffsetOutOfRange)
            .with_high_watermark(high_watermark)
            .with_last_stable_offset(high_watermark)
            .with_log_start_offset(log_start);
        (head, ReadRange::default())
    };
    if asked.fetch_offset < log_start || asked.fetch_offset > high_watermark {
        return out_of_range();
    }
    let bytes_max = usize::try_from(asked.partition_max_bytes).unwrap_or(0).min(left);
    let range = match partition.read(asked.fetch_offset, bytes_max) {
        // Another partition's batches have used up the answer's bytes.
        Ok(range) if range.len() > bytes_max && !whole_first_batch => ReadRange::default(),
        Ok(range) => range,
        Err(ReadError::OutOfRange { .. }) => return out_of_range(),
        Err(error) => {
            tracing::error!("{}-{}: {}", partition.topic(), partition.number(), traced(&error));
            return (failed(asked, ResponseError::KafkaStorageError), ReadRange::default());
        }
    };
    // As it is after the read: what is read never reaches beyond it.
    let high_watermark = partition.high_watermark();
    let head = PartitionData::default()
        .with_partition_index(asked.partition)
        .with_high_watermark(high_watermark)
        // No transactions, so everything below the high watermark is stable.
        .with_last_stable_offset(high_watermark)
        .with_log_start_offset(log_start)
        .with_aborted_transactions(committed_only.then(Vec::new));
    (head, range)
}

fn failed(asked: &FetchPartition, error: ResponseError) -> PartitionData {
    PartitionData::default()
        .with_partition_index(asked.partition)
        .with_error_code(error.code())
        .with_high_watermark(-1)
        .with_last_stable_offset(-1)
        .with_log_start_offset(-1)
        .with_aborted_transactions(None)
}

/// Resolves when the high watermark of any of the partitions moves after [`Grown::watch`].
struct Grown(Vec<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Grown {
    fn watch(wanted: &[Wanted]) -> Self {
        let partitions = wanted.iter().flat_map(|topic| &topic.partitions);
        let watch = |partition: &Arc<Partition>| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let mut flushed = partition.watch();
            Box::pin(async move {
                if flushed.changed().await.is_err() {
                    // The log has stopped: the fetch ends with its time.
                    std::future::pending().await
                }
            })
        };
        Self(partitions.filter_map(|(_, partition)| partition.as_ref().ok()).map(watch).collect())
    }
}

impl Future for Grown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let any = self.0.iter_mut().any(|one| one.as_mut().poll(context).is_ready());
        if any { Poll::Ready(()) } else { Poll::Pending }
    }
}
