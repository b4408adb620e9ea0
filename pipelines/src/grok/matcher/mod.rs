//! Runs a program over a line: depth first in the order of preference, with a stack of what can be taken back.
//!
//! When a line takes unusually many steps, [`Visits`] are noted, and no choice is entered twice at the same place.

mod places;
mod spans;
mod subs;
mod takes;

use std::cell::RefCell;

use super::native;
use super::program::{Instruction, LITERAL_SHORT, Pc, Program};
use super::visits::Visits;

/// Steps that every line may take before visits are noted, and those for each of its bytes.
const STEPS_UNNOTED: u64 = 512;
const STEPS_UNNOTED_PER_BYTE: u64 = 4;
/// Steps after which a line is given up: well below the second after which Elasticsearch does.
pub(super) const STEPS_MAX: u64 = 30_000_000;
/// A slot that no capture has set.
pub(super) const UNSET: u32 = u32::MAX;

/// What can be taken back.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Further targets of a choice.
    Choice { target: u32, end: u32, position: u32 },
    /// Shorter rows of a greedy span: its instruction, the shortest end, and the last one tried.
    Greedy { pc: Pc, min: u32, end: u32 },
    /// Longer rows of a lazy one.
    Lazy { pc: Pc, end: u32 },
    /// A slot's value before.
    Slot { slot: u32, value: u32 },
    /// The values before of both slots of a capture.
    Slots { slot: u32, start: u32, end: u32 },
}

/// Memory that is used for one line after the other.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    stack: Vec<Frame>,
    /// Start and end of each capture, [`UNSET`] where it took no part.
    pub slots: Vec<u32>,
    visits: Visits,
    /// For each required literal its last place; `None` when it was not looked for yet.
    last_places: Vec<Option<Option<usize>>>,
}

impl Scratch {
    /// Gives both slots of a capture the values that they had before.
    fn restore(&mut self, slot: u32, start: u32, end: u32) {
        self.slots[slot as usize] = start;
        self.slots[slot as usize + 1] = end;
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How far a line was matched that was matched in vain: by the attempt that found most captures, and of those the longest. What
/// takes any character would reach the end of each line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Furthest {
    /// Starts and ends of captures that were found until then.
    bounds: usize,
    pub position: usize,
    pub pc: Pc,
}

/// The line takes too many steps, or too much memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// Searches a line from a place on, and gives what is found to `then`, with the slots.
pub(super) fn search<T>(
    program: &Program,
    line: &str,
    from: usize,
    then: impl FnOnce(Option<(usize, usize)>, &[u32]) -> T,
) -> Result<T, Stopped> {
    if line.len() >= UNSET as usize {
        return Err(Stopped);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        let mut matcher = Matcher::<false>::new(program, line, scratch);
        let found = matcher.search(from)?;
        Ok(then(found, &matcher.scratch.slots[..program.slots]))
    })
}

/// How far a line that does not match can be matched, from any place.
pub(super) fn furthest(program: &Program, line: &str) -> Result<Furthest, Stopped> {
    if line.len() >= UNSET as usize {
        return Err(Stopped);
    }
    let mut scratch = Scratch::default();
    let mut matcher = Matcher::<true>::new(program, line, &mut scratch);
    matcher.search(0)?;
    Ok(matcher.furthest)
}

struct Matcher<'p, 'l, 's, const FURTHEST: bool> {
    program: &'p Program,
    line: &'l str,
    bytes: &'l [u8],
    scratch: &'s mut Scratch,
    steps: u64,
    /// When something is to be done about the steps.
    steps_until: u64,
    /// How many parts that are run on their own we are in.
    depth: u32,
    furthest: Furthest,
}

impl<'p, 'l, 's, const FURTHEST: bool> Matcher<'p, 'l, 's, FURTHEST> {
    fn new(program: &'p Program, line: &'l str, scratch: &'s mut Scratch) -> Self {
        scratch.stack.clear();
        scratch.visits.stop();
        scratch.slots.clear();
        scratch.slots.resize(program.slots, UNSET);
        scratch.last_places.clear();
        scratch.last_places.resize(program.required.len(), None);
        let steps_until = STEPS_UNNOTED + STEPS_UNNOTED_PER_BYTE * line.len() as u64;
        Self {
            program,
            line,
            bytes: line.as_bytes(),
            scratch,
            steps: 0,
            steps_until,
            depth: 0,
            furthest: Furthest::default(),
        }
    }

