//! What becomes of batches that the broker did not accept. The journal learns it before anything is sent again.

use super::ask::pause;
use super::lane::{Numbering, Outgoing, Stuck};
use super::{Content, Contents, Delivery, Event, Identity, SendError};
use crate::batch::{self, producer_of};
use crate::journal::{Entry, Sent};
use kafka_wire::batch::{set_producer, wrap_sequence};
use std::io;
use std::time::Instant;

impl Delivery {
    /// Deals with the failed batch at the front of a lane. None behind it was accepted.
    ///
    /// # Errors
    /// The journal could not be written; nothing has changed.
    pub(super) fn mend(
        &mut self,
        lane: usize,
        error: SendError,
        contents: &mut dyn Contents,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let Some(first) = self.lanes[lane].queue.front() else { return Ok(()) };
        let (number, unsure, part_of) = (first.sent.number, first.unsure, first.sent.part_of);
        match error {
            SendError::Unsure(reason) => self.get_stuck(lane, reason),
            SendError::Refused(reason) if unsure || part_of.is_some() => self.get_stuck(lane, reason),
            SendError::Closed => self.closed = true,
            SendError::Aborted => self.lanes[lane].start_over(),
            SendError::UnsureTooLarge => return self.halve_first(lane, Some(number), contents, events),
            SendError::TooLarge => {
                return self.halve_first(lane, if unsure { Some(number) } else { part_of }, contents, events);
            }
            SendError::Refused(reason) => return self.hold_first(lane, reason, events),
            SendError::OutOfOrder if part_of.is_some() => return self.whole_is_there(lane, part_of, events),
            SendError::OutOfOrder | SendError::SequenceLost => {
                let place = &self.lanes[lane];
                tracing::warn!(
                    topic = %place.topic,
                    partition = place.partition,
                    batches = place.queue.len(),
                    "the broker has forgotten this producer; batches in flight are sent under a new producer id, and \
                     those that it has already are there twice"
                );
                self.lanes[lane].start_over();
                self.renumber(lane);
            }
        }
        if self.closed {
            self.lanes[lane].start_over();
        }
        Ok(())
    }

    fn get_stuck(&mut self, lane: usize, reason: String) {
        let lane = &mut self.lanes[lane];
        let refusals = lane.stuck.as_ref().map_or(0, |stuck| stuck.refusals);
        let reason = format!(
            "the broker refuses a batch that it may have already, for {:?} partition {}: {reason}",
            lane.topic, lane.partition
        );
        if lane.stuck.as_ref().is_none_or(|stuck| stuck.reason != reason) {
            tracing::error!("{reason}; it is sent again");
        }
        lane.stuck = Some(Stuck { reason, refusals: refusals + 1, again_at: Instant::now() + pause(refusals) });
        // The producer forgets now that it has sent them before, and the broker may have those behind the first, too.
        lane.queue.iter_mut().for_each(|outgoing| outgoing.unsure |= outgoing.handed);
        lane.start_over();
    }

    /// Puts the halves of the first batch in its place. `part_of` is the batch that the broker may have already: then it
    /// refuses the first half, since it expects what comes behind the whole ([`Delivery::whole_is_there`]). A half that
    /// is one record has the sequence of the whole, and is taken for a repetition.
    fn halve_first(
        &mut self,
        lane: usize,
        part_of: Option<u64>,
        contents: &mut dyn Contents,
        events: &mut Vec<Event>,
    ) -> io::Result<()> {
        let Some(first) = self.lanes[lane].queue.front() else { return Ok(()) };
        let sent = Sent { part_of, ..first.sent.clone() };
        let parts = match self.halves_of(&sent, contents) {
            Ok(parts) => parts,
            Err(reason) if part_of.is_some() => {
                self.get_stuck(lane, reason);
                return Ok(());
            }
            Err(reason) => return self.hold_first(lane, reason, events),
        };
        let number = self.state().next_number;
        let queue = &mut self.lanes[lane].queue;
        let gone: Vec<u64> = queue.iter().map(|outgoing| outgoing.sent.number).collect();
        let mut by: Vec<Sent> = parts.iter().map(|(sent, _)| sent.clone()).collect();
        by.extend(queue.iter().skip(1).map(|outgoing| outgoing.sent.clone()));
        by.iter_mut().zip(number..).for_each(|(sent, number)| sent.number = number);
        self.record(Entry::Replaced { gone, by: by.clone() })?;

        tracing::info!(
            bytes = sent.sources[0].end - sent.sources[0].start,
            "a batch was too large and is sent in parts"
        );
        for source in &sent.sources {
            *self.batches_of.entry(source.file).or_default() += parts.len() - 1;
        }
        self.metrics.batches_repeated.inc_by(parts.len() as u64);
        let queue = &mut self.lanes[lane].queue;
        queue.pop_front();
        for (sent, bytes) in parts.into_iter().rev() {
            let bytes = self.pool.hold(bytes);
            queue.push_front(Outgoing { sent, bytes, handed: false, unsure: false, lost: None, outcome: None });
        }
        queue.iter_mut().zip(by).for_each(|(outgoing, sent)| outgoing.sent = sent);
        self.lanes[lane].start_over();
        Ok(())
    }

