//! From a document's JSON to what tantivy indexes, by the mapping of its index.

use super::entries::{Entries, EntriesValue, Leaf};
use super::limits::{DEPTH_MAX, KEYWORD_CHARACTERS_MAX};
use super::mapping::{FieldEntry, Kind, Mapping, Seen};
use super::node::Node;
use super::schema::FIELDS;
use super::times;
use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;
use std::ops::Range;
use std::sync::RwLock;
use tantivy::TantivyDocument;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A document that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("failed to parse: {0}")]
    Broken(String),
    #[error("failed to parse: a document is an object")]
    NoObject,
    #[error("Limit of mapping depth [{DEPTH_MAX}] has been exceeded")]
    Depth,
}

/// A document before it has its place and its number.
pub struct Parsed {
    pub document: TantivyDocument,
    /// Of `@timestamp`, in milliseconds since 1970.
    pub time: Option<i64>,
}

/// What is known of an index's fields, from one document of a request to the next: without the mapping's lock, and by a hash.
#[derive(Default)]
pub struct Fields {
    known: Known,
    has_dynamic: Option<bool>,
}

type Known = HashMap<Box<str>, FieldEntry, BuildHasherDefault<PathHasher>>;

/// Paths are short, and looked up for each value.
#[derive(Default)]
struct PathHasher(u64);

impl Hasher for PathHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // What `str` writes behind its bytes; there is one text in a key.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Reads the document `source`; new fields are taken down in `mapping`.
pub fn parse(source: &[u8], mapping: &RwLock<Mapping>, fields: &mut Fields) -> Result<Parsed, Refused> {
    let node = Node::parse(source).map_err(|error| Refused::Broken(error.to_string()))?;
    let Node::Object(root) = &node else { return Err(Refused::NoObject) };
    let looked = || !mapping.read().expect("nobody panics with the mapping").dynamic.is_empty();
    let has_dynamic = *fields.has_dynamic.get_or_insert_with(looked);
    let mut walk = Walk {
        mapping,
        known: &mut fields.known,
        has_dynamic,
        path: String::with_capacity(64),
        paths: String::with_capacity(512),
        fast: Vec::with_capacity(32),
        keywords: Vec::with_capacity(32),
        words: Vec::new(),
        names: Vec::new(),
        time: None,
    };
    walk.object(root, 0, None)?;
    let Walk { paths, fast, keywords, words, names, time, .. } = walk;
    let mut document = TantivyDocument::with_capacity(source.len() * 3);
    document.add_bytes(FIELDS.source, source);
    for (field, entries) in [(FIELDS.fast, &fast), (FIELDS.keywords, &keywords), (FIELDS.words, &words)] {
        if !entries.is_empty() {
            document.add_field_value(field, EntriesValue::Object { paths: &paths, entries });
        }
    }
    names.iter().for_each(|name| document.add_text(FIELDS.names, &paths[name.clone()]));
    Ok(Parsed { document, time })
}

/// The way through a document.
struct Walk<'a> {
    mapping: &'a RwLock<Mapping>,
    known: &'a mut Known,
    /// Whether the mapping has dynamic templates.
    has_dynamic: bool,
    /// Of the value that is looked at.
    path: String,
    /// Of all entries, one after the other.
    paths: String,
    fast: Entries<'a>,
    keywords: Entries<'a>,
    words: Entries<'a>,
    /// Paths of what has no column, for `exists`.
    names: Vec<Range<usize>>,
    time: Option<i64>,
}

impl<'a> Walk<'a> {
    /// `flat`: the length of the path of the object above all of whose values are keywords.
    fn object(
        &mut self,
        object: &'a [(Cow<'a, str>, Node<'a>)],
        depth: usize,
        flat: Option<usize>,
    ) -> Result<(), Refused> {
        if depth >= DEPTH_MAX {
            return Err(Refused::Depth);
        }
        let above = self.path.len();
        for (key, node) in object {
            if !self.path.is_empty() {
                self.path.push('.');
            }
            self.path.push_str(key);
            self.value(node, depth, flat)?;
            self.path.truncate(above);
        }
        Ok(())
    }

