//! Dotted paths, and reading, setting and removing by them with Elasticsearch's rules and messages.

use thiserror::Error;

use super::map::{Map, tag};
use super::value::{Text, Value};

/// A field's path, split once when a pipeline is loaded. A dot always separates: a literal key `a.b` cannot be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    text: Box<str>,
    root: Root,
    /// Never empty.
    segments: Vec<Text>,
    /// The last segment's, by which it is found.
    leaf_tag: u32,
}

/// Where a path begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Source,
    /// `_index`, `_id`, `_routing` and the like.
    Metadata,
    /// Below `_ingest.`.
    Ingest,
}

/// Why a path leads nowhere. The texts are Elasticsearch's: handlers copy them into documents.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FieldError {
    #[error("path cannot be null nor empty")]
    Empty,
    #[error("path [{0}] is not valid")]
    Invalid(String),
    #[error("field [{segment}] not present as part of path [{path}]")]
    Missing { segment: String, path: String },
    #[error("cannot {verb} [{segment}] {place} as part of path [{path}]")]
    Unreachable { verb: &'static str, segment: String, place: String, path: String },
    /// Java's own text, which is the innermost reason of Elasticsearch's failure.
    #[error("For input string: {segment:?}")]
    NotAnIndex { segment: String, path: String },
    #[error("[{index}] is out of bounds for array with length [{length}] as part of path [{path}]")]
    OutOfBounds { index: i64, length: usize, path: String },
    #[error("field [{path}] of type [{found}] cannot be cast to [{wanted}]")]
    WrongType { path: String, found: &'static str, wanted: &'static str },
}

/// Parts of a path, each of which is a map in a map: a key that comes from a line must not make a document whose depth exhausts
/// the stack. The deepest field of ECS has six.
const PARTS_MAX: usize = 100;

/// The names that Elasticsearch keeps beside the document's source.
pub(crate) const METADATA: [&str; 9] = [
    "_index",
    "_id",
    "_routing",
    "_version",
    "_version_type",
    "_if_seq_no",
    "_if_primary_term",
    "_dynamic_templates",
    "_type",
];

impl FieldPath {
    pub fn parse(text: &str) -> Result<FieldPath, FieldError> {
        if text.is_empty() {
            return Err(FieldError::Empty);
        }
        let (root, rest) = if let Some(rest) = text.strip_prefix("_ingest.") {
            (Root::Ingest, rest)
        } else {
            (Root::Source, text.strip_prefix("_source.").unwrap_or(text))
        };
        // As Java's split: empty pieces at the end go, those in the middle stay.
        let trimmed = rest.trim_end_matches('.');
        if trimmed.is_empty() {
            return Err(FieldError::Invalid(text.to_owned()));
        }
        let parts = trimmed.bytes().filter(|byte| *byte == b'.').count() + 1;
        if parts > PARTS_MAX {
            let start: String = trimmed.chars().take(PARTS_MAX).collect();
            return Err(FieldError::Invalid(format!("{start}… with {parts} parts; at most {PARTS_MAX}")));
        }
        let segments: Vec<Text> = trimmed.split('.').map(Text::from).collect();
        let root = if root == Root::Source && METADATA.contains(&&*segments[0]) { Root::Metadata } else { root };
        let leaf_tag = segments.last().map_or(0, |leaf| tag(leaf));
        Ok(FieldPath { text: text.into(), root, segments, leaf_tag })
    }

    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn root(&self) -> Root {
        self.root
    }

    /// The keys on the way, never none.
    pub(crate) fn segments(&self) -> &[Text] {
        &self.segments
    }

    fn missing(&self, segment: &str) -> FieldError {
        FieldError::Missing { segment: segment.to_owned(), path: self.text.to_string() }
    }

    fn unreachable(&self, verb: &'static str, segment: &str, place: String) -> FieldError {
        FieldError::Unreachable { verb, segment: segment.to_owned(), place, path: self.text.to_string() }
    }

    /// The place in a list of `length` values that a segment names.
    fn index(&self, segment: &str, length: usize) -> Result<usize, FieldError> {
        let index: i32 = segment
            .parse()
            .map_err(|_| FieldError::NotAnIndex { segment: segment.to_owned(), path: self.text.to_string() })?;
        match usize::try_from(index) {
            Ok(index) if index < length => Ok(index),
            _ => Err(FieldError::OutOfBounds { index: i64::from(index), length, path: self.text.to_string() }),
        }
    }

