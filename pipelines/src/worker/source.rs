//! What the worker needs of Kafka: records that come, offsets that go, and a place for dead letters.
//!
//! The worker's loop knows only these two traits, so that its tests can deal the worst hands without a broker.

use async_trait::async_trait;
use bytes::Bytes;
pub use kafka_client::Assignment;
use kafka_client::TopicPartition;
use kafka_wire::batch::RecordHeaders;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What happens to a member of a consumer group.
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours now, each from the offset that is to be read next.
    Assigned(Vec<Assignment>),
    /// These are to be given back: the source waits for [`Source::acknowledge_revoked`], not for long.
    Revoked(Vec<TopicPartition>),
    /// These are somebody else's already.
    Lost(Vec<TopicPartition>),
    /// Whole record batches; the first may start before `position`.
    Fetched { partition: TopicPartition, records: Bytes, position: i64, high_watermark: i64 },
    /// What was to be read next is not there; reading goes on at `reset_to`.
    OutOfRange { partition: TopicPartition, wanted: i64, reset_to: i64 },
    /// A damaged batch was left out, as somebody has asked for: reading goes on behind `last`.
    Skipped { partition: TopicPartition, first: i64, last: i64 },
    /// There is more in a partition that is not fetched.
    HighWatermark { partition: TopicPartition, high_watermark: i64 },
    /// Nothing will come any more, for this reason.
    Failed(String),
}

/// Why offsets were not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The partitions are not ours any more: whoever has them reads the records again.
    #[error("the group has a newer generation")]
    Stale,
    #[error("{0}")]
    Failed(String),
}

/// An answer that does not borrow the source, so that records can come while it is awaited.
pub type Committed = Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send>>;

/// How much a topic keeps; `None`: without a limit, or not known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Older records are deleted.
    pub time: Option<Duration>,
    /// Of a partition; what is above it is deleted.
    pub bytes: Option<u64>,
}

/// A member of a consumer group.
#[async_trait]
pub trait Source: Send + 'static {
    /// The next event; dropping the future loses none.
    async fn next(&mut self) -> Event;
    /// Commits the offsets to be read next, with the current generation.
    fn commit(&self, offsets: Vec<(TopicPartition, i64)>) -> Committed;
    /// Stops fetching a partition; what is on its way still comes.
    fn pause(&self, partition: &TopicPartition);
    fn resume(&self, partition: &TopicPartition);
    /// Nothing is done any more with these partitions, which were revoked.
    fn acknowledge_revoked(&self, partitions: &[TopicPartition]);
    /// How much a topic keeps, as far as the broker has said.
    fn retention(&self, topic: &str) -> Retention;
    /// Why nothing comes.
    fn problems(&self) -> Vec<String>;
    /// Leaves the group, if it is one that is left.
    async fn leave(self);
}

/// A record as it was, and why it became no document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    /// Those of the record, and behind them what was wrong.
    pub headers: RecordHeaders,
}

impl DeadLetter {
    /// About what the letter adds to a batch; at least that.
    pub fn bytes(&self) -> usize {
        /// Lengths, deltas and counts of a record, as long as they can be.
        const FRAME_BYTES: usize = 48;
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        FRAME_BYTES + length(&self.key) + length(&self.value) + self.headers.encoded_bytes()
    }
}

/// Where dead letters go.
#[async_trait]
pub trait DeadLetterQueue: Send + Sync + 'static {
    /// Appends to `topic`, in a partition chosen by that of the originals. Returns when all are acknowledged; tries for
    /// ever until then.
    async fn send(&self, topic: &str, partition: i32, letters: Vec<DeadLetter>);
    /// Why dead letters cannot be sent.
    fn problems(&self) -> Vec<String>;
}
