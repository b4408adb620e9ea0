//! A Kafka topic as the far end: parsed documents for other applications.
//!
//! Key is the document's `_id`, value its JSON, timestamp the time of its event. What is repeated after a crash or a
//! rebalance is there twice, under the same key: a compacted topic keeps one of them, and a consumer can tell. Documents
//! of one partition of the source go to one partition, in order, so that a file's lines stay in order.

use async_trait::async_trait;
use jiff::Timestamp;
use kafka_client::{Client, Names, PatientProducer, TopicPartition};
use kafka_wire::batch::{BatchWriter, RecordHeaders};
use kafka_wire::compression::Compression;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Rejection, Sink};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

/// Plain bytes of a batch: as much as fits into what a topic takes by default (`max.message.bytes`, 1 MiB).
const BATCH_BYTES: usize = 900 * 1024;
/// Lengths, deltas and counts of a record, as long as they can be.
const RECORD_FRAME_BYTES: usize = 64;
const NAMES: Names = Names { topic: "output topic", records: "documents" };
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
            let problem = Arc::clone(&self.problem);
            let producer = PatientProducer::new(self.client.clone(), self.compression, NAMES, problem);
            let lane = Lane { producer, topic: Arc::clone(&self.topic) };
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

/// What comes from one partition of the source.
struct Lane {
    producer: PatientProducer,
    topic: Arc<str>,
}

impl Lane {
    async fn run(mut self, source: i32, mut orders: mpsc::UnboundedReceiver<Order>) {
        let partitions = self.producer.create(&self.topic).await;
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

    /// Sends documents until they are acknowledged; one that is too large alone is rejected.
    async fn send(&mut self, to: &TopicPartition, batch: &DocumentBatch, all: Range<usize>, outcomes: &mut [Outcome]) {
        let fill = |writer: &mut BatchWriter, part: Range<usize>| {
            let now = Timestamp::now().as_millisecond();
            for item in &batch.items[part] {
                let key = item.id.as_ref().map(|id| id.as_str().as_bytes());
                // A broker refuses times that lie ahead.
                let time = item.event_ms.min(now);
                let mut headers = RecordHeaders::new();
                headers.push("sluice.index", Some(item.index.as_bytes()));
                writer.push(time, key, Some(batch.document(item)), &headers, None);
            }
        };
        let reject = |item: usize, bytes: usize| {
            let reason = format!("a document of {bytes} bytes is larger than topic {:?} takes", to.topic);
            let rejection = Rejection { status: 413, kind: TOO_LARGE.into(), reason, attempts: 1 };
            outcomes[item] = Outcome::Rejected(Box::new(rejection));
            None
        };
        self.producer.send(to, all, fill, reject).await;
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
