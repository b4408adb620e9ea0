//! The worker's loop: the only writer of what is assigned, open, done and committed.

mod drain;
mod making;
mod offsets;
mod report;

use super::assigned::{Assigned, Partitions, Position};
use super::config::Choice;
use super::index::IndexPattern;
use super::lag::{Lag, Rates};
use super::ledger::Span;
use super::memory::Memory;
use super::render::Renderer;
use super::source::{Assignment, Event, Source};
use super::unit::Shop;
use crate::sink::Closed;
use bytes::Bytes;
use kafka_client::TopicPartition;
use kafka_wire::batch::Batches;
use making::Made;
use offsets::Commits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// Record batches smaller than this are worked on together: each unit has a cost of its own.
const UNIT_BYTES: usize = 256 * 1024;
/// Of records that compress well, fewer bytes make as many documents.
const UNIT_RECORDS: u64 = 8192;
/// What has changed is told to the outside no more often than this.
const PUBLISH_EVERY: Duration = Duration::from_millis(20);

/// What the loop tells the outside.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub positions: BTreeMap<TopicPartition, Position>,
    pub problems: Vec<String>,
    pub lag: Lag,
    /// Why nothing will ever come again.
    pub failure: Option<String>,
}

/// What the loop can be told.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub memory: Memory,
    pub open_offsets_max: i64,
    /// Pipelines that run at once.
    pub threads: usize,
    pub commit_every: Duration,
    pub session_timeout: Duration,
}

/// Other pipelines, from the moment at which everything under those of now is committed.
pub(crate) struct Exchange {
    pub pipelines: Vec<(String, Choice)>,
    pub done: oneshot::Sender<()>,
}

pub(crate) struct Run<S> {
    source: S,
    shop: Arc<Shop>,
    renderer: Arc<Renderer>,
    index: IndexPattern,
    snapshot: Arc<Mutex<Snapshot>>,
    limits: Limits,
    partitions: Partitions,
    memory: Memory,
    /// The sink has let go of documents.
    let_go: Arc<Notify>,
    lives: u64,
    /// The partition that was served last.
    turn: Option<TopicPartition>,
    /// The sink was told that no more documents come before it is done with some, and is done with none since.
    is_hurried: bool,
    makings: JoinSet<Made>,
    deliveries: JoinSet<Finished>,
    commits: Commits,
    exchange: Option<Exchange>,
    rates: Rates,
    records_done: u64,
    records_produced: u64,
    /// What only a restart mends.
    broken: Option<String>,
    /// Backlogs that come near to the retention of their topics.
    retention_alarms: Vec<String>,
    failure: Option<String>,
    published: Instant,
    is_published: bool,
}

struct Finished {
    partition: TopicPartition,
    life: u64,
    span: Span,
    result: Result<(), Closed>,
}

impl<S: Source> Run<S> {
    pub fn new(
        source: S,
        shop: Arc<Shop>,
        pipelines: Vec<(String, Choice)>,
        index: IndexPattern,
        snapshot: Arc<Mutex<Snapshot>>,
        limits: Limits,
    ) -> Self {
        let renderer = Renderer::new(pipelines, index.clone(), shop.sink.framing());
        shop.metrics.pipelines.set(renderer.pipelines());
        Self {
            source,
            shop,
            renderer: Arc::new(renderer),
            index,
            snapshot,
            memory: limits.memory,
            limits,
            partitions: Partitions::default(),
            let_go: Arc::default(),
            lives: 0,
            turn: None,
            is_hurried: false,
            makings: JoinSet::new(),
            deliveries: JoinSet::new(),
            commits: Commits::default(),
            exchange: None,
            rates: Rates::default(),
            records_done: 0,
            records_produced: 0,
            broken: None,
            retention_alarms: Vec::new(),
            failure: None,
            published: Instant::now(),
            is_published: false,
        }
    }

