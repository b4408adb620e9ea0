//! The text of a pipeline as a tree in which every value knows its line; JSON is read as the YAML 1.2 that it is.

use std::fmt;
use std::thread;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::load_error::Refusal;
use crate::document::{Map, Value};

/// A value and the line on which it stands, from one.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub line: u64,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    BigInteger(String),
    Double(f64),
    String(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub line: u64,
    pub name: String,
}

/// How deep lists and objects may lie in each other: `on_failure` in `on_failure` takes three levels each time.
const NESTING_MAX: usize = 160;
/// The parser's frames take up to 64 KiB per level in a debug build.
const STACK_BYTES: usize = 32 << 20;

/// Reads a file's text.
pub(crate) fn read(text: &str) -> Result<Node, Refusal> {
    // On a thread of its own, since the caller's stack may be a small one; pipelines are loaded rarely.
    thread::scope(|scope| {
        let reader = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, || parse(text));
        match reader.map(|reader| reader.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Refusal::new(0, "not YAML or JSON: the parser failed")),
            Err(error) => Err(Refusal::new(0, format!("cannot start a thread to read the pipeline: {error}"))),
        }
    })
}

fn parse(text: &str) -> Result<Node, Refusal> {
    let options = serde_saphyr::options! {
        // `yes`, `No` and `ON` are strings in YAML 1.2.
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: NESTING_MAX },
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        let reason = error.to_string();
        let reason = reason.lines().next().unwrap_or_default();
        // The refusal has the line already.
        let reason = reason.split(" at line ").next().unwrap_or(reason);
        Refusal::new(line, format!("not YAML or JSON: {reason}"))
    })
}

impl Node {
    /// The value without its lines.
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(truth) => Value::Bool(*truth),
            Kind::Integer(number) => Value::Integer(*number),
            Kind::BigInteger(digits) => Value::BigInteger(digits.as_str().into()),
            Kind::Double(number) => Value::Double(*number),
            Kind::String(text) => Value::from(text.as_str()),
            Kind::List(nodes) => Value::List(nodes.iter().map(Node::to_value).collect()),
            Kind::Map(entries) => Value::Map(
                entries.iter().map(|(key, node)| (key.name.as_str().into(), node.to_value())).collect::<Map>(),
            ),
        }
    }

    /// What a message calls this type.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a boolean",
            Kind::Integer(_) | Kind::BigInteger(_) => "an integer",
            Kind::Double(_) => "a number",
            Kind::String(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        Ok(Node { line: spanned.referenced.line(), kind: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        let spanned = Spanned::<String>::deserialize(deserializer)?;
        Ok(Key { line: spanned.referenced.line(), name: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Integer(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Kind, E> {
        Ok(i64::try_from(number).map_or_else(|_| Kind::BigInteger(number.to_string()), Kind::Integer))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<Kind, E> {
        Ok(Kind::BigInteger(number.to_string()))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Kind, E> {
        Ok(Kind::BigInteger(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::Double(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Kind, E> {
        Ok(Kind::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Kind::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Kind::Map(entries))
    }
}
