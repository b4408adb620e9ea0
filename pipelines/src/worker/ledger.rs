//! Which offsets of a partition are done, and up to where without a gap.

use std::collections::BTreeMap;

/// The state of one partition's offsets, from its assignment on.
///
/// Invariant: every offset in `done..read` belongs to exactly one span that was opened, and what is below `done` is
/// done: in the sink, in the dead letter queue, or dropped by a pipeline.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// All before this are done: what may be committed.
    done: i64,
    /// The offset that is expected next.
    read: i64,
    /// Done behind a gap: first offset to the one after the last.
    finished: BTreeMap<i64, i64>,
}

impl Ledger {
    /// Nothing before `position` is of interest.
    pub fn new(position: i64) -> Self {
        Self { done: position, read: position, finished: BTreeMap::new() }
    }

    pub fn done(&self) -> i64 {
        self.done
    }

    pub fn read(&self) -> i64 {
        self.read
    }

    /// Opens the span from what was expected up to before `next`, which includes offsets that do not exist (a compacted
    /// topic has gaps). `None`: all of it was read before.
    pub fn open(&mut self, next: i64) -> Option<Span> {
        if next <= self.read {
            return None;
        }
        let span = Span { first: self.read, next };
        self.read = next;
        Some(span)
    }

    /// Everything in `span` is done.
    pub fn finish(&mut self, span: Span) {
        if span.first > self.done {
            self.finished.insert(span.first, span.next);
            return;
        }
        self.done = self.done.max(span.next);
        while let Some(entry) = self.finished.first_entry() {
            if *entry.key() > self.done {
                break;
            }
            self.done = self.done.max(entry.remove());
        }
    }
}

/// Offsets that are worked on together: `first` up to before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub first: i64,
    pub next: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_is_what_is_done_without_a_gap() {
        let mut ledger = Ledger::new(10);
        let a = ledger.open(20).expect("a span");
        let b = ledger.open(25).expect("a span");
        assert_eq!(ledger.open(25), None);
        assert_eq!(ledger.open(5), None);
        let c = ledger.open(40).expect("a span");
        assert_eq!((b, ledger.read()), (Span { first: 20, next: 25 }, 40));
        ledger.finish(c);
        assert_eq!(ledger.done(), 10);
        ledger.finish(a);
        assert_eq!(ledger.done(), 20);
        ledger.finish(b);
        assert_eq!((ledger.done(), ledger.finished.len()), (40, 0));
    }

    #[test]
    fn any_order_of_finishing_ends_the_same() {
        for seed in 0..200u64 {
            let mut ledger = Ledger::new(0);
            let mut spans: Vec<_> = (1..=50).filter_map(|n| ledger.open(n * 7)).collect();
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut finished = Vec::new();
            while !spans.is_empty() {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let span = spans.swap_remove(random as usize % spans.len());
                ledger.finish(span);
                finished.push(span);
                let contiguous = (0..50).take_while(|n| finished.iter().any(|span| span.first == n * 7)).count();
                assert_eq!(ledger.done(), contiguous as i64 * 7, "seed {seed}");
            }
        }
    }
}
