//! The partitions that are ours: how far each is done, what is open in it, and whether it is fetched.

use super::ledger::{Ledger, Span};
use super::source::Source;
use kafka_client::TopicPartition;
use std::collections::{BTreeMap, HashMap};
use tokio::task::AbortHandle;

/// A partition may always have this much open, so that many partitions do not starve each other.
const SHARE_BYTES_MIN: usize = 256 * 1024;

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// The next offset that is not done.
    pub done: i64,
    /// What the group has stored, as far as we know.
    pub committed: i64,
    pub high_watermark: i64,
}

/// One partition from its assignment to its end.
pub(crate) struct Assigned {
    pub ledger: Ledger,
    pub committed: i64,
    pub high_watermark: i64,
    /// Tells units of an earlier assignment of the same partition from those of this one.
    pub life: u64,
    open: HashMap<Span, (usize, AbortHandle)>,
    open_bytes: usize,
    paused: bool,
}

impl Assigned {
    pub fn new(position: i64, life: u64) -> Self {
        Self {
            ledger: Ledger::new(position),
            committed: position,
            high_watermark: position,
            life,
            open: HashMap::new(),
            open_bytes: 0,
            paused: false,
        }
    }

    pub fn opened(&mut self, span: Span, bytes: usize, task: AbortHandle) {
        self.open_bytes += bytes;
        self.open.insert(span, (bytes, task));
    }

    pub fn finished(&mut self, span: Span) {
        if let Some((bytes, _)) = self.open.remove(&span) {
            self.open_bytes -= bytes;
            self.ledger.finish(span);
        }
    }

    pub fn is_idle(&self) -> bool {
        self.open.is_empty()
    }

    /// Stops whatever is open; none of it will count as done.
    pub fn abandon(&mut self) {
        for (_, (_, task)) in self.open.drain() {
            task.abort();
        }
        self.open_bytes = 0;
    }

    fn position(&self) -> Position {
        Position { done: self.ledger.done(), committed: self.committed, high_watermark: self.high_watermark }
    }
}

/// All that are ours.
#[derive(Default)]
pub(crate) struct Partitions {
    pub by_name: BTreeMap<TopicPartition, Assigned>,
}

impl Partitions {
    /// Pauses the partitions whose share of `bytes_max` is used up, and resumes those that have worked off half of it.
    pub fn balance(&mut self, bytes_max: usize, source: &impl Source) {
        let share = (bytes_max / self.by_name.len().max(1)).max(SHARE_BYTES_MIN);
        for (name, assigned) in &mut self.by_name {
            if !assigned.paused && assigned.open_bytes >= share {
                source.pause(name);
                assigned.paused = true;
            } else if assigned.paused && assigned.open_bytes <= share / 2 {
                source.resume(name);
                assigned.paused = false;
            }
        }
    }

    /// What can be committed and is not.
    pub fn to_commit(&self) -> Vec<(TopicPartition, i64)> {
        let behind = self.by_name.iter().filter(|(_, assigned)| assigned.ledger.done() > assigned.committed);
        behind.map(|(name, assigned)| (name.clone(), assigned.ledger.done())).collect()
    }

    /// The group has stored `offsets`.
    pub fn committed(&mut self, offsets: &[(TopicPartition, i64)]) {
        for (name, offset) in offsets {
            if let Some(assigned) = self.by_name.get_mut(name) {
                assigned.committed = assigned.committed.max(*offset);
            }
        }
    }

    pub fn positions(&self) -> BTreeMap<TopicPartition, Position> {
        self.by_name.iter().map(|(name, assigned)| (name.clone(), assigned.position())).collect()
    }

    pub fn open_bytes(&self) -> usize {
        self.by_name.values().map(|assigned| assigned.open_bytes).sum()
    }

    pub fn paused(&self) -> usize {
        self.by_name.values().filter(|assigned| assigned.paused).count()
    }
}
