//! The documents of one bulk request, and what is known about sending them.

use crate::alarm::{Alarm, Condition};
use crate::bulk::Body;
use crate::delivery::Run;
use crate::hold::Cause;
use tokio::time::Instant;

/// Documents that are sent in one request.
///
/// Invariant: parts are divided, never joined, so that `trouble` and `failures` are true of each document in it.
#[derive(Default)]
pub(crate) struct Part {
    pub runs: Vec<Run>,
    /// In a row, without anything of it having been done in between.
    pub failures: u32,
    /// How often it was sent.
    pub attempts: u32,
    /// How it failed at last, and since when it has failed in that way.
    pub trouble: Option<(Trouble, Instant)>,
    /// Not to be sent before.
    pub due: Option<Instant>,
    pub alarms: Vec<Alarm>,
    /// What it waited for when it was sent.
    pub held_by: Option<Cause>,
    /// The request as it was sent, for as long as it is to be sent again unchanged.
    pub body: Option<Body>,
}

/// How a request failed, as far as one that fails for long is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server is too busy for it.
    Refused,
    /// The server cannot cope with it.
    Stumbled,
    /// Something that is not about what is in it.
    Other,
}

impl Part {
    pub fn new(runs: Vec<Run>) -> Self {
        Self { runs, ..Self::default() }
    }

    /// A part of some documents of this one, that is to be sent at `due`.
    pub fn rest(&self, runs: Vec<Run>, failures: u32, due: Option<Instant>) -> Self {
        Self { runs, failures, attempts: self.attempts, trouble: self.trouble, due, ..Self::default() }
    }

    pub fn len(&self) -> usize {
        self.runs.iter().map(Run::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// It failed in this way.
    pub fn fail(&mut self, trouble: Trouble, now: Instant) {
        self.trouble = match self.trouble {
            Some((before, since)) if before == trouble => Some((before, since)),
            _ => Some((trouble, now)),
        };
    }

    /// Drops what nobody waits for any more.
    pub fn forget_given_up(&mut self) {
        if self.runs.iter().any(Run::is_given_up) {
            self.runs.retain(|run| !run.is_given_up());
            self.body = None;
        }
    }

    /// Raises an alarm for as long as the part lives, unless it has raised it.
    pub fn raise(&mut self, condition: Condition, raise: impl FnOnce(Condition) -> Alarm) {
        if !self.alarms.iter().any(|alarm| alarm.is(&condition)) {
            self.alarms.push(raise(condition));
        }
    }

    /// Both halves, the first one last, to be taken from a stack. Of a single document there is no half.
    pub fn divide(mut self) -> Vec<Self> {
        let half = self.len() / 2;
        let (failures, due) = (self.failures, self.due);
        let mut front = Vec::new();
        let mut count = 0;
        let mut runs = std::mem::take(&mut self.runs).into_iter();
        let mut back = Vec::new();
        for mut run in runs.by_ref() {
            if count + run.len() > half {
                if count < half {
                    front.push(run.split_front(half - count));
                }
                back.push(run);
                break;
            }
            count += run.len();
            front.push(run);
        }
        back.extend(runs);
        [back, front].into_iter().filter(|runs| !runs.is_empty()).map(|runs| self.rest(runs, failures, due)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::Delivery;
    use pipelines::sink::{DocumentBatch, Item, Op};
    use std::sync::Arc;

    #[test]
    fn halves_have_all_documents() {
        for sizes in [vec![1], vec![2], vec![3, 4], vec![1, 1, 1], vec![5, 1], vec![1, 9]] {
            let mut callers = Vec::new();
            let runs = sizes.iter().map(|size| {
                let item = |n: usize| Item {
                    index: n.to_string().into(),
                    json: 0..0,
                    id: None,
                    op: Op::Index,
                    event_ms: 0,
                    routing: None,
                    pipeline: None,
                };
                let items = Arc::new((0..*size).map(item).collect());
                let batch = DocumentBatch { items, ..DocumentBatch::default() };
                let (run, caller) = Delivery::begin(batch);
                callers.push(caller);
                run
            });
            let part = Part::new(runs.collect());
            let names = |part: &Part| -> Vec<_> {
                part.runs.iter().flat_map(|run| run.items().iter().map(|item| item.index.to_string())).collect()
            };
            let (whole, length) = (names(&part), part.len());
            let halves = part.divide();
            let together: Vec<_> = halves.iter().rev().flat_map(names).collect();
            assert_eq!(together, whole, "{sizes:?}");
            assert_eq!(halves.len(), length.min(2), "{sizes:?}");
            assert!(halves.iter().all(|half| half.len() <= length.div_ceil(2)), "{sizes:?}");
        }
    }
}
