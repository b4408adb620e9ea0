//! Assertions about the characters beside a place, such as `(?<![0-9])`: checked by hand after a match.

use crate::grok::syntax::Node;

/// A lookaround whose body is a fixed row of single characters.
#[derive(Debug)]
pub struct Assertion {
    ahead: bool,
    negative: bool,
    sets: Vec<CharSet>,
}

impl Assertion {
    /// None when the body is more than single characters.
    pub fn new(ahead: bool, negative: bool, node: &Node) -> Option<Assertion> {
        let mut sets = Vec::new();
        collect(node, &mut sets)?;
        Some(Assertion { ahead, negative, sets })
    }

    /// Whether it holds at a byte position of the text.
    pub fn holds(&self, text: &str, position: usize) -> bool {
        let there = if self.ahead {
            let mut chars = text[position..].chars();
            self.sets.iter().all(|set| chars.next().is_some_and(|c| set.contains(c)))
        } else {
            let mut chars = text[..position].chars().rev();
            self.sets.iter().rev().all(|set| chars.next().is_some_and(|c| set.contains(c)))
        };
        there != self.negative
    }
}

fn collect(node: &Node, sets: &mut Vec<CharSet>) -> Option<()> {
    match node {
        Node::Sequence(nodes) => nodes.iter().try_for_each(|node| collect(node, sets)),
        Node::Char(c) => {
            sets.push(CharSet::Char(*c));
            Some(())
        }
        Node::Class(class) => {
            sets.push(CharSet::class(class)?);
            Some(())
        }
        _ => None,
    }
}

/// Which characters may stand in one place.
#[derive(Debug)]
enum CharSet {
    Char(char),
    /// A bit for each ASCII character; the class itself answers for the others.
    Class {
        ascii: u128,
        class: regex::Regex,
    },
}

impl CharSet {
    fn class(class: &str) -> Option<CharSet> {
        let class = regex::Regex::new(&format!("\\A{class}\\z")).ok()?;
        let mut ascii = 0;
        for byte in 0..128u8 {
            if class.is_match(char::from(byte).encode_utf8(&mut [0; 4])) {
                ascii |= 1 << byte;
            }
        }
        Some(CharSet::Class { ascii, class })
    }

    fn contains(&self, c: char) -> bool {
        match self {
            CharSet::Char(this) => *this == c,
            CharSet::Class { ascii, .. } if c.is_ascii() => ascii >> u32::from(c) & 1 == 1,
            CharSet::Class { class, .. } => class.is_match(c.encode_utf8(&mut [0; 4])),
        }
    }
}
