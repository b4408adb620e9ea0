//! Reads the partitions of a consumer from their leaders: one long poll per leader at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::future::pending;
use std::sync::Arc;

use kafka_wire::batch::BatchHeader;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::protocol::messages::fetch_response::PartitionData;
use kafka_wire::protocol::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};
use kafka_wire::protocol::protocol::StrBytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::config::{GroupConfig, Skip};
use super::sound::whole_batches;
use super::table::{Claim, Table};
use crate::OffsetSpec;
use crate::backoff::Backoff;
use crate::call::Call;
use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::{ClientError, chain};
use crate::fetch::FETCH_VERSION_MAX;
use crate::topic_partition::TopicPartition;
use crate::topics::milliseconds;

pub(super) struct Fetcher {
    client: Client,
    /// Connections for long polls alone.
    polls: Client,
    config: Arc<GroupConfig>,
    table: Arc<Table>,
    stop: CancellationToken,
    tasks: JoinSet<Outcome>,
    /// Nodes with a poll in flight.
    polled: HashSet<i32>,
    is_refreshing: bool,
    /// After failures, until something was fetched.
    backoff: Backoff,
    next_watermarks: Instant,
    is_asking_watermarks: bool,
    next_topics: Instant,
    /// Which partition comes first in a request changes, since the first ones get the bytes.
    turn: usize,
}

enum Outcome {
    Polled { node: i32, asked: Vec<(Claim, i64)>, result: Result<FetchResponse, ClientError> },
    Refreshed,
    Watermarks(Vec<(Claim, i64)>),
    Reset { claim: Claim, result: Result<i64, ClientError> },
}

impl Fetcher {
    pub fn new(client: Client, config: Arc<GroupConfig>, table: Arc<Table>, stop: CancellationToken) -> Self {
        Self {
            polls: client.separate(),
            backoff: client.backoff(),
            client,
            config,
            table,
            stop,
            tasks: JoinSet::new(),
            polled: HashSet::new(),
            is_refreshing: false,
            next_watermarks: Instant::now(),
            is_asking_watermarks: false,
            next_topics: Instant::now(),
            turn: 0,
        }
    }

    /// Runs until the consumer stops.
    pub async fn run(mut self) {
        let (stop, table) = (self.stop.clone(), Arc::clone(&self.table));
        loop {
            let next = self.start_tasks();
            tokio::select! {
                () = stop.cancelled() => return,
                () = table.changed.notified() => {}
                () = async { match next { Some(at) => sleep_until(at).await, None => pending().await } } => {}
                Some(ended) = self.tasks.join_next() => {
                    // A task that panicked has taken its partitions with it; nothing in them can.
                    if let Ok(outcome) = ended {
                        self.handle(outcome);
                    }
                }
            }
        }
    }

    /// Starts everything that can be done now; returns when to look again.
    fn start_tasks(&mut self) -> Option<Instant> {
        for claim in self.table.take_resets() {
            let (client, reset) = (self.client.clone(), self.config.auto_offset_reset);
            let table = Arc::clone(&self.table);
            self.tasks.spawn(async move {
                // An offset may be out of range because the topic is another one.
                let topic = Arc::clone(&claim.partition.topic);
                if let Ok(metadata) = client.refresh(&[topic], false).await {
                    table.compare_topics(&metadata);
                }
                let result = client.list_offset(&claim.partition, reset.into()).await;
                Outcome::Reset { claim, result }
            });
        }
        let (wanted, next) = self.table.fetchable();
        let metadata = self.client.metadata();
        let mut by_node: BTreeMap<i32, Vec<(Claim, i64)>> = BTreeMap::new();
        let mut leaderless: BTreeSet<Arc<str>> = BTreeSet::new();
        for (claim, position) in wanted {
            match metadata.leader(&claim.partition) {
                Some(leader) => by_node.entry(leader.node).or_default().push((claim, position)),
                None => drop(leaderless.insert(Arc::clone(&claim.partition.topic))),
            }
        }
        if !leaderless.is_empty() && !self.is_refreshing {
            self.is_refreshing = true;
            let client = self.client.clone();
            let delay = self.backoff.next_delay();
            self.tasks.spawn(async move {
                let topics: Vec<_> = leaderless.into_iter().collect();
                let found = client.refresh(&topics, false).await;
                let all_led = found.is_ok_and(|metadata| {
                    topics.iter().all(|topic| metadata.topics.get(topic).is_some_and(|topic| topic.is_ready()))
                });
                if !all_led {
                    sleep(delay).await;
                }
                Outcome::Refreshed
            });
        }
        let next = earlier(next, self.ask_watermarks());
        let next = earlier(next, self.look_at_topics());
        for (node, asked) in by_node {
            if self.polled.insert(node) {
                self.poll(node, asked);
            }
        }
        next
    }

