//! Prints a pattern's tree for a regex engine: for `fancy-regex` as it is, for `regex` without what that crate lacks.
//!
//! `regex` knows no lookaround. An assertion about single characters is left out of the text, an empty group marks its
//! place, and the matcher checks it afterwards. Both engines prefer matches in the same order, and leaving assertions
//! out only adds matches. So when the first match passes its checks it is also the first match of the whole pattern,
//! and when there is none there is none; only a match that fails a check needs the slower engine.

use super::assertion::Assertion;
use crate::grok::syntax::{Mode, Node};

/// A printed pattern.
pub(super) struct Printed {
    pub text: String,
    /// For each capture of the tree, the number of its group.
    pub groups: Vec<usize>,
    /// Groups whose places have to be checked.
    pub checks: Vec<(usize, Assertion)>,
}

/// Prints for `fancy-regex`.
pub(super) fn for_fancy_regex(node: &Node, captures: usize) -> Printed {
    let mut printer = Printer::new(true, captures);
    printer.node(node, false);
    printer.printed
}

/// Prints for `regex`; none when the pattern needs what it does not have.
pub(super) fn for_regex(node: &Node, captures: usize) -> Option<Printed> {
    let mut printer = Printer::new(false, captures);
    printer.node(node, false);
    printer.possible.then_some(printer.printed)
}

struct Printer {
    printed: Printed,
    /// Groups opened so far.
    groups: usize,
    fancy: bool,
    possible: bool,
}

impl Printer {
    fn new(fancy: bool, captures: usize) -> Printer {
        let printed = Printed { text: String::new(), groups: vec![0; captures], checks: Vec::new() };
        Printer { printed, groups: 0, fancy, possible: true }
    }

    fn push(&mut self, text: &str) {
        self.printed.text.push_str(text);
    }

    fn open(&mut self) -> usize {
        self.groups += 1;
        self.push("(");
        self.groups
    }

    /// Prints a node; `repeated` says that it can match more than once, so that its groups show the last time only.
    fn node(&mut self, node: &Node, repeated: bool) {
        match node {
            Node::Char(c) => self.char(*c),
            Node::Class(class) => self.push(class),
            Node::Dot => self.push("."),
            Node::Any => self.push("(?s:.)"),
            // Ruby's anchors are always those of lines.
            Node::LineStart => self.push("(?m:^)"),
            Node::LineEnd => self.push("(?m:$)"),
            Node::TextStart => self.push(r"\A"),
            Node::TextEnd => self.push(r"\z"),
            Node::TextEndOrNewline => match self.fancy {
                true => self.push(r"(?=\n?\z)"),
                false => self.possible = false,
            },
            Node::WordBoundary => self.push(r"\b"),
            Node::NotWordBoundary => self.push(r"\B"),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.in_sequence(node, repeated)),
            Node::Alternatives(nodes) => self.alternatives(nodes, repeated),
            Node::Capture(index, node) => {
                self.printed.groups[*index] = self.open();
                self.node(node, repeated);
                self.push(")");
            }
            Node::Repeat { node, min, max, mode } => self.repeat(node, (*min, *max), *mode, repeated),
            Node::IgnoreCase { on, node } => {
                self.push(if *on { "(?i:" } else { "(?-i:" });
                self.node(node, repeated);
                self.push(")");
            }
            Node::Native { node, .. } | Node::Part { node, .. } => {
                self.push("(?:");
                self.node(node, repeated);
                self.push(")");
            }
            Node::Look { ahead, negative, node } => self.look(*ahead, *negative, node, repeated),
            Node::Atomic(node) => {
                self.possible &= self.fancy;
                self.push("(?>");
                self.node(node, repeated);
                self.push(")");
            }
            Node::Backreference(index) => {
                self.possible &= self.fancy;
                let group = self.printed.groups[*index];
                self.push(&format!("(?:\\{group})"));
            }
        }
    }

    fn in_sequence(&mut self, node: &Node, repeated: bool) {
        match node {
            Node::Alternatives(_) => {
                self.push("(?:");
                self.node(node, repeated);
                self.push(")");
            }
            _ => self.node(node, repeated),
        }
    }

    fn alternatives(&mut self, nodes: &[Node], repeated: bool) {
        for (index, node) in nodes.iter().enumerate() {
            if index > 0 {
                self.push("|");
            }
            self.node(node, repeated);
        }
    }

    fn repeat(&mut self, node: &Node, (min, max): (u32, Option<u32>), mode: Mode, repeated: bool) {
        let again = max.is_none_or(|max| max > 1);
        self.push("(?:");
        self.node(node, repeated || again);
        self.push(")");
        match (min, max) {
            (0, None) => self.push("*"),
            (1, None) => self.push("+"),
            (0, Some(1)) => self.push("?"),
            (min, None) => self.push(&format!("{{{min},}}")),
            (min, Some(max)) => self.push(&format!("{{{min},{max}}}")),
        }
        match mode {
            Mode::Greedy => {}
            Mode::Lazy => self.push("?"),
            Mode::Possessive => {
                self.possible &= self.fancy;
                self.push("+");
            }
        }
    }

    fn look(&mut self, ahead: bool, negative: bool, node: &Node, repeated: bool) {
        if self.fancy {
            self.push(match (ahead, negative) {
                (true, false) => "(?=",
                (true, true) => "(?!",
                (false, false) => "(?<=",
                (false, true) => "(?<!",
            });
            self.node(node, repeated);
            self.push(")");
            return;
        }
        match Assertion::new(ahead, negative, node) {
            Some(assertion) if !repeated => {
                let group = self.open();
                self.push(")");
                self.printed.checks.push((group, assertion));
            }
            _ => self.possible = false,
        }
    }

    fn char(&mut self, c: char) {
        if c.is_ascii_alphanumeric()
            || !c.is_ascii()
            || matches!(c, ' ' | '/' | '"' | '\'' | ':' | ',' | '<' | '>' | '=')
        {
            self.printed.text.push(c);
        } else {
            self.push(&format!("\\x{:02X}", u32::from(c)));
        }
    }
}
