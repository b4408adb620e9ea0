//! Lowers patterns to a program, from their end to their beginning: of each part it is known what can follow.
//!
//! Where the byte after a row of characters cannot be in its set, the longest row is the only one. Where the next byte
//! rules out all ways but one, there is no choice. What is left of choices is what the matcher may have to take back.

use std::collections::HashMap;

use memchr::memmem::Finder;
use thiserror::Error;

use super::charset::{CharSet, First, Wide};
use super::fuse;
use super::program::{Choice, Follow, Instruction, LITERAL_SHORT, Look, Pc, Place, Program, Sub, SubKind, Way};
use super::shape;
use super::syntax::Node;

/// How many instructions the patterns of one processor may have; the largest built-in needs some thousand.
const INSTRUCTIONS_MAX: usize = 200_000;
/// How many choices they may have: each has a table of half a KiB.
const CHOICES_MAX: usize = 40_000;

/// Why patterns have no program.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LowerError {
    #[error("larger than {INSTRUCTIONS_MAX} steps or {CHOICES_MAX} choices with its named patterns written out")]
    TooLarge,
    #[error("character class {0} cannot be used")]
    Class(String),
    #[error("a look behind must have a fixed length")]
    LookBehind,
}

/// Lowers patterns of which the first that matches counts. Each is the capture `n`, `n` its index here.
pub(super) fn lower(patterns: &[Node], captures: usize) -> Result<Program, LowerError> {
    let mut lowering = Lowering::default();
    lowering.program.slots = 2 * captures;
    lowering.program.labels.push(String::new());
    let accept = lowering.push(Instruction::Accept, First::ANYTHING)?;
    lowering.sure[accept as usize] = true;
    let mut ways = Vec::new();
    for pattern in patterns {
        let mut pc = lowering.emit(pattern, accept)?;
        let literal = shape::required_literal(pattern).filter(|literal| literal.len() > 1);
        if let Some(literal) = literal.filter(|_| !shape::begins_with(pattern, &Node::LineStart)) {
            let finder = Finder::new(literal.as_bytes()).into_owned();
            if let [_] = patterns {
                lowering.program.needs = Some(finder);
            } else {
                let literal = lowering.program.required.len() as u32;
                lowering.program.required.push(finder);
                let first = lowering.firsts[pc as usize];
                pc = lowering.push(Instruction::Require { literal, next: pc }, first)?;
            }
        }
        ways.push(pc);
    }
    let start = lowering.choice(None, &ways)?;
    let first = lowering.firsts[start as usize];
    let mut program = lowering.program;
    program.start = start;
    program.begin = first.tells().then(|| Box::new(first.table()));
    program.begin_at_end = first.end;
    fuse::fuse(&mut program, captures);
    program.literals.extend([0; LITERAL_SHORT]);
    program.at_line_start = patterns.iter().all(|pattern| shape::begins_with(pattern, &Node::LineStart));
    program.at_text_start = patterns.iter().all(|pattern| shape::begins_with(pattern, &Node::TextStart));
    Ok(program)
}

#[derive(Default)]
pub(super) struct Lowering {
    pub program: Program,
    /// For each instruction the bytes with which it and what follows can go on.
    pub firsts: Vec<First>,
    /// For each instruction whether it and what follows cannot fail.
    pub sure: Vec<bool>,
    sets: HashMap<(String, bool), u32>,
    follows: HashMap<First, u32>,
    pub ignore_case: bool,
    /// Index of the part's label.
    origin: u32,
}

impl Lowering {
    pub(super) fn push(&mut self, instruction: Instruction, first: First) -> Result<Pc, LowerError> {
        let pc = self.program.instructions.len();
        if pc >= INSTRUCTIONS_MAX || self.program.choices.len() > CHOICES_MAX {
            return Err(LowerError::TooLarge);
        }
        self.program.instructions.push(instruction);
        self.program.origins.push(self.origin);
        self.firsts.push(first);
        self.sure.push(false);
        Ok(pc as Pc)
    }