    fn search(&mut self, from: usize) -> Result<Option<(usize, usize)>, Stopped> {
        let mut start = from;
        let mut first = true;
        loop {
            match self.candidate(start) {
                Some(candidate) => start = candidate,
                None => return Ok(None),
            }
            if let Some(end) = self.run(self.program.start, start, 0)? {
                return Ok(Some((start, end)));
            }
            self.scratch.slots.fill(UNSET);
            if std::mem::take(&mut first)
                && !FURTHEST
                && let Some(needs) = &self.program.needs
                && needs.find(&self.bytes[start..]).is_none()
            {
                return Ok(None);
            }
            start += 1;
            while !self.line.is_char_boundary(start) && start < self.bytes.len() {
                start += 1;
            }
        }
    }

    /// The next place at which a match can begin.
    fn candidate(&self, start: usize) -> Option<usize> {
        if start > self.bytes.len() {
            return None;
        }
        if self.program.at_text_start {
            return (start == 0).then_some(0);
        }
        if self.program.at_line_start {
            if start == 0 {
                return Some(0);
            }
            return memchr::memchr(b'\n', &self.bytes[start - 1..]).map(|distance| start + distance);
        }
        let Some(begin) = self.program.begin.as_ref().filter(|_| !FURTHEST) else { return Some(start) };
        let can = |place: &usize| begin[usize::from(self.bytes[*place])] && self.line.is_char_boundary(*place);
        (start..self.bytes.len()).find(can).or_else(|| self.program.begin_at_end.then_some(self.bytes.len()))
    }

    /// Runs from an instruction on, with the stack from `base` on as its own; gives the end.
    fn run(&mut self, start: Pc, position: usize, base: usize) -> Result<Option<usize>, Stopped> {
        let (program, bytes) = (self.program, self.bytes);
        let (mut pc, mut position) = (start, position);
        loop {
            let next = match program.instructions[pc as usize] {
                Instruction::Accept => return Ok(Some(position)),
                Instruction::Fail => None,
                Instruction::Byte { byte, next } => match bytes.get(position) == Some(&byte) {
                    true => Some((self.behind_save(next, position + 1), position + 1)),
                    false => None,
                },
                Instruction::Literal { start, length, next } => {
                    let matches = self.is_literal(start as usize, length as usize, position);
                    if FURTHEST && !matches {
                        let literal = &program.literals[start as usize..][..length as usize];
                        let same = literal.iter().zip(&bytes[position..]).take_while(|(a, b)| a == b).count();
                        self.reached(position + same, pc);
                    }
                    matches.then_some((next, position + length as usize))
                }
                Instruction::Set { set, next } => match program.sets[set as usize].length_at(self.line, position) {
                    0 => None,
                    length => Some((next, position + length)),
                },
                Instruction::Span { span, next } => {
                    let end = self.span(&program.spans[span as usize], pc, position)?;
                    end.map(|end| (self.behind_save(next, end), end))
                }
                Instruction::Choice { choice } => self.choice(choice, position)?.map(|next| (next, position)),
                Instruction::Save { slot, next } => {
                    self.save(slot, position);
                    Some((self.behind_save(next, position), position))
                }
                Instruction::Assert { place, next } => self.is_at(place, position).then_some((next, position)),
                Instruction::Look { set, look, next } => self.looks(set, look, position).then_some((next, position)),
                Instruction::Sub { sub, next } => self.sub(sub, position)?.map(|end| (next, end)),
                Instruction::Native { native, next } => {
                    native::end(native, bytes, position).map(|end| (self.behind_save(next, end), end))
                }
                Instruction::Quick { native, is_sure, target, next } => {
                    let usual = if FURTHEST { None } else { native::end(native, bytes, position) };
                    Some(match usual {
                        None => (program.targets[target as usize], position),
                        Some(end) => {
                            self.quick(is_sure, target, position)?;
                            (next, end)
                        }
                    })
                }
                Instruction::Take(take) => self.take(&take, position)?,
                Instruction::Progress { slot, head, next } => {
                    let stuck = self.scratch.slots[slot as usize] == position as u32;
                    Some((if stuck { next } else { head }, position))
                }
                Instruction::Require { literal, next } => self.comes(literal, position).then_some((next, position)),
                Instruction::Backreference { capture, ignore_case, next } => {
                    self.repeats(capture, ignore_case, position).map(|end| (next, end))
                }
            };
            (pc, position) = match next {
                Some(next) => next,
                None => {
                    if FURTHEST {
                        self.reached(position, pc);
                    }
                    match self.back(base)? {
                        Some(next) => next,
                        None => return Ok(None),
                    }
                }
            };
        }
    }

    /// Where it goes on behind an instruction that only saves, which is carried out here: half of all instructions do, and a
    /// look costs less than finding the way to each.
    #[inline]
    fn behind_save(&mut self, next: Pc, position: usize) -> Pc {
        match self.program.instructions[next as usize] {
            Instruction::Save { slot, next } => {
                self.save(slot, position);
                next
            }
            _ => next,
        }
    }

