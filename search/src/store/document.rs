//! From a document's JSON to what tantivy indexes, by the mapping of its index.

use super::indexed::{Indexed, Place, Plain};
use super::known::{Fields, Known};
use super::limits::{DEPTH_MAX, KEYWORD_CHARACTERS_MAX};
use super::mapping::{FieldEntry, Kind, Mapping, Seen};
use super::node::Node;
use super::times;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::RwLock;

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
    pub document: Indexed,
    /// Of `@timestamp`, in milliseconds since 1970.
    pub time: Option<i64>,
}

/// Reads the document `source`; new fields are taken down in `mapping`.
pub fn parse(source: &[u8], mapping: &RwLock<Mapping>, fields: &mut Fields) -> Result<Parsed, Refused> {
    let source = std::str::from_utf8(source).map_err(|error| Refused::Broken(error.to_string()))?;
    let looked = || !mapping.read().expect("nobody panics with the mapping").dynamic.is_empty();
    let has_dynamic = *fields.has_dynamic.get_or_insert_with(looked);
    let mut walk = Walk {
        mapping,
        known: &mut fields.known,
        has_dynamic,
        path: String::with_capacity(64),
        entry: None,
        source,
        is_whole: None,
        refused: None,
        document: Indexed::with_source(source),
        time: None,
    };
    match walk.read() {
        Ok(()) => Ok(Parsed { document: walk.document, time: walk.time }),
        Err(error) => Err(walk.refused.unwrap_or_else(|| Refused::Broken(error.to_string()))),
    }
}

/// The way through a document.
struct Walk<'a> {
    mapping: &'a RwLock<Mapping>,
    known: &'a mut Known,
    /// Whether the mapping has dynamic templates.
    has_dynamic: bool,
    /// Of the value that is looked at.
    path: String,
    /// Of the path, as far as it was looked up.
    entry: Option<FieldEntry>,
    source: &'a str,
    /// Whether the source is JSON to its end; looked at before something new is taken down.
    is_whole: Option<bool>,
    /// Why it is not read to its end, other than that it is no JSON.
    refused: Option<Refused>,
    document: Indexed,
    time: Option<i64>,
}

