//! A member's life: join, hold the partitions with heartbeats and commits, give them up, join again.
//!
//! It runs on a thread of its own with connections of its own, so that a busy worker does not keep it from sending
//! heartbeats. The rules are those of Kafka's Java client (`ConsumerCoordinator`, `AbstractCoordinator`).

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::commit::Commit;
use super::config::GroupConfig;
use super::event::{CommitError, GroupError};
use super::protocol::NO_GENERATION;
use super::table::Table;
use super::verdict::{Interrupt, Verdict};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::chain;
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// A member that leaves says so, but waits no longer than this for the coordinator.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// What the owner asks of the member.
pub(super) enum Command {
    Commit(Commit),
    /// These revoked partitions are done with.
    Acknowledge(Vec<TopicPartition>),
}

pub(super) struct Membership {
    /// Its connections are used by nothing else: a rebalance holds them back.
    pub client: Client,
    pub config: Arc<GroupConfig>,
    pub table: Arc<Table>,
    pub commands: mpsc::UnboundedReceiver<Command>,
    pub stop: CancellationToken,
    pub member_id: String,
    pub generation: i32,
    pub owned: BTreeSet<TopicPartition>,
    /// Commits that have not been answered yet, in order.
    pub pending: Vec<Commit>,
    pub retry_commits_at: Option<Instant>,
    /// Partitions that the owner is done with, when that came together with commits.
    acknowledged: Vec<TopicPartition>,
    /// The leader's view of the topics when it shared them out.
    pub shared_out: Option<BTreeMap<Arc<str>, i32>>,
    /// The kept assignment of a static leader lacks partitions that have come while it was away.
    pub assignment_is_old: bool,
    /// A reason for the coordinator's log (KIP-800).
    pub rejoin_reason: &'static str,
    pub backoff: Backoff,
    next_heartbeat: Instant,
}

impl Membership {
    pub fn new(
        client: Client,
        config: Arc<GroupConfig>,
        table: Arc<Table>,
        commands: mpsc::UnboundedReceiver<Command>,
        stop: CancellationToken,
    ) -> Self {
        Self {
            backoff: client.backoff(),
            client,
            config,
            table,
            commands,
            stop,
            member_id: String::new(),
            generation: NO_GENERATION,
            owned: BTreeSet::new(),
            pending: Vec::new(),
            retry_commits_at: None,
            acknowledged: Vec::new(),
            shared_out: None,
            assignment_is_old: false,
            rejoin_reason: "joining for the first time",
            next_heartbeat: Instant::now(),
        }
    }

