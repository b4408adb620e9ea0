//! A broker in memory that keeps Kafka's rules for idempotent producers, and fails on demand.

use agent::{Broker, Identity, Later, Positions, SendError, Written};
use bytes::Bytes;
use kafka_wire::batch::{BatchHeader, PlainRecords, wrap_sequence};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// What Kafka remembers of a producer.
const BATCHES_REMEMBERED: usize = 5;
pub const PARTITIONS: i32 = 3;

/// A record as a consumer would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub partition: i32,
    pub value: Vec<u8>,
    pub timestamp: i64,
    pub headers: Vec<(String, String)>,
    /// When the broker took it.
    pub at: Instant,
}

impl Got {
    pub fn header(&self, key: &str) -> &str {
        self.headers.iter().find(|(name, _)| name == key).map_or("", |(_, value)| value)
    }
}

/// A batch that came, and when the broker is done with it.
struct Waiting {
    connection: u64,
    batch: Bytes,
    reply: Reply,
    due: Instant,
}

type Reply = oneshot::Sender<Result<(), SendError>>;

#[derive(Default)]
struct Remembered {
    epoch: i16,
    next_sequence: i32,
    /// First and last sequence, and the bytes.
    batches: VecDeque<(i32, i32, Vec<u8>)>,
}

#[derive(Default)]
struct Partition {
    waiting: VecDeque<Waiting>,
    producers: HashMap<i64, Remembered>,
    /// Producer id and sequence of a batch that failed, by connection: what is behind it is aborted. What a killed agent
    /// had sent is not behind what the next one sends.
    failed: HashMap<u64, (i64, i32)>,
}

#[derive(Default)]
struct Inner {
    cluster: Option<String>,
    identities: i64,
    connections: u64,
    partitions: BTreeMap<i32, Partition>,
    got: Vec<Got>,
    /// Of all batches; their partitions are not kept apart.
    topics: BTreeSet<String>,
    repeated: usize,
    stalled: bool,
    lose_acknowledgements: bool,
    lost: Vec<Reply>,
    refusals: VecDeque<SendError>,
    batch_bytes_max: Option<usize>,
    /// What every question is answered with.
    refuse_questions: Option<String>,
    partition_count: i32,
    bytes_per_second: Option<u64>,
    /// When the batches so far have gone through at that rate.
    busy_until: Option<Instant>,
    /// The agent's checkpoints, and the batches that were answered: the former must never know more.
    checkpoints: Option<Positions>,
    answered: HashSet<(i32, i64, i32)>,
    violations: Vec<String>,
}

#[derive(Clone, Default)]
pub struct FakeBroker {
    inner: Arc<Mutex<Inner>>,
    connection: u64,
}

impl FakeBroker {
    pub fn new() -> Self {
        let broker = Self::default();
        broker.lock().cluster = Some("one".into());
        broker.lock().partition_count = PARTITIONS;
        broker
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For one agent.
    pub fn connect(&self) -> Self {
        let mut inner = self.lock();
        inner.connections += 1;
        Self { inner: Arc::clone(&self.inner), connection: inner.connections }
    }

    /// From now on, the agent's checkpoints are compared with what was acknowledged.
    pub fn watch(&self, checkpoints: &Path) {
        self.lock().checkpoints = Some(Positions::read(checkpoints).expect("readable"));
    }

    /// Answers all questions with an error, or properly again.
    pub fn refuse_questions(&self, reason: Option<&str>) {
        self.lock().refuse_questions = reason.map(str::to_owned);
    }

    pub fn have_partitions(&self, count: i32) {
        self.lock().partition_count = count;
    }

    pub fn bytes_per_second(&self, bytes: u64) {
        self.lock().bytes_per_second = Some(bytes);
    }

    /// Takes batches, and answers nothing until it is told to go on.
    pub fn stall(&self, stalled: bool) {
        let mut inner = self.lock();
        inner.stalled = stalled;
        inner.run();
    }

    /// Drops what came and was not looked at yet.
    pub fn cut_off(&self) {
        self.lock().partitions.values_mut().for_each(|partition| partition.waiting.clear());
    }

    /// Writes batches, and never answers.
    pub fn lose_acknowledgements(&self, lose: bool) {
        self.lock().lose_acknowledgements = lose;
    }

    /// Batches that were taken and never answered.
    pub fn lost(&self) -> usize {
        self.lock().lost.len()
    }

    pub fn refuse(&self, error: SendError) {
        self.lock().refusals.push_back(error);
    }

    pub fn batch_bytes_max(&self, bytes: usize) {
        self.lock().batch_bytes_max = Some(bytes);
    }

    pub fn become_cluster(&self, id: &str) {
        let mut inner = self.lock();
        inner.cluster = Some(id.to_owned());
        inner.partitions.clear();
    }

    pub fn forget_producers(&self) {
        self.lock().partitions.values_mut().for_each(|partition| {
            for producer in partition.producers.values_mut() {
                producer.batches.clear();
                producer.next_sequence = -1;
            }
        });
    }

    pub fn got(&self) -> Vec<Got> {
        self.sound().got.clone()
    }

    pub fn count(&self) -> usize {
        self.sound().got.len()
    }

    pub fn count_of(&self, which: impl Fn(&Got) -> bool) -> usize {
        self.sound().got.iter().filter(|got| which(got)).count()
    }

    /// The agent has kept its promises so far. Not checked on its own thread, where a panic would only be a hang.
    fn sound(&self) -> MutexGuard<'_, Inner> {
        let inner = self.lock();
        assert!(inner.violations.is_empty(), "{:?}", inner.violations);
        inner
    }

