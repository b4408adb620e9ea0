//! The worker's loop: the only writer of what is assigned, open, done and committed.

use super::assigned::{Assigned, Partitions, Position};
use super::ledger::Span;
use super::source::{CommitError, Event, Source};
use super::unit::{Shop, Unit};
use crate::sink::Closed;
use bytes::Bytes;
use kafka_client::TopicPartition;
use kafka_wire::batch::Batches;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Record batches smaller than this are worked on together: a unit has a cost of its own.
const UNIT_BYTES: usize = 256 * 1024;
/// What a commit at the end may take, however short the drain is.
const COMMIT_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// What the loop tells the outside.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub positions: BTreeMap<TopicPartition, Position>,
    pub problems: Vec<String>,
}

/// What the loop can be told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub fetched_bytes_max: usize,
    pub commit_every: Duration,
    /// How long partitions that are revoked are worked on.
    pub revoke_drain: Duration,
}

pub(crate) struct Run<S> {
    source: S,
    shop: Arc<Shop>,
    snapshot: Arc<Mutex<Snapshot>>,
    limits: Limits,
    partitions: Partitions,
    lives: u64,
    work: JoinSet<Finished>,
    commits: JoinSet<Commit>,
    commit_problem: Option<String>,
    /// What only a restart mends.
    broken: Option<String>,
}

struct Commit {
    offsets: Vec<(TopicPartition, i64)>,
    result: Result<(), CommitError>,
}

struct Finished {
    partition: TopicPartition,
    life: u64,
    span: Span,
    result: Result<(), Closed>,
}

impl<S: Source> Run<S> {
    pub fn new(source: S, shop: Arc<Shop>, snapshot: Arc<Mutex<Snapshot>>, limits: Limits) -> Self {
        Self {
            source,
            shop,
            snapshot,
            limits,
            partitions: Partitions::default(),
            lives: 0,
            work: JoinSet::new(),
            commits: JoinSet::new(),
            commit_problem: None,
            broken: None,
        }
    }