impl Walk<'_> {
    fn read(&mut self) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_str(self.source);
        let root = ValueOf { walk: self, depth: None, flat: None };
        root.deserialize(&mut reader)?;
        reader.end()
    }

    /// What a broken document has before its fault leaves nothing in the mapping.
    fn is_whole(&mut self) -> bool {
        let source = self.source;
        *self.is_whole.get_or_insert_with(|| serde_json::from_str::<IgnoredAny>(source).is_ok())
    }

    /// The type that a mapping or, for a field that is not there yet, a dynamic template says.
    fn declared(&mut self, types: impl FnOnce() -> &'static [&'static str]) -> Option<Kind> {
        match self.entry() {
            Some(entry) => entry.declared,
            None if self.has_dynamic && self.is_whole() => {
                let mut mapping = self.mapping.write().expect("nobody panics with the mapping");
                mapping.declare_dynamic(&self.path, types())
            }
            None => None,
        }
    }

    fn entry(&mut self) -> Option<FieldEntry> {
        self.entry = self.known.get(self.path.as_str()).copied();
        if self.entry.is_some() {
            return self.entry;
        }
        let entry = self.mapping.read().expect("nobody panics with the mapping").get(&self.path).copied();
        if let Some(entry) = entry {
            self.known.insert(self.path.as_str().into(), entry);
        }
        self.entry = entry;
        entry
    }

    /// Takes down that the field has such values; `false`: it is one more than an index may have.
    fn note(&mut self, seen: Seen) -> bool {
        if !self.entry.is_some_and(|entry| entry.seen.has(seen)) {
            self.known.remove(self.path.as_str());
            if !self.entry().is_some_and(|entry| entry.seen.has(seen)) {
                let is_whole = self.is_whole();
                if !is_whole || !self.mapping.write().expect("nobody panics with the mapping").note(&self.path, seen) {
                    return false;
                }
                self.known.remove(self.path.as_str());
            }
        }
        true
    }

    fn leaf(&mut self, node: &Node<'_>) {
        match self.declared(|| of_type(node)) {
            Some(Kind::Stored) => {}
            Some(Kind::Place) => self.named(Seen::PLACE),
            Some(Kind::Text) => self.text(&written(node)),
            Some(Kind::Keyword | Kind::Flat) => self.keyword(&written(node), Seen::KEYWORD),
            Some(Kind::Date) => match self.date(node) {
                Some(millis) => self.time_of(millis),
                None => self.plain(node),
            },
            Some(kind @ (Kind::Long | Kind::Double)) => match number(node, kind) {
                Some(value) => self.number(value),
                None => self.plain(node),
            },
            Some(Kind::Boolean) => match node {
                Node::Text(text) if text == "true" => self.boolean(true),
                Node::Text(text) if text == "false" || text.is_empty() => self.boolean(false),
                _ => self.plain(node),
            },
            Some(Kind::Ip) => match node {
                Node::Text(text) => match text.parse::<IpAddr>() {
                    Ok(address) => self.keyword(&address.to_canonical().to_string(), Seen::IP),
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
                    self.keyword(text, if is_address { Seen::IP } else { Seen::KEYWORD });
                }
                _ => self.plain(node),
            },
        }
    }

    /// As its own type says; also for what the declared type cannot hold, so that it is found all the same.
    fn plain(&mut self, node: &Node<'_>) {
        match node {
            Node::Text(text) => self.keyword(text, Seen::KEYWORD),
            Node::Bool(value) => self.boolean(*value),
            Node::Long(value) => self.number(Plain::Long(*value)),
            Node::Unsigned(value) => self.number(Plain::Unsigned(*value)),
            Node::Double(value) => self.number(Plain::Double(*value)),
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
        if self.note(Seen::DATE) {
            self.document.plain(&self.path, Plain::Date(millis));
        }
    }

    fn number(&mut self, value: Plain) {
        let seen = if matches!(value, Plain::Double(_)) { Seen::DOUBLE } else { Seen::LONG };
        if self.note(seen) {
            self.document.plain(&self.path, value);
        }
    }

    fn boolean(&mut self, value: bool) {
        if self.note(Seen::BOOLEAN) {
            self.document.plain(&self.path, Plain::Bool(value));
        }
    }

    fn keyword(&mut self, text: &str, seen: Seen) {
        if text.len() > KEYWORD_CHARACTERS_MAX && text.chars().nth(KEYWORD_CHARACTERS_MAX).is_some() {
            return;
        }
        if self.note(seen) {
            let place = self.place(text);
            self.document.keyword(&self.path, place);
        }
    }

    fn text(&mut self, text: &str) {
        if self.note(Seen::TEXT) {
            let place = self.place(text);
            self.document.words(&self.path, place);
        }
    }

    /// Where a text lies in the document: in the source or, when something was escaped in it, behind it.
    fn place(&mut self, text: &str) -> Place {
        let start = (text.as_ptr() as usize).wrapping_sub(self.source.as_ptr() as usize);
        match start.checked_add(text.len()) {
            Some(end) if end <= self.source.len() => Place::new(start, end),
            _ => self.document.push(text),
        }
    }

    fn named(&mut self, seen: Seen) {
        if self.note(seen) {
            self.document.name(&self.path);
        }
    }

    /// A value in an object of keywords: under the object's name, and under its own as long as there is room for fields.
    fn flat(&mut self, node: &Node<'_>, root: usize) {
        let text = written(node);
        self.entry = None;
        self.keyword(&text, Seen::KEYWORD);
        let own = self.path.split_off(root);
        self.entry = None;
        self.keyword(&text, Seen::KEYWORD);
        self.path.push_str(&own);
    }
}