    fn value(&mut self, node: &'a Node<'a>, depth: usize, flat: Option<usize>) -> Result<(), Refused> {
        match node {
            Node::Null => Ok(()),
            Node::Array(elements) => {
                if depth >= DEPTH_MAX {
                    return Err(Refused::Depth);
                }
                elements.iter().try_for_each(|element| self.value(element, depth + 1, flat))
            }
            Node::Object(object) => match self.declared(node) {
                Some(Kind::Flat) => self.object(object, depth + 1, Some(flat.unwrap_or(self.path.len()))),
                Some(Kind::Place) => {
                    self.named(Seen::PLACE);
                    Ok(())
                }
                Some(Kind::Stored) => Ok(()),
                _ => self.object(object, depth + 1, flat),
            },
            _ => {
                match flat {
                    Some(root) => self.flat(node, root),
                    None => self.leaf(node),
                }
                Ok(())
            }
        }
    }

    /// The type that a mapping or, for a field that is not there yet, a dynamic template says.
    fn declared(&mut self, node: &Node<'_>) -> Option<Kind> {
        match self.entry() {
            Some(entry) => entry.declared,
            None if self.has_dynamic => {
                let mut mapping = self.mapping.write().expect("nobody panics with the mapping");
                mapping.declare_dynamic(&self.path, of_type(node))
            }
            None => None,
        }
    }

    fn entry(&mut self) -> Option<FieldEntry> {
        if let Some(entry) = self.known.get(self.path.as_str()) {
            return Some(*entry);
        }
        let entry = self.mapping.read().expect("nobody panics with the mapping").get(&self.path).copied();
        if let Some(entry) = entry {
            self.known.insert(self.path.as_str().into(), entry);
        }
        entry
    }

    /// Takes down that the field has such values; `None`: it is one more than an index may have.
    fn note(&mut self, seen: Seen) -> Option<Range<usize>> {
        if !self.known.get(self.path.as_str()).is_some_and(|entry| entry.seen.has(seen)) {
            self.known.remove(self.path.as_str());
            if !self.entry().is_some_and(|entry| entry.seen.has(seen)) {
                if !self.mapping.write().expect("nobody panics with the mapping").note(&self.path, seen) {
                    return None;
                }
                self.known.remove(self.path.as_str());
            }
        }
        let start = self.paths.len();
        self.paths.push_str(&self.path);
        Some(start..self.paths.len())
    }

    fn leaf(&mut self, node: &'a Node<'a>) {
        match self.declared(node) {
            Some(Kind::Stored) => {}
            Some(Kind::Place) => self.named(Seen::PLACE),
            Some(Kind::Text) => self.text(written(node)),
            Some(Kind::Keyword | Kind::Flat) => self.keyword(written(node), Seen::KEYWORD),
            Some(Kind::Date) => match self.date(node) {
                Some(millis) => self.time_of(millis),
                None => self.plain(node),
            },
            Some(kind @ (Kind::Long | Kind::Double)) => match number(node, kind) {
                Some(leaf) => self.number(leaf),
                None => self.plain(node),
            },
            Some(Kind::Boolean) => match node {
                Node::Text(text) if text == "true" => self.boolean(true),
                Node::Text(text) if text == "false" || text.is_empty() => self.boolean(false),
                _ => self.plain(node),
            },
            Some(Kind::Ip) => match node {
                Node::Text(text) => match text.parse::<IpAddr>() {
                    Ok(address) => self.keyword(address.to_canonical().to_string().into(), Seen::IP),
                    Err(_) => self.plain(node),
                },
                _ => self.plain(node),
            },
            None => match node {
                // Also found as a time, whatever it is called.
                Node::Text(text) if text.len() <= 35 => {
                    if let Some(millis) = times::of_whole(text) {
                        self.time_of(millis);
                    }
                    let is_address = may_be_address(text) && text.parse::<IpAddr>().is_ok();
                    self.keyword(Cow::Borrowed(text), if is_address { Seen::IP } else { Seen::KEYWORD });
                }
                _ => self.plain(node),
            },
        }
    }

    /// As its own type says; also for what the declared type cannot hold, so that it is found all the same.
    fn plain(&mut self, node: &'a Node<'a>) {
        match node {
            Node::Text(text) => self.keyword(Cow::Borrowed(text), Seen::KEYWORD),
            Node::Bool(value) => self.boolean(*value),
            Node::Long(value) => self.number(Leaf::Long(*value)),
            Node::Unsigned(value) => self.number(Leaf::Unsigned(*value)),
            Node::Double(value) => self.number(Leaf::Double(*value)),
            Node::Null | Node::Array(_) | Node::Object(_) => {}
        }
    }