    /// The broker has refused the first part of a batch that it may have, since it expects what comes behind that: it has
    /// the whole, and the parts are acknowledged without being sent.
    fn whole_is_there(&mut self, lane: usize, whole: Option<u64>, events: &mut Vec<Event>) -> io::Result<()> {
        tracing::info!(
            topic = %self.lanes[lane].topic,
            partition = self.lanes[lane].partition,
            "a batch that is too large now was written before, and is not sent again"
        );
        while let Some(first) = self.lanes[lane].queue.front().filter(|first| first.sent.part_of == whole) {
            // All parts are in doubt until the last one is taken off: a crash in between only leads here again.
            self.record(Entry::Had { number: first.sent.number })?;
            let Some(had) = self.lanes[lane].queue.pop_front() else { break };
            self.metrics.records_acknowledged.inc_by(had.sent.records as u64);
            self.taken_off(&had.sent, events);
        }
        self.lanes[lane].stuck = None;
        self.lanes[lane].start_over();
        events.push(Event::Room(lane));
        Ok(())
    }

    fn halves_of(&self, sent: &Sent, contents: &mut dyn Contents) -> Result<Vec<(Sent, Vec<u8>)>, String> {
        let source = &sent.sources[0];
        let record = self.state().files.get(&source.file).ok_or("its file is not known")?;
        let content = match contents.content(record, source, sent.host.as_deref()) {
            Content::Here(_, content) => content,
            Content::Gone(reason) | Content::NotNow(reason) => {
                return Err(format!("it is too large for the broker and cannot be read again: {reason}"));
            }
        };
        let halves = batch::halve(sent, &content).ok_or("one byte of a line is too large for the broker")?;
        halves
            .into_iter()
            .map(|half| {
                let part = &half.sources[0];
                let bytes = content[(part.start - source.start) as usize..(part.end - source.start) as usize].to_vec();
                let Content::Here(dress, _) = contents.content(record, part, half.host.as_deref()) else {
                    return Err("its file is gone".to_owned());
                };
                let bytes = batch::rebuild(&half, &[(dress, bytes)]).map_err(|error| error.to_string())?;
                Ok((half, bytes))
            })
            .collect()
    }

    /// Takes all batches of the first one's file out of the lane: none may jump the hole. The others are numbered anew.
    fn hold_first(&mut self, lane: usize, reason: String, events: &mut Vec<Event>) -> io::Result<()> {
        let Some(first) = self.lanes[lane].queue.front() else { return Ok(()) };
        let file = first.sent.sources[0].file;
        let is_held = |sent: &Sent| sent.sources.iter().any(|source| source.file == file);
        let queue = &self.lanes[lane].queue;
        let gone = queue.iter().map(|outgoing| &outgoing.sent).filter(|sent| is_held(sent)).map(|sent| sent.number);
        let gone = gone.collect();
        self.record(Entry::Replaced { gone, by: Vec::new() })?;
        let reason = format!("the broker refused a batch: {reason}");
        tracing::error!(file = %file, "{reason}; the file waits");
        self.lanes[lane].queue.retain(|outgoing| !is_held(&outgoing.sent));
        self.batches_of.remove(&file);
        self.lanes[lane].start_over();
        self.renumber(lane);
        events.push(Event::Held { file, reason });
        events.push(Event::Room(lane));
        Ok(())
    }

    /// Numbers everything in the lane from 0 under `identity`.
    pub(super) fn number_anew(&mut self, lane: usize, identity: Identity, events: &mut Vec<Event>) {
        // Nothing of the old numbers counts any more.
        for at in (0..self.lanes[lane].queue.len()).rev() {
            if let Some(reason) = self.lanes[lane].queue[at].lost.clone()
                && self.give_up(lane, at, &reason, events).is_err()
            {
                self.lanes[lane].numbering = Numbering::None;
                return;
            }
        }
        let mut next_sequence = 0;
        let number = self.state().next_number;
        let gone: Vec<u64> = self.lanes[lane].queue.iter().map(|outgoing| outgoing.sent.number).collect();
        let by: Vec<Sent> = self.lanes[lane]
            .queue
            .iter()
            .zip(number..)
            .map(|(outgoing, number)| {
                let sequence = next_sequence;
                next_sequence = wrap_sequence(next_sequence, outgoing.sent.records);
                Sent {
                    number,
                    producer_id: identity.id,
                    producer_epoch: identity.epoch,
                    sequence,
                    part_of: None,
                    ..outgoing.sent.clone()
                }
            })
            .collect();
        if !gone.is_empty() && self.record(Entry::Replaced { gone, by: by.clone() }).is_err() {
            // The identity is not used; the next look at the lane asks for another one.
            self.lanes[lane].numbering = Numbering::None;
            return;
        }
        for (outgoing, sent) in self.lanes[lane].queue.iter_mut().zip(by) {
            let mut bytes = outgoing.bytes.to_vec();
            set_producer(&mut bytes, producer_of(&sent));
            outgoing.bytes = self.pool.hold(bytes);
            outgoing.sent = sent;
            outgoing.unsure = false;
            self.metrics.batches_repeated.inc();
        }
        self.lanes[lane].numbering = Numbering::Ready { identity, next_sequence };
        self.lanes[lane].stuck = None;
        self.pump(lane);
    }
}
