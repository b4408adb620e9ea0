//! From a framed batch to its acknowledgement: number it, write it down, send it, and mend what is refused.

mod broker;
mod kafka;
mod lane;
mod mend;
mod recover;

pub use broker::{Broker, Identity, Later, SendError};
pub use kafka::KafkaBroker;
use lane::{Lane, Numbering};

use crate::batch::Dress;
use crate::checkpoint::{State, Store};
use crate::fingerprint::FileId;
use crate::journal::{Entry, FileRecord, Sent, Source};
use crate::metrics::Metrics;
use crate::pool::Pool;
use kafka_wire::batch::{BatchWriter, Producer, wrap_sequence};
use kafka_wire::compression::Compression;
use lane::Front;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What the tokio tasks tell the agent's thread.
#[derive(Debug)]
pub enum Answer {
    Cluster(Option<String>),
    Partitions { topic: Arc<str>, count: i32 },
    Identity { lane: usize, identity: Identity },
    Resolved { lane: usize, number: u64, outcome: Result<(), SendError> },
    Failed { what: String },
    Flushed(Result<(), String>),
}

/// The content of a range, to make a batch again.
#[derive(Debug)]
pub enum Content {
    Here(Dress, Vec<u8>),
    /// It cannot be read any more, ever.
    Gone(String),
    /// It cannot be read now.
    NotNow(String),
}

/// Where the content of files comes from.
pub trait Contents {
    /// `host` is what the headers of the batch say.
    fn content(&mut self, record: &FileRecord, source: &Source, host: Option<&str>) -> Content;
}

/// What the reading side has to know.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A batch of this file was acknowledged.
    Moved(FileId),
    /// Nothing more of this file may be sent; reading begins again at its acknowledged position.
    Held { file: FileId, reason: String },
    /// Batches can be numbered now, or the partition of files is known.
    Ready,
    /// Bytes that nobody will get.
    Lost { file: FileId, start: u64, end: u64, reason: String },
}

/// What a batch is made of besides its records.
#[derive(Debug)]
pub struct Draft {
    pub source: Source,
    pub host: Option<String>,
    pub timestamp: i64,
    pub line_bytes_max: usize,
    pub compression: Compression,
}

/// Tells the agent's thread; must not block.
pub type Tell = Arc<dyn Fn(Answer) + Send + Sync>;

/// The books of everything that is on its way to the broker. Lives on the agent's thread.
pub struct Delivery {
    store: Store,
    pool: Arc<Pool>,
    broker: Arc<dyn Broker>,
    runtime: Handle,
    tell: Tell,
    metrics: Metrics,
    lanes: Vec<Lane>,
    lane_of: HashMap<(Arc<str>, i32), usize>,
    /// Unresolved batches of lanes that cannot be made again yet, and why.
    waiting: BTreeMap<usize, String>,
    /// Partitions by topic; `None` while asked for.
    partitions: HashMap<Arc<str>, Option<i32>>,
    batches_of: HashMap<FileId, usize>,
    /// Sequences in flight belong to a cluster: nothing is sent before it is known to be the same.
    cluster_known: bool,
    closed: bool,
    write_problem: Option<String>,
    ask_problem: Option<String>,
}

impl Delivery {
    pub fn new(
        store: Store,
        pool: Arc<Pool>,
        broker: Arc<dyn Broker>,
        runtime: Handle,
        tell: Tell,
        metrics: Metrics,
    ) -> Self {
        Self {
            store,
            pool,
            broker,
            runtime,
            tell,
            metrics,
            lanes: Vec::new(),
            lane_of: HashMap::new(),
            waiting: BTreeMap::new(),
            partitions: HashMap::new(),
            batches_of: HashMap::new(),
            cluster_known: false,
            closed: false,
            write_problem: None,
            ask_problem: None,
        }
    }

    pub fn state(&self) -> &State {
        self.store.state()
    }

    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Asks the cluster who it is.
    pub fn start(&self) {
        self.ask(self.broker.cluster_id(), Answer::Cluster, "the cluster's id");
    }

