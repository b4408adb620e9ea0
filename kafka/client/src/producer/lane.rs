//! The batches of one partition on their way: order, window, repetition. No I/O, no clock of its own.
//!
//! Invariants, by which a broker that keeps Kafka's rules writes every batch once and in order:
//! - Batches are sent in the order in which they came; what is in flight is a prefix of what is unanswered, unless an
//!   answer asked for a repetition. Then nothing more is sent until everything in flight is answered, and everything
//!   unanswered is sent again in order, with the same bytes.
//! - Nothing is sent that is more than four batches after the oldest unanswered one: the broker remembers the last five
//!   of a producer, so a repetition of the oldest is always recognised (KIP-98, KIP-185).
//! - The first batch of an identity goes alone: a broker without state takes whatever sequence comes first.

use std::collections::VecDeque;

use bytes::Bytes;
use kafka_wire::batch::{BatchError, BatchHeader, NO_PRODUCER_ID};
use kafka_wire::protocol::ResponseError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::outcome::{Acknowledged, ProduceError, Verdict};
use super::{IN_FLIGHT_MAX, ProducerIdentity};
use crate::backoff::Backoff;
use crate::code::ErrorCode;

/// A checksum that fits here and not at the broker means damage on the way, which a repetition mends; but a broker
/// that always says so would otherwise be asked for ever.
const DAMAGED_ATTEMPTS_MAX: u32 = 10;

pub(super) type Reply = oneshot::Sender<Result<Acknowledged, ProduceError>>;

/// A sealed batch that has not been answered.
pub(super) struct Batch {
    bytes: Bytes,
    /// `None`: not idempotent.
    identity: Option<ProducerIdentity>,
    base_sequence: i32,
    reply: Reply,
    ordinal: u64,
    in_flight: bool,
    /// Nothing unanswered was before it when it was last sent.
    sent_at_head: bool,
    /// An earlier attempt may have been written.
    written: bool,
    attempts: u32,
}

impl Batch {
    /// Reads the header; `bytes` must be exactly one batch.
    pub fn new(bytes: Bytes, reply: Reply) -> Result<Self, (BatchError, Reply)> {
        let header = match BatchHeader::read(&bytes) {
            Ok(header) if header.batch_bytes == bytes.len() => header,
            Ok(header) => return Err((BatchError::CutOff { got: bytes.len(), want: header.batch_bytes }, reply)),
            Err(error) => return Err((error, reply)),
        };
        let identity = ProducerIdentity { id: header.producer_id, epoch: header.producer_epoch };
        Ok(Self {
            identity: Some(identity).filter(|identity| identity.id != NO_PRODUCER_ID),
            base_sequence: header.base_sequence,
            bytes,
            reply,
            ordinal: 0,
            in_flight: false,
            sent_at_head: false,
            written: false,
            attempts: 0,
        })
    }

    /// The sender may have dropped its future: then nobody wants the answer.
    fn answer(self, answer: Result<Acknowledged, ProduceError>) {
        let _ = self.reply.send(answer);
    }
}

/// One partition's batches.
pub(super) struct Lane {
    batches: VecDeque<Batch>,
    next_ordinal: u64,
    in_flight: usize,
    /// Wait for all answers, then send everything unanswered again.
    repeat: bool,
    /// The next repetition waits first.
    delay: bool,
    resume_at: Option<Instant>,
    backoff: Backoff,
    /// The identity under which the broker has accepted a batch.
    accepted: Option<ProducerIdentity>,
    /// The head failed, and batches behind it are not answered yet.
    failed: bool,
    /// Where the failed head began: only a batch that begins there, or under another identity, can be next.
    mend: Option<(ProducerIdentity, i32)>,
}

impl Lane {
    pub fn new(backoff: Backoff) -> Self {
        Self {
            batches: VecDeque::new(),
            next_ordinal: 0,
            in_flight: 0,
            repeat: false,
            delay: false,
            resume_at: None,
            backoff,
            accepted: None,
            failed: false,
            mend: None,
        }
    }

