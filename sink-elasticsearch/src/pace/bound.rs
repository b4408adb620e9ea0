//! A value that grows by steps, and is halved by a refusal: how many requests are in flight, and how large they are.

/// Good answers for which growth ends below what was refused: at most one request in so many is refused by trying.
/// Doubled up to the second one when the same is refused again.
pub(super) const CEILING_ANSWERS_MIN: u32 = 40;
const CEILING_ANSWERS_MAX: u32 = 640;

/// A value that grows by steps up to a ceiling.
#[derive(Debug)]
pub(super) struct Bound {
    pub now: usize,
    /// Refused at the last time.
    pub ceiling: Option<usize>,
    /// Good answers until growth may go there again.
    answers_left: u32,
    hold: u32,
}

impl Bound {
    pub fn new(now: usize) -> Self {
        Self { now, ceiling: None, answers_left: 0, hold: CEILING_ANSWERS_MIN }
    }

    /// An answer put nothing off.
    pub fn good(&mut self) {
        self.answers_left = self.answers_left.saturating_sub(1);
    }

    pub fn grow(&mut self, step: usize, max: usize) {
        let max = match self.ceiling {
            Some(ceiling) if self.answers_left > 0 => max.min(ceiling.saturating_sub(1)),
            _ => max,
        };
        // Never shrinks: the ceiling may be below.
        self.now = self.now.max((self.now + step).min(max));
    }

    /// `used` was refused.
    pub fn refuse(&mut self, used: usize, min: usize) {
        // Nearly as much as the last time: then that is about the limit.
        let is_same = self.ceiling.is_some_and(|ceiling| used >= ceiling - ceiling / 10);
        self.hold = if is_same { (self.hold * 2).min(CEILING_ANSWERS_MAX) } else { CEILING_ANSWERS_MIN };
        self.ceiling = Some(used);
        self.answers_left = self.hold;
        self.now = (used.min(self.now) / 2).max(min);
    }
}