    pub fn topics(&self) -> Vec<String> {
        self.lock().topics.iter().cloned().collect()
    }

    pub fn values(&self) -> Vec<String> {
        self.sound().got.iter().map(|got| String::from_utf8_lossy(&got.value).into_owned()).collect()
    }

    pub fn repeated(&self) -> usize {
        self.lock().repeated
    }

    pub fn waiting(&self) -> usize {
        self.lock().partitions.values().map(|partition| partition.waiting.len()).sum()
    }
}

impl Inner {
    fn run(&mut self) {
        if self.stalled {
            return;
        }
        let now = Instant::now();
        let mut partitions = std::mem::take(&mut self.partitions);
        for (&number, partition) in &mut partitions {
            while partition.waiting.front().is_some_and(|first| first.due <= now) {
                let Some(Waiting { connection, batch, reply, .. }) = partition.waiting.pop_front() else { break };
                self.look_at_checkpoints(None);
                let outcome = self.take(connection, number, partition, &batch);
                if self.lose_acknowledgements {
                    self.lost.push(reply);
                } else {
                    if outcome.is_ok() {
                        self.answered.insert(place_of(number, &batch));
                    }
                    let _ = reply.send(outcome);
                }
            }
        }
        self.partitions = partitions;
    }

    /// A batch is in the journal before it comes here, and acknowledged there only after it was answered.
    fn look_at_checkpoints(&mut self, batch: Option<(i32, &Bytes)>) {
        let Some(positions) = &mut self.checkpoints else { return };
        for Written { partition, producer_id, sequence } in positions.refresh().expect("checkpoints are readable") {
            if !self.answered.contains(&(partition, producer_id, sequence)) {
                self.violations.push(format!("{partition} {producer_id} {sequence}: the checkpoint is ahead"));
            }
        }
        let Some((number, batch)) = batch else { return };
        let (partition, producer_id, sequence) = place_of(number, batch);
        if !positions.in_flight().any(|written| written == Written { partition, producer_id, sequence }) {
            self.violations.push(format!("{partition} {producer_id} {sequence}: came without being written down"));
        }
    }

    /// How long the batches so far keep the line to the broker busy, with this one.
    fn due(&mut self, bytes: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = self.bytes_per_second else { return now };
        let due =
            self.busy_until.map_or(now, |until| until.max(now)) + Duration::from_secs_f64(bytes as f64 / rate as f64);
        self.busy_until = Some(due);
        due
    }