    /// Runs until the member is told to stop, or cannot go on.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        let failure = tokio::select! {
            biased;
            () = stop.cancelled() => None,
            error = self.live() => Some(error),
        };
        match failure {
            None => self.leave().await,
            Some(error) => {
                tracing::error!("consumer of group {:?} gives up: {}", self.config.group, chain(&error));
                self.table.fail(error);
            }
        }
        self.reject_pending(&CommitError::Closed);
        // From here on commands find the channel closed.
    }

    async fn live(&mut self) -> GroupError {
        loop {
            match self.round().await {
                Interrupt::Rejoin => {}
                Interrupt::Lost { forget_member_id } => {
                    self.lose(forget_member_id);
                    self.pause().await;
                }
                Interrupt::Failed(error) => return error,
            }
        }
    }

    /// One generation, from joining to whatever ends it.
    async fn round(&mut self) -> Interrupt {
        let result = async {
            self.prepare().await?;
            let assignment = self.join().await?;
            self.install(assignment).await?;
            self.hold().await
        };
        match result.await {
            Ok(never) => match never {},
            Err(interrupt) => interrupt,
        }
    }

    fn lose(&mut self, forget_member_id: bool) {
        tracing::warn!("consumer of group {:?} has lost its place and joins again", self.config.group);
        if forget_member_id {
            self.member_id.clear();
        }
        self.generation = NO_GENERATION;
        self.owned.clear();
        self.shared_out = None;
        self.rejoin_reason = "lost its place";
        self.table.lose();
        self.reject_pending(&CommitError::Stale);
    }

    /// Before joining: an eager member gives up everything, a cooperative one nothing (KIP-429).
    async fn prepare(&mut self) -> Result<(), Interrupt> {
        if self.config.is_cooperative() || self.owned.is_empty() {
            return Ok(());
        }
        let all: Vec<_> = self.owned.iter().cloned().collect();
        self.give_up(&all).await
    }

    /// After joining: gives up what went to others, takes what is new.
    async fn install(&mut self, assignment: Vec<TopicPartition>) -> Result<(), Interrupt> {
        let assigned: BTreeSet<_> = assignment.into_iter().collect();
        let gone: Vec<_> = self.owned.difference(&assigned).cloned().collect();
        let added: Vec<_> = assigned.difference(&self.owned).cloned().collect();
        tracing::info!(
            "consumer of group {:?} is in generation {} with {} partitions ({} new, {} given up)",
            self.config.group,
            self.generation,
            assigned.len(),
            added.len(),
            gone.len()
        );
        self.next_heartbeat = Instant::now() + self.config.heartbeat_interval;
        if !gone.is_empty() {
            self.give_up(&gone).await?;
        }
        if !added.is_empty() {
            let metadata = self.metadata_of(&added).await?;
            let committed = self.committed_offsets(&added, &metadata).await?;
            self.owned.extend(added);
            // First the problem: who hears of the partitions, on another thread, takes the member for sound.
            self.table.set_problem(None);
            self.table.assign(committed, &metadata);
        } else {
            self.table.set_problem(None);
        }
        if !gone.is_empty() && self.config.is_cooperative() {
            // The others get what we have given up in a rebalance of its own.
            self.rejoin_reason = "has given up partitions";
            return Err(Interrupt::Rejoin);
        }
        if std::mem::take(&mut self.assignment_is_old) {
            self.rejoin_reason = "topics have changed";
            return Err(Interrupt::Rejoin);
        }
        Ok(())
    }

    /// What is known of the topics of `partitions`, which tells their ids.
    async fn metadata_of(&mut self, partitions: &[TopicPartition]) -> Result<Arc<Metadata>, Interrupt> {
        let topics: BTreeSet<_> = partitions.iter().map(|partition| Arc::clone(&partition.topic)).collect();
        let topics: Vec<_> = topics.into_iter().collect();
        loop {
            match self.client.refresh(&topics, false).await {
                Ok(metadata) => return Ok(metadata),
                Err(error) => self.note(error)?,
            }
            self.pause().await;
            self.heartbeat_if_due().await?;
        }
    }

    /// Tells the owner, and waits until it has committed what it did, but not for ever: the group waits too.
    async fn give_up(&mut self, partitions: &[TopicPartition]) -> Result<(), Interrupt> {
        self.acknowledged.clear();
        let mut waited_for: BTreeSet<_> = self.table.revoke(partitions).into_iter().collect();
        let deadline = Instant::now() + self.config.session_timeout / 3;
        let result = loop {
            for partition in self.acknowledged.drain(..) {
                waited_for.remove(&partition);
            }
            let is_done = waited_for.is_empty() && self.pending.is_empty();
            if is_done || Instant::now() >= deadline {
                break Ok(());
            }
            let (next_heartbeat, retry) = (self.next_heartbeat, self.retry_commits_at);
            let step = tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Acknowledge(done)) => {
                        self.acknowledged.extend(done);
                        Ok(())
                    }
                    Some(Command::Commit(commit)) => {
                        self.collect(commit);
                        self.commit_pending().await
                    }
                    None => pending().await,
                },
                () = sleep_until(next_heartbeat) => self.heartbeat().await,
                () = sleep_some(retry) => self.commit_pending().await,
                () = sleep_until(deadline) => Ok(()),
            };
            match step {
                // This is what the partitions are given up for.
                Ok(()) | Err(Interrupt::Rejoin) => {}
                Err(interrupt) => break Err(interrupt),
            }
        };
        if result.is_ok() {
            self.table.remove(partitions);
            for partition in partitions {
                self.owned.remove(partition);
            }
        }
        result
    }

    /// Keeps the partitions until the group rebalances or something goes wrong.
    async fn hold(&mut self) -> Result<std::convert::Infallible, Interrupt> {
        let mut next_watch = Instant::now() + self.watch_interval();
        self.retry_commits_at = (!self.pending.is_empty()).then(Instant::now);
        loop {
            let (next_heartbeat, retry) = (self.next_heartbeat, self.retry_commits_at);
            tokio::select! {
                command = self.commands.recv() => match command {
                    Some(Command::Commit(commit)) => {
                        self.collect(commit);
                        self.commit_pending().await?;
                    }
                    // For a revocation that was not waited for any longer.
                    Some(Command::Acknowledge(_)) => {}
                    None => pending().await,
                },
                () = sleep_until(next_heartbeat) => self.heartbeat().await?,
                () = sleep_some(retry) => self.commit_pending().await?,
                () = sleep_until(next_watch), if self.shared_out.is_some() => {
                    self.watch().await?;
                    next_watch = Instant::now() + self.watch_interval();
                }
            }
        }
    }

    /// Takes a commit and those behind it, so that one request serves them all.
    fn collect(&mut self, first: Commit) {
        self.pending.push(first);
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Commit(commit) => self.pending.push(commit),
                Command::Acknowledge(partitions) => self.acknowledged.extend(partitions),
            }
        }
    }

    /// A topic that does not exist yet is looked for soon.
    fn watch_interval(&self) -> Duration {
        let missing = self.shared_out.as_ref().is_some_and(|topics| {
            self.config.topics.iter().any(|topic| topics.get(topic.as_str()).is_none_or(|count| *count == 0))
        });
        if missing { self.client.config().retry_backoff_max } else { self.config.metadata_refresh }
    }

    /// The leader looks whether there are partitions that nobody has yet.
    async fn watch(&mut self) -> Result<(), Interrupt> {
        let Some(before) = self.shared_out.clone() else { return Ok(()) };
        let topics: Vec<Arc<str>> = before.keys().cloned().collect();
        match self.client.refresh(&topics, true).await {
            Ok(metadata) if super::join::partition_counts(&metadata, &topics) != before => {
                self.rejoin_reason = "topics have changed";
                Err(Interrupt::Rejoin)
            }
            _ => Ok(()),
        }
    }

    /// Tells the coordinator that this member lives.
    pub async fn heartbeat(&mut self) -> Result<(), Interrupt> {
        let result = self.send_heartbeat().await;
        let now = Instant::now();
        self.next_heartbeat = now + self.config.heartbeat_interval;
        match result {
            Ok(None) => {
                self.backoff.reset();
                self.table.set_problem(None);
                Ok(())
            }
            Ok(Some(code)) => match self.judge("Heartbeat", code) {
                Verdict::Again => {
                    self.next_heartbeat = now + self.backoff.next_delay().min(self.config.heartbeat_interval);
                    Ok(())
                }
                Verdict::Interrupt(interrupt) => Err(interrupt),
            },
            Err(error) => {
                self.next_heartbeat = now + self.backoff.next_delay().min(self.config.heartbeat_interval);
                self.note(error)
            }
        }
    }

    pub async fn heartbeat_if_due(&mut self) -> Result<(), Interrupt> {
        if Instant::now() >= self.next_heartbeat { self.heartbeat().await } else { Ok(()) }
    }

    /// A dynamic member says that it goes; a static one does not, since it is expected back.
    async fn leave(&mut self) {
        // A rebalance may hold the old connections back.
        self.client = self.client.separate();
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Commit(commit) = command {
                self.pending.push(commit);
            }
        }
        let farewell = async {
            if !self.pending.is_empty() {
                let _ = self.commit_pending().await;
            }
            if self.config.instance_id.is_none() && !self.member_id.is_empty() {
                self.send_leave().await;
            }
        };
        if timeout(LEAVE_TIMEOUT, farewell).await.is_err() {
            tracing::warn!("group coordinator did not answer a farewell within {LEAVE_TIMEOUT:?}");
        }
    }
}

/// Never, or at this moment.
async fn sleep_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}