    fn ask<T: Send + 'static>(
        &self,
        question: Later<Result<T, String>>,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
        what: &'static str,
    ) {
        let tell = Arc::clone(&self.tell);
        self.runtime.spawn(async move {
            match question.await {
                Ok(value) => tell(answer(value)),
                Err(reason) => tell(Answer::Failed { what: format!("cannot learn {what}: {reason}") }),
            }
        });
    }

    /// Writes an entry about a file.
    pub fn record(&mut self, entry: Entry) -> io::Result<()> {
        let written = self.store.append(entry);
        self.note_write(&written);
        written
    }

    fn note_write(&mut self, written: &io::Result<()>) {
        match written {
            Ok(()) => {
                self.metrics.journal_entries.inc();
                self.write_problem = None;
            }
            Err(error) => {
                let problem = format!("cannot write the journal: {error}; reading waits until it can be written");
                if self.write_problem.as_ref() != Some(&problem) {
                    tracing::error!("{problem}");
                }
                self.write_problem = Some(problem);
            }
        }
    }

    /// The partition of a new file of this topic, once the number of partitions is known.
    pub fn partition_of(&mut self, topic: &str, file: FileId) -> Option<i32> {
        if let Some(count) = self.partitions.get(topic) {
            return count.map(|count| (file.0 % count.max(1) as u64) as i32);
        }
        let topic: Arc<str> = topic.into();
        self.partitions.insert(Arc::clone(&topic), None);
        let question = self.broker.partitions(&topic);
        self.ask(question, move |count| Answer::Partitions { topic, count }, "the partitions of a topic");
        None
    }

    pub fn lane(&mut self, topic: &str, partition: i32) -> usize {
        let topic: Arc<str> = topic.into();
        *self.lane_of.entry((Arc::clone(&topic), partition)).or_insert_with(|| {
            self.lanes.push(Lane::new(topic, partition));
            self.lanes.len() - 1
        })
    }

    /// Whether batches can be numbered in this lane. If not, an [`Event::Ready`] will follow.
    pub fn is_ready(&mut self, lane: usize) -> bool {
        if !self.cluster_known || self.waiting.contains_key(&lane) || self.closed {
            return false;
        }
        match self.lanes[lane].numbering {
            Numbering::Ready { .. } => self.write_problem.is_none(),
            Numbering::Asked => false,
            Numbering::None => {
                self.renumber(lane);
                false
            }
        }
    }

    /// Asks for an identity under which everything in the lane is numbered anew.
    fn renumber(&mut self, lane: usize) {
        self.lanes[lane].numbering = Numbering::Asked;
        let question = self.broker.obtain_identity();
        self.ask(question, move |identity| Answer::Identity { lane, identity }, "a producer id");
    }

    /// Seals what `writer` holds, writes it down and sends it.
    ///
    /// # Errors
    /// The journal could not be written: nothing was sent, and the records are dropped.
    ///
    /// # Panics
    /// The lane is not ready, or there are no records.
    pub fn send(&mut self, lane: usize, writer: &mut BatchWriter, draft: Draft) -> io::Result<()> {
        let Numbering::Ready { identity, next_sequence } = self.lanes[lane].numbering else {
            panic!("only a lane that is ready takes batches");
        };
        let file = draft.source.file;
        let sent = Sent {
            number: self.state().next_number,
            topic: self.lanes[lane].topic.to_string(),
            partition: self.lanes[lane].partition,
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            sequence: next_sequence,
            records: writer.record_count(),
            compression: draft.compression as u8,
            line_bytes_max: draft.line_bytes_max,
            host: draft.host,
            timestamp: draft.timestamp,
            sources: vec![draft.source],
        };
        if let Err(error) = self.record(Entry::Sent(sent.clone())) {
            writer.clear();
            return Err(error);
        }
        let mut buffer = self.pool.buffer();
        let producer = Producer { id: identity.id, epoch: identity.epoch, base_sequence: next_sequence };
        writer.seal(producer, &mut buffer);
        let next_sequence = wrap_sequence(next_sequence, sent.records);
        self.lanes[lane].numbering = Numbering::Ready { identity, next_sequence };
        self.lanes[lane].push(sent, self.pool.hold(buffer));
        *self.batches_of.entry(file).or_default() += 1;
        self.metrics.batches.inc();
        self.pump(lane);
        Ok(())
    }

    /// Hands batches to the producer as far as the lane's window allows.
    fn pump(&mut self, lane_index: usize) {
        if !self.cluster_known || self.closed || self.waiting.contains_key(&lane_index) {
            return;
        }
        let lane = &mut self.lanes[lane_index];
        if !matches!(lane.numbering, Numbering::Ready { .. }) {
            return;
        }
        let topic = Arc::clone(&lane.topic);
        let partition = lane.partition;
        while let Some(outgoing) = lane.next_to_hand() {
            outgoing.handed = true;
            let number = outgoing.sent.number;
            let answer = self.broker.send(&topic, partition, outgoing.bytes.clone());
            let tell = Arc::clone(&self.tell);
            self.runtime.spawn(async move {
                let outcome = answer.await;
                tell(Answer::Resolved { lane: lane_index, number, outcome });
            });
        }
    }

    /// Takes in an answer and does what follows from it.
    pub fn take(&mut self, answer: Answer, contents: &mut dyn Contents) -> Vec<Event> {
        let mut events = Vec::new();
        match answer {
            Answer::Cluster(id) => self.cluster_is(id, &mut events),
            Answer::Partitions { topic, count } => {
                self.partitions.insert(topic, Some(count));
                events.push(Event::Ready);
            }
            Answer::Identity { lane, identity } => {
                self.number_anew(lane, identity);
                events.push(Event::Ready);
            }
            Answer::Resolved { lane, number, outcome } => {
                self.lanes[lane].resolved(number, outcome);
                self.advance(lane, contents, &mut events);
            }
            Answer::Failed { what } => {
                tracing::error!("{what}");
                self.ask_problem = Some(what);
            }
            Answer::Flushed(Ok(())) => {}
            Answer::Flushed(Err(reason)) => {
                let failed = Err(io::Error::other(format!("flush: {reason}")));
                self.note_write(&failed);
            }
        }
        events
    }

    fn cluster_is(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        self.cluster_known = true;
        let before = self.state().cluster.clone();
        if id.is_some() && id != before {
            if let Some(before) = before {
                tracing::warn!(before, now = id, "another cluster answers; batches in flight get a new producer id");
                for lane in 0..self.lanes.len() {
                    self.lanes[lane].start_over();
                    self.renumber(lane);
                }
            }
            // Without it on disk the next start asks again: nothing depends on the write.
            let _ = self.record(Entry::Cluster { id: id.unwrap_or_default() });
        }
        (0..self.lanes.len()).for_each(|lane| self.pump(lane));
        events.push(Event::Ready);
    }

    /// Takes acknowledged batches off the front, and mends a failure there.
    fn advance(&mut self, lane: usize, contents: &mut dyn Contents, events: &mut Vec<Event>) {
        loop {
            match self.lanes[lane].front() {
                Front::Waiting => break,
                Front::Failed(error) => {
                    if self.mend(lane, error, contents, events).is_err() {
                        return;
                    }
                }
                Front::Acknowledged => {
                    let number = self.lanes[lane].queue[0].sent.number;
                    // The position moves in the journal first: the window of the lane stays closed until then.
                    if self.record(Entry::Acknowledged { number }).is_err() {
                        return;
                    }
                    let Some(done) = self.lanes[lane].queue.pop_front() else { return };
                    self.metrics.records_acknowledged.inc_by(done.sent.records as u64);
                    self.taken_off(&done.sent, events);
                }
            }
        }
        self.pump(lane);
    }

    fn taken_off(&mut self, sent: &Sent, events: &mut Vec<Event>) {
        for source in &sent.sources {
            if let Some(count) = self.batches_of.get_mut(&source.file) {
                *count -= 1;
                if *count == 0 {
                    self.batches_of.remove(&source.file);
                }
            }
            events.push(Event::Moved(source.file));
        }
    }

    /// Goes on after the journal could not be written, tries again what could not be read, and makes room.
    pub fn tick(&mut self, contents: &mut dyn Contents) -> Vec<Event> {
        let mut events = Vec::new();
        if self.write_problem.is_some() {
            let flushed = self.store.flush();
            self.note_write(&flushed);
            if flushed.is_ok() {
                events.push(Event::Ready);
            }
        }
        for lane in 0..self.lanes.len() {
            self.advance(lane, contents, &mut events);
        }
        if let Err(error) = self.store.compact_when_long() {
            self.note_write(&Err(error));
        }
        if let Some(file) = self.store.unflushed() {
            let tell = Arc::clone(&self.tell);
            self.runtime.spawn_blocking(move || {
                tell(Answer::Flushed(file.sync_data().map_err(|error| error.to_string())));
            });
        }
        events
    }

    /// Writes everything that is known to disk.
    pub fn finish(&mut self) -> io::Result<()> {
        self.closed = true;
        self.store.compact()
    }

    /// Batches without acknowledgement, and the records in them.
    pub fn undelivered(&self) -> (usize, u64) {
        let unresolved = &self.state().unresolved;
        (unresolved.len(), unresolved.values().map(|sent| sent.records as u64).sum())
    }

    pub fn in_flight(&self, file: FileId) -> bool {
        self.batches_of.contains_key(&file)
    }

    /// No batch of an earlier run waits for its file, and none for the cluster.
    pub fn is_recovered(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn problems(&self) -> Vec<String> {
        let waiting = self.waiting.values().cloned();
        let own = [self.write_problem.clone(), self.ask_problem.clone(), self.broker.problem()];
        own.into_iter().flatten().chain(waiting).collect()
    }
}
