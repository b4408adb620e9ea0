//! The idempotent producer: whole sealed batches in, one acknowledgement for each out.

mod dispatch;
mod gather;
mod identity;
mod lane;
mod node;
mod outcome;
mod patient;
mod request;
mod sequencer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use tokio::sync::{mpsc, oneshot};

use crate::client::Client;
use crate::code::ErrorCode;
use crate::topic_partition::TopicPartition;
use dispatch::{Command, Dispatcher};
use lane::Batch;

pub use identity::ProducerIdentity;
pub use outcome::{Acknowledged, ProduceError};
pub use patient::{Names, PatientProducer};
pub use sequencer::Sequencer;

/// Unanswered batches of a partition, and unanswered requests to a broker: the broker remembers the last five batches
/// of a producer, so more could not be repeated safely (KIP-98).
const IN_FLIGHT_MAX: usize = 5;

/// Far below the 100 MiB that brokers take (`socket.request.max.bytes`), and enough for many partitions at once.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How a producer sends. `acks` is always all.
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// Record bytes in one request, which carries at most one batch of each partition. A batch that is larger alone is
    /// [`ProduceError::TooLarge`].
    pub request_bytes_max: usize,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self { request_bytes_max: REQUEST_BYTES_MAX }
    }
}

/// Sends batches to the leaders of their partitions. Cheap to clone; clones share everything. When the last one is
/// dropped, what was given to it is still sent.
///
/// Memory is bounded by the caller, who waits for acknowledgements before sending without end.
#[derive(Clone)]
pub struct Producer {
    client: Client,
    commands: mpsc::UnboundedSender<Command>,
    closed: Arc<AtomicBool>,
    identity: Arc<identity::Slot>,
}

impl Producer {
    /// Starts the producer on the current tokio runtime. It does no I/O before the first batch.
    pub fn new(client: Client, config: ProducerConfig) -> Self {
        // On connections of its own: the answers to acks=all take a while.
        let client = client.separate();
        let (commands, received) = mpsc::unbounded_channel();
        tokio::spawn(Dispatcher::new(client.clone(), config, received).run());
        Self { client, commands, closed: Arc::default(), identity: Arc::default() }
    }

    /// Sends a sealed batch whose header already has identity and base sequence. The batch is queued by the call, not
    /// by the first poll, and batches of a partition are written in the order of the calls. What may succeed later is
    /// repeated inside, for ever, with the same bytes.
    ///
    /// After a [`ProduceError::TooLarge`], [`ProduceError::Refused`] or [`ProduceError::SequenceLost`] every batch
    /// behind it in the partition is [`ProduceError::Aborted`], and so is every new one until all of them are answered.
    /// Then the partition takes batches again, beginning with the sequence of the one that failed, or with another
    /// identity.
    pub fn send(
        &self,
        partition: TopicPartition,
        batch: Bytes,
    ) -> impl Future<Output = Result<Acknowledged, ProduceError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        match Batch::new(batch, reply) {
            Ok(batch) if !self.closed.load(Ordering::Acquire) => {
                // When the dispatcher has gone, the reply goes with the batch, and the wait below ends.
                let _ = self.commands.send(Command::Send(partition, batch));
            }
            Ok(_) => {}
            Err((error, reply)) => {
                let code = ErrorCode::from(ResponseError::CorruptMessage);
                let _ = reply.send(Err(ProduceError::Refused { code, message: Some(error.to_string()) }));
            }
        }
        async move { answer.await.unwrap_or(Err(ProduceError::Closed)) }
    }

    /// Takes no more batches, and waits up to `within` for the answers to those that it has. What is then unanswered
    /// is [`ProduceError::Closed`].
    pub async fn close(&self, within: Duration) {
        self.closed.store(true, Ordering::Release);
        let (empty, emptied) = oneshot::channel();
        if self.commands.send(Command::Drain(empty)).is_ok() && tokio::time::timeout(within, emptied).await.is_err() {
            let _ = self.commands.send(Command::Abandon);
        }
    }
}
