//! Where each key of a config stands in its file: lines and columns by paths such as `agent.inputs.0.topic`.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// A line and a column of a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// `None` where the parser does not know it.
    pub fn of(location: Location) -> Option<Self> {
        let (line, column) = (location.line() as usize, location.column() as usize);
        (line > 0).then_some(Self { line, column: column.max(1) })
    }
}

/// The places of all keys and of the items of lists.
#[derive(Debug, Default)]
pub struct Places(Node);

/// A value's inside; scalars have none.
#[derive(Debug, Default)]
enum Node {
    #[default]
    Leaf,
    /// Keys with their places.
    Map(Vec<(String, Option<Place>, Node)>),
    /// Items with their places.
    List(Vec<(Option<Place>, Node)>),
}

impl Places {
    /// Of a file that was read without an error; nothing is known of one that is broken.
    pub fn of(text: &str) -> Self {
        Self(serde_saphyr::from_str(text).unwrap_or_default())
    }

    /// The place of what `path` leads to, or of the last key on the way that is there.
    pub fn find(&self, path: &str) -> Option<Place> {
        let (mut node, mut found) = (&self.0, None);
        let mut rest = path;
        while !rest.is_empty() {
            let Some((place, inner, behind)) = node.step(rest) else { break };
            (node, rest) = (inner, behind);
            found = place.or(found);
        }
        found
    }
}

impl Node {
    /// One step along `path`: place, inside, and the rest of the path. Keys may have dots in them (`num.partitions`).
    fn step<'a, 'b>(&'a self, path: &'b str) -> Option<(Option<Place>, &'a Self, &'b str)> {
        match self {
            Self::Leaf => None,
            Self::Map(entries) => entries
                .iter()
                .filter_map(|(key, place, inner)| {
                    let rest = path.strip_prefix(key.as_str())?;
                    let rest = if rest.is_empty() { rest } else { rest.strip_prefix('.')? };
                    Some((key.len(), (*place, inner, rest)))
                })
                .max_by_key(|(length, _)| *length)
                .map(|(_, step)| step),
            Self::List(items) => {
                let (index, rest) = path.split_once('.').unwrap_or((path, ""));
                let (place, inner) = items.get(index.parse::<usize>().ok()?)?;
                Some((*place, inner, rest))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let inner = map.next_value::<Node>()?;
            entries.push((key.value, Place::of(key.referenced), inner));
        }
        Ok(Node::Map(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Node>>()? {
            items.push((Place::of(item.referenced), item.value));
        }
        Ok(Node::List(items))
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Node, D::Error> {
        inner.deserialize_any(Self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_items_and_the_nearest_above() {
        let text = "agent:\n  inputs:\n    - paths: [a]\n      topic: x\n    - {paths: [b,\n  c]}\nbroker:\n  set:\n    num.partitions: 4\n";
        let places = Places::of(text);
        let check = |path: &str, want: Option<(usize, usize)>| {
            assert_eq!(places.find(path).map(|place| (place.line, place.column)), want, "{path}");
        };
        check("agent", Some((1, 1)));
        check("agent.inputs.0.topic", Some((4, 7)));
        check("agent.inputs.1.paths.1", Some((6, 3)));
        check("broker.set.num.partitions", Some((9, 5)));
        check("agent.inputs.0.labels.x", Some((3, 7)));
        check("worker.topics", None);
        check("", None);
        assert_eq!(Places::of("a: [").find("a"), None);
    }
}
