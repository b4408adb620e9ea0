//! The mark by which we know what we made, and whether somebody has changed it since.

use serde_json::{Map, Value, json};
use xxhash_rust::xxh3::xxh3_64;

/// Who made it, as Elasticsearch's own templates say it.
const MANAGED_BY: &str = "sluice";

/// The `_meta` of `content`.
pub(super) fn mark(content: &Value) -> Value {
    json!({
        "managed_by": MANAGED_BY,
        "content": fingerprint(content),
        "description": "Made by `sluice setup`. What is changed here is left alone by the next one.",
    })
}

/// A text of one line for what has no `_meta`.
pub(super) fn mark_line(content: &Value) -> String {
    format!("Made by sluice setup, content {}", fingerprint(content))
}

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// As we made it.
    Ours,
    /// Somebody else made it, or changed it after us.
    Others,
}

/// Looks at `content`, as the server gives it back, and at the mark that it has.
pub(super) fn owner(content: &Value, meta: Option<&Value>) -> Owner {
    let is_ours = meta.is_some_and(|meta| meta["managed_by"] == MANAGED_BY && meta["content"] == fingerprint(content));
    if is_ours { Owner::Ours } else { Owner::Others }
}

pub(super) fn owner_by_line(content: &Value, line: Option<&str>) -> Owner {
    if line == Some(&mark_line(content)) { Owner::Ours } else { Owner::Others }
}

/// The same for everything that a server takes for the same: whether a setting is nested or dotted, a number or its text.
pub(super) fn fingerprint(content: &Value) -> String {
    let mut lines = Vec::new();
    flatten("", content, &mut lines);
    lines.sort();
    format!("{:016x}", xxh3_64(lines.join("\n").as_bytes()))
}

fn flatten(path: &str, value: &Value, lines: &mut Vec<String>) {
    let inner = |key: &str| match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Object(keys) if !keys.is_empty() => {
            keys.iter().for_each(|(key, value)| flatten(&inner(key), value, lines));
        }
        Value::Array(values) if !values.is_empty() => {
            values.iter().enumerate().for_each(|(place, value)| flatten(&inner(&place.to_string()), value, lines));
        }
        Value::String(text) => lines.push(format!("{path}={text}")),
        scalar => lines.push(format!("{path}={scalar}")),
    }
}

/// `value` without what a server adds to it of its own accord.
pub(super) fn without(value: &Value, added: &[(&str, Value)]) -> Value {
    match value {
        Value::Object(keys) => {
            let is_added = |key: &str, value: &Value| {
                added.iter().any(|(name, default)| *name == key && (default.is_null() || default == value))
            };
            let kept = keys.iter().filter(|(key, value)| !is_added(key, value));
            Value::Object(kept.map(|(key, value)| (key.clone(), without(value, added))).collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(|value| without(value, added)).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_form_is_the_same_and_a_change_is_not() {
        let sent =
            json!({ "settings": { "index.mapping.limit": 2000, "index.mapping.ignore": true }, "list": ["a", "b"] });
        let got = json!({ "list": ["a", "b"], "settings": { "index": { "mapping": { "ignore": "true", "limit": "2000" } } } });
        assert_eq!(owner(&got, Some(&mark(&sent))), Owner::Ours);
        assert_eq!(owner_by_line(&got, Some(&mark_line(&sent))), Owner::Ours);
        for changed in [
            json!({ "settings": { "index.mapping.limit": 2001, "index.mapping.ignore": true }, "list": ["a", "b"] }),
            json!({ "settings": { "index.mapping.limit": 2000, "index.mapping.ignore": true }, "list": ["b", "a"] }),
            json!({ "settings": { "index.mapping.limit": 2000, "index.mapping.ignore": true }, "list": ["a", "b"], "x": {} }),
        ] {
            assert_eq!(owner(&changed, Some(&mark(&sent))), Owner::Others, "{changed}");
        }
        assert_eq!(owner(&sent, None), Owner::Others);
        assert_eq!(owner_by_line(&sent, Some("by hand")), Owner::Others);
    }

    #[test]
    fn what_a_server_adds_is_left_out() {
        let got = json!({ "a": { "retry": { "count": 3 }, "hidden": false }, "b": [{ "hidden": true }] });
        let want = json!({ "a": {}, "b": [{ "hidden": true }] });
        assert_eq!(without(&got, &[("retry", Value::Null), ("hidden", json!(false))]), want);
    }
}
