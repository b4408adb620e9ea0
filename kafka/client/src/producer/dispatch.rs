//! The task that owns every lane and decides what is sent where, and when.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kafka_wire::protocol::messages::ProduceResponse;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::ProducerConfig;
use super::lane::{Batch, Lane};
use super::node::{Event, InFlight, Node};
use super::outcome::Verdict;
use crate::backoff::Backoff;
use crate::client::Client;
use crate::code::ErrorCode;
use crate::error::{ClientError, ConnectionError};
use crate::outage::Place;
use crate::topic_partition::TopicPartition;

/// A partition that fails this often in a row is a problem; less is a leader that moves.
const FAILURES_REPORTED: u32 = 4;

pub(super) enum Command {
    Send(TopicPartition, Batch),
    /// Answer when nothing is left, and end.
    Drain(oneshot::Sender<()>),
    /// End at once.
    Abandon,
}

pub(super) struct Dispatcher {
    pub(super) client: Client,
    pub(super) config: ProducerConfig,
    commands: mpsc::UnboundedReceiver<Command>,
    /// False when all senders are gone, or one has closed the producer.
    open: bool,
    drained: Vec<oneshot::Sender<()>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    incoming: mpsc::UnboundedReceiver<Event>,
    by_partition: HashMap<TopicPartition, usize>,
    pub(super) lanes: Vec<Slot>,
    pub(super) nodes: BTreeMap<i32, Node>,
    /// Lanes that wait for a leader.
    leaderless: BTreeSet<usize>,
    /// Lanes that wait for their next attempt.
    delayed: BTreeSet<usize>,
    /// Topics whose leaders are to be asked for.
    stale: BTreeSet<Arc<str>>,
    refreshing: bool,
    refresh_at: Option<Instant>,
    refresh_backoff: Backoff,
}

/// A lane with its place.
pub(super) struct Slot {
    pub partition: TopicPartition,
    pub lane: Lane,
    /// Where its batches in flight were sent.
    node: Option<i32>,
    /// It stands in its node's `ready`.
    pub queued: bool,
    /// It has been reported as a problem.
    reported: bool,
}

impl Dispatcher {
    pub fn new(client: Client, config: ProducerConfig, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        let (events, incoming) = mpsc::unbounded_channel();
        let refresh_backoff = client.backoff();
        Self {
            client,
            config,
            commands,
            open: true,
            drained: Vec::new(),
            events,
            incoming,
            by_partition: HashMap::new(),
            lanes: Vec::new(),
            nodes: BTreeMap::new(),
            leaderless: BTreeSet::new(),
            delayed: BTreeSet::new(),
            stale: BTreeSet::new(),
            refreshing: false,
            refresh_at: None,
            refresh_backoff,
        }
    }

    /// Runs until the producer is closed or dropped and everything is answered.
    pub async fn run(mut self) {
        while self.step().await {}
        for slot in &mut self.lanes {
            slot.lane.close();
        }
        let lanes = std::mem::take(&mut self.lanes);
        for slot in lanes.into_iter().filter(|slot| slot.reported) {
            self.client.outages().end(&Place::Partition(slot.partition));
        }
        for drained in self.drained {
            let _ = drained.send(());
        }
    }

    /// Waits for something to happen and does what follows from it; false at the end.
    async fn step(&mut self) -> bool {
        let wake_at = self.wake_at();
        tokio::select! {
            command = self.commands.recv(), if self.open => match command {
                Some(Command::Abandon) => return false,
                Some(command) => self.take_command(command),
                None => self.open = false,
            },
            Some(event) = self.incoming.recv() => self.take_event(event),
            () = tokio::time::sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
        }
        // Everything that has gathered goes into the same requests.
        while let Ok(command) = self.commands.try_recv() {
            if matches!(command, Command::Abandon) {
                return false;
            }
            self.take_command(command);
        }
        while let Ok(event) = self.incoming.try_recv() {
            self.take_event(event);
        }
        self.pump();
        let ending = !self.open || !self.drained.is_empty();
        !(ending && self.lanes.iter().all(|slot| slot.lane.is_empty()))
    }