/// A value of the document, read where the walk is: no tree is made of it.
struct ValueOf<'w, 'a> {
    walk: &'w mut Walk<'a>,
    /// Objects and arrays around it; `None`: it is the document.
    depth: Option<usize>,
    /// The length of the path of the object above all of whose values are keywords.
    flat: Option<usize>,
}

impl ValueOf<'_, '_> {
    fn scalar<E: Error>(self, node: Node<'_>) -> Result<(), E> {
        if self.depth.is_none() {
            return self.refused(Refused::NoObject);
        }
        match (&node, self.flat) {
            (Node::Null, _) => {}
            (_, Some(root)) => self.walk.flat(&node, root),
            (_, None) => self.walk.leaf(&node),
        }
        Ok(())
    }

    fn refused<E: Error>(self, why: Refused) -> Result<(), E> {
        let error = E::custom(&why);
        self.walk.refused = Some(why);
        Err(error)
    }
}

impl<'de> DeserializeSeed<'de> for ValueOf<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueOf<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.scalar(Node::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.scalar(Node::Bool(value))
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.scalar(Node::Long(value))
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.scalar(i64::try_from(value).map_or(Node::Unsigned(value), Node::Long))
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.scalar(Node::Double(value))
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.scalar(Node::Text(Cow::Borrowed(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some(depth) = self.depth else { return self.refused(Refused::NoObject) };
        if depth >= DEPTH_MAX {
            return self.refused(Refused::Depth);
        }
        let Self { walk, flat, .. } = self;
        while elements.next_element_seed(ValueOf { walk: &mut *walk, depth: Some(depth + 1), flat })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut flat = self.flat;
        let depth = match self.depth {
            None => 0,
            Some(depth) => {
                match self.walk.declared(|| &["object"]) {
                    Some(kind @ (Kind::Place | Kind::Stored)) => {
                        if kind == Kind::Place {
                            self.walk.named(Seen::PLACE);
                        }
                        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        return Ok(());
                    }
                    Some(Kind::Flat) => flat = Some(flat.unwrap_or(self.walk.path.len())),
                    _ => {}
                }
                depth + 1
            }
        };
        if depth >= DEPTH_MAX {
            return self.refused(Refused::Depth);
        }
        let walk = self.walk;
        let above = walk.path.len();
        loop {
            if above > 0 {
                walk.path.push('.');
            }
            if entries.next_key_seed(Key(&mut walk.path))?.is_none() {
                walk.path.truncate(above);
                return Ok(());
            }
            entries.next_value_seed(ValueOf { walk: &mut *walk, depth: Some(depth), flat })?;
            walk.path.truncate(above);
        }
    }
}

/// Adds the name of a field to a path.
struct Key<'w>(&'w mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        self.0.push_str(key);
        Ok(())
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
fn written<'a>(node: &'a Node<'_>) -> Cow<'a, str> {
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
fn number(node: &Node<'_>, kind: Kind) -> Option<Plain> {
    Some(match (kind, node) {
        (Kind::Long, Node::Long(value)) => Plain::Long(*value),
        (Kind::Long, Node::Double(value)) if value.abs() < i64::MAX as f64 => Plain::Long(*value as i64),
        (Kind::Long, Node::Text(text)) => Plain::Long(text.parse().ok()?),
        (Kind::Double, Node::Long(value)) => Plain::Double(*value as f64),
        (Kind::Double, Node::Unsigned(value)) => Plain::Double(*value as f64),
        (Kind::Double, Node::Double(value)) => Plain::Double(*value),
        (Kind::Double, Node::Text(text)) => Plain::Double(text.parse::<f64>().ok().filter(|value| value.is_finite())?),
        _ => return None,
    })
}

/// What cannot be an address is not tried as one.
fn may_be_address(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':'))
        && text.bytes().any(|byte| matches!(byte, b'.' | b':'))
}
