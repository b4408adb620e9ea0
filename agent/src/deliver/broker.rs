//! What the agent needs of a Kafka cluster: the seam between its books and the network, where tests put a faulty one.

use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Who numbers the batches (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub id: i64,
    pub epoch: i16,
}

/// Why a batch was not accepted, by what the agent does about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// Halve it.
    TooLarge,
    /// It is too large, and an earlier attempt may have been written: what is said to its halves will tell.
    UnsureTooLarge,
    /// It will never be accepted: hold its file.
    Refused(String),
    /// It was refused, but an earlier attempt may have been written: only what is said to it later will tell.
    Unsure(String),
    /// It is not the batch that the broker expects next of this producer.
    OutOfOrder,
    /// The broker does not know the producer (any more): take a new identity.
    SequenceLost,
    /// It stood behind one of the above and was not accepted: send it again.
    Aborted,
    /// The producer was closed.
    Closed,
}

pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A Kafka cluster. Futures resolve only with an answer: what can be tried again is tried again inside, for ever.
pub trait Broker: Send + Sync + 'static {
    fn cluster_id(&self) -> Later<Result<Option<String>, String>>;

    /// How many partitions the topic has; it is made when it does not exist.
    fn partitions(&self, topic: &str) -> Later<Result<i32, String>>;

    /// A producer identity that nobody has used.
    fn obtain_identity(&self) -> Later<Result<Identity, String>>;

    /// Goes on with an identity that an earlier run obtained.
    fn resume(&self, identity: Identity);

    /// Sends a sealed batch. Those of one partition are accepted in the order of the calls.
    fn send(&self, topic: &Arc<str>, partition: i32, batch: Bytes) -> Later<Result<(), SendError>>;

    /// Why it cannot be reached now.
    fn problem(&self) -> Option<String>;

    /// Sends nothing any more: what is unanswered is sent again by the next run.
    fn close(&self) -> Later<()>;
}
