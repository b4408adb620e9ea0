//! Which offsets of a partition are done, and up to where without a gap.

use std::collections::BTreeMap;

/// The state of one partition's offsets, from its assignment on.
///
/// Invariant: every offset in `done..read` belongs to exactly one span that was opened, and what is below `done` is
/// done: in the sink, in the dead letter queue, or dropped by a pipeline. Its size is that of the gaps, not of what is
/// done behind them: one document that is held for hours costs nothing more as time goes by.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// All before this are done: what may be committed.
    done: i64,
    /// The offset that is expected next.
    read: i64,
    /// Done behind a gap: first offset to the one after the last. No two of them touch.
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

    /// Offsets from the first one that is not done to the last one that was read.
    pub fn open_offsets(&self) -> i64 {
        self.read.saturating_sub(self.done)
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
            self.finish_behind_a_gap(span);
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

    fn finish_behind_a_gap(&mut self, Span { first, mut next }: Span) {
        if let Some(behind) = self.finished.remove(&next) {
            next = behind;
        }
        match self.finished.range_mut(..first).next_back() {
            Some((_, end)) if *end == first => *end = next,
            _ => drop(self.finished.insert(first, next)),
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
        assert_eq!((b, ledger.read(), ledger.open_offsets()), (Span { first: 20, next: 25 }, 40, 30));
        ledger.finish(c);
        assert_eq!(ledger.done(), 10);
        ledger.finish(a);
        assert_eq!(ledger.done(), 20);
        ledger.finish(b);
        assert_eq!((ledger.done(), ledger.finished.len(), ledger.open_offsets()), (40, 0, 0));
    }

    #[test]
    fn what_is_done_behind_a_gap_takes_no_more_with_time() {
        let mut ledger = Ledger::new(0);
        let held = ledger.open(1).expect("a span");
        for next in 2..1000 {
            let span = ledger.open(next).expect("a span");
            ledger.finish(span);
        }
        assert_eq!((ledger.finished.len(), ledger.done()), (1, 0));
        ledger.finish(held);
        assert_eq!(ledger.done(), 999);
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
                let gaps = ledger.finished.iter().zip(ledger.finished.iter().skip(1));
                assert!(gaps.into_iter().all(|((_, end), (first, _))| end < first), "seed {seed}: two spans touch");
            }
        }
    }
}
