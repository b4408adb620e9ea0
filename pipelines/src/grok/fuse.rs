//! Joins what stands in a row in most patterns, the start of a capture, a part, its end and a few bytes behind it, to one
//! instruction.

use super::program::{Instruction, LITERAL_SHORT, Part, Place, Program, Take};

/// Puts such instructions in place of the first of each row; the others stay, for those who come to them another way.
pub(super) fn fuse(program: &mut Program, captures: usize) {
    for pc in 0..program.instructions.len() {
        let at = |pc: u32| program.instructions[pc as usize];
        let Instruction::Save { slot, next: inner } = at(pc as u32) else { continue };
        // Starts of captures are even; behind the captures' slots there are those of loops.
        if slot % 2 != 0 || slot as usize >= 2 * captures {
            continue;
        }
        let (is_word, part_pc) = match at(inner) {
            Instruction::Assert { place: Place::WordBoundary, next } => (true, next),
            _ => (false, inner),
        };
        let (part, end) = match at(part_pc) {
            Instruction::Span { span, next } => (Part::Span(span), next),
            Instruction::Quick { native, is_sure, target, next } => (Part::Quick { native, is_sure, target }, next),
            Instruction::Native { native, next } if !native.is_only_ahead() => (Part::Native(native), next),
            _ => continue,
        };
        let end = match (is_word, at(end)) {
            (true, Instruction::Assert { place: Place::WordBoundary, next }) => next,
            (true, _) => continue,
            (false, _) => end,
        };
        let next = match at(end) {
            Instruction::Save { slot: end, next } if end == slot + 1 => next,
            _ => continue,
        };
        let (behind, behind_length, next) = match at(next) {
            Instruction::Byte { byte, next } => {
                program.literals.push(byte);
                (program.literals.len() as u32 - 1, 1, next)
            }
            Instruction::Literal { start, length, next } if length as usize <= LITERAL_SHORT => {
                (start, length as u8, next)
            }
            _ => (0, 0, next),
        };
        let take = Take { is_word, behind, behind_length, slot, inner, part, part_pc, next };
        program.instructions[pc] = Instruction::Take(take);
    }
}