    fn take(
        &mut self,
        connection: u64,
        number: i32,
        partition: &mut Partition,
        batch: &Bytes,
    ) -> Result<(), SendError> {
        let header = BatchHeader::read(batch).expect("agents send sealed batches");
        header.verify_crc(batch).expect("the checksum fits");
        header.verify_count().expect("the count fits");
        let place = (header.producer_id, header.base_sequence);
        if let Some(&failed) = partition.failed.get(&connection) {
            if failed != place && failed.0 == place.0 {
                return Err(SendError::Aborted);
            }
            partition.failed.remove(&connection);
        }
        let too_large = self.batch_bytes_max.is_some_and(|max| batch.len() > max);
        if let Some(error) = too_large.then_some(SendError::TooLarge).or_else(|| self.refusals.pop_front()) {
            partition.failed.insert(connection, place);
            return Err(error);
        }
        let (first, last) = (header.base_sequence, header.last_sequence());
        let known = partition.producers.contains_key(&header.producer_id);
        let producer = partition.producers.entry(header.producer_id).or_default();
        let remembered = producer.batches.iter().find(|(one, other, _)| (*one, *other) == (first, last));
        if let Some((_, _, bytes)) = remembered.filter(|_| producer.epoch == header.producer_epoch) {
            // Kafka compares sequences only; the agent promises more, but for a record that became too large meanwhile.
            let is_cut = header.record_count == 1 && batch.len() < bytes.len();
            assert!(bytes.as_slice() == batch.as_ref() || is_cut, "a repeated batch has the same bytes");
            self.repeated += 1;
            return Ok(());
        }
        if known && producer.next_sequence != header.base_sequence {
            let forgotten = producer.next_sequence < 0;
            // Alone, it is the agent's to know what comes next.
            if partition.waiting.iter().any(|waiting| waiting.connection == connection) {
                partition.failed.insert(connection, place);
            }
            return Err(if forgotten { SendError::SequenceLost } else { SendError::OutOfOrder });
        }
        producer.epoch = header.producer_epoch;
        producer.next_sequence = wrap_sequence(header.base_sequence, header.record_count);
        producer.batches.push_back((first, last, batch.to_vec()));
        if producer.batches.len() > BATCHES_REMEMBERED {
            producer.batches.pop_front();
        }
        let plain = PlainRecords::read(header, batch, 64 << 20).expect("records are readable");
        for record in &plain {
            let record = record.expect("records are sound");
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers =
                record.headers.clone().map(|header| (text(header.key), text(header.value.unwrap_or_default())));
            self.got.push(Got {
                partition: number,
                value: record.value.expect("lines are values").to_vec(),
                timestamp: record.timestamp,
                headers: headers.collect(),
                at: Instant::now(),
            });
        }
        Ok(())
    }
}

/// Partition, producer id and first sequence.
fn place_of(partition: i32, batch: &Bytes) -> (i32, i64, i32) {
    let header = BatchHeader::read(batch).expect("agents send sealed batches");
    (partition, header.producer_id, header.base_sequence)
}

impl FakeBroker {
    fn answer<T: Send + 'static>(&self, answer: impl FnOnce(&mut Inner) -> T) -> Later<Result<T, String>> {
        let mut inner = self.lock();
        let refused = inner.refuse_questions.clone();
        let answer = match refused {
            Some(reason) => Err(reason),
            None => Ok(answer(&mut inner)),
        };
        Box::pin(async move { answer })
    }
}

impl Broker for FakeBroker {
    fn cluster_id(&self) -> Later<Result<Option<String>, String>> {
        self.answer(|inner| inner.cluster.clone())
    }

    fn partitions(&self, _topic: &str) -> Later<Result<i32, String>> {
        self.answer(|inner| inner.partition_count)
    }

    fn obtain_identity(&self) -> Later<Result<Identity, String>> {
        self.answer(|inner| {
            inner.identities += 1;
            Identity { id: 1000 + inner.identities, epoch: 0 }
        })
    }

    fn resume(&self, _identity: Identity) {}

    fn send(&self, topic: &Arc<str>, partition: i32, batch: Bytes) -> Later<Result<(), SendError>> {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.lock();
        inner.topics.insert(topic.to_string());
        inner.look_at_checkpoints(Some((partition, &batch)));
        let due = inner.due(batch.len());
        inner.partitions.entry(partition).or_default().waiting.push_back(Waiting {
            connection: self.connection,
            batch,
            reply,
            due,
        });
        inner.run();
        let broker = self.clone();
        Box::pin(async move {
            tokio::time::sleep_until(due.into()).await;
            broker.lock().run();
            answer.await.unwrap_or(Err(SendError::Closed))
        })
    }

    fn problem(&self) -> Option<String> {
        None
    }

    fn close(&self) -> Later<()> {
        Box::pin(async {})
    }
}
