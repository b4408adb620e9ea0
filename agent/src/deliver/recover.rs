//! After a crash: the batches without acknowledgement are made again from the files and sent as they were.

use super::lane::{Numbering, Outgoing};
use super::place::UNNUMBERED;
use super::{Content, Contents, Delivery, Event, Identity};
use crate::batch;
use crate::journal::Sent;
use bytes::Bytes;
use kafka_wire::batch::wrap_sequence;
use std::collections::BTreeMap;

impl Delivery {
    /// Puts the unresolved batches of the journal into their lanes, ahead of all new ones. What could not be read the
    /// last time is tried again.
    pub fn recover(&mut self, contents: &mut dyn Contents) -> Vec<Event> {
        let mut events = Vec::new();
        let mut by_lane: BTreeMap<usize, Vec<Sent>> = BTreeMap::new();
        let unresolved: Vec<Sent> = self.state().unresolved.values().cloned().collect();
        for sent in unresolved {
            let lane = self.lane(&sent.topic, sent.partition);
            // A lane that was recovered, or has batches of this run, has nothing left in the journal to recover.
            if self.lanes[lane].queue.is_empty() {
                by_lane.entry(lane).or_default().push(sent);
            }
        }
        for (lane, batches) in by_lane {
            let before = self.waiting.remove(&lane);
            match self.recover_lane(lane, batches, contents, &mut events) {
                Ok(()) => events.push(Event::Ready),
                Err(reason) => {
                    if before.as_ref() != Some(&reason) {
                        tracing::warn!("{reason}");
                    }
                    self.waiting.insert(lane, reason);
                }
            }
        }
        self.move_misplaced();
        events
    }

    fn recover_lane(
        &mut self,
        lane: usize,
        batches: Vec<Sent>,
        contents: &mut dyn Contents,
        events: &mut Vec<Event>,
    ) -> Result<(), String> {
        let mut made = Vec::new();
        let mut last = None;
        for sent in batches {
            last = Some((
                Identity { id: sent.producer_id, epoch: sent.producer_epoch },
                wrap_sequence(sent.sequence, sent.records),
            ));
            match self.make_again(&sent, contents) {
                Content::Here(_, bytes) => made.push((sent, Ok(bytes))),
                Content::Gone(reason) => made.push((sent, Err(reason))),
                Content::NotNow(reason) => {
                    let path = self.state().files.get(&sent.sources[0].file).map(|record| record.path_now.clone());
                    let path = path.unwrap_or_default();
                    return Err(format!("batches in flight wait for {path:?}: {reason}"));
                }
            }
        }
        // Without the lost ones the sequence has a hole only if the broker does not have them. Then it refuses what
        // comes behind, which tells for certain that it does not have that either, and it gets new numbers.
        let unnumbered = made.iter().any(|(sent, _)| sent.producer_id == UNNUMBERED.id);
        match last.filter(|_| made.iter().any(|(_, bytes)| bytes.is_ok())) {
            Some(_) if unnumbered => self.renumber(lane),
            Some((identity, next_sequence)) => {
                self.broker.resume(identity);
                self.lanes[lane].numbering = Numbering::Ready { identity, next_sequence };
            }
            None => {}
        }
        for (sent, bytes) in made {
            for source in &sent.sources {
                *self.batches_of.entry(source.file).or_default() += 1;
            }
            let (bytes, lost) = match bytes {
                Ok(bytes) => (self.pool.hold(bytes), None),
                Err(reason) => (Bytes::new(), Some(reason)),
            };
            self.metrics.batches_repeated.inc_by(u64::from(lost.is_none()));
            self.lanes[lane].queue.push_back(Outgoing {
                sent,
                bytes,
                handed: false,
                unsure: true,
                lost,
                outcome: None,
            });
        }
        self.advance(lane, contents, events);
        Ok(())
    }

    fn make_again(&self, sent: &Sent, contents: &mut dyn Contents) -> Content {
        let mut parts = Vec::new();
        for source in &sent.sources {
            let Some(record) = self.state().files.get(&source.file) else {
                return Content::Gone("the file is not known any more".to_owned());
            };
            match contents.content(record, source, sent.host.as_deref()) {
                Content::Here(dress, bytes) => parts.push((dress, bytes)),
                other => return other,
            }
        }
        let Some((dress, _)) = parts.first().cloned() else { return Content::Gone("it has no source".to_owned()) };
        match batch::rebuild(sent, &parts) {
            Ok(bytes) => Content::Here(dress, bytes),
            Err(error) => Content::Gone(error.to_string()),
        }
    }
}
