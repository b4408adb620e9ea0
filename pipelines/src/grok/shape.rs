//! What can be said of a part of a pattern before it is lowered: its first bytes, its length, what it needs.

use super::charset::{CharSet, First};
use super::syntax::{Mode, Node};

/// The node that is one character, when this is one and nothing else.
pub(super) fn single(node: &Node) -> Option<&Node> {
    match node {
        Node::Char(_) | Node::Class(_) | Node::Dot | Node::Any => Some(node),
        Node::Sequence(nodes) | Node::Alternatives(nodes) => match &nodes[..] {
            [node] => single(node),
            _ => None,
        },
        Node::Part { node, .. } => single(node),
        _ => None,
    }
}

/// The alternatives of a node that is a group of such and nothing else.
pub(super) fn alternatives(node: &Node) -> Option<&[Node]> {
    match node {
        Node::Alternatives(nodes) => Some(nodes),
        Node::Sequence(nodes) => match &nodes[..] {
            [node] => alternatives(node),
            _ => None,
        },
        Node::Part { node, .. } => alternatives(node),
        Node::Atomic(node) => alternatives(node).filter(|nodes| nodes.iter().all(|node| single(node).is_some())),
        _ => None,
    }
}

/// Bytes with which the part can begin, at least, and whether it can match nothing. The end is never said of it.
pub(super) fn first(node: &Node, ignore_case: bool) -> (First, bool) {
    match node {
        Node::Char(c) if !ignore_case => (First::byte(c.encode_utf8(&mut [0; 4]).as_bytes()[0]), false),
        Node::Char(c) => (CharSet::ignoring_case(*c).map_or(First::ANYTHING, |set| First::set(&set)), false),
        Node::Class(class) => {
            (CharSet::parse(class, ignore_case).map_or(First::ANYTHING, |set| First::set(&set)), false)
        }
        Node::Dot | Node::Any => (First::ANYTHING.with_end(false), false),
        Node::LineStart
        | Node::LineEnd
        | Node::TextStart
        | Node::TextEnd
        | Node::TextEndOrNewline
        | Node::WordBoundary
        | Node::NotWordBoundary
        | Node::Look { .. } => (First::NOTHING, true),
        Node::Sequence(nodes) => {
            let mut all = First::NOTHING;
            for node in nodes {
                let (first, nullable) = first(node, ignore_case);
                all = all.or(first);
                if !nullable {
                    return (all, false);
                }
            }
            (all, true)
        }
        Node::Alternatives(nodes) => nodes
            .iter()
            .map(|node| first(node, ignore_case))
            .fold((First::NOTHING, false), |(all, any), (first, nullable)| (all.or(first), any | nullable)),
        Node::Capture(_, node) | Node::Atomic(node) | Node::Native { node, .. } | Node::Part { node, .. } => {
            first(node, ignore_case)
        }
        Node::Repeat { max: Some(0), .. } => (First::NOTHING, true),
        Node::Repeat { node, min, max, .. } => {
            let (first, nullable) = first(node, ignore_case);
            // An interval the wrong way round is read the other way round.
            (first, nullable || *min == 0 || max.is_some_and(|max| max == 0))
        }
        Node::IgnoreCase { on, node } => first(node, *on),
        Node::Backreference(_) => (First::ANYTHING, true),
    }
}

/// The number of characters, when it is always the same.
pub(super) fn length(node: &Node) -> Option<u32> {
    match node {
        Node::Char(_) | Node::Class(_) | Node::Dot | Node::Any => Some(1),
        Node::Sequence(nodes) => nodes.iter().try_fold(0u32, |sum, node| sum.checked_add(length(node)?)),
        Node::Alternatives(nodes) => {
            let mut lengths = nodes.iter().map(length);
            let one = lengths.next()??;
            lengths.all(|length| length == Some(one)).then_some(one)
        }
        Node::Capture(_, node)
        | Node::Atomic(node)
        | Node::Native { node, .. }
        | Node::Part { node, .. }
        | Node::IgnoreCase { node, .. } => length(node),
        Node::Repeat { node, min, max, .. } if Some(*min) == *max => length(node)?.checked_mul(*min),
        Node::Repeat { .. } | Node::Backreference(_) => None,
        _ => Some(0),
    }
}

/// The longest text that every match has in it.
pub(super) fn required_literal(node: &Node) -> Option<String> {
    match node {
        Node::Char(c) => Some(c.to_string()),
        Node::Sequence(nodes) => {
            let mut best = String::new();
            let mut run = String::new();
            for node in nodes {
                if let Node::Char(c) = node {
                    run.push(*c);
                    continue;
                }
                if run.len() > best.len() {
                    best = std::mem::take(&mut run);
                }
                run.clear();
                if let Some(inside) = required_literal(node)
                    && inside.len() > best.len()
                {
                    best = inside;
                }
            }
            if run.len() > best.len() {
                best = run;
            }
            (!best.is_empty()).then_some(best)
        }
        Node::Alternatives(nodes) => match &nodes[..] {
            [node] => required_literal(node),
            _ => None,
        },
        Node::Capture(_, node) | Node::Atomic(node) | Node::Part { node, .. } => required_literal(node),
        Node::Repeat { node, min, max, .. } if *min > 0 && max.is_none_or(|max| max > 0) => required_literal(node),
        _ => None,
    }
}

/// Whether nothing can match but behind this assertion.
pub(super) fn begins_with(node: &Node, assertion: &Node) -> bool {
    match node {
        Node::Sequence(nodes) => nodes.first().is_some_and(|node| begins_with(node, assertion)),
        Node::Alternatives(nodes) => nodes.iter().all(|node| begins_with(node, assertion)),
        Node::Capture(_, node) | Node::Atomic(node) | Node::Part { node, .. } | Node::IgnoreCase { node, .. } => {
            begins_with(node, assertion)
        }
        _ => node == assertion,
    }
}

pub(super) fn has_captures(node: &Node) -> bool {
    match node {
        Node::Capture(..) => true,
        Node::Sequence(nodes) | Node::Alternatives(nodes) => nodes.iter().any(has_captures),
        Node::Atomic(node)
        | Node::Native { node, .. }
        | Node::Part { node, .. }
        | Node::IgnoreCase { node, .. }
        | Node::Look { node, .. }
        | Node::Repeat { node, .. } => has_captures(node),
        _ => false,
    }
}

/// Whether a part that has no choice, seen from its first byte on, takes the same way when it stands alone: it must not
/// prefer to match less.
pub(super) fn takes_its_first_way(node: &Node) -> bool {
    match node {
        Node::Sequence(nodes) => nodes.iter().all(takes_its_first_way),
        Node::Alternatives(nodes) => {
            let last = nodes.len().saturating_sub(1);
            nodes.iter().enumerate().all(|(index, node)| {
                takes_its_first_way(node) && (index == last || !first(node, false).1 && !first(node, true).1)
            })
        }
        Node::Capture(_, node) | Node::Atomic(node) | Node::Part { node, .. } | Node::IgnoreCase { node, .. } => {
            takes_its_first_way(node)
        }
        Node::Repeat { node, min, max, mode } => {
            *mode != Mode::Lazy && max.is_none_or(|max| max >= *min) && takes_its_first_way(node)
        }
        Node::Backreference(_) | Node::Look { .. } | Node::Native { .. } => true,
        _ => true,
    }
}