    /// Works until `stop` says how long the rest may take.
    pub async fn run(mut self, mut stop: oneshot::Receiver<Duration>, mut orders: mpsc::UnboundedReceiver<Exchange>) {
        let mut tick = interval(self.limits.commit_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = loop {
            let publish_at = self.published + PUBLISH_EVERY;
            tokio::select! {
                drain = &mut stop => break drain.unwrap_or_default(),
                Some(made) = self.makings.join_next() => self.made(made).await,
                Some(finished) = self.deliveries.join_next() => self.settle(finished),
                () = self.let_go.notified() => {
                    let partitions = self.partitions.by_name.values_mut();
                    partitions.for_each(|assigned| assigned.recount(&mut self.memory));
                }
                Some(commit) = self.commits.tasks.join_next() => self.committed(commit),
                event = self.source.next() => self.take(event).await,
                Some(exchange) = orders.recv(), if self.exchange.is_none() => self.exchange = Some(exchange),
                _ = tick.tick() => {
                    self.commit_soon();
                    self.look();
                }
                () = sleep_until(publish_at), if !self.is_published => {
                    self.publish();
                    continue;
                }
            }
            self.turn_wheels();
        };
        self.end(drain).await;
    }

    /// Whatever may go on, goes on.
    fn turn_wheels(&mut self) {
        self.exchange_if_committed();
        self.make();
        self.hurry_if_full();
        self.partitions.balance(&self.memory, self.limits.open_offsets_max, &self.source);
        self.is_published = false;
        if self.published.elapsed() >= PUBLISH_EVERY {
            self.publish();
        }
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Assigned(assigned) => {
                for assignment in assigned {
                    let Assignment { partition: TopicPartition { topic, partition }, position, .. } = &assignment;
                    tracing::info!("partition {partition} of topic {topic:?} from offset {position}");
                    self.assign(&assignment);
                }
            }
            Event::Revoked(revoked) => self.give_up(&revoked).await,
            Event::Lost(lost) => self.forget(&lost),
            Event::Failed(reason) => {
                let problem = format!("the worker is no member of its group any more: {reason}; restart it");
                tracing::error!("{problem}");
                self.failure = Some(problem.clone());
                self.broken = Some(problem);
            }
            Event::Fetched { partition, records, position, high_watermark } => {
                self.saw_high_watermark(&partition, high_watermark);
                self.open(&partition, &records, position);
            }
            Event::HighWatermark { partition, high_watermark } => self.saw_high_watermark(&partition, high_watermark),
            Event::OutOfRange { partition, wanted, reset_to } => self.pass_gap(partition, wanted, reset_to),
            Event::Skipped { partition, first, last } => {
                let TopicPartition { topic, partition: number } = &partition;
                tracing::error!(
                    "partition {number} of topic {topic:?}: records {first} to {last} are left out, as asked for"
                );
                self.shop.metrics.skipped_records.inc_by(count(first, last.saturating_add(1)));
                self.pass(&partition, last.saturating_add(1));
            }
        }
    }

    fn assign(&mut self, assignment: &Assignment) {
        self.lives += 1;
        let assigned = Assigned::new(assignment, self.lives);
        if let Some(mut before) = self.partitions.by_name.insert(assignment.partition.clone(), assigned) {
            before.abandon(&mut self.memory);
        }
    }

    fn forget(&mut self, names: &[TopicPartition]) {
        for name in names {
            if let Some(mut assigned) = self.partitions.by_name.remove(name) {
                assigned.abandon(&mut self.memory);
                self.shop.metrics.forget(name);
            }
        }
    }

    fn saw_high_watermark(&mut self, name: &TopicPartition, high_watermark: i64) {
        if let Some(assigned) = self.partitions.by_name.get_mut(name) {
            self.records_produced += assigned.saw_high_watermark(high_watermark);
        }
    }

    /// Records were deleted before they were read, or the log is another one.
    fn pass_gap(&mut self, name: TopicPartition, wanted: i64, reset_to: i64) {
        let TopicPartition { topic, partition } = &name;
        let Some(assigned) = self.partitions.by_name.get(&name) else { return };
        if reset_to >= assigned.ledger.read() {
            let last = reset_to - 1;
            tracing::error!(
                "partition {partition} of topic {topic:?}: records {wanted} to {last} are gone, deleted before they were \
                 read (retention?); reading goes on at {reset_to}"
            );
            self.shop.metrics.lost_records.inc_by(count(wanted, reset_to));
            // What was read before the gap is worked on and counts as ever.
            self.pass(&name, reset_to);
        } else {
            tracing::error!(
                "partition {partition} of topic {topic:?}: the log ends before offset {wanted}: it was cut or made anew; \
                 reading goes on at {reset_to}"
            );
            let assignment = Assignment { position: reset_to, topic_id: assigned.topic_id, partition: name.clone() };
            self.assign(&assignment);
        }
    }

