//! A Kafka topic as the far end: parsed documents for other applications.
//!
//! Key is the document's `_id`, value its JSON, timestamp the time of its event. What is repeated after a crash or a
//! rebalance is there twice, under the same key: a compacted topic keeps one of them, and a consumer can tell. Documents
//! of one partition of the source go to one partition, in order, so that a file's lines stay in order.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use kafka_client::{Backoff, Client, ProduceError, Producer, ProducerConfig, Sequencer, TopicPartition};
use kafka_wire::batch::{BatchHeader, BatchWriter, RecordHeaders};
use kafka_wire::compression::Compression;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Rejection, Sink};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Plain bytes of a batch: as much as fits into what a topic takes by default (`max.message.bytes`, 1 MiB).
const BATCH_BYTES: usize = 900 * 1024;
/// Lengths, deltas and counts of a record, as long as they can be.
const RECORD_FRAME_BYTES: usize = 64;
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Kafka's error for a document that is larger than the topic takes.
const TOO_LARGE: &str = "MESSAGE_TOO_LARGE";

/// Documents become records of a topic.
pub struct TopicOutput {
    client: Client,
    topic: Arc<str>,
    compression: Compression,
    lanes: Mutex<HashMap<i32, mpsc::UnboundedSender<Order>>>,
    senders: Mutex<Vec<JoinHandle<()>>>,
    problem: Arc<Mutex<Option<String>>>,
}

struct Order {
    batch: DocumentBatch,
    done: oneshot::Sender<Vec<Outcome>>,
}

impl TopicOutput {
    /// Does no I/O before the first document.
    pub fn new(client: Client, topic: &str, compression: Compression) -> Arc<Self> {
        Arc::new(Self {
            client,
            topic: topic.into(),
            compression,
            lanes: Mutex::default(),
            senders: Mutex::default(),
            problem: Arc::default(),
        })
    }

    fn lane(&self, partition: i32) -> mpsc::UnboundedSender<Order> {
        let mut lanes = self.lanes.lock().expect("nothing panics while it holds the lanes");
        let begin = || {
            let (orders, received) = mpsc::unbounded_channel();
            let lane = Lane {
                producer: Producer::new(self.client.clone(), ProducerConfig::default()),
                client: self.client.clone(),
                topic: Arc::clone(&self.topic),
                sequencer: None,
                writer: BatchWriter::new(self.compression),
                backoff: Backoff::new(BACKOFF_MIN, BACKOFF_MAX),
                problem: Arc::clone(&self.problem),
            };
            let task = tokio::spawn(lane.run(partition, received));
            self.senders.lock().expect("nothing panics while it holds the senders").push(task);
            orders
        };
        lanes.entry(partition).or_insert_with(begin).clone()
    }
}

impl Drop for TopicOutput {
    fn drop(&mut self) {
        let senders = self.senders.get_mut().expect("nothing panics while it holds the senders");
        senders.iter().for_each(JoinHandle::abort);
    }
}

#[async_trait]
impl Sink for TopicOutput {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        let (done, sent) = oneshot::channel();
        self.lane(batch.partition).send(Order { batch, done }).map_err(|_| Closed)?;
        sent.await.map_err(|_| Closed)
    }

    async fn flush(&self) {}

    fn problems(&self) -> Vec<String> {
        self.problem.lock().expect("nothing panics while it holds the problem").iter().cloned().collect()
    }
}

/// What comes from one partition of the source: one batch in flight at a time, so that a refused one has none behind it.
struct Lane {
    client: Client,
    producer: Producer,
    topic: Arc<str>,
    sequencer: Option<Sequencer>,
    writer: BatchWriter,
    backoff: Backoff,
    problem: Arc<Mutex<Option<String>>>,
}

impl Lane {
    async fn run(mut self, source: i32, mut orders: mpsc::UnboundedReceiver<Order>) {
        let partitions = self.partitions().await;
        let to = TopicPartition { topic: Arc::clone(&self.topic), partition: source.rem_euclid(partitions.max(1)) };
        while let Some(Order { batch, done }) = orders.recv().await {
            // Whoever asked has given it up.
            if done.is_closed() {
                continue;
            }
            let mut outcomes = vec![Outcome::Done; batch.items.len()];
            let mut first = 0;
            while first < batch.items.len() {
                let last = end_of_batch(&batch, first);
                self.send(&to, &batch, first..last, &mut outcomes).await;
                first = last;
            }
            // As above.
            let _ = done.send(outcomes);
        }
    }

