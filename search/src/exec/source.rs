//! Which parts of a document an answer has.

use crate::query::Refusal;
use crate::query::ast::Pattern;
use serde_json::{Map, Value};

/// `_source` of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceFilter {
    All,
    Nothing,
    /// Paths that are shown (none: all), and those that are not.
    Some {
        includes: Vec<Pattern>,
        excludes: Vec<Pattern>,
    },
}

impl SourceFilter {
    pub fn parse(value: Option<&Value>) -> Result<Self, Refusal> {
        let list = |value: Option<&Value>| -> Result<Vec<Pattern>, Refusal> {
            match value {
                None | Some(Value::Null) => Ok(Vec::new()),
                Some(Value::String(one)) => Ok(vec![Pattern::parse(one)?]),
                Some(Value::Array(many)) => many
                    .iter()
                    .map(|one| match one.as_str() {
                        Some(one) => Pattern::parse(one),
                        None => Err(Refusal::parsing("[_source] has to be names of fields")),
                    })
                    .collect(),
                Some(_) => Err(Refusal::parsing("[_source] has to be names of fields")),
            }
        };
        Ok(match value {
            None | Some(Value::Null | Value::Bool(true)) => Self::All,
            Some(Value::Bool(false)) => Self::Nothing,
            Some(Value::Object(object)) => {
                if let Some(name) =
                    object.keys().find(|name| !matches!(name.as_str(), "includes" | "include" | "excludes" | "exclude"))
                {
                    return Err(Refusal::parsing(format!("Unknown key for a value in [{name}] of [_source]")));
                }
                let includes = list(object.get("includes").or(object.get("include")))?;
                Self::Some { includes, excludes: list(object.get("excludes").or(object.get("exclude")))? }
            }
            some => Self::Some { includes: list(some)?, excludes: Vec::new() },
        })
    }

    /// What is shown of a document; `None`: nothing of it.
    pub fn apply(&self, document: Value) -> Option<Value> {
        match self {
            Self::All => Some(document),
            Self::Nothing => None,
            Self::Some { includes, excludes } => {
                let Value::Object(object) = document else { return Some(document) };
                Some(Value::Object(filter(object, "", includes, excludes)))
            }
        }
    }
}

fn filter(object: Map<String, Value>, above: &str, includes: &[Pattern], excludes: &[Pattern]) -> Map<String, Value> {
    let mut shown = Map::new();
    for (key, value) in object {
        let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        if excludes.iter().any(|pattern| pattern.matches(&path)) {
            continue;
        }
        // A name that is meant brings everything below it.
        let is_meant = includes.is_empty() || includes.iter().any(|pattern| pattern.matches(&path));
        let within: &[Pattern] = if is_meant { &[] } else { includes };
        match value {
            Value::Object(inner) => {
                let inner = filter(inner, &path, within, excludes);
                if is_meant || !inner.is_empty() {
                    shown.insert(key, Value::Object(inner));
                }
            }
            Value::Array(elements) => {
                let objects = elements.into_iter().filter_map(|element| match element {
                    Value::Object(inner) => {
                        let inner = filter(inner, &path, within, excludes);
                        (is_meant || !inner.is_empty()).then_some(Value::Object(inner))
                    }
                    other => is_meant.then_some(other),
                });
                let elements: Vec<Value> = objects.collect();
                if is_meant || !elements.is_empty() {
                    shown.insert(key, Value::Array(elements));
                }
            }
            value if is_meant => {
                shown.insert(key, value);
            }
            _ => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shows_what_was_asked_for() {
        let check = |filter: Value, expect: Value| {
            let document = json!({ "a": { "b": 1, "c": [{ "d": 2, "e": 3 }] }, "f": 4 });
            let filter = SourceFilter::parse(Some(&filter)).expect("a filter");
            assert_eq!(filter.apply(document).unwrap_or_default(), expect, "{filter:?}");
        };
        check(json!(["a.b", "f"]), json!({ "a": { "b": 1 }, "f": 4 }));
        check(json!("a"), json!({ "a": { "b": 1, "c": [{ "d": 2, "e": 3 }] } }));
        check(json!("a.c.d"), json!({ "a": { "c": [{ "d": 2 }] } }));
        check(json!({ "excludes": ["a*"] }), json!({ "f": 4 }));
        check(json!({ "includes": ["a"], "excludes": ["a.c"] }), json!({ "a": { "b": 1 } }));
        check(json!(false), Value::Null);
        assert!(SourceFilter::parse(Some(&json!({ "what": 1 }))).is_err());
    }
}