    fn wake_at(&self) -> Option<Instant> {
        let lanes = self.delayed.iter().filter_map(|&lane| self.lanes[lane].lane.resume_at());
        let nodes = self.nodes.values().filter(|node| !node.ready.is_empty()).filter_map(|node| node.muted_until);
        let now = Instant::now();
        lanes.chain(nodes.filter(|until| *until > now)).chain(self.refresh_at).min()
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Send(partition, batch) => {
                let lane = self.lane(partition);
                self.lanes[lane].lane.push(batch);
                self.schedule(lane);
            }
            Command::Drain(drained) => self.drained.push(drained),
            Command::Abandon => self.open = false,
        }
    }

    fn lane(&mut self, partition: TopicPartition) -> usize {
        if let Some(&lane) = self.by_partition.get(&partition) {
            return lane;
        }
        let lane = self.lanes.len();
        self.by_partition.insert(partition.clone(), lane);
        let (queued, reported) = (false, false);
        self.lanes.push(Slot { partition, lane: Lane::new(self.client.backoff()), node: None, queued, reported });
        lane
    }

    /// Puts a lane where it waits for what it needs next: time, a leader, or room at its node.
    pub(super) fn schedule(&mut self, lane: usize) {
        let slot = &mut self.lanes[lane];
        let now = Instant::now();
        if slot.queued {
            return;
        }
        if slot.lane.resume_at().is_some_and(|at| at > now) {
            self.delayed.insert(lane);
            return;
        }
        if slot.lane.sendable(now).is_none() {
            return;
        }
        if slot.lane.in_flight() == 0 {
            // Only now: batches of a lane that are in flight on two connections could overtake each other.
            slot.node = self.client.metadata().leader(&slot.partition).map(|leader| leader.node);
        }
        match slot.node {
            Some(node) => {
                slot.queued = true;
                self.nodes.entry(node).or_default().ready.push_back(lane);
            }
            None => {
                self.leaderless.insert(lane);
            }
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Connected { node, result } => self.connected(node, result),
            Event::Answered { node, batches, result } => self.answered(node, &batches, result),
            Event::Refreshed(result) => self.refreshed(result),
        }
    }

    fn connected(&mut self, id: i32, result: Result<crate::connection::Connection, ClientError>) {
        let node = self.nodes.entry(id).or_default();
        node.connecting = false;
        match result {
            Ok(connection) => node.connected(id, connection, self.events.clone()),
            // Perhaps another node leads by now; the link delays the next attempt at this one.
            Err(_) => {
                for lane in std::mem::take(&mut node.ready) {
                    self.lanes[lane].queued = false;
                    self.leaderless.insert(lane);
                }
            }
        }
    }

    fn answered(&mut self, id: i32, batches: &[InFlight], result: Result<ProduceResponse, ConnectionError>) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.in_flight -= 1;
            if let Ok(response) = &result
                && response.throttle_time_ms > 0
            {
                let pause = Duration::from_millis(u64::from(response.throttle_time_ms.unsigned_abs()));
                // A pause beyond the request timeout is not one that a broker means.
                node.muted_until = Some(Instant::now() + pause.min(self.client.config().request_timeout));
            }
        }
        let verdicts = self.verdicts(batches, result.ok());
        for (batch, verdict) in batches.iter().zip(verdicts) {
            self.answer(*batch, verdict);
        }
    }

    /// What the response says about each batch; `batches` are sorted by partition.
    fn verdicts(&self, batches: &[InFlight], response: Option<ProduceResponse>) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::LOST; batches.len()];
        for topic in response.iter().flat_map(|response| &response.responses) {
            for answer in &topic.partition_responses {
                let wanted = (topic.name.as_str(), answer.index);
                let found = batches.binary_search_by(|batch| {
                    let partition = &self.lanes[batch.lane].partition;
                    (&*partition.topic, partition.partition).cmp(&wanted)
                });
                if let Ok(found) = found {
                    let message = answer.error_message.as_deref();
                    verdicts[found] = Verdict::of(answer.error_code, answer.base_offset, message);
                }
            }
        }
        verdicts
    }

    /// Hands a verdict to its lane.
    pub(super) fn answer(&mut self, batch: InFlight, verdict: Verdict) {
        let slot = &mut self.lanes[batch.lane];
        let retry = match &verdict {
            Verdict::Retry { code, .. } => Some(*code),
            _ => None,
        };
        // Behind a batch that failed a wrong sequence is what follows from it, and says nothing new.
        let follows = matches!(&verdict, Verdict::Sequence(_));
        slot.lane.answered(batch.ordinal, verdict, Instant::now());
        match retry {
            Some(code) => {
                if code.is_none_or(ErrorCode::is_stale_metadata) {
                    self.stale.insert(Arc::clone(&slot.partition.topic));
                }
                if let Some(code) = code
                    && slot.lane.failures() >= FAILURES_REPORTED
                {
                    self.report(batch.lane, || format!("produce: broker answered {code}"));
                }
            }
            None if slot.reported && !follows => {
                slot.reported = false;
                self.client.outages().end(&Place::Partition(slot.partition.clone()));
            }
            None => {}
        }
        self.schedule(batch.lane);
    }

    fn report(&mut self, lane: usize, reason: impl FnOnce() -> String) {
        let slot = &mut self.lanes[lane];
        slot.reported = true;
        self.client.outages().begin(Place::Partition(slot.partition.clone()), reason);
    }

    /// Sends what can be sent, and asks for what is missing.
    fn pump(&mut self) {
        for lane in std::mem::take(&mut self.delayed) {
            self.schedule(lane);
        }
        let nodes: Vec<i32> = self.nodes.keys().copied().collect();
        for node in nodes {
            self.send_to(node);
        }
        self.refresh();
    }

    /// Asks for the leaders that are missing or doubtful; one question at a time.
    fn refresh(&mut self) {
        let wanted = !self.leaderless.is_empty() || !self.stale.is_empty();
        if !wanted || self.refreshing || self.refresh_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.refreshing = true;
        self.refresh_at = None;
        let mut topics = std::mem::take(&mut self.stale);
        topics.extend(self.leaderless.iter().map(|&lane| Arc::clone(&self.lanes[lane].partition.topic)));
        let topics: Vec<_> = topics.into_iter().collect();
        let (client, events) = (self.client.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = client.retry(|| client.refresh(&topics, true)).await;
            let _ = events.send(Event::Refreshed(result.map(drop)));
        });
    }

    fn refreshed(&mut self, result: Result<(), ClientError>) {
        self.refreshing = false;
        if let Err(error) = result {
            tracing::warn!("ask for leaders: {}", crate::error::chain(&error));
        }
        for lane in std::mem::take(&mut self.leaderless) {
            self.schedule(lane);
        }
        if self.leaderless.is_empty() {
            self.refresh_backoff.reset();
            return;
        }
        self.refresh_at = Some(Instant::now() + self.refresh_backoff.next_delay());
        let metadata = self.client.metadata();
        for lane in self.leaderless.clone() {
            let error = metadata.topics.get(&self.lanes[lane].partition.topic).and_then(|topic| topic.error);
            match error {
                Some(code) if !code.is_retriable() => {
                    self.leaderless.remove(&lane);
                    self.refuse(lane, code);
                }
                _ if self.refresh_backoff.failures() >= FAILURES_REPORTED => {
                    self.report(lane, || error.map_or("there is no leader".to_owned(), |code| code.to_string()));
                }
                _ => {}
            }
        }
    }

    /// Answers what a lane has to send as if a broker had refused it.
    pub(super) fn refuse(&mut self, lane: usize, code: ErrorCode) {
        while let Some((ordinal, ..)) = self.lanes[lane].lane.send_next(Instant::now()) {
            self.answer(InFlight { lane, ordinal }, Verdict::Refused { code, message: None });
        }
    }
}
