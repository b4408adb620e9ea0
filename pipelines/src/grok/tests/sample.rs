//! Texts that a pattern matches, or nearly: made from its tree, the same ones for ever.

use std::collections::HashMap;

use super::super::charset::CharSet;
use super::super::syntax::Node;

/// Longest text, in characters, at which repetitions end.
const CHARS_MAX: usize = 300;
/// What stands where a class allows it, besides printable ASCII.
const WIDE: [char; 6] = ['ä', 'é', 'ß', '日', '\u{1f600}', '\u{a0}'];

/// Small numbers at random. The recorded answers belong to its sequence, which therefore never changes.
pub(super) struct Random {
    state: u64,
    /// For each class what of it is drawn: ASCII and wide.
    classes: HashMap<String, (Vec<char>, Vec<char>)>,
}

impl Random {
    pub fn new(seed: &str) -> Random {
        let hash = seed
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Random { state: hash | 1, classes: HashMap::new() }
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((self.state >> 33) % limit.max(1) as u64) as usize
    }

    fn class(&mut self, class: &str) -> &(Vec<char>, Vec<char>) {
        if !self.classes.contains_key(class) {
            let set = CharSet::parse(class, false).expect("the pattern compiles");
            let ascii = (' '..='~').filter(|c| set.contains(*c)).collect();
            let wide = WIDE.into_iter().filter(|c| set.contains(*c)).collect();
            self.classes.insert(class.to_owned(), (ascii, wide));
        }
        &self.classes[class]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

/// The `number`th text for a pattern.
pub(super) fn text(node: &Node, number: usize, random: &mut Random) -> String {
    let mut text = String::new();
    push(node, &mut text, random);
    match number % 8 {
        0..=2 => {}
        3 => text.insert_str(0, ["x ", "[", "-", "7", "\n", "ä"][random.below(6)]),
        4 => text.push_str([" y", "]", ".", "8", "\n", "é"][random.below(6)]),
        5 | 6 => mutate(&mut text, random),
        _ => {
            mutate(&mut text, random);
            text.push(' ');
            push(node, &mut text, random);
        }
    }
    text
}

fn mutate(text: &mut String, random: &mut Random) {
    const OTHERS: [char; 12] = ['a', 'Z', '0', '9', ' ', '.', ':', '-', '"', '\n', 'ü', '/'];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(2) {
        let place = random.below(chars.len() + 1);
        match random.below(3) {
            0 => chars.insert(place, OTHERS[random.below(OTHERS.len())]),
            1 if place < chars.len() => drop(chars.remove(place)),
            _ if place < chars.len() => chars[place] = OTHERS[random.below(OTHERS.len())],
            _ => drop(chars.pop()),
        }
    }
    *text = chars.into_iter().collect();
}

fn push(node: &Node, text: &mut String, random: &mut Random) {
    match node {
        Node::Char(c) => text.push(*c),
        Node::Class(class) => {
            let wide = random.one_in(25);
            let place = random.below(1 << 20);
            let (ascii, wides) = random.class(class);
            let from = if !wides.is_empty() && (ascii.is_empty() || wide) { wides } else { ascii };
            text.extend(from.get(place % from.len().max(1)));
        }
        Node::Dot | Node::Any => match random.below(30) {
            0 => text.push(WIDE[random.below(WIDE.len())]),
            1 => text.push(' '),
            _ => text.push(char::from(b'!' + random.below(94) as u8)),
        },
        Node::Sequence(nodes) => nodes.iter().for_each(|node| push(node, text, random)),
        Node::Alternatives(nodes) => push(&nodes[random.below(nodes.len())], text, random),
        Node::Repeat { node, min, max, .. } => {
            let mut count = *min;
            while max.is_none_or(|max| count < max) && count < min + 12 && !random.one_in(3) {
                count += 1;
            }
            for _ in 0..count {
                if text.len() < CHARS_MAX {
                    push(node, text, random);
                }
            }
        }
        Node::Capture(_, node)
        | Node::Atomic(node)
        | Node::IgnoreCase { node, .. }
        | Node::Native { node, .. }
        | Node::Part { node, .. } => push(node, text, random),
        _ => {}
    }
}