    /// Takes a batch. Behind a failed one it is answered at once, since its sequence cannot fit.
    pub fn push(&mut self, mut batch: Batch) {
        let mends = match (self.mend, batch.identity) {
            (Some((failed, sequence)), Some(identity)) => identity != failed || batch.base_sequence == sequence,
            _ => true,
        };
        if self.failed || !mends {
            batch.answer(Err(ProduceError::Aborted));
            return;
        }
        self.mend = None;
        batch.ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.batches.push_back(batch);
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// When the lane goes on after a failure.
    pub fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Failed attempts since the last batch that was accepted.
    pub fn failures(&self) -> u32 {
        self.backoff.failures()
    }

    /// The size of the batch that may be sent now.
    pub fn sendable(&self, now: Instant) -> Option<usize> {
        self.next_index(now).map(|index| self.batches[index].bytes.len())
    }

    fn next_index(&self, now: Instant) -> Option<usize> {
        if self.repeat || self.resume_at.is_some_and(|at| at > now) {
            return None;
        }
        // In flight is a prefix here.
        let index = self.in_flight;
        let (head, next) = (self.batches.front()?, self.batches.get(index)?);
        let window = match head.identity {
            Some(_) if head.identity == self.accepted => IN_FLIGHT_MAX,
            _ => 1,
        };
        let fits = next.ordinal < head.ordinal + window as u64 && next.identity == head.identity;
        fits.then_some(index)
    }

    /// Takes the next batch into flight: its ordinal, its bytes, and whether they are sent again.
    pub fn send_next(&mut self, now: Instant) -> Option<(u64, Bytes, bool)> {
        let index = self.next_index(now)?;
        self.resume_at = None;
        self.in_flight += 1;
        let batch = &mut self.batches[index];
        batch.in_flight = true;
        batch.sent_at_head = index == 0;
        batch.attempts = batch.attempts.saturating_add(1);
        Some((batch.ordinal, batch.bytes.clone(), batch.attempts > 1))
    }

    /// Takes the answer to a batch in flight.
    pub fn answered(&mut self, ordinal: u64, verdict: Verdict, now: Instant) {
        let Ok(index) = self.batches.binary_search_by_key(&ordinal, |batch| batch.ordinal) else { return };
        self.in_flight -= 1;
        self.batches[index].in_flight = false;
        let at_head = index == 0 && self.batches[index].sent_at_head;
        match self.damage_is_retriable(index, verdict) {
            Verdict::Accepted { base_offset } => {
                let batch = self.take(index);
                self.accepted = batch.identity;
                self.backoff.reset();
                if self.failed {
                    // The broker went on without the failed head, so nothing is known of what it expects next.
                    self.mend = None;
                }
                batch.answer(Ok(Acknowledged { base_offset }));
            }
            Verdict::Retry { written, .. } => {
                self.batches[index].written |= written;
                self.repeat = true;
                self.delay = true;
            }
            _ if self.failed => self.take(index).answer(Err(ProduceError::Aborted)),
            Verdict::Sequence(code) if at_head => self.fail_head(ProduceError::SequenceLost { code }),
            Verdict::TooLarge if at_head && self.batches[index].written => {
                self.fail_head(ProduceError::Unsure { code: ErrorCode::from(ResponseError::MessageTooLarge) });
            }
            Verdict::Refused { code, .. } if at_head && self.batches[index].written => {
                self.fail_head(ProduceError::Unsure { code });
            }
            Verdict::TooLarge if at_head => {
                let bytes = self.batches[index].bytes.len();
                self.fail_head(ProduceError::TooLarge { bytes });
            }
            Verdict::Refused { code, message } if at_head => {
                self.fail_head(ProduceError::Refused { code, message });
            }
            Verdict::Sequence(_) => {
                // Not in the log, whatever became of earlier attempts: a duplicate would have been recognised.
                self.batches[index].written = false;
                self.repeat = true;
            }
            // Brokers look at permissions and sizes before they look for duplicates.
            Verdict::TooLarge | Verdict::Refused { .. } => self.repeat = true,
        }
        self.settle(now);
    }

    /// A refusal for damage counts only when the bytes are damaged here.
    fn damage_is_retriable(&self, index: usize, verdict: Verdict) -> Verdict {
        match verdict {
            Verdict::Retry { code: Some(code), .. } if code.kind() == ResponseError::CorruptMessage => {
                let batch = &self.batches[index];
                let sound = BatchHeader::read(&batch.bytes).and_then(|header| header.verify_crc(&batch.bytes));
                match sound {
                    Ok(()) if batch.attempts < DAMAGED_ATTEMPTS_MAX => verdict,
                    Ok(()) => Verdict::Refused { code, message: None },
                    Err(error) => Verdict::Refused { code, message: Some(error.to_string()) },
                }
            }
            verdict => verdict,
        }
    }

    /// After each answer: goes on when nothing is in flight any more.
    fn settle(&mut self, now: Instant) {
        if self.in_flight > 0 {
            return;
        }
        if self.repeat && self.delay {
            self.resume_at = Some(now + self.backoff.next_delay());
        }
        self.repeat = false;
        self.delay = false;
        if self.failed {
            self.abort_unwritten();
            self.failed = !self.batches.is_empty();
        }
    }

    fn fail_head(&mut self, error: ProduceError) {
        let head = self.take(0);
        let lost = matches!(error, ProduceError::SequenceLost { .. });
        if lost {
            self.accepted = None;
        }
        // With nothing behind it, the sender alone knows what comes next: it may have found out that the broker has more.
        let mends = !(lost && self.batches.is_empty());
        self.mend = head.identity.filter(|_| mends).map(|identity| (identity, head.base_sequence));
        self.failed = true;
        head.answer(Err(error));
        self.abort_unwritten();
    }

    /// Answers what is surely not in the log. What may be there is sent until the broker has said so.
    fn abort_unwritten(&mut self) {
        for batch in std::mem::take(&mut self.batches) {
            if batch.in_flight || batch.written {
                self.batches.push_back(batch);
            } else {
                batch.answer(Err(ProduceError::Aborted));
            }
        }
    }

    /// Answers everything, because the producer ends.
    pub fn close(&mut self) {
        for batch in self.batches.drain(..) {
            batch.answer(Err(ProduceError::Closed));
        }
    }

    fn take(&mut self, index: usize) -> Batch {
        self.batches.remove(index).expect("the index was found in this queue")
    }
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
