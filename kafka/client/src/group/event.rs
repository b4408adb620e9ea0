//! What a group consumer tells its owner.

use bytes::Bytes;

use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

/// The answer of [`super::GroupConsumer::next`].
#[derive(Debug)]
pub enum Event {
    /// These partitions are ours from now on.
    Assigned(Vec<Assignment>),
    /// These have to be given up. Commits for them are still possible until
    /// [`super::GroupConsumer::acknowledge_revoked`].
    Revoked(Vec<TopicPartition>),
    /// These are no longer ours, and somebody else may read them already.
    Lost(Vec<TopicPartition>),
    Fetched {
        partition: TopicPartition,
        /// Whole record batches with sound checksums. The first may begin before `position`: skip those records. Control
        /// batches are among them: skip those too.
        records: Bytes,
        /// The first offset that is wanted of these records.
        position: i64,
        high_watermark: i64,
    },
    /// The log does not have the offset at which reading should go on: records were deleted before they were read, or
    /// the log was cut. Reading goes on at `reset_to`.
    OutOfRange { partition: TopicPartition, wanted: i64, reset_to: i64 },
    /// A damaged batch was left out, as [`super::GroupConfig::skips`] says: reading goes on behind `last`.
    Skipped { partition: TopicPartition, first: i64, last: i64 },
    /// How far a partition reaches that is not being fetched.
    HighWatermark { partition: TopicPartition, high_watermark: i64 },
    /// This consumer has given up; nothing comes after this.
    Failed(GroupError),
}

/// A partition that is ours, and the offset at which reading begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    pub partition: TopicPartition,
    pub position: i64,
    /// A topic that was deleted and made again has another one; `None` from a broker before Kafka 2.8.
    pub topic_id: Option<[u8; 16]>,
}

/// Why a consumer cannot be a member of its group.
#[derive(Debug, thiserror::Error)]
pub enum GroupError {
    /// Another process has joined under the same instance id.
    #[error("another consumer has taken over instance id {instance_id:?}")]
    Fenced { instance_id: String },
    #[error("{api}: coordinator answered {code}")]
    Refused { api: &'static str, code: ErrorCode },
    #[error("the group uses the assignment strategy {0:?}, which is not one of ours")]
    UnknownAssignor(String),
    #[error("the leader of the group sent an assignment that cannot be read")]
    MalformedAssignment,
    #[error("cannot call the coordinator")]
    Client(#[source] ClientError),
}

/// Why offsets were not committed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// At least one partition is no longer ours; what was committed for it would not count. Discard.
    #[error("partitions are no longer assigned to this consumer")]
    Stale,
    #[error("commit offset of {partition}: coordinator answered {code}")]
    Refused { partition: TopicPartition, code: ErrorCode },
    /// The consumer has left the group.
    #[error("consumer is closed")]
    Closed,
}