    /// Asks how far partitions reach of which nothing is heard because they are not fetched; returns when to do it again.
    fn ask_watermarks(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.is_asking_watermarks {
            return None;
        }
        if now < self.next_watermarks {
            return Some(self.next_watermarks);
        }
        self.next_watermarks = now + self.config.watermark_refresh;
        let silent = match now.checked_sub(self.config.watermark_refresh) {
            Some(before) => self.table.silent(before),
            None => Vec::new(),
        };
        if silent.is_empty() {
            return Some(self.next_watermarks);
        }
        self.is_asking_watermarks = true;
        let client = self.client.clone();
        self.tasks.spawn(async move {
            let mut found = Vec::with_capacity(silent.len());
            for claim in silent {
                match client.list_offset(&claim.partition, OffsetSpec::Latest).await {
                    Ok(offset) => found.push((claim, offset)),
                    Err(error) => tracing::debug!("cannot find how far {} reaches: {}", claim.partition, chain(&error)),
                }
            }
            Outcome::Watermarks(found)
        });
        None
    }

    /// Looks whether topics are still the same ones; returns when to do it again.
    fn look_at_topics(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if self.is_refreshing {
            return None;
        }
        if now >= self.next_topics {
            self.next_topics = now + self.config.metadata_refresh;
            let topics = self.table.topics();
            if !topics.is_empty() {
                self.is_refreshing = true;
                let client = self.client.clone();
                self.tasks.spawn(async move {
                    // It is tried again soon enough.
                    let _ = client.refresh(&topics, false).await;
                    Outcome::Refreshed
                });
                return None;
            }
        }
        Some(self.next_topics)
    }

    fn poll(&mut self, node: i32, mut asked: Vec<(Claim, i64)>) {
        asked.sort_by(|(one, _), (other, _)| one.partition.cmp(&other.partition));
        self.turn = self.turn.wrapping_add(1);
        let first = self.turn % asked.len().max(1);
        asked.rotate_left(first);
        let call = Call::new(self.request(&asked))
            .version_max(FETCH_VERSION_MAX)
            .timeout(self.client.config().request_timeout + self.config.fetch_wait_max);
        let polls = self.polls.clone();
        self.tasks.spawn(async move {
            let result = polls.call_node(node, call).await;
            Outcome::Polled { node, asked, result }
        });
    }

    fn request(&self, asked: &[(Claim, i64)]) -> FetchRequest {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (Claim { partition: TopicPartition { topic, partition }, .. }, position) in asked {
            let wanted = FetchPartition::default()
                .with_partition(*partition)
                .with_fetch_offset(*position)
                .with_partition_max_bytes(self.config.partition_fetch_bytes_max);
            match topics.iter_mut().find(|entry| entry.topic.as_str() == &**topic) {
                Some(entry) => entry.partitions.push(wanted),
                None => topics.push(
                    FetchTopic::default()
                        .with_topic(TopicName(StrBytes::from_string(topic.to_string())))
                        .with_partitions(vec![wanted]),
                ),
            }
        }
        FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(milliseconds(self.config.fetch_wait_max))
            .with_min_bytes(self.config.fetch_bytes_min)
            .with_max_bytes(self.config.fetch_bytes_max)
            .with_topics(topics)
    }

