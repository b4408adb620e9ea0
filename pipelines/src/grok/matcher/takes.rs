//! A capture of one part and the bytes behind it, in one step.

use super::{Frame, Matcher, Stopped};
use crate::grok::native;
use crate::grok::program::{Part, Pc, Place, Take, Way};

impl<const FURTHEST: bool> Matcher<'_, '_, '_, FURTHEST> {
    /// Carries out an [`Instruction::Take`]; gives where it goes on.
    #[inline]
    pub(super) fn take(&mut self, take: &Take, position: usize) -> Result<Option<(Pc, usize)>, Stopped> {
        let program = self.program;
        let Take { is_word, behind, behind_length, slot, inner, part, part_pc, next } = *take;
        if FURTHEST {
            // Where exactly it ends is of interest: the instructions that it stands for are still there.
            self.save(slot, position);
            return Ok(Some((inner, position)));
        }
        if is_word && !self.is_at(Place::WordBoundary, position) {
            return Ok(None);
        }
        // With other ways in the part, its start must be there when one of them is taken.
        let mut is_started = false;
        let end = match part {
            Part::Span(span) => {
                let span = &program.spans[span as usize];
                if span.way != Way::Only {
                    self.save(slot, position);
                    is_started = true;
                }
                self.span(span, part_pc, position)?
            }
            Part::Native(native) => native::end(native, self.bytes, position),
            Part::Quick { native, is_sure, target } => {
                let usual = native::end(native, self.bytes, position);
                if usual.is_none() || !is_sure {
                    self.save(slot, position);
                    is_started = true;
                }
                if usual.is_none() {
                    return Ok(Some((program.targets[target as usize], position)));
                }
                self.quick(is_sure, target, position)?;
                usual
            }
        };
        let Some(end) = end else { return Ok(None) };
        if is_word && !self.is_at(Place::WordBoundary, end) {
            return Ok(None);
        }
        let length = usize::from(behind_length);
        if length > 0 && !self.is_literal(behind as usize, length, end) {
            return Ok(None);
        }
        let behind = end + length;
        match is_started {
            true => self.save(slot + 1, end),
            false => self.save_both(slot, position, end),
        }
        Ok(Some((self.behind_save(next, behind), behind)))
    }

    /// Notes that what a quick part stands for is still to be tried, unless it could have no other end.
    #[inline]
    pub(super) fn quick(&mut self, is_sure: bool, target: u32, position: usize) -> Result<(), Stopped> {
        if !is_sure {
            self.step(1)?;
            self.scratch.stack.push(Frame::Choice { target, end: target + 1, position: position as u32 });
        }
        Ok(())
    }

    /// Sets both slots of a capture.
    #[inline]
    fn save_both(&mut self, slot: u32, start: usize, end: usize) {
        let slot_index = slot as usize;
        let Some([first, second]) = self.scratch.slots.get_mut(slot_index..slot_index + 2) else { return };
        if !self.scratch.stack.is_empty() || self.depth > 0 {
            self.scratch.stack.push(Frame::Slots { slot, start: *first, end: *second });
        }
        (*first, *second) = (start as u32, end as u32);
    }
}
