//! Counts what processors did along plans, for many lines at once: to count each by itself costs more than what many of them do.

use smallvec::SmallVec;

use super::Step;
use crate::pipeline::Step as PipelineStep;

/// Processors that ran for which no memory of its own is needed.
const RAN_IN_PLACE: usize = 24;

/// The processors that ran over one line, and what came of each.
pub(super) type Ran<'p> = SmallVec<[(&'p PipelineStep, Step); RAN_IN_PLACE]>;

/// How many lines in a row took the same way. It is added to the processors' counters when a line takes another one, and at
/// the end: whoever runs lines makes one for as many as come together.
#[derive(Debug, Default)]
pub(crate) struct Tally<'p> {
    way: Vec<(&'p PipelineStep, Step)>,
    lines: u64,
}

impl<'p> Tally<'p> {
    pub(super) fn count(&mut self, ran: &Ran<'p>) {
        let same = |((one, came), (other, other_came)): (&(&PipelineStep, Step), &(&PipelineStep, Step))| {
            std::ptr::eq(*one, *other) && came == other_came
        };
        if self.way.len() != ran.len() || !self.way.iter().zip(ran).all(same) {
            self.add();
            self.way.clear();
            self.way.extend_from_slice(ran);
        }
        self.lines += 1;
    }

    fn add(&mut self) {
        if self.lines > 0 {
            for (step, came) in &self.way {
                step.count_planned(*came, self.lines);
            }
        }
        self.lines = 0;
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.add();
    }
}