    async fn partitions(&mut self) -> i32 {
        loop {
            // Not every user may create topics; then somebody else has to, and has perhaps.
            let created = self.client.create_topic(&self.topic, -1).await;
            if let Err(error) = created {
                self.complain(format!("output topic {:?} cannot be created: {error}; create it", self.topic));
            }
            match self.client.partitions(&self.topic).await {
                Ok(count) => {
                    self.settle();
                    return count;
                }
                Err(error) => self.wait(format!("output topic {:?} cannot be found: {error}", self.topic)).await,
            }
        }
    }

    /// Sends documents until they are acknowledged; one that is too large alone is rejected.
    async fn send(&mut self, to: &TopicPartition, batch: &DocumentBatch, all: Range<usize>, outcomes: &mut [Outcome]) {
        let mut parts = vec![all];
        while let Some(part) = parts.pop() {
            let (sealed, base_sequence) = self.seal(to, batch, part.clone()).await;
            match self.producer.send(to.clone(), sealed).await {
                Ok(_) => {
                    self.settle();
                    continue;
                }
                Err(ProduceError::TooLarge { bytes }) => {
                    self.rewind(to, base_sequence);
                    if part.len() > 1 {
                        let middle = part.start + part.len() / 2;
                        parts.extend([middle..part.end, part.start..middle]);
                    } else {
                        let reason = format!("a document of {bytes} bytes is larger than topic {:?} takes", to.topic);
                        outcomes[part.start] =
                            Outcome::Rejected(Rejection { status: 413, kind: TOO_LARGE.into(), reason, attempts: 1 });
                    }
                    continue;
                }
                Err(ProduceError::SequenceLost { .. }) => self.sequencer = None,
                Err(error) => {
                    self.rewind(to, base_sequence);
                    self.wait(format!("documents cannot be produced to topic {:?}: {error}", to.topic)).await;
                }
            }
            parts.push(part);
        }
    }

    async fn seal(&mut self, to: &TopicPartition, batch: &DocumentBatch, part: Range<usize>) -> (Bytes, i32) {
        let now = Timestamp::now().as_millisecond();
        let none = RecordHeaders::new();
        for item in &batch.items[part] {
            let key = item.id.as_ref().map(|id| id.as_str().as_bytes());
            // A broker refuses times that lie ahead.
            let time = item.event_ms.min(now);
            let index = Some(("sluice.index", item.index.as_bytes()));
            self.writer.push(time, key, Some(batch.document(item)), &none, index);
        }
        let mut sequencer = match self.sequencer.take() {
            Some(sequencer) => sequencer,
            None => self.identify().await,
        };
        let sealed = sequencer.seal(to, &mut self.writer);
        self.sequencer = Some(sequencer);
        let header = BatchHeader::read(&sealed).expect("a batch that was just sealed has a header");
        (sealed, header.base_sequence)
    }

    async fn identify(&mut self) -> Sequencer {
        loop {
            match self.producer.obtain_identity().await {
                Ok(identity) => return Sequencer::new(identity),
                Err(error) => self.wait(format!("the producer of documents gets no identity: {error}")).await,
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

/// The item behind the last one that fits into a record batch which begins with `first`; at least one does.
fn end_of_batch(batch: &DocumentBatch, first: usize) -> usize {
    let mut bytes = 0;
    let fits = batch.items[first..].iter().take_while(|item| {
        let id = item.id.as_ref().map_or(0, |id| id.as_str().len());
        bytes += item.json.len() + id + item.index.len() + RECORD_FRAME_BYTES;
        bytes <= BATCH_BYTES
    });
    first + fits.count().max(1)
}

/// The codec of that name.
///
/// # Errors
/// There is none.
pub fn compression(name: &str) -> anyhow::Result<Compression> {
    name.parse().map_err(|error| anyhow::anyhow!("worker.output.kafka.compression: {error}"))
}
