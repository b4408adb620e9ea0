//! The one rescue before a document is rejected: the field that the server refuses moves, as text, to
//! `_malformed.<field>`, where whoever looks for it finds what the line said.

use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// The object that offending fields move to.
const MALFORMED: &str = "_malformed";
/// Objects and lists that are looked through on the way to a field; servers take 20 levels by default.
const DEPTH_MAX: usize = 64;

/// A document in its second form.
#[derive(Debug)]
pub(crate) struct Rescued {
    pub json: Vec<u8>,
    /// The field that has moved.
    pub field: String,
    /// What the server said about the document as it was.
    pub reason: String,
}

/// The document with `field` moved; `None` when it has no such field. All other values keep their bytes.
pub(crate) fn move_field(json: &[u8], field: &str) -> Option<Vec<u8>> {
    let raw: &RawValue = serde_json::from_slice(json).ok()?;
    let mut taken = Vec::new();
    let mut rest = take(raw, field, &mut taken, 0)?;
    if taken.is_empty() {
        // A field of a field (`message.keyword`) stands for the value above it, unless that is an object.
        let (above, _) = field.rsplit_once('.')?;
        rest = take(raw, above, &mut taken, 0)?;
        if taken.iter().any(|value| value.get().starts_with('{')) {
            return None;
        }
        return finish(rest, above, &taken);
    }
    finish(rest, field, &taken)
}

fn finish(rest: String, field: &str, taken: &[&RawValue]) -> Option<Vec<u8>> {
    let text = match taken {
        [] => return None,
        [value] => as_text(value),
        // Of a list of objects each may have the field.
        values => serde_json::to_string(values).ok()?,
    };
    let mut members: Members<'_> = serde_json::from_str(&rest).ok()?;
    let mut malformed = match members.0.iter().position(|(key, _)| key == MALFORMED) {
        Some(place) => serde_json::from_str::<Members<'_>>(members.0.remove(place).1.get()).unwrap_or_default(),
        None => Members::default(),
    };
    let text = raw(&text)?;
    malformed.0.push((field.to_owned(), &text));
    let malformed = malformed.to_json()?;
    let malformed: &RawValue = serde_json::from_str(&malformed).ok()?;
    members.0.push((MALFORMED.to_owned(), malformed));
    members.to_json().map(String::into_bytes)
}

/// A text as it is, anything else as it was written.
fn as_text(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

fn raw(text: &str) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(text).ok()
}

/// `value` without the field, and into `taken` what the field had. Names may have dots: `{"a.b": 1}` is the same field
/// as `{"a": {"b": 1}}`.
fn take<'a>(value: &'a RawValue, field: &str, taken: &mut Vec<&'a RawValue>, depth: usize) -> Option<String> {
    let text = value.get();
    if depth > DEPTH_MAX {
        return None;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let members: Members<'a> = serde_json::from_str(text).ok()?;
            let mut kept = Vec::with_capacity(members.0.len());
            for (key, member) in members.0 {
                let below = field.strip_prefix(key.as_str()).and_then(|rest| rest.strip_prefix('.'));
                if key == field {
                    taken.push(member);
                } else if let Some(below) = below {
                    let json = take(member, below, taken, depth + 1)?;
                    kept.push((key, RawValue::from_string(json).ok()?));
                } else {
                    kept.push((key, member.to_owned()));
                }
            }
            Members(kept.iter().map(|(key, member)| (key.clone(), &**member)).collect()).to_json()
        }
        Some(b'[') => {
            let elements: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
            let elements = elements.into_iter().map(|element| take(element, field, taken, depth + 1));
            let elements = elements.collect::<Option<Vec<String>>>()?;
            Some(format!("[{}]", elements.join(",")))
        }
        _ => Some(text.to_owned()),
    }
}

/// An object's members in their order, each with its bytes.
#[derive(Default)]
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl Members<'_> {
    fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Object).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_moves_as_text() {
        let check = |json: &str, field: &str, want: Option<&str>| {
            let got = move_field(json.as_bytes(), field).map(|json| String::from_utf8(json).expect("JSON is text"));
            assert_eq!(got.as_deref(), want, "{field} of {json}");
        };
        check(r#"{"n":"many","k":1.50}"#, "n", Some(r#"{"k":1.50,"_malformed":{"n":"many"}}"#));
        check(r#"{"n":{"a":[1,2]}}"#, "n", Some(r#"{"_malformed":{"n":"{\"a\":[1,2]}"}}"#));
        check(r#"{"a":{"b":1e400,"c":2}}"#, "a.b", Some(r#"{"a":{"c":2},"_malformed":{"a.b":"1e400"}}"#));
        check(r#"{"a.b":{"c.d":true}}"#, "a.b.c.d", Some(r#"{"a.b":{},"_malformed":{"a.b.c.d":"true"}}"#));
        check(
            r#"{"l":[{"n":"x","m":1},{"n":"y"},{"m":2}]}"#,
            "l.n",
            Some(r#"{"l":[{"m":1},{},{"m":2}],"_malformed":{"l.n":"[\"x\",\"y\"]"}}"#),
        );
        check(r#"{"n":["x",1]}"#, "n", Some(r#"{"_malformed":{"n":"[\"x\",1]"}}"#));
        check(r#"{"n":1,"n":2}"#, "n", Some(r#"{"_malformed":{"n":"[1,2]"}}"#));
        check(r#"{"m":"x"}"#, "m.keyword", Some(r#"{"_malformed":{"m":"x"}}"#));
        check(r#"{"m":{"x":1}}"#, "m.keyword", None);
        check(r#"{"m":"x"}"#, "other", None);
        check(r#"{"m":"x"}"#, "m.a.b", None);
        check(r#"{"n":"a","_malformed":{"k":"b"}}"#, "n", Some(r#"{"_malformed":{"k":"b","n":"a"}}"#));
        check(r#"["n"]"#, "n", None);
        check("nothing", "n", None);
    }

    #[test]
    fn deep_documents_are_left_alone() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert_eq!(move_field(format!(r#"{{"n":"x","d":{deep}}}"#).as_bytes(), "d.e"), None);
        assert!(move_field(format!(r#"{{"n":"x","d":{deep}}}"#).as_bytes(), "n").is_some());
    }
}