    /// Emits a node in front of what follows it, and gives its entry.
    pub(super) fn emit(&mut self, node: &Node, next: Pc) -> Result<Pc, LowerError> {
        match node {
            Node::Char(_) | Node::Class(_) | Node::Dot | Node::Any => {
                if let (Node::Char(c), false) = (node, self.ignore_case) {
                    return self.literal(c.encode_utf8(&mut [0; 4]), next);
                }
                let set = self.set(node)?;
                let first = First::set(&self.program.sets[set as usize]);
                self.push(Instruction::Set { set, next }, first)
            }
            Node::LineStart => self.place(Place::LineStart, next),
            Node::LineEnd => self.place(Place::LineEnd, next),
            Node::TextStart => self.place(Place::TextStart, next),
            Node::TextEnd => self.place(Place::TextEnd, next),
            Node::TextEndOrNewline => self.place(Place::TextEndOrNewline, next),
            Node::WordBoundary => self.place(Place::WordBoundary, next),
            Node::NotWordBoundary => self.place(Place::NotWordBoundary, next),
            Node::Sequence(nodes) => self.sequence(nodes, next),
            Node::Alternatives(nodes) => {
                let ways = nodes.iter().map(|node| self.emit(node, next)).collect::<Result<Vec<_>, _>>()?;
                self.choice(None, &ways)
            }
            Node::Capture(capture, node) => {
                let slot = 2 * *capture as u32;
                let end = self.save(slot + 1, next)?;
                let inside = self.emit(node, end)?;
                self.save(slot, inside)
            }
            Node::Repeat { node, min, max, mode } => self.repeat(node, *min, *max, *mode, next),
            Node::IgnoreCase { on, node } => {
                let before = std::mem::replace(&mut self.ignore_case, *on);
                let pc = self.emit(node, next);
                self.ignore_case = before;
                pc
            }
            Node::Look { ahead, negative, node } => self.look(*ahead, *negative, node, next),
            Node::Atomic(node) => self.atomic(node, next),
            Node::Backreference(capture) => {
                self.program.has_backreferences = true;
                let (capture, ignore_case) = (*capture as u32, self.ignore_case);
                self.push(Instruction::Backreference { capture, ignore_case, next }, First::ANYTHING)
            }
            Node::Native { native, node } => {
                let first = match shape::first(node, self.ignore_case) {
                    (first, true) => first.or(self.firsts[next as usize]),
                    (first, false) => first,
                };
                match native.is_only_ahead() {
                    _ if native.is_quick() => {
                        let slow = self.emit(node, next)?;
                        let target = self.program.targets.len() as u32;
                        self.program.targets.push(slow);
                        let first = self.firsts[slow as usize];
                        let is_sure = native.is_sure_before(&self.firsts[next as usize]);
                        self.push(Instruction::Quick { native: *native, is_sure, target, next }, first)
                    }
                    true => {
                        let next = self.emit(node, next)?;
                        self.push(Instruction::Native { native: *native, next }, first)
                    }
                    false => self.push(Instruction::Native { native: *native, next }, first),
                }
            }
            Node::Part { label, node } => {
                let before = self.origin;
                self.origin = self.program.labels.len() as u32;
                self.program.labels.push(label.clone());
                let pc = self.emit(node, next);
                self.origin = before;
                pc
            }
        }
    }

    fn sequence(&mut self, nodes: &[Node], next: Pc) -> Result<Pc, LowerError> {
        let mut pc = next;
        let mut rest = nodes;
        while let [before @ .., last] = rest {
            let literals = rest.iter().rev().take_while(|node| matches!(node, Node::Char(_))).count();
            if literals > 1 && !self.ignore_case {
                let (before, run) = rest.split_at(rest.len() - literals);
                let text: String =
                    run.iter().filter_map(|node| if let Node::Char(c) = node { Some(*c) } else { None }).collect();
                pc = self.literal(&text, pc)?;
                rest = before;
            } else {
                pc = self.emit(last, pc)?;
                rest = before;
            }
        }
        Ok(pc)
    }

