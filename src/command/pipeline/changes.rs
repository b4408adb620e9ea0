//! What is different between two documents, field by field.

use crate::command::paint::{Paint, safe};
use serde_json::Value;
use std::fmt::Write as _;

/// Characters of a value that are shown: what is longer is cut.
const VALUE_CHARACTERS_MAX: usize = 400;

/// One difference; `before` and `after` are those of a whole field.
#[derive(Debug, PartialEq)]
pub struct Change<'a> {
    /// Names from the top to the field, dots between them.
    pub path: String,
    pub before: Option<&'a Value>,
    pub after: Option<&'a Value>,
}

/// The differences from `before` to `after` in the order of `after`'s fields, then what is gone. Numbers are compared by
/// value, the order of fields does not count.
pub fn changes<'a>(before: &'a Value, after: &'a Value) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    compare(&mut String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare<'a>(path: &mut String, before: Option<&'a Value>, after: Option<&'a Value>, found: &mut Vec<Change<'a>>) {
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (name, value) in after {
                within(path, name, |path| compare(path, before.get(name), Some(value), found));
            }
            for (name, value) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
                within(path, name, |path| compare(path, Some(value), None, found));
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            for (place, (before, after)) in before.iter().zip(after).enumerate() {
                within(path, &place.to_string(), |path| compare(path, Some(before), Some(after), found));
            }
        }
        (Some(before), Some(after)) if is_same(before, after) => {}
        // A whole branch is shown field by field.
        (None, Some(Value::Object(after))) if !after.is_empty() => {
            for (name, value) in after {
                within(path, name, |path| compare(path, None, Some(value), found));
            }
        }
        (Some(Value::Object(before)), None) if !before.is_empty() => {
            for (name, value) in before {
                within(path, name, |path| compare(path, Some(value), None, found));
            }
        }
        (before, after) => found.push(Change { path: path.clone(), before, after }),
    }
}

fn within(path: &mut String, name: &str, compare: impl FnOnce(&mut String)) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    compare(path);
    path.truncate(length);
}

/// Whether two values are the same JSON: `1` is `1.0`, as it is to whoever reads a number.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || (one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

/// A value on one line.
pub fn shown(value: &Value) -> String {
    let text = safe(&value.to_string());
    match text.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

impl Change<'_> {
    /// The change as lines of a diff: `-` what was, `+` what is.
    pub fn write(&self, out: &mut String, indent: &str, paint: Paint) {
        let path = match self.path.is_empty() {
            true => "(document)".to_owned(),
            false => safe(&self.path),
        };
        if let Some(before) = self.before {
            let _ = writeln!(out, "{indent}{}", paint.bad(format!("- {path}: {}", shown(before))));
        }
        if let Some(after) = self.after {
            let _ = writeln!(out, "{indent}{}", paint.good(format!("+ {path}: {}", shown(after))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expect: &str) {
        let mut text = String::new();
        changes(&before, &after).iter().for_each(|change| change.write(&mut text, "", Paint::PLAIN));
        assert_eq!(text, expect, "{before} to {after}");
    }

    #[test]
    fn only_what_differs_is_shown() {
        check(json!({"a": 1, "b": {"c": [1, 2]}}), json!({"b": {"c": [1.0, 2]}, "a": 1}), "");
        check(json!({"a": 1}), json!({"a": "1"}), "- a: 1\n+ a: \"1\"\n");
        check(
            json!({"a": 9007199254740993_i64}),
            json!({"a": 9007199254740992_i64}),
            "- a: 9007199254740993\n+ a: 9007199254740992\n",
        );
        check(
            json!({"a": {"b": 1}, "l": [1, {"x": 1}]}),
            json!({"l": [1, {"x": 2}]}),
            "- l.1.x: 1\n+ l.1.x: 2\n- a.b: 1\n",
        );
        check(json!({"l": [1]}), json!({"l": [1, 2]}), "- l: [1]\n+ l: [1,2]\n");
        check(json!({}), json!({"a": {"b": {}, "c": null}}), "+ a.b: {}\n+ a.c: null\n");
        check(json!(null), json!({"a": 1}), "- (document): null\n+ (document): {\"a\":1}\n");
        check(json!({"a": null}), json!({}), "- a: null\n");
    }
}
