//! The batches of one partition on their way: numbered, sent in order, a few at a time, taken off at the front.

use super::broker::{Identity, SendError};
use crate::journal::Sent;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Batches that the broker may have and whose acknowledgement is not in the journal. A broker remembers the last five
/// of a producer (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`): a sixth could not be recognised after a crash.
pub const UNRESOLVED_MAX: usize = 5;

/// Batches that wait in a lane until its files are not read any more: enough that there is always a next one to send,
/// and so few that a line behind them is not late. The blocks that are being framed may add some.
pub const LANE_BATCHES_MAX: usize = 8;

/// How the batches of a lane get their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Nothing can be numbered: an identity has to be obtained.
    None,
    /// It was asked for.
    Asked,
    Ready {
        identity: Identity,
        next_sequence: i32,
    },
}

/// A batch in a lane.
#[derive(Debug)]
pub struct Outgoing {
    pub sent: Sent,
    pub bytes: Bytes,
    /// The producer has it.
    pub handed: bool,
    /// An earlier run has sent it, or this one without an answer: the broker may have it. It keeps its number until the broker has said so.
    pub unsure: bool,
    /// Why it cannot be made again. It is never sent, but the broker may have it and then counts it among the five that
    /// it remembers; so it keeps its place here, and in the journal, until everything before it is resolved.
    pub lost: Option<String>,
    pub outcome: Option<Result<(), SendError>>,
}

/// One partition.
#[derive(Debug)]
pub struct Lane {
    pub topic: Arc<str>,
    pub partition: i32,
    pub numbering: Numbering,
    pub queue: VecDeque<Outgoing>,
    pub stuck: Option<Stuck>,
}

/// The broker refuses a batch that it may have. It can neither be left out nor be numbered anew, since it might then be
/// there twice; so it is sent again after a while, as it is.
#[derive(Debug)]
pub struct Stuck {
    pub reason: String,
    pub refusals: u32,
    pub again_at: Instant,
}

/// What the front of a lane allows.
#[derive(Debug, PartialEq, Eq)]
pub enum Front {
    /// Nothing to do until an outcome comes.
    Waiting,
    /// The broker has the first batch.
    Acknowledged,
    /// The first batch cannot be made again.
    Lost(String),
    /// The first batch was not accepted, and neither was any behind it; all outcomes are there.
    Failed(SendError),
}

impl Lane {
    pub fn new(topic: Arc<str>, partition: i32) -> Self {
        Self { topic, partition, numbering: Numbering::None, queue: VecDeque::new(), stuck: None }
    }

    pub fn push(&mut self, sent: Sent, bytes: Bytes) {
        self.queue.push_back(Outgoing { sent, bytes, handed: false, unsure: false, lost: None, outcome: None });
    }

    pub fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many more batches it takes.
    pub fn room(&self) -> usize {
        LANE_BATCHES_MAX.saturating_sub(self.queue.len())
    }

    /// The next batch to hand to the producer. After a failure nothing is handed out until it has been dealt with.
    pub fn next_to_hand(&mut self) -> Option<&mut Outgoing> {
        if self.queue.iter().any(|outgoing| matches!(outgoing.outcome, Some(Err(_)))) {
            return None;
        }
        // What becomes of a part tells whether the broker has the whole: before, nothing follows.
        let in_doubt = self.queue.front().is_some_and(|first| first.sent.part_of.is_some());
        let mut window = self.queue.iter_mut().take(if in_doubt { 1 } else { UNRESOLVED_MAX });
        window.find(|outgoing| !outgoing.handed && outgoing.lost.is_none())
    }

    /// Notes the outcome of a batch; one that has been replaced meanwhile is not there any more.
    pub fn resolved(&mut self, number: u64, outcome: Result<(), SendError>) {
        if let Some(outgoing) = self.queue.iter_mut().find(|outgoing| outgoing.sent.number == number) {
            outgoing.outcome = Some(outcome);
        }
    }

    pub fn front(&self) -> Front {
        if let Some(reason) = self.queue.front().and_then(|first| first.lost.clone()) {
            return Front::Lost(reason);
        }
        match self.queue.front().map(|first| (&first.outcome, first.handed)) {
            Some((Some(Ok(())), _)) => Front::Acknowledged,
            Some((Some(Err(error)), _)) => {
                let all_there = self.queue.iter().all(|outgoing| !outgoing.handed || outgoing.outcome.is_some());
                if all_there { Front::Failed(error.clone()) } else { Front::Waiting }
            }
            _ => Front::Waiting,
        }
    }

    /// The broker has taken a part of `whole`: it does not have that, and takes the other parts, too. Or a part was lost,
    /// and what is said to the others tells nothing.
    pub fn is_not_there(&mut self, whole: Option<u64>) {
        if whole.is_some() {
            let parts = self.queue.iter_mut().filter(|outgoing| outgoing.sent.part_of == whole);
            parts.for_each(|outgoing| outgoing.sent.part_of = None);
        }
    }

    /// All batches wait to be handed out again, as they are.
    pub fn start_over(&mut self) {
        for outgoing in &mut self.queue {
            outgoing.handed = false;
            outgoing.outcome = None;
        }
    }
}
