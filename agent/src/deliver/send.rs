//! A batch on its way: numbered, written down, handed to the producer, and taken off when it is acknowledged.

use super::lane::{Front, Lane, Numbering};
use super::{Answer, Contents, Delivery, Event};
use crate::batch::producer_of;
use crate::format::Format;
use crate::journal::{Entry, Sent, Source};
use kafka_wire::batch::{BatchWriter, set_producer, wrap_sequence};
use kafka_wire::compression::Compression;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// What a batch is made of besides its records.
#[derive(Debug)]
pub struct Draft {
    pub source: Source,
    pub host: Option<String>,
    pub timestamp: i64,
    /// As in [`Sent::format`].
    pub format: Option<Box<Format>>,
    pub line_bytes_max: usize,
    pub compression: Compression,
}

impl Delivery {
    pub fn lane(&mut self, topic: &str, partition: i32) -> usize {
        let topic: Arc<str> = topic.into();
        *self.lane_of.entry((Arc::clone(&topic), partition)).or_insert_with(|| {
            self.lanes.push(Lane::new(topic, partition));
            self.lanes.len() - 1
        })
    }

    /// Whether cluster and partition are the right ones, and no batch of an earlier run has to go first.
    fn may_send(&mut self, lane: usize) -> bool {
        let topic = Arc::clone(&self.lanes[lane].topic);
        let partitions_known = self.partition_count(&topic).is_some();
        partitions_known
            && self.cluster_known
            && !self.closed
            && !self.waiting.contains_key(&lane)
            && !self.is_displaced(lane)
    }

    /// Whether batches can be numbered in this lane. If not, an [`Event::Ready`] will follow.
    pub fn is_ready(&mut self, lane: usize) -> bool {
        if !self.may_send(lane) {
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

    /// Whether the lane takes more batches. If not, an [`Event::Room`] will follow.
    pub fn has_room(&self, lane: usize) -> bool {
        self.lanes[lane].has_room()
    }

    /// How many more batches the lane takes.
    pub fn room(&self, lane: usize) -> usize {
        self.lanes[lane].room()
    }

    /// Seals what `writer` holds, writes it down and sends it.
    ///
    /// # Errors
    /// The journal could not be written: nothing was sent, and the records are dropped.
    ///
    /// # Panics
    /// The lane is not ready, or there are no records.
    pub fn send(&mut self, lane: usize, writer: &mut BatchWriter, draft: Draft) -> io::Result<()> {
        let sent = self.write_down(lane, writer.record_count(), draft).inspect_err(|_| writer.clear())?;
        let mut buffer = self.pool.buffer();
        writer.seal(producer_of(&sent), &mut buffer);
        self.enqueue(lane, sent, buffer);
        Ok(())
    }

    /// As [`Delivery::send`], of a batch of `records` records that was sealed on another thread, where nobody knows its
    /// number.
    ///
    /// # Errors
    /// The journal could not be written: nothing was sent.
    ///
    /// # Panics
    /// The lane is not ready.
    pub fn send_sealed(&mut self, lane: usize, mut batch: Vec<u8>, records: i32, draft: Draft) -> io::Result<()> {
        let sent = self.write_down(lane, records, draft)?;
        set_producer(&mut batch, producer_of(&sent));
        self.enqueue(lane, sent, batch);
        Ok(())
    }

    fn write_down(&mut self, lane: usize, records: i32, draft: Draft) -> io::Result<Sent> {
        let Numbering::Ready { identity, next_sequence } = self.lanes[lane].numbering else {
            panic!("only a lane that is ready takes batches");
        };
        let sent = Sent {
            number: self.state().next_number,
            topic: self.lanes[lane].topic.to_string(),
            partition: self.lanes[lane].partition,
            producer_id: identity.id,
            producer_epoch: identity.epoch,
            sequence: next_sequence,
            records,
            compression: draft.compression as u8,
            line_bytes_max: draft.line_bytes_max,
            host: draft.host,
            timestamp: draft.timestamp,
            format: draft.format,
            sources: vec![draft.source],
            part_of: None,
        };
        self.record(Entry::Sent(sent.clone()))?;
        let next_sequence = wrap_sequence(next_sequence, records);
        self.lanes[lane].numbering = Numbering::Ready { identity, next_sequence };
        Ok(sent)
    }

    fn enqueue(&mut self, lane: usize, sent: Sent, batch: Vec<u8>) {
        self.metrics.batch_bytes.0.observe(batch.len() as f64);
        for source in &sent.sources {
            *self.batches_of.entry(source.file).or_default() += 1;
        }
        self.lanes[lane].push(sent, self.pool.hold(batch));
        self.metrics.batches.inc();
        self.pump(lane);
    }

    /// Hands batches to the producer as far as the lane's window allows.
    pub(super) fn pump(&mut self, lane_index: usize) {
        if !self.may_send(lane_index) {
            return;
        }
        let lane = &mut self.lanes[lane_index];
        if !matches!(lane.numbering, Numbering::Ready { .. }) {
            return;
        }
        if lane.stuck.as_ref().is_some_and(|stuck| stuck.again_at > Instant::now()) {
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

    /// Takes acknowledged batches off the front, and mends a failure there.
    pub(super) fn advance(&mut self, lane: usize, contents: &mut dyn Contents, events: &mut Vec<Event>) {
        loop {
            match self.lanes[lane].front() {
                Front::Waiting => break,
                Front::Lost(reason) => {
                    if self.give_up(lane, 0, &reason, events).is_err() {
                        return;
                    }
                }
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
                    self.lanes[lane].stuck = None;
                    self.lanes[lane].is_not_there(done.sent.part_of);
                    self.metrics.records_acknowledged.inc_by(done.sent.records as u64);
                    self.taken_off(&done.sent, events);
                    if self.lanes[lane].has_room() {
                        events.push(Event::Room(lane));
                    }
                }
            }
        }
        self.pump(lane);
    }

    /// Takes a batch out that cannot be made again.
    pub(super) fn give_up(
        &mut self,
        lane: usize,
        at: usize,
        reason: &str,
        events: &mut Vec<Event>,
    ) -> std::io::Result<()> {
        let Some(number) = self.lanes[lane].queue.get(at).map(|lost| lost.sent.number) else { return Ok(()) };
        self.record(Entry::Lost { number, reason: reason.to_owned() })?;
        let Some(lost) = self.lanes[lane].queue.remove(at) else { return Ok(()) };
        self.lanes[lane].is_not_there(lost.sent.part_of);
        for source in &lost.sent.sources {
            let (file, start, end) = (source.file, source.start, source.end);
            events.push(Event::Lost { file, start, end, reason: reason.to_owned() });
        }
        self.taken_off(&lost.sent, events);
        Ok(())
    }

    pub(super) fn taken_off(&mut self, sent: &Sent, events: &mut Vec<Event>) {
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
}