    fn literal(&mut self, text: &str, next: Pc) -> Result<Pc, LowerError> {
        let first = First::byte(text.as_bytes()[0]);
        if let [byte] = text.as_bytes() {
            return self.push(Instruction::Byte { byte: *byte, next }, first);
        }
        let start = self.program.literals.len() as u32;
        self.program.literals.extend_from_slice(text.as_bytes());
        self.push(Instruction::Literal { start, length: text.len() as u32, next }, first)
    }

    pub(super) fn save(&mut self, slot: u32, next: Pc) -> Result<Pc, LowerError> {
        let pc = self.push(Instruction::Save { slot, next }, self.firsts[next as usize])?;
        self.sure[pc as usize] = self.sure[next as usize];
        Ok(pc)
    }

    fn place(&mut self, place: Place, next: Pc) -> Result<Pc, LowerError> {
        let after = self.firsts[next as usize];
        let first = match place {
            Place::LineEnd | Place::TextEndOrNewline => after.and(First::byte(b'\n').with_end(true)),
            Place::TextEnd => First::NOTHING.with_end(after.end),
            _ => after,
        };
        self.push(Instruction::Assert { place, next }, first)
    }

    /// The set of a node that is a single character.
    pub(super) fn set(&mut self, node: &Node) -> Result<u32, LowerError> {
        let name = match node {
            Node::Char(c) => regex_syntax::escape(c.encode_utf8(&mut [0; 4])),
            Node::Class(class) => class.clone(),
            Node::Dot => "[^\\n]".to_owned(),
            _ => "[\\x00-\\x{10FFFF}]".to_owned(),
        };
        if let Some(set) = self.sets.get(&(name.clone(), self.ignore_case)) {
            return Ok(*set);
        }
        let set = CharSet::parse(&name, self.ignore_case).ok_or_else(|| LowerError::Class(name.clone()))?;
        let index = match self.program.sets.iter().position(|known| *known == set) {
            Some(index) => index,
            None => {
                self.program.sets.push(set);
                self.program.sets.len() - 1
            }
        } as u32;
        self.sets.insert((name, self.ignore_case), index);
        Ok(index)
    }

    /// A choice between ways, in this order; `head` is the instruction to put it in.
    pub(super) fn choice(&mut self, head: Option<Pc>, ways: &[Pc]) -> Result<Pc, LowerError> {
        let first = ways.iter().fold(First::NOTHING, |first, way| first.or(self.firsts[*way as usize]));
        if let (None, [way]) = (head, ways) {
            return Ok(*way);
        }
        // For each byte, and for the line's end, a bit for each way that it leaves open.
        let words = ways.len().div_ceil(64);
        let mut open = vec![0u64; 257 * words];
        for (index, way) in ways.iter().enumerate() {
            let first = &self.firsts[*way as usize];
            for byte in 0..=256 {
                let can = u8::try_from(byte).map_or(first.end, |byte| first.contains(byte));
                open[byte * words + index / 64] |= u64::from(can) << (index % 64);
            }
        }
        let mut table = Box::new([0; 257]);
        let mut lists: Vec<(u32, u32)> = Vec::new();
        let mut known: Vec<&[u64]> = Vec::new();
        for (entry, open) in table.iter_mut().zip(open.chunks(words.max(1))) {
            let list = known.iter().position(|known| *known == open).unwrap_or_else(|| {
                let start = self.program.targets.len() as u32;
                let can = |index: &usize| open[index / 64] >> (index % 64) & 1 == 1;
                self.program.targets.extend((0..ways.len()).filter(can).map(|index| ways[index]));
                lists.push((start, self.program.targets.len() as u32));
                known.push(open);
                known.len() - 1
            });
            // There are at most 257.
            *entry = list as u16;
        }
        let choice = self.program.choices.len() as u32;
        let point = self.point();
        self.program.choices.push(Choice { table, lists, point });
        let instruction = Instruction::Choice { choice };
        match head {
            None => self.push(instruction, first),
            Some(head) => {
                self.program.instructions[head as usize] = instruction;
                Ok(head)
            }
        }
    }

    pub(super) fn point(&mut self) -> u32 {
        self.program.points += 1;
        self.program.points as u32 - 1
    }