    fn step<'a>(&self, value: &'a Value, segment: &str) -> Result<&'a Value, FieldError> {
        match value {
            Value::Map(map) => map.get(segment).ok_or_else(|| self.missing(segment)),
            Value::List(list) => self.index(segment, list.len()).map(|index| &list[index]),
            Value::Null => Err(self.unreachable("resolve", segment, "from null".to_owned())),
            other => Err(self.unreachable("resolve", segment, from_type(other))),
        }
    }

    /// Whether something is there, null included.
    pub(crate) fn is_in(&self, root: &Map) -> bool {
        if let [leaf] = &self.segments[..] {
            return root.get_tagged(leaf, self.leaf_tag).is_some();
        }
        let mut segments = self.segments.iter();
        let first = segments.next().and_then(|segment| root.get(segment));
        segments
            .try_fold(first, |value, segment| {
                let next = match value? {
                    Value::Map(map) => map.get(segment),
                    Value::List(list) => segment.parse::<usize>().ok().and_then(|index| list.get(index)),
                    _ => None,
                };
                next.map(Some)
            })
            .flatten()
            .is_some()
    }

    pub(crate) fn get<'a>(&self, root: &'a Map) -> Result<&'a Value, FieldError> {
        if let [leaf] = &self.segments[..] {
            return root.get_tagged(leaf, self.leaf_tag).ok_or_else(|| self.missing(leaf));
        }
        let first = &self.segments[0];
        let mut value = root.get(first).ok_or_else(|| self.missing(first))?;
        for segment in &self.segments[1..] {
            value = self.step(value, segment)?;
        }
        Ok(value)
    }

    /// Whether both begin with the same field: only then can one be changed through the other.
    pub(crate) fn begins_as(&self, other: &FieldPath) -> bool {
        self.root == other.root && self.segments.first() == other.segments.first()
    }

    /// What is there, to be changed.
    pub(crate) fn get_mut<'a>(&self, root: &'a mut Map) -> Option<&'a mut Value> {
        let (first, below) = self.segments.split_first()?;
        below.iter().try_fold(root.get_mut(first)?, |value, segment| match value {
            Value::Map(map) => map.get_mut(segment),
            Value::List(list) => segment.parse::<usize>().ok().and_then(|index| list.get_mut(index)),
            _ => None,
        })
    }

    /// Puts the value there; maps on the way are made, scalars in the way are an error.
    #[inline]
    pub(crate) fn set(&self, root: &mut Map, new: Value) -> Result<(), FieldError> {
        match &self.segments[..] {
            [leaf] => {
                root.set_tagged(leaf, self.leaf_tag, new);
                Ok(())
            }
            [first, parents @ .., leaf] => self.set_below(root, first, parents, leaf, new),
            [] => Err(FieldError::Empty),
        }
    }

    fn set_below(
        &self,
        root: &mut Map,
        first: &Text,
        parents: &[Text],
        leaf: &Text,
        new: Value,
    ) -> Result<(), FieldError> {
        let mut parent = root.get_or_insert_with(first, || Value::Map(Map::new()));
        for segment in parents {
            parent = match parent {
                Value::Map(map) => map.get_or_insert_with(segment, || Value::Map(Map::new())),
                Value::List(list) => {
                    let index = self.index(segment, list.len())?;
                    &mut list[index]
                }
                Value::Null => return Err(self.unreachable("resolve", segment, "from null".to_owned())),
                other => return Err(self.unreachable("resolve", segment, from_type(other))),
            };
        }
        match parent {
            Value::Map(map) => map.set_tagged(leaf, self.leaf_tag, new),
            Value::List(list) => {
                let index = self.index(leaf, list.len())?;
                list[index] = new;
            }
            Value::Null => return Err(self.unreachable("set", leaf, "with null parent".to_owned())),
            other => {
                let place = format!("with parent object of type [{}]", other.java_class());
                return Err(self.unreachable("set", leaf, place));
            }
        }
        Ok(())
    }

    /// Takes the value out.
    pub(crate) fn remove(&self, root: &mut Map) -> Result<Value, FieldError> {
        let [parents @ .., leaf] = &self.segments[..] else { return Err(FieldError::Empty) };
        let [first, parents @ ..] = parents else {
            return root.remove(leaf).ok_or_else(|| self.missing(leaf));
        };
        let mut parent = root.get_mut(first).ok_or_else(|| self.missing(first))?;
        for segment in parents {
            parent = match parent {
                Value::Map(map) => map.get_mut(segment).ok_or_else(|| self.missing(segment))?,
                Value::List(list) => {
                    let index = self.index(segment, list.len())?;
                    &mut list[index]
                }
                Value::Null => return Err(self.unreachable("resolve", segment, "from null".to_owned())),
                other => return Err(self.unreachable("resolve", segment, from_type(other))),
            };
        }
        match parent {
            Value::Map(map) => map.remove(leaf).ok_or_else(|| self.missing(leaf)),
            Value::List(list) => {
                let index = self.index(leaf, list.len())?;
                Ok(list.remove(index))
            }
            Value::Null => Err(self.unreachable("remove", leaf, "from null".to_owned())),
            other => Err(self.unreachable("remove", leaf, from_type(other))),
        }
    }
}

fn from_type(value: &Value) -> String {
    format!("from object of type [{}]", value.java_class())
}
