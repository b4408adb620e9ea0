//! Dead letters on a real broker: produced idempotently, one batch after the other.
//!
//! Dead letters are few; when all documents are rejected, the pace of acknowledgements is back-pressure enough.

use super::source::{DeadLetter, DeadLetterQueue};
use async_trait::async_trait;
use jiff::Timestamp;
use kafka_client::{Client, Names, PatientProducer, TopicPartition};
use kafka_wire::batch::BatchWriter;
use kafka_wire::compression::Compression;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Plain bytes of a batch: half of what a topic takes by default (`max.message.bytes`, 1 MiB). A letter that is larger
/// goes alone.
const BATCH_BYTES: usize = 512 * 1024;
const NAMES: Names = Names { topic: "dead letter topic", records: "dead letters" };

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
            producer: PatientProducer::new(client, Compression::Lz4, NAMES, Arc::clone(&problem)),
            partitions: HashMap::new(),
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
    producer: PatientProducer,
    /// How many partitions the dead letter topics have.
    partitions: HashMap<Arc<str>, i32>,
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
                let count = self.producer.create(topic).await;
                self.partitions.insert(Arc::clone(topic), count);
                count
            }
        };
        TopicPartition { topic: Arc::clone(topic), partition: partition.rem_euclid(count.max(1)) }
    }

    /// Sends `letters`, which fit into one batch, until they are acknowledged.
    async fn send(&mut self, to: &TopicPartition, letters: &[DeadLetter]) {
        let fill = |writer: &mut BatchWriter, part: Range<usize>| {
            // The time of the rejection: a broker may refuse a record whose own time is far away, and the original's time
            // is in a header.
            let now = Timestamp::now().as_millisecond();
            for letter in &letters[part] {
                writer.push(now, letter.key.as_deref(), letter.value.as_deref(), &letter.headers, None);
            }
        };
        let hold = |_, bytes: usize| {
            Some(format!(
                "a dead letter of {bytes} bytes is larger than topic {:?} takes: raise its max.message.bytes; until then its \
                 partition waits",
                to.topic
            ))
        };
        self.producer.send(to, 0..letters.len(), fill, hold).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
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
