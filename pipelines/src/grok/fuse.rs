//! Joins what stands in a row in most patterns, the start of a capture, a part, its end and a byte behind it, to one
//! instruction.

use super::program::{Instruction, Place, Program};

/// Puts such instructions in place of the first of each row; the others stay, for those who come to them another way.
pub(super) fn fuse(program: &mut Program, captures: usize) {
    for pc in 0..program.instructions.len() {
        let at = |pc: u32| program.instructions[pc as usize];
        let Instruction::Save { slot, next: inner } = at(pc as u32) else { continue };
        // Starts of captures are even; behind the captures' slots there are those of loops.
        if slot % 2 != 0 || slot as usize >= 2 * captures {
            continue;
        }
        let (is_word, part) = match at(inner) {
            Instruction::Assert { place: Place::WordBoundary, next } => (true, next),
            _ => (false, inner),
        };
        let end = match at(part) {
            Instruction::Span { next, .. } | Instruction::Quick { next, .. } => next,
            Instruction::Native { native, next } if !native.is_only_ahead() => next,
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
        let (byte, next) = match at(next) {
            Instruction::Byte { byte, next } => (Some(byte), next),
            _ => (None, next),
        };
        program.instructions[pc] = Instruction::Take { is_word, byte, slot, inner, next };
    }
}