    fn date(&self, node: &Node<'_>) -> Option<i64> {
        match node {
            Node::Text(text) => times::of_date(text),
            Node::Long(millis) => times::in_range(*millis),
            Node::Double(millis) => times::in_range(*millis as i64),
            _ => None,
        }
    }

    fn time_of(&mut self, millis: i64) {
        if self.path == "@timestamp" {
            self.time.get_or_insert(millis);
        }
        if let Some(path) = self.note(Seen::DATE) {
            self.fast.push((path, Leaf::Date(millis)));
        }
    }

    fn number(&mut self, leaf: Leaf<'a>) {
        let seen = if matches!(leaf, Leaf::Double(_)) { Seen::DOUBLE } else { Seen::LONG };
        if let Some(path) = self.note(seen) {
            self.fast.push((path, leaf));
        }
    }

    fn boolean(&mut self, value: bool) {
        if let Some(path) = self.note(Seen::BOOLEAN) {
            self.fast.push((path.clone(), Leaf::Bool(value)));
            self.keywords.push((path, Leaf::Bool(value)));
        }
    }

    fn keyword(&mut self, text: Cow<'a, str>, seen: Seen) {
        if text.len() > KEYWORD_CHARACTERS_MAX && text.chars().nth(KEYWORD_CHARACTERS_MAX).is_some() {
            return;
        }
        if let Some(path) = self.note(seen) {
            self.fast.push((path.clone(), Leaf::Str(text.clone())));
            self.keywords.push((path, Leaf::Str(text)));
        }
    }

    fn text(&mut self, text: Cow<'a, str>) {
        if let Some(path) = self.note(Seen::TEXT) {
            self.words.push((path.clone(), Leaf::Str(text)));
            self.names.push(path);
        }
    }

    fn named(&mut self, seen: Seen) {
        if let Some(path) = self.note(seen) {
            self.names.push(path);
        }
    }

    /// A value in an object of keywords: under the object's name, and under its own as long as there is room for fields.
    fn flat(&mut self, node: &'a Node<'a>, root: usize) {
        self.keyword(written(node), Seen::KEYWORD);
        let own = self.path.split_off(root);
        self.keyword(written(node), Seen::KEYWORD);
        self.path.push_str(&own);
    }
}

/// What Elasticsearch's `match_mapping_type` calls a value. A text that looks like a time is one only where dates are detected,
/// which our own template wants no more than most: rules for either fit.
fn of_type(node: &Node<'_>) -> &'static [&'static str] {
    match node {
        Node::Text(text) if text.len() <= 35 && times::of_whole(text).is_some() => &["date", "string"],
        Node::Long(_) | Node::Unsigned(_) => &["long"],
        Node::Double(_) => &["double"],
        Node::Bool(_) => &["boolean"],
        Node::Object(_) => &["object"],
        _ => &["string"],
    }
}

/// A value as it is written.
fn written<'a>(node: &'a Node<'a>) -> Cow<'a, str> {
    match node {
        Node::Text(text) => Cow::Borrowed(text),
        Node::Bool(value) => if *value { "true" } else { "false" }.into(),
        Node::Long(value) => value.to_string().into(),
        Node::Unsigned(value) => value.to_string().into(),
        Node::Double(value) => format!("{value:?}").into(),
        Node::Null | Node::Array(_) | Node::Object(_) => Cow::default(),
    }
}

/// A number as its declared type holds it: whole numbers lose their fraction, texts are read, as Elasticsearch coerces.
fn number<'a>(node: &Node<'_>, kind: Kind) -> Option<Leaf<'a>> {
    Some(match (kind, node) {
        (Kind::Long, Node::Long(value)) => Leaf::Long(*value),
        (Kind::Long, Node::Double(value)) if value.abs() < i64::MAX as f64 => Leaf::Long(*value as i64),
        (Kind::Long, Node::Text(text)) => Leaf::Long(text.parse().ok()?),
        (Kind::Double, Node::Long(value)) => Leaf::Double(*value as f64),
        (Kind::Double, Node::Unsigned(value)) => Leaf::Double(*value as f64),
        (Kind::Double, Node::Double(value)) => Leaf::Double(*value),
        (Kind::Double, Node::Text(text)) => Leaf::Double(text.parse::<f64>().ok().filter(|value| value.is_finite())?),
        _ => return None,
    })
}

/// What cannot be an address is not tried as one.
fn may_be_address(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
        && text.bytes().any(|byte| matches!(byte, b'.' | b':'))
}