    /// Index of the table for what can follow, when it tells anything.
    pub(super) fn follow(&mut self, first: First) -> Option<u32> {
        if !first.tells() {
            return None;
        }
        if let Some(index) = self.follows.get(&first) {
            return Some(*index);
        }
        self.program.follows.push(Follow { table: first.table(), end: first.end });
        let index = self.program.follows.len() as u32 - 1;
        self.follows.insert(first, index);
        Some(index)
    }

    fn look(&mut self, ahead: bool, negative: bool, node: &Node, next: Pc) -> Result<Pc, LowerError> {
        let after = self.firsts[next as usize];
        if let Some(single) = shape::single(node) {
            let set = self.set(single)?;
            let chars = &self.program.sets[set as usize];
            let (look, first) = match (ahead, negative) {
                (true, false) => (Look::Ahead, after.and(First::set(chars))),
                (true, true) if matches!(chars.wide, Wide::Ranges(_)) => (Look::NotAhead, after),
                (true, true) => (Look::NotAhead, after.without(First::set(chars))),
                (false, false) => (Look::Behind, after),
                (false, true) => (Look::NotBehind, after),
            };
            return self.push(Instruction::Look { set, look, next }, first);
        }
        if ahead {
            let start = self.part(node)?;
            let first = if negative { after } else { after.and(self.firsts[start as usize]) };
            return self.sub(SubKind::Ahead { negative }, start, node, next, first);
        }
        let nodes = match node {
            Node::Alternatives(nodes) => &nodes[..],
            Node::Sequence(nodes) => match &nodes[..] {
                [Node::Alternatives(nodes)] => &nodes[..],
                _ => std::slice::from_ref(node),
            },
            _ => std::slice::from_ref(node),
        };
        let mut ways = Vec::new();
        for node in nodes {
            let length = shape::length(node).ok_or(LowerError::LookBehind)?;
            ways.push((self.part(node)?, length));
        }
        self.sub(SubKind::Behind { negative, ways }, next, node, next, after)
    }

    /// A part that is run on its own.
    fn part(&mut self, node: &Node) -> Result<Pc, LowerError> {
        let accept = self.push(Instruction::Accept, First::ANYTHING)?;
        self.sure[accept as usize] = true;
        self.emit(node, accept)
    }

    fn sub(&mut self, kind: SubKind, start: Pc, node: &Node, next: Pc, first: First) -> Result<Pc, LowerError> {
        let sub = self.program.subs.len() as u32;
        let first_bytes = match kind {
            SubKind::Behind { .. } => None,
            _ => self.follow(self.firsts[start as usize]),
        };
        self.program.subs.push(Sub {
            kind,
            start,
            has_captures: shape::has_captures(node),
            first: first_bytes,
            is_short: shape::length(node).is_some(),
        });
        self.push(Instruction::Sub { sub, next }, first)
    }

    pub(super) fn atomic(&mut self, node: &Node, next: Pc) -> Result<Pc, LowerError> {
        if shape::takes_its_first_way(node) {
            // When the next byte leaves no choice in it, it is atomic as it is.
            let (instructions, choices, spans) =
                (self.program.instructions.len(), self.program.choices.len(), self.program.spans.len());
            let pc = self.emit(node, next)?;
            let no_choice = |choice: &Choice| choice.lists.iter().all(|(start, end)| end - start <= 1);
            if self.program.choices[choices..].iter().all(no_choice)
                && self.program.spans[spans..].iter().all(|span| span.way == Way::Only)
            {
                return Ok(pc);
            }
            self.program.instructions.truncate(instructions);
            self.program.origins.truncate(instructions);
            self.firsts.truncate(instructions);
            self.sure.truncate(instructions);
            self.program.choices.truncate(choices);
            self.program.spans.truncate(spans);
        }
        let start = self.part(node)?;
        let first = match shape::first(node, self.ignore_case) {
            (first, true) => first.or(self.firsts[next as usize]),
            (first, false) => first,
        };
        self.sub(SubKind::Atomic, start, node, next, first)
    }
}