    /// Nothing is to be done about the offsets from the last that was read up to before `next`.
    fn pass(&mut self, name: &TopicPartition, next: i64) {
        let Some(assigned) = self.partitions.by_name.get_mut(name) else { return };
        if let Some(span) = assigned.ledger.open(next) {
            self.records_done += assigned.finish(span);
        }
    }

    /// Cuts what was fetched into units.
    fn open(&mut self, name: &TopicPartition, records: &Bytes, position: i64) {
        // Otherwise a fetch that was on its way when the partition went.
        let Some(assigned) = self.partitions.by_name.get_mut(name) else { return };
        let read = assigned.ledger.read();
        if position > read {
            tracing::error!("partition {name:?}: offsets {read} to {position} were skipped, which is a bug");
        }
        let (mut start, mut end, mut next, mut count) = (0, 0, read, 0);
        let mut times: Option<(i64, i64)> = None;
        for batch in Batches::new(records) {
            match batch {
                Ok((header, batch)) => {
                    end += batch.len();
                    next = header.last_offset().saturating_add(1);
                    count += u64::try_from(header.record_count).unwrap_or_default();
                    let (first_ms, newest_ms) = times.unwrap_or((header.base_timestamp, header.max_timestamp));
                    times = Some((first_ms, newest_ms.max(header.max_timestamp)));
                }
                Err(error) => {
                    // The source checks what it gives; what comes next is asked for again when it is restarted.
                    let problem = format!(
                        "partition {} of topic {:?}: what follows offset {next} is no record batch ({error}); it cannot \
                         be read on",
                        name.partition, name.topic
                    );
                    tracing::error!("{problem}");
                    self.broken = Some(problem);
                    break;
                }
            }
            if end - start >= UNIT_BYTES || count >= UNIT_RECORDS {
                push(assigned, next, times.take(), records.slice(start..end), &mut self.memory);
                (start, count) = (end, 0);
            }
        }
        if start < end {
            push(assigned, next, times, records.slice(start..end), &mut self.memory);
        }
    }

    fn settle(&mut self, finished: Result<Finished, JoinError>) {
        self.is_hurried = false;
        match finished {
            Ok(Finished { partition, life, span, result: Ok(()) }) => {
                let assigned = self.partitions.by_name.get_mut(&partition);
                if let Some(assigned) = assigned.filter(|assigned| assigned.life == life) {
                    self.records_done += assigned.finished(span, &mut self.memory);
                }
            }
            Ok(Finished { result: Err(Closed), .. }) => {
                self.broken = Some("the sink is closed; nothing is delivered any more".into());
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => self.bug(&error),
        }
    }

    /// Its records are not done and will not be committed, so a restart reads them again.
    fn bug(&mut self, error: &JoinError) {
        // The runtime ends.
        if error.is_cancelled() {
            return;
        }
        tracing::error!("a unit of work panicked, which is a bug: {error}");
        self.broken = Some(format!("a bug stopped part of the work; restart the worker: {error}"));
    }

    /// Takes the new pipelines when nothing is on its way under the old ones and the group knows what is done: what is
    /// read twice, after a crash, then passes the same pipeline both times, and has the same index.
    fn exchange_if_committed(&mut self) {
        if self.exchange.is_none() {
            return;
        }
        let mut partitions = self.partitions.by_name.values();
        if !partitions.all(Assigned::is_between_pipelines) {
            return;
        }
        // The next tick commits what is left.
        if !self.partitions.to_commit().is_empty() || !self.commits.tasks.is_empty() {
            return;
        }
        if let Some(Exchange { pipelines, done }) = self.exchange.take() {
            let renderer = Renderer::new(pipelines, self.index.clone(), self.shop.sink.framing());
            self.shop.metrics.pipelines.set(renderer.pipelines());
            self.renderer = Arc::new(renderer);
            tracing::info!("the pipelines were exchanged");
            // Who asked may have gone.
            let _ = done.send(());
        }
    }
}

fn push(assigned: &mut Assigned, next: i64, times: Option<(i64, i64)>, batches: Bytes, memory: &mut Memory) {
    if let Some((first_ms, newest_ms)) = times {
        assigned.times.read(next, first_ms, newest_ms);
    }
    assigned.push(next, batches, memory);
}

fn count(first: i64, next: i64) -> u64 {
    u64::try_from(next.saturating_sub(first)).unwrap_or_default()
}
