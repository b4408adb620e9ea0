//! Dead letters on a real broker: produced idempotently, one batch after the other.
//!
//! One batch is in flight at a time, so that a refused one has none behind it. Dead letters are few; when all documents
//! are rejected, the pace of acknowledgements is back-pressure enough.

use super::source::{DeadLetter, DeadLetterQueue};
use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use kafka_client::{Backoff, Client, ProduceError, Producer, ProducerConfig, Sequencer, TopicPartition};
use kafka_wire::batch::{BatchHeader, BatchWriter};
use kafka_wire::compression::Compression;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Plain bytes of a batch: half of what a topic takes by default (`max.message.bytes`, 1 MiB). A letter that is larger
/// goes alone.
const BATCH_BYTES: usize = 512 * 1024;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// The dead letter topics of a cluster.
pub(crate) struct DeadLetterTopic {
    orders: mpsc::UnboundedSender<Order>,
    problem: Arc<Mutex<Option<String>>>,
    sender: JoinHandle<()>,
}

struct Order {
    topic: Arc<str>,
    /// Of the originals.
    partition: i32,
    letters: Vec<DeadLetter>,
    done: oneshot::Sender<()>,
}

impl DeadLetterTopic {
    /// Does no I/O before the first letter.
    pub fn new(client: Client) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let problem = Arc::default();
        let sender = Sender {
            producer: Producer::new(client.clone(), ProducerConfig::default()),
            client,
            sequencer: None,
            partitions: HashMap::new(),
            writer: BatchWriter::new(Compression::Lz4),
            backoff: Backoff::new(BACKOFF_MIN, BACKOFF_MAX),
            problem: Arc::clone(&problem),
        };
        Self { orders, problem, sender: tokio::spawn(sender.run(received)) }
    }
}

#[async_trait]
impl DeadLetterQueue for DeadLetterTopic {
    async fn send(&self, topic: &str, partition: i32, letters: Vec<DeadLetter>) {
        let (done, sent) = oneshot::channel();
        let order = Order { topic: topic.into(), partition, letters, done };
        if self.orders.send(order).is_err() || sent.await.is_err() {
            // The sender has panicked, which was printed: these letters were not acknowledged, and never count as that.
            std::future::pending().await
        }
    }

    fn problems(&self) -> Vec<String> {
        self.problem.lock().expect("nothing panics while it holds the problem").iter().cloned().collect()
    }
}

impl Drop for DeadLetterTopic {
    fn drop(&mut self) {
        self.sender.abort();
    }
}

struct Sender {
    client: Client,
    producer: Producer,
    /// Of the identity in use; none before the first letter, and after the broker has forgotten it.
    sequencer: Option<Sequencer>,
    /// How many partitions the dead letter topics have.
    partitions: HashMap<Arc<str>, i32>,
    writer: BatchWriter,
    backoff: Backoff,
    problem: Arc<Mutex<Option<String>>>,
}