    fn handle(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Refreshed => {
                self.is_refreshing = false;
                self.table.compare_topics(&self.client.metadata());
            }
            Outcome::Watermarks(found) => {
                self.is_asking_watermarks = false;
                found.iter().for_each(|(claim, offset)| self.table.reaches(claim, *offset, false));
            }
            Outcome::Reset { claim, result: Ok(offset) } => self.table.reset_to(&claim, offset),
            Outcome::Reset { claim, result: Err(error) } => {
                tracing::error!("cannot find where to read {}: {}", claim.partition, chain(&error));
                self.table.set_problem(Some(chain(&error)));
                self.table.reset_failed(&claim, Instant::now() + self.backoff.next_delay());
            }
            Outcome::Polled { node, asked, result } => {
                self.polled.remove(&node);
                match result {
                    Ok(response) if response.error_code == 0 => self.take(asked, response),
                    Ok(response) => {
                        tracing::warn!("fetch from broker {node}: error code {}", response.error_code);
                        self.defer(asked.iter());
                    }
                    Err(error) => {
                        tracing::debug!("fetch from broker {node}: {}", chain(&error));
                        asked.iter().for_each(|(claim, _)| self.client.forget_leaders(&claim.partition.topic));
                        self.defer(asked.iter());
                    }
                }
            }
        }
    }

    fn defer<'a>(&mut self, asked: impl Iterator<Item = &'a (Claim, i64)>) {
        let at = Instant::now() + self.backoff.next_delay();
        asked.for_each(|(claim, _)| self.table.defer(claim, at));
    }

    fn take(&mut self, asked: Vec<(Claim, i64)>, response: FetchResponse) {
        let mut found: BTreeMap<TopicPartition, PartitionData> = BTreeMap::new();
        for topic in response.responses {
            let name: Arc<str> = Arc::from(topic.topic.as_str());
            for partition in topic.partitions {
                let key = TopicPartition { topic: Arc::clone(&name), partition: partition.partition_index };
                found.insert(key, partition);
            }
        }
        let mut failed = Vec::new();
        for (claim, position) in asked {
            let Some(partition) = found.remove(&claim.partition) else { continue };
            match self.take_partition(&claim, position, partition) {
                true => self.backoff.reset(),
                false => failed.push((claim, position)),
            }
        }
        if !failed.is_empty() {
            self.defer(failed.iter());
        }
    }

    /// `false`: this partition has to wait before it is asked for again.
    fn take_partition(&mut self, claim: &Claim, position: i64, found: PartitionData) -> bool {
        match ErrorCode::from_wire(found.error_code) {
            None => {}
            Some(code) if code.kind() == ResponseError::OffsetOutOfRange => {
                tracing::warn!("{}: the log does not have offset {position}", claim.partition);
                self.table.out_of_range(claim, position);
                return true;
            }
            Some(code) if code.kind() == ResponseError::CorruptMessage => {
                return self.meet_damage(claim, position, None, format!("the broker answered {code}"));
            }
            Some(code) => {
                if code.is_stale_metadata() {
                    self.client.forget_leaders(&claim.partition.topic);
                } else {
                    tracing::warn!("fetch from {}: broker answered {code}", claim.partition);
                }
                return false;
            }
        }
        let records = found.records.unwrap_or_default();
        self.table.reaches(claim, found.high_watermark, !records.is_empty());
        match whole_batches(&records, position) {
            Ok((records, _)) if records.is_empty() => true,
            Ok((records, next)) => {
                self.table.fetched(claim, position, next, records, found.high_watermark);
                true
            }
            Err(error) => {
                let header = BatchHeader::read(&records).ok().filter(|header| header.last_offset() >= position);
                self.meet_damage(claim, position, header.map(|header| header.last_offset()), error.to_string())
            }
        }
    }

    /// The batch at `position` is damaged: it is left out if somebody has asked for that; else the partition waits, since
    /// nothing is passed over in silence.
    fn meet_damage(&self, claim: &Claim, position: i64, last: Option<i64>, reason: String) -> bool {
        let TopicPartition { topic, partition: number } = &claim.partition;
        let is_meant = |skip: &&Skip| skip.partition == claim.partition && (skip.first..=skip.last).contains(&position);
        if let Some(skip) = self.config.skips.iter().find(is_meant) {
            self.table.skip(claim, position, skip.last);
            return true;
        }
        let (what, range) = match last {
            Some(last) => (format!("records {position} to {last}"), format!("{position}-{last}")),
            None => (format!("the records from {position} on"), format!("{position}-LAST")),
        };
        let problem = format!(
            "{what} of partition {number} of topic {topic:?} are damaged where the broker keeps them ({reason}); the \
             partition is held, and tried again every {:?}: mend the broker's log, or start the worker with \
             --skip-damaged {topic}:{number}:{range} to go on behind them",
            self.config.damaged_retry
        );
        self.table.damaged(claim, problem, Instant::now() + self.config.damaged_retry);
        true
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
