//! Which cluster and which partitions the batches in flight belong to, when that has changed since they were numbered.

use super::ask::placed;
use super::{Delivery, Event, Identity, Question};
use crate::journal::{Entry, Sent};
use kafka_wire::batch::NO_PRODUCER_ID;
use std::io;
use std::sync::Arc;

/// Stands in a journaled batch that has no number: it must get one before it is sent.
pub(super) const UNNUMBERED: Identity = Identity { id: NO_PRODUCER_ID, epoch: -1 };

fn unnumbered(sent: &Sent, number: u64) -> Sent {
    Sent {
        number,
        producer_id: UNNUMBERED.id,
        producer_epoch: UNNUMBERED.epoch,
        sequence: -1,
        part_of: None,
        ..sent.clone()
    }
}

impl Delivery {
    /// The cluster has said who it is.
    pub(super) fn cluster_is(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        let before = self.state().cluster.clone();
        if let Some(now) = id.filter(|id| Some(id) != before.as_ref()) {
            let numbered_there = before.is_some() && !self.state().unresolved.is_empty();
            // Ids and sequences mean somebody else's batches in another cluster. That they are taken off is written
            // down first, so that a crash in between only leads here again.
            let written = if numbered_there { self.take_numbers_off() } else { Ok(()) };
            if let Err(error) = written.and_then(|()| self.record(Entry::Cluster { id: now.clone() })) {
                self.refused(Question::Cluster, &format!("cannot write it down: {error}"));
                return;
            }
            if let Some(before) = before {
                tracing::warn!(before, now, "another cluster answers; batches in flight get a new producer id");
            }
        }
        self.cluster_known = true;
        (0..self.lanes.len()).for_each(|lane| self.pump(lane));
        events.push(Event::Ready);
    }

    /// Takes id and sequence off all batches, of files that cannot be read now too. Nothing has been sent yet.
    fn take_numbers_off(&mut self) -> io::Result<()> {
        let number = self.state().next_number;
        let (gone, by): (Vec<u64>, Vec<Sent>) = self
            .state()
            .unresolved
            .values()
            .zip(number..)
            .map(|(sent, new)| (sent.number, unnumbered(sent, new)))
            .unzip();
        self.record(Entry::Replaced { gone: gone.clone(), by: by.clone() })?;
        let mut new: std::collections::HashMap<u64, Sent> = gone.into_iter().zip(by).collect();
        for lane in 0..self.lanes.len() {
            for outgoing in &mut self.lanes[lane].queue {
                outgoing.sent = new.remove(&outgoing.sent.number).unwrap_or_else(|| outgoing.sent.clone());
            }
            if !self.lanes[lane].queue.is_empty() {
                self.lanes[lane].start_over();
                self.renumber(lane);
            }
        }
        Ok(())
    }

    /// The cluster has said how many partitions a topic has.
    pub(super) fn partitions_are(&mut self, topic: Arc<str>, count: i32, events: &mut Vec<Event>) {
        for (index, lane) in self.lanes.iter().enumerate() {
            let used = !lane.queue.is_empty() || self.waiting.contains_key(&index);
            if lane.topic == topic && used && placed(lane.partition, count) != lane.partition {
                tracing::warn!(%topic, partition = lane.partition, count, "a partition is not there any more");
                self.misplaced.insert(index);
            }
        }
        self.partitions.insert(Arc::clone(&topic), count);
        self.move_misplaced();
        (0..self.lanes.len()).for_each(|lane| self.pump(lane));
        events.push(Event::Ready);
    }

    /// Whether nothing may be sent in this lane now, since batches of its topic have to change their partition first.
    pub(super) fn is_displaced(&self, lane: usize) -> bool {
        self.misplaced.iter().any(|&other| self.lanes[other].topic == self.lanes[lane].topic)
    }

    /// Moves the batches of partitions that are not there into ones that are. What is of one partition stays together
    /// and in order. Lanes that wait for their files are moved when these can be read.
    pub(super) fn move_misplaced(&mut self) {
        for lane in std::mem::take(&mut self.misplaced) {
            if !self.move_lane(lane) {
                self.misplaced.insert(lane);
            }
        }
    }

    fn move_lane(&mut self, lane: usize) -> bool {
        let topic = Arc::clone(&self.lanes[lane].topic);
        let Some(&count) = self.partitions.get(&topic) else { return false };
        let partition = placed(self.lanes[lane].partition, count);
        let target = self.lane(&topic, partition);
        if self.waiting.contains_key(&lane) || self.waiting.contains_key(&target) {
            return false;
        }
        let number = self.state().next_number;
        let queue = &self.lanes[lane].queue;
        let gone = queue.iter().map(|outgoing| outgoing.sent.number).collect();
        let by: Vec<Sent> = queue
            .iter()
            .zip(number..)
            .map(|(outgoing, number)| Sent { partition, ..unnumbered(&outgoing.sent, number) })
            .collect();
        if self.record(Entry::Replaced { gone, by: by.clone() }).is_err() {
            return false;
        }
        let moved = std::mem::take(&mut self.lanes[lane].queue);
        for (mut outgoing, sent) in moved.into_iter().zip(by) {
            outgoing.sent = sent;
            self.lanes[target].queue.push_back(outgoing);
        }
        self.lanes[target].start_over();
        self.renumber(target);
        true
    }
}
