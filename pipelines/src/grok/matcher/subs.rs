//! Parts of a pattern that are run on their own: atomic groups and looks around.

use super::{Frame, Matcher, Stopped};
use crate::grok::program::{Pc, SubKind};

impl<const FURTHEST: bool> Matcher<'_, '_, '_, FURTHEST> {
    /// Runs a part on its own; gives where the rest goes on.
    pub(super) fn sub(&mut self, sub: u32, position: usize) -> Result<Option<usize>, Stopped> {
        let program = self.program;
        let sub = &program.subs[sub as usize];
        if let Some(first) = sub.first {
            let first = &program.follows[first as usize];
            if !self.bytes.get(position).map_or(first.end, |byte| first.table[usize::from(*byte)]) {
                return Ok((sub.kind == SubKind::Ahead { negative: true }).then_some(position));
            }
        }
        let base = self.scratch.stack.len();
        match &sub.kind {
            SubKind::Atomic => {
                let end = self.alone(sub.start, position)?;
                if end.is_some() {
                    self.keep(base, sub.has_captures);
                }
                Ok(end)
            }
            SubKind::Ahead { negative } => {
                let found = self.alone(sub.start, position)?.is_some();
                self.looked(base, sub.has_captures, *negative, found);
                Ok((found != *negative).then_some(position))
            }
            SubKind::Behind { negative, ways } => {
                let mut found = false;
                for (way, length) in ways {
                    let mut before = self.line[..position].char_indices().rev();
                    let start = match length {
                        0 => Some(position),
                        length => before.nth(*length as usize - 1).map(|(place, _)| place),
                    };
                    if let Some(start) = start
                        && self.alone(*way, start)? == Some(position)
                    {
                        found = true;
                        break;
                    }
                    self.undo(base);
                }
                self.looked(base, sub.has_captures, *negative, found);
                Ok((found != *negative).then_some(position))
            }
        }
    }

    pub(super) fn alone(&mut self, start: Pc, position: usize) -> Result<Option<usize>, Stopped> {
        let mark = self.scratch.visits.mark();
        self.depth += 1;
        let end = self.run(start, position, self.scratch.stack.len())?;
        self.depth -= 1;
        if end.is_some() && self.scratch.visits.is_on() {
            self.scratch.visits.forget(mark);
        }
        Ok(end)
    }

    pub(super) fn looked(&mut self, base: usize, has_captures: bool, negative: bool, found: bool) {
        if found && !negative {
            self.keep(base, has_captures);
        } else {
            self.undo(base);
        }
    }

    /// Gives up the other ways since `base`; captures are still to be restored when all of it is taken back.
    pub(super) fn keep(&mut self, base: usize, has_captures: bool) {
        if !has_captures {
            // Slots of loops are set anew each time that a loop is entered.
            self.scratch.stack.truncate(base);
            return;
        }
        let mut kept = base;
        for place in base..self.scratch.stack.len() {
            if let Frame::Slot { .. } | Frame::Slots { .. } = self.scratch.stack[place] {
                self.scratch.stack[kept] = self.scratch.stack[place];
                kept += 1;
            }
        }
        self.scratch.stack.truncate(kept);
    }

    pub(super) fn undo(&mut self, base: usize) {
        while self.scratch.stack.len() > base {
            match self.scratch.stack.pop() {
                Some(Frame::Slot { slot, value }) => self.scratch.slots[slot as usize] = value,
                Some(Frame::Slots { slot, start, end }) => self.scratch.restore(slot, start, end),
                _ => {}
            }
        }
    }
}
