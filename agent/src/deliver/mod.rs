//! From a framed batch to its acknowledgement: number it, write it down, send it, and mend what is refused.

mod ask;
mod broker;
mod disk;
mod kafka;
mod lane;
mod mend;
mod place;
mod recover;
mod send;

use ask::Open;
pub use ask::Question;
pub use broker::{Broker, Identity, Later, SendError};
use disk::Work;
pub use kafka::KafkaBroker;
use lane::Lane;
pub use send::Draft;

use crate::batch::Dress;
use crate::checkpoint::{Flush, State, Store};
use crate::fingerprint::FileId;
use crate::journal::{Entry, FileRecord, Sent, Source};
use crate::metrics::Metrics;
use crate::pool::Pool;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// What the tokio tasks tell the agent's thread.
#[derive(Debug)]
pub enum Answer {
    Cluster(Option<String>),
    Partitions {
        topic: Arc<str>,
        count: i32,
    },
    Identity {
        lane: usize,
        identity: Identity,
    },
    Resolved {
        lane: usize,
        number: u64,
        outcome: Result<(), SendError>,
    },
    /// A question was refused.
    No {
        question: Question,
        reason: String,
    },
    Flushed {
        flush: Flush,
        done: io::Result<()>,
    },
    Checkpointed {
        flush: Flush,
        done: io::Result<()>,
    },
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
    /// What could not be written down can be now: files that were not begun or were held for that.
    Writable,
    /// There is room in a lane that was full.
    Room(usize),
    /// Bytes that nobody will get.
    Lost { file: FileId, start: u64, end: u64, reason: String },
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
    /// How many each topic has in this cluster. Nothing is sent to a topic before.
    partitions: HashMap<Arc<str>, i32>,
    /// Lanes with batches whose partition is not there any more.
    misplaced: BTreeSet<usize>,
    questions: BTreeMap<Question, Open>,
    batches_of: HashMap<FileId, usize>,
    /// Sequences in flight belong to a cluster: nothing is sent before it is known to be the same.
    cluster_known: bool,
    closed: bool,
    work: Work,
    write_problem: Option<String>,
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
            misplaced: BTreeSet::new(),
            questions: BTreeMap::new(),
            batches_of: HashMap::new(),
            cluster_known: false,
            closed: false,
            work: Work::default(),
            write_problem: None,
        }
    }

    pub fn state(&self) -> &State {
        self.store.state()
    }

    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
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
                self.work.writable_again |= self.write_problem.take().is_some();
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

    /// Takes in an answer and does what follows from it.
    pub fn take(&mut self, answer: Answer, contents: &mut dyn Contents) -> Vec<Event> {
        let mut events = Vec::new();
        match answer {
            Answer::Cluster(id) => {
                if self.answered(&Question::Cluster) {
                    self.cluster_is(id, &mut events);
                }
            }
            Answer::Partitions { topic, count } => {
                if self.answered(&Question::Partitions(Arc::clone(&topic))) {
                    self.partitions_are(topic, count, &mut events);
                }
            }
            Answer::Identity { lane, identity } => {
                if self.answered(&Question::Identity(lane)) {
                    self.number_anew(lane, identity, &mut events);
                    events.push(Event::Ready);
                }
            }
            Answer::Resolved { lane, number, outcome } => {
                self.lanes[lane].resolved(number, outcome);
                self.advance(lane, contents, &mut events);
            }
            Answer::No { question, reason } => self.refused(question, &reason),
            Answer::Flushed { flush, done } => self.flushed(&flush, done, &mut events),
            Answer::Checkpointed { flush, done } => self.checkpointed(&flush, done, &mut events),
        }
        events
    }

    /// Goes on after the journal could not be written, tries again what could not be read, and makes room.
    pub fn tick(&mut self, contents: &mut dyn Contents) -> Vec<Event> {
        let mut events = Vec::new();
        if self.write_problem.is_some() {
            // Says what is known already: only whether it can be written is of interest.
            let host = self.state().host.clone().unwrap_or_default();
            // The problem itself is noted there.
            let _ = self.record(Entry::Host(host));
        }
        if std::mem::take(&mut self.work.writable_again) {
            events.extend([Event::Ready, Event::Writable]);
        }
        self.ask_again(Instant::now());
        self.move_misplaced();
        for lane in 0..self.lanes.len() {
            self.advance(lane, contents, &mut events);
        }
        self.checkpoint_when_due();
        self.flush_soon();
        events
    }

    /// Batches without acknowledgement, and the records in them.
    pub fn undelivered(&self) -> (usize, u64) {
        let unresolved = &self.state().unresolved;
        (unresolved.len(), unresolved.values().map(|sent| sent.records as u64).sum())
    }

    pub fn in_flight(&self, file: FileId) -> bool {
        self.batches_of.contains_key(&file)
    }

    /// Why batches of this file are refused and yet cannot be left out.
    pub fn stuck(&self, file: FileId) -> Option<&str> {
        self.lanes.iter().find_map(|lane| {
            let stuck = lane.stuck.as_ref()?;
            let of_file = |sent: &Sent| sent.sources.iter().any(|source| source.file == file);
            lane.queue.iter().any(|outgoing| of_file(&outgoing.sent)).then_some(stuck.reason.as_str())
        })
    }

    /// No batch of an earlier run waits for its file, and none for the cluster.
    pub fn is_recovered(&self) -> bool {
        self.waiting.is_empty() && self.misplaced.is_empty()
    }

    pub fn problems(&self) -> Vec<String> {
        let waiting = self.waiting.values().cloned();
        let own = [self.write_problem.clone(), self.broker.problem()];
        let refused = self.questions.values().filter_map(|open| open.problem.clone());
        let stuck = self.lanes.iter().filter_map(|lane| lane.stuck.as_ref()).map(|stuck| stuck.reason.clone());
        let mut problems: Vec<String> = own.into_iter().flatten().chain(refused).chain(stuck).chain(waiting).collect();
        // Each lane asks for its producer id.
        problems.dedup();
        problems
    }
}
