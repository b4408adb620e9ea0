//! Lowers repeats to rows of a single character, and to loops.

use super::charset::{CharSet, First, Wide};
use super::lower::{LowerError, Lowering};
use super::program::{Instruction, Pc, Scan, Span, Way};
use super::ranges::Ranges;
use super::shape;
use super::syntax::{Mode, Node};

impl Lowering {
    pub(super) fn repeat(
        &mut self,
        node: &Node,
        min: u32,
        max: Option<u32>,
        mode: Mode,
        next: Pc,
    ) -> Result<Pc, LowerError> {
        if max.is_some_and(|max| max < min) {
            // As in Ruby: the other way round, and lazy.
            return self.repeat(node, max.unwrap_or(0), Some(min), Mode::Lazy, next);
        }
        let single = shape::single(node);
        if let Some(single) = single.filter(|_| mode != Mode::Lazy || max.is_none()) {
            let mut pc = self.span(single, if mode == Mode::Lazy { 0 } else { min }, max, mode, next)?;
            if mode == Mode::Lazy {
                for _ in 0..min {
                    pc = self.emit(single, pc)?;
                }
            }
            return Ok(pc);
        }
        if mode == Mode::Possessive {
            let greedy = Node::Repeat { node: Box::new(node.clone()), min, max, mode: Mode::Greedy };
            return self.atomic(&greedy, next);
        }
        let greedy = mode != Mode::Lazy;
        let order = |body, next| if greedy { [body, next] } else { [next, body] };
        let mut pc = next;
        match max {
            None => pc = self.endless(node, greedy, order, next)?,
            Some(max) => {
                for _ in min..max {
                    let body = self.emit(node, pc)?;
                    pc = self.choice(None, &order(body, next))?;
                }
            }
        }
        for _ in 0..min {
            pc = self.emit(node, pc)?;
        }
        Ok(pc)
    }

    fn endless(
        &mut self,
        node: &Node,
        greedy: bool,
        order: impl Fn(Pc, Pc) -> [Pc; 2],
        next: Pc,
    ) -> Result<Pc, LowerError> {
        let (first, nullable) = shape::first(node, self.ignore_case);
        let head = self.push(Instruction::Fail, first.or(self.firsts[next as usize]))?;
        let body = if nullable {
            let slot = self.program.slots as u32;
            self.program.slots += 1;
            let end = self.push(Instruction::Progress { slot, head, next }, self.firsts[head as usize])?;
            let body = self.emit(node, end)?;
            self.save(slot, body)?
        } else if let Some(ways) = if greedy { self.rows(node, head, next)? } else { None } {
            return self.choice(Some(head), &ways);
        } else {
            self.emit(node, head)?
        };
        self.choice(Some(head), &order(body, next))
    }

    /// The ways of a greedy loop over alternatives, such as `(?:[^"\\]|\\.)*`, with a row in place of a single character
    /// that nothing else in the loop, or behind it, can begin with.
    fn rows(&mut self, node: &Node, head: Pc, next: Pc) -> Result<Option<Vec<Pc>>, LowerError> {
        let Some(nodes) = shape::alternatives(node) else { return Ok(None) };
        let firsts: Vec<First> = nodes.iter().map(|node| shape::first(node, self.ignore_case).0).collect();
        let mut ways = Vec::new();
        let mut any = false;
        for (index, node) in nodes.iter().enumerate() {
            let others = firsts.iter().enumerate().filter(|(other, _)| *other != index);
            let others = others.fold(self.firsts[next as usize], |all, (_, first)| all.or(*first));
            let single = shape::single(node).filter(|_| !others.shares_bytes(&firsts[index]));
            any |= single.is_some();
            ways.push(match single {
                Some(single) => self.span(single, 1, None, Mode::Possessive, head)?,
                None => self.emit(node, head)?,
            });
        }
        ways.push(next);
        Ok(any.then_some(ways))
    }

    fn span(&mut self, node: &Node, min: u32, max: Option<u32>, mode: Mode, next: Pc) -> Result<Pc, LowerError> {
        let set = self.set(node)?;
        let chars = &self.program.sets[set as usize];
        let (first, after) = (First::set(chars), self.firsts[next as usize]);
        let only = mode == Mode::Possessive
            || Some(min) == max
            || mode == Mode::Greedy && (self.sure[next as usize] || !after.shares_bytes(&first));
        let way = match mode {
            _ if only => Way::Only,
            Mode::Lazy => Way::Lazy,
            _ => Way::Greedy,
        };
        let scan = scan(chars, min, max);
        let ranges = ranges(chars, scan);
        let follow = self.follow(after);
        let point = self.point();
        let span = self.program.spans.len() as u32;
        let follow_byte = after.only_byte();
        self.program.spans.push(Span { set, min, max, way, scan, ranges, follow, follow_byte, point });
        let first = if min == 0 { first.or(after) } else { first };
        self.push(Instruction::Span { span, next }, first)
    }
}

/// The ranges of bytes that need no other look. What is searched for by one to three bytes is not short in most lines.
fn ranges(set: &CharSet, scan: Scan) -> Option<Ranges> {
    match scan {
        Scan::Table | Scan::Until(_) | Scan::UntilTwo(..) | Scan::UntilThree(..) => {
            Ranges::of(|byte| set.table[usize::from(byte)])
        }
        Scan::Chars => Ranges::of(|byte| byte.is_ascii() && set.table[usize::from(byte)]),
        Scan::Rest => None,
    }
}

fn scan(set: &CharSet, min: u32, max: Option<u32>) -> Scan {
    let counted = max.is_some() || min > 1;
    match set.wide {
        Wide::Ranges(_) => return Scan::Chars,
        Wide::All if counted => return Scan::Chars,
        Wide::None => return Scan::Table,
        Wide::All => {}
    }
    let mut out = (0..128u8).filter(|byte| !set.table[usize::from(*byte)]);
    match (out.next(), out.next(), out.next(), out.next()) {
        (None, ..) => Scan::Rest,
        (Some(one), None, ..) => Scan::Until(one),
        (Some(one), Some(two), None, _) => Scan::UntilTwo(one, two),
        (Some(one), Some(two), Some(three), None) => Scan::UntilThree(one, two, three),
        _ => Scan::Table,
    }
}