    /// Works until `stop` says how long the rest may take.
    pub async fn run(mut self, mut stop: oneshot::Receiver<Duration>) {
        let mut tick = interval(self.limits.commit_every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = loop {
            tokio::select! {
                drain = &mut stop => break drain.unwrap_or_default(),
                Some(finished) = self.work.join_next() => self.settle(finished),
                Some(commit) = self.commits.join_next() => self.committed(commit),
                event = self.source.next() => self.take(event).await,
                _ = tick.tick() => self.commit_soon(),
            }
            self.publish();
        };
        let deadline = Instant::now() + drain;
        self.drain(None, deadline).await;
        self.commit_now(deadline).await;
        self.partitions.by_name.values_mut().for_each(Assigned::abandon);
        self.publish();
        self.source.leave().await;
    }

    async fn take(&mut self, event: Event) {
        match event {
            Event::Assigned(assigned) => {
                for (name, position) in assigned {
                    tracing::info!("partition {} of topic {:?} from offset {position}", name.partition, name.topic);
                    self.assign(name, position);
                }
            }
            Event::Revoked(revoked) => {
                let deadline = Instant::now() + self.limits.revoke_drain;
                self.drain(Some(&revoked), deadline).await;
                self.commit_now(deadline).await;
                self.forget(&revoked);
                self.source.acknowledge_revoked(&revoked);
            }
            Event::Lost(lost) => self.forget(&lost),
            Event::Failed(reason) => {
                let problem = format!("the worker is no member of its group any more: {reason}; restart it");
                tracing::error!("{problem}");
                self.broken = Some(problem);
            }
            Event::Fetched { partition, records, position, high_watermark } => {
                self.open(&partition, &records, position, high_watermark);
                self.partitions.balance(self.limits.fetched_bytes_max, &self.source);
            }
            Event::OutOfRange { partition, wanted, reset_to } => {
                tracing::error!(
                    "partition {} of topic {:?}: offset {wanted} is not there any more; reading goes on at {reset_to}",
                    partition.partition,
                    partition.topic
                );
                // What was read before the gap is worked on no more: going on behind it commits past it.
                self.forget(std::slice::from_ref(&partition));
                self.assign(partition, reset_to);
            }
        }
    }

    fn assign(&mut self, name: TopicPartition, position: i64) {
        self.lives += 1;
        if let Some(mut before) = self.partitions.by_name.insert(name, Assigned::new(position, self.lives)) {
            before.abandon();
        }
    }

    fn forget(&mut self, names: &[TopicPartition]) {
        for name in names {
            if let Some(mut assigned) = self.partitions.by_name.remove(name) {
                assigned.abandon();
            }
        }
    }

    /// Cuts what was fetched into units and starts them.
    fn open(&mut self, name: &TopicPartition, records: &Bytes, position: i64, high_watermark: i64) {
        // Otherwise a fetch that was on its way when the partition went.
        let Some(assigned) = self.partitions.by_name.get_mut(name) else { return };
        assigned.high_watermark = assigned.high_watermark.max(high_watermark);
        let read = assigned.ledger.read();
        if position > read {
            tracing::error!("partition {name:?}: offsets {read} to {position} were skipped, which is a bug");
        }
        let (mut start, mut end, mut next) = (0, 0, read);
        for batch in Batches::new(records) {
            match batch {
                Ok((header, batch)) => {
                    end += batch.len();
                    next = header.last_offset().saturating_add(1);
                }
                Err(error) => {
                    let problem = format!(
                        "partition {} of topic {:?}: what follows offset {next} is no record batch ({error}); it cannot \
                         be read on",
                        name.partition, name.topic
                    );
                    tracing::error!("{problem}");
                    *self.shop.unreadable.lock().expect("nothing panics while it holds the problem") = Some(problem);
                    break;
                }
            }
            if end - start >= UNIT_BYTES {
                start_unit(&mut self.work, &self.shop, name, assigned, next, records.slice(start..end));
                start = end;
            }
        }
        if start < end {
            start_unit(&mut self.work, &self.shop, name, assigned, next, records.slice(start..end));
        }
    }

    fn settle(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        match finished {
            Ok(Finished { partition, life, span, result: Ok(()) }) => {
                let assigned = self.partitions.by_name.get_mut(&partition);
                if let Some(assigned) = assigned.filter(|assigned| assigned.life == life) {
                    assigned.finished(span);
                }
                self.partitions.balance(self.limits.fetched_bytes_max, &self.source);
            }
            Ok(Finished { result: Err(Closed), .. }) => {
                self.broken = Some("the sink is closed; nothing is delivered any more".into());
            }
            Err(error) if error.is_cancelled() => {}
            Err(error) => {
                // Its records are not done and will not be committed, so a restart reads them again.
                tracing::error!("a unit of work panicked, which is a bug: {error}");
                self.broken = Some(format!("a bug stopped part of the work; restart the worker: {error}"));
            }
        }
    }

    /// Works off what is open in `names`, or everywhere, without taking anything new, until `deadline`.
    async fn drain(&mut self, names: Option<&[TopicPartition]>, deadline: Instant) {
        self.shop.draining.store(true, Ordering::Relaxed);
        // What the sink has already would wait for more, which does not come.
        let _ = timeout_at(deadline, self.shop.sink.flush()).await;
        while !self.is_idle(names) {
            match timeout_at(deadline, self.work.join_next()).await {
                Ok(Some(finished)) => self.settle(finished),
                Ok(None) | Err(_) => break,
            }
            self.publish();
        }
        self.shop.draining.store(false, Ordering::Relaxed);
    }

    fn is_idle(&self, names: Option<&[TopicPartition]>) -> bool {
        let mut partitions = self.partitions.by_name.iter();
        partitions.all(|(name, assigned)| assigned.is_idle() || names.is_some_and(|names| !names.contains(name)))
    }

    /// Starts a commit, if there is something to commit and none is on its way: two could arrive in the wrong order.
    fn commit_soon(&mut self) {
        let offsets = self.partitions.to_commit();
        if offsets.is_empty() || !self.commits.is_empty() {
            return;
        }
        let commit = self.source.commit(offsets.clone());
        self.commits.spawn(async move { Commit { offsets, result: commit.await } });
    }

    async fn commit_now(&mut self, deadline: Instant) {
        let deadline = deadline.max(Instant::now() + COMMIT_TIMEOUT_MIN);
        // The one that is on its way first, and then what has come since.
        for _ in 0..2 {
            self.commit_soon();
            match timeout_at(deadline, self.commits.join_next()).await {
                Ok(Some(commit)) => self.committed(commit),
                Ok(None) => {}
                Err(_) => {
                    tracing::warn!("offsets were not committed in time; their records will be read again");
                    self.commits.abort_all();
                    return;
                }
            }
        }
    }

    fn committed(&mut self, commit: Result<Commit, tokio::task::JoinError>) {
        let Ok(Commit { offsets, result }) = commit else { return };
        match result {
            Ok(()) => {
                self.shop.metrics.commits.inc();
                self.commit_problem = None;
                self.partitions.committed(&offsets);
            }
            // A rebalance has begun, or is over: what it gave us and took is told by events.
            Err(CommitError::Stale) => {
                self.shop.metrics.commit_failures.inc();
            }
            Err(CommitError::Failed(reason)) => {
                self.shop.metrics.commit_failures.inc();
                let problem = format!("offsets cannot be committed ({reason}); they are tried again");
                if self.commit_problem.is_none() {
                    tracing::warn!("{problem}");
                }
                self.commit_problem = Some(problem);
            }
        }
    }

    fn publish(&self) {
        let positions = self.partitions.positions();
        let lag: i64 = positions.values().map(|position| (position.high_watermark - position.done).max(0)).sum();
        let metrics = &self.shop.metrics;
        metrics.lag_records.set(lag);
        metrics.fetched_bytes.set(i64::try_from(self.partitions.open_bytes()).unwrap_or(i64::MAX));
        metrics.paused_partitions.set(i64::try_from(self.partitions.paused()).unwrap_or(i64::MAX));
        let mut problems = self.source.problems();
        problems.extend(self.shop.dead_letters.problems());
        problems.extend(self.commit_problem.clone());
        problems.extend(self.broken.clone());
        problems.extend(self.shop.unreadable.lock().expect("nothing panics while it holds the problem").clone());
        *self.snapshot.lock().expect("nothing panics while it holds the snapshot") = Snapshot { positions, problems };
    }
}

/// Starts to work on whole record batches that end before the offset `next`.
fn start_unit(
    work: &mut JoinSet<Finished>,
    shop: &Arc<Shop>,
    name: &TopicPartition,
    assigned: &mut Assigned,
    next: i64,
    batches: Bytes,
) {
    // Otherwise all of it was read before: a fetch begins with the whole batch that the position is in.
    let Some(span) = assigned.ledger.open(next) else { return };
    let (bytes, life) = (batches.len(), assigned.life);
    let unit = Unit { partition: name.clone(), span, batches };
    let shop = shop.clone();
    let task = work.spawn(async move {
        let result = unit.work(&shop).await;
        Finished { partition: unit.partition, life, span, result }
    });
    assigned.opened(span, bytes, task);
}
