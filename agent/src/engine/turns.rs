//! Whose turn it is: round robin over files, those that rested first, and a line in front of each full lane.

use crate::fingerprint::FileId;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Of this many turns and one more, that one goes to a file that has much to read, however many others wake up. The
/// others are short: they read what was written while they rested.
const RESTED_TURNS_MAX: usize = 8;

/// Files in the order of their turns.
///
/// A turn reads at most one block, so files with much to read get the same number of bytes in the long run. A file
/// that woke up goes ahead of them until it has read a block itself (the sparse flows of RFC 8290): it never waits for
/// the blocks of all the others.
#[derive(Debug, Default)]
struct Fair {
    rested: VecDeque<FileId>,
    busy: VecDeque<FileId>,
    /// Turns of rested files since the last one of a busy file.
    run: usize,
}

impl Fair {
    fn push(&mut self, id: FileId, rested: bool) {
        if rested { self.rested.push_back(id) } else { self.busy.push_back(id) }
    }

    fn pop(&mut self) -> Option<FileId> {
        if (self.run < RESTED_TURNS_MAX || self.busy.is_empty())
            && let Some(id) = self.rested.pop_front()
        {
            self.run += 1;
            return Some(id);
        }
        self.run = 0;
        self.busy.pop_front().or_else(|| self.rested.pop_front())
    }

    fn is_empty(&self) -> bool {
        self.rested.is_empty() && self.busy.is_empty()
    }
}

/// A file whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    pub id: FileId,
    /// It stood in line for this lane, and the room there is kept for it.
    pub lane: Option<usize>,
}

/// Who has something to read, and who waits for what. A file is in at most one place.
#[derive(Debug, Default)]
pub struct Queue {
    ready: Fair,
    /// Whose lane has room again; at most one file of each lane, and it goes first.
    granted: VecDeque<Next>,
    /// Who waits for room in a lane.
    lines: BTreeMap<usize, Fair>,
    /// Who waits for a partition, a producer id, the journal or the end of a hold.
    parked: VecDeque<FileId>,
    /// Bytes read since the last rest.
    read: HashMap<FileId, u64>,
    /// From here on a file counts as busy.
    block_bytes: u64,
}

impl Queue {
    pub fn new(block_bytes: usize) -> Self {
        Self { block_bytes: block_bytes as u64, ..Self::default() }
    }

    /// Nobody has anything to read now.
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.granted.is_empty()
    }

    /// The file has something to read.
    pub fn push(&mut self, id: FileId) {
        let rested = self.is_rested(id);
        self.ready.push(id, rested);
    }

    fn is_rested(&self, id: FileId) -> bool {
        self.read.get(&id).is_none_or(|&read| read < self.block_bytes)
    }

    pub fn pop(&mut self) -> Option<Next> {
        self.granted.pop_front().or_else(|| self.ready.pop().map(|id| Next { id, lane: None }))
    }

    /// Its turn could not be taken: it is the next one still.
    pub fn put_back(&mut self, next: Next) {
        match next.lane {
            Some(_) => self.granted.push_front(next),
            None => self.ready.rested.push_front(next.id),
        }
    }

    /// Counts what a file has read in its turn.
    pub fn charge(&mut self, id: FileId, bytes: u64) {
        if bytes > 0 {
            *self.read.entry(id).or_default() += bytes;
        }
    }

    /// The file was read to its end, or closed.
    pub fn rest(&mut self, id: FileId) {
        self.read.remove(&id);
    }

    /// Waits until something changes that concerns all lanes.
    pub fn park(&mut self, id: FileId) {
        self.parked.push_back(id);
    }

    /// Stands in line for room in a lane.
    pub fn line_up(&mut self, lane: usize, id: FileId) {
        let rested = self.is_rested(id);
        self.lines.entry(lane).or_default().push(id, rested);
    }

    /// Whether others stand in line for this lane: nobody may overtake them.
    pub fn has_line(&self, lane: usize) -> bool {
        self.lines.contains_key(&lane) || self.granted.iter().any(|next| next.lane == Some(lane))
    }

    /// There is room in a lane: the first in line goes on.
    pub fn grant(&mut self, lane: usize) {
        if self.granted.iter().any(|next| next.lane == Some(lane)) {
            return;
        }
        let Some(line) = self.lines.get_mut(&lane) else { return };
        let first = line.pop();
        if line.is_empty() {
            self.lines.remove(&lane);
        }
        self.granted.extend(first.map(|id| Next { id, lane: Some(lane) }));
    }

    /// Everybody who waits for anything tries again.
    pub fn unpark(&mut self) {
        for id in std::mem::take(&mut self.parked) {
            self.push(id);
        }
        for (_, mut line) in std::mem::take(&mut self.lines) {
            while let Some(id) = line.pop() {
                self.push(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> FileId {
        FileId(n)
    }

    #[test]
    fn who_rested_goes_first_but_not_for_ever() {
        let mut queue = Queue::new(10);
        for busy in [1, 2] {
            queue.charge(id(busy), 10);
            queue.push(id(busy));
        }
        (10..30).for_each(|rested| queue.push(id(rested)));
        let order: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|next| next.id.0).collect();
        assert_eq!(order[..9], [10, 11, 12, 13, 14, 15, 16, 17, 1]);
        assert_eq!((order[17], order.len()), (2, 22));
        queue.rest(id(1));
        queue.push(id(2));
        queue.push(id(1));
        assert_eq!(queue.pop(), Some(Next { id: id(1), lane: None }));
    }

    #[test]
    fn room_in_a_lane_belongs_to_the_first_in_line() {
        let mut queue = Queue::new(10);
        queue.line_up(3, id(1));
        queue.line_up(3, id(2));
        queue.push(id(5));
        queue.grant(3);
        queue.grant(3);
        assert!(queue.has_line(3) && !queue.has_line(4));
        let first = queue.pop().expect("granted");
        assert_eq!(first, Next { id: id(1), lane: Some(3) });
        queue.put_back(first);
        assert_eq!(queue.pop(), Some(first));
        assert_eq!(queue.pop(), Some(Next { id: id(5), lane: None }));
        assert!(queue.is_empty() && queue.has_line(3));
        queue.unpark();
        assert_eq!(queue.pop(), Some(Next { id: id(2), lane: None }));
        assert!(!queue.has_line(3));
    }
}