impl Sender {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        while let Some(Order { topic, partition, letters, done }) = orders.recv().await {
            // Whoever asked may be gone; what it gave may go as well.
            if done.is_closed() {
                continue;
            }
            let to = self.destination(&topic, partition).await;
            let mut rest = &letters[..];
            while !rest.is_empty() {
                let mut bytes = 0;
                let fits = rest.iter().take_while(|letter| {
                    bytes += letter.bytes();
                    bytes <= BATCH_BYTES
                });
                let (front, behind) = rest.split_at(fits.count().max(1));
                self.send(&to, front).await;
                rest = behind;
            }
            // As above.
            let _ = done.send(());
        }
    }

    async fn destination(&mut self, topic: &Arc<str>, partition: i32) -> TopicPartition {
        let count = match self.partitions.get(topic) {
            Some(count) => *count,
            None => {
                let count = self.create(topic).await;
                self.partitions.insert(Arc::clone(topic), count);
                count
            }
        };
        TopicPartition { topic: Arc::clone(topic), partition: partition.rem_euclid(count.max(1)) }
    }

    /// Makes the topic if it is not there, and says how many partitions it has.
    async fn create(&mut self, topic: &str) -> i32 {
        loop {
            // Not every user may create topics; then somebody else has to, and has perhaps.
            let created = self.client.create_topic(topic, -1).await;
            let counted = match created {
                Ok(()) => self.client.partitions(topic).await,
                Err(error) => {
                    self.complain(format!("dead letter topic {topic:?} cannot be created: {error}; create it"));
                    self.client.partitions(topic).await
                }
            };
            match counted {
                Ok(count) => {
                    self.settle();
                    return count;
                }
                Err(error) => self.wait(format!("dead letter topic {topic:?} cannot be found: {error}")).await,
            }
        }
    }

    /// Sends `letters`, which fit into one batch, until they are acknowledged.
    async fn send(&mut self, to: &TopicPartition, letters: &[DeadLetter]) {
        // What is to be sent, the last first: a batch that is too large goes on in halves.
        let mut parts = vec![letters];
        while let Some(part) = parts.pop() {
            let (batch, base_sequence) = self.seal(to, part).await;
            match self.producer.send(to.clone(), batch).await {
                Ok(_) => {
                    self.settle();
                    continue;
                }
                Err(ProduceError::TooLarge { bytes }) => {
                    self.rewind(to, base_sequence);
                    if part.len() > 1 {
                        let (front, back) = part.split_at(part.len() / 2);
                        parts.extend([back, front]);
                        continue;
                    }
                    let topic = &to.topic;
                    let problem = format!(
                        "a dead letter of {bytes} bytes is larger than topic {topic:?} takes: raise its \
                         max.message.bytes; until then its partition waits"
                    );
                    self.wait(problem).await;
                }
                Err(ProduceError::SequenceLost { .. }) => self.sequencer = None,
                Err(error) => {
                    self.rewind(to, base_sequence);
                    self.wait(format!("dead letters cannot be produced to topic {:?}: {error}", to.topic)).await;
                }
            }
            parts.push(part);
        }
    }

    /// A batch of `letters`, and the sequence that it begins with.
    async fn seal(&mut self, to: &TopicPartition, letters: &[DeadLetter]) -> (Bytes, i32) {
        // The time of the rejection: a broker may refuse a record whose own time is far away, and the original's time
        // is in a header.
        let now = Timestamp::now().as_millisecond();
        for letter in letters {
            self.writer.push(now, letter.key.as_deref(), letter.value.as_deref(), &letter.headers, None);
        }
        let mut sequencer = match self.sequencer.take() {
            Some(sequencer) => sequencer,
            None => self.identify().await,
        };
        let batch = sequencer.seal(to, &mut self.writer);
        self.sequencer = Some(sequencer);
        let header = BatchHeader::read(&batch).expect("a batch that was just sealed has a header");
        (batch, header.base_sequence)
    }

    async fn identify(&mut self) -> Sequencer {
        loop {
            match self.producer.obtain_identity().await {
                Ok(identity) => return Sequencer::new(identity),
                Err(error) => self.wait(format!("the producer of dead letters gets no identity: {error}")).await,
            }
        }
    }

    fn rewind(&mut self, to: &TopicPartition, base_sequence: i32) {
        if let Some(sequencer) = &mut self.sequencer {
            sequencer.rewind(to, base_sequence);
        }
    }

    async fn wait(&mut self, problem: String) {
        self.complain(problem);
        tokio::time::sleep(self.backoff.next_delay()).await;
    }

    fn complain(&self, problem: String) {
        let mut current = self.problem.lock().expect("nothing panics while it holds the problem");
        if current.is_none() {
            tracing::warn!("{problem}");
        }
        *current = Some(problem);
    }

    fn settle(&mut self) {
        self.backoff.reset();
        *self.problem.lock().expect("nothing panics while it holds the problem") = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::RecordHeaders;

    #[test]
    fn a_letters_bytes_are_counted() {
        let mut headers = RecordHeaders::new();
        headers.push("key", Some(b"value"));
        let letter = DeadLetter { key: None, value: Some(Bytes::from_static(b"line")), headers };
        let mut writer = BatchWriter::new(Compression::None);
        writer.push(0, None, letter.value.as_deref(), &letter.headers, None);
        assert!(letter.bytes() >= writer.plain_bytes());
    }
}