    /// Whether a literal stands at a place, of at least one byte.
    #[inline]
    fn is_literal(&self, start: usize, length: usize, position: usize) -> bool {
        let (literal, rest) = (&self.program.literals[start..], &self.bytes[position..]);
        match (literal.first_chunk::<LITERAL_SHORT>(), rest.first_chunk::<LITERAL_SHORT>()) {
            (Some(one), Some(other)) if length <= LITERAL_SHORT => {
                let differences = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
                // Bytes that do not belong to it are the highest ones.
                differences << (8 * (LITERAL_SHORT - length)) == 0
            }
            _ => rest.starts_with(&literal[..length]),
        }
    }

    fn reached(&mut self, position: usize, pc: Pc) {
        let bounds = self.scratch.slots.iter().filter(|slot| **slot != UNSET).count();
        if (bounds, position) > (self.furthest.bounds, self.furthest.position) {
            self.furthest = Furthest { bounds, position, pc };
        }
    }

    /// Counts steps; at times it is too many.
    #[inline]
    fn step(&mut self, steps: u64) -> Result<(), Stopped> {
        self.steps += steps;
        if self.steps < self.steps_until { Ok(()) } else { self.many_steps() }
    }

    #[cold]
    fn many_steps(&mut self) -> Result<(), Stopped> {
        if self.steps >= STEPS_MAX {
            return Err(Stopped);
        }
        self.steps_until = STEPS_MAX;
        if !self.program.has_backreferences {
            self.scratch.visits.start(self.program.points, self.bytes.len());
        }
        Ok(())
    }

    /// Notes a visit; gives the first place that was noted before.
    fn note(&mut self, point: u32, from: usize, to: usize) -> Result<Option<usize>, Stopped> {
        self.scratch.visits.note(point, from, to, self.depth > 0).map_err(|_| Stopped)
    }

    #[inline]
    fn save(&mut self, slot: u32, position: usize) {
        // With nothing to go back to, nothing has to be restored: the search clears the slots.
        if !self.scratch.stack.is_empty() || self.depth > 0 {
            self.scratch.stack.push(Frame::Slot { slot, value: self.scratch.slots[slot as usize] });
        }
        self.scratch.slots[slot as usize] = position as u32;
    }

    #[inline]
    fn choice(&mut self, choice: u32, position: usize) -> Result<Option<Pc>, Stopped> {
        let choice = &self.program.choices[choice as usize];
        let entry = self.bytes.get(position).map_or(256, |byte| usize::from(*byte));
        let (start, end) = choice.lists[usize::from(choice.table[entry])];
        if start == end {
            return Ok(None);
        }
        if start + 1 < end {
            self.step(1)?;
            if self.scratch.visits.is_on() && self.note(choice.point, position, position)?.is_some() {
                return Ok(None);
            }
            self.scratch.stack.push(Frame::Choice { target: start + 1, end, position: position as u32 });
        }
        Ok(Some(self.program.targets[start as usize]))
    }

    /// Takes the last step back that can be taken another way.
    fn back(&mut self, base: usize) -> Result<Option<(Pc, usize)>, Stopped> {
        while self.scratch.stack.len() > base {
            self.step(1)?;
            let top = self.scratch.stack.len() - 1;
            match self.scratch.stack[top] {
                Frame::Slot { slot, value } => {
                    self.scratch.stack.pop();
                    self.scratch.slots[slot as usize] = value;
                }
                Frame::Slots { slot, start, end } => {
                    self.scratch.stack.pop();
                    self.scratch.restore(slot, start, end);
                }
                Frame::Choice { target, end, position } => {
                    if target + 1 == end {
                        self.scratch.stack.pop();
                    } else {
                        self.scratch.stack[top] = Frame::Choice { target: target + 1, end, position };
                    }
                    return Ok(Some((self.program.targets[target as usize], position as usize)));
                }
                Frame::Greedy { pc, min, end } => {
                    let (span, next) = self.span_at(pc);
                    match self.shorter(span, min as usize, end as usize)? {
                        Some(end) => {
                            self.scratch.stack[top] = Frame::Greedy { pc, min, end: end as u32 };
                            return Ok(Some((next, end)));
                        }
                        None => drop(self.scratch.stack.pop()),
                    }
                }
                Frame::Lazy { pc, end } => {
                    let (span, next) = self.span_at(pc);
                    self.scratch.stack.pop();
                    let length = self.program.sets[span.set as usize].length_at(self.line, end as usize);
                    if length > 0
                        && let Some(end) = self.lazy(span, pc, end as usize + length)?
                    {
                        return Ok(Some((next, end)));
                    }
                }
            }
        }
        Ok(None)
    }
}
