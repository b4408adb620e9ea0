//! `filter_path`: which parts of an answer are sent.

use crate::query::Refusal;
use crate::query::ast::Pattern;
use serde_json::{Map, Value};

/// Paths of one request.
const PATHS_MAX: usize = 50;
/// Names in a path.
const DEPTH_MAX: usize = 20;

/// Paths with `*` for a part of a name and `**` for any names; a minus before a path takes it away.
pub struct FilterPath {
    includes: Vec<Vec<Step>>,
    excludes: Vec<Vec<Step>>,
}

enum Step {
    Name(Pattern),
    /// Any number of names, none as well.
    Any,
}

impl FilterPath {
    pub fn parse(list: &str) -> Result<Self, Refusal> {
        let mut filter = Self { includes: Vec::new(), excludes: Vec::new() };
        for path in list.split(',').map(str::trim).filter(|path| !path.is_empty()) {
            let (into, path) = match path.strip_prefix('-') {
                Some(path) => (&mut filter.excludes, path),
                None => (&mut filter.includes, path),
            };
            let step = |name: &str| match name {
                "**" => Ok(Step::Any),
                name => Pattern::parse(name).map(Step::Name),
            };
            into.push(path.split('.').map(step).collect::<Result<_, _>>()?);
        }
        let all = || filter.includes.iter().chain(&filter.excludes);
        if all().count() > PATHS_MAX || all().any(|path| path.len() > DEPTH_MAX) {
            return Err(Refusal::argument(format!(
                "[filter_path] has more than {PATHS_MAX} paths, or one with more than {DEPTH_MAX} names"
            )));
        }
        Ok(filter)
    }

    /// What is left of an answer: an object, if empty.
    pub fn apply(&self, answer: Value) -> Value {
        let includes: Vec<&[Step]> = self.includes.iter().map(Vec::as_slice).collect();
        let excludes: Vec<&[Step]> = self.excludes.iter().map(Vec::as_slice).collect();
        let included = match includes.is_empty() {
            true => Some(answer),
            false => filter(answer, &includes, Ending::Keeps),
        };
        let left = included.and_then(|answer| match excludes.is_empty() {
            true => Some(answer),
            false => filter(answer, &excludes, Ending::Drops),
        });
        left.unwrap_or_else(|| Value::Object(Map::new()))
    }
}

/// What is behind a name on each path that leads through it; `Any` stays where it is, too.
fn behind<'a>(paths: &[&'a [Step]], name: &str) -> Vec<&'a [Step]> {
    let mut further = Vec::new();
    let mut open: Vec<&[Step]> = paths.to_vec();
    while let Some(path) = open.pop() {
        match path.split_first() {
            Some((Step::Any, rest)) => {
                further.push(path);
                open.push(rest);
            }
            Some((Step::Name(pattern), rest)) if pattern.matches(name) => further.push(rest),
            _ => {}
        }
    }
    further
}

fn ends(paths: &[&[Step]]) -> bool {
    paths.iter().any(|path| path.is_empty())
}

/// What the end of a path does with what it leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Keeps,
    Drops,
}

/// What is left of a value below which `paths` lead; none when that is nothing.
fn filter(value: Value, paths: &[&[Step]], ending: Ending) -> Option<Value> {
    match value {
        Value::Object(object) => {
            let left: Map<String, Value> = object
                .into_iter()
                .filter_map(|(name, value)| {
                    let further = behind(paths, &name);
                    let left = match ends(&further) {
                        true => (ending == Ending::Keeps).then_some(value),
                        false => filter(value, &further, ending),
                    };
                    left.map(|value| (name, value))
                })
                .collect();
            (!left.is_empty()).then_some(Value::Object(left))
        }
        Value::Array(elements) => {
            let left: Vec<Value> = elements.into_iter().filter_map(|element| filter(element, paths, ending)).collect();
            (!left.is_empty()).then_some(Value::Array(left))
        }
        // A path that ends in `**` means everything below what is before it.
        leaf if ending == Ending::Keeps => paths.iter().any(|path| matches!(path, [Step::Any])).then_some(leaf),
        leaf => Some(leaf),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(list: &str, expect: &Value) {
        let answer = json!({
            "took": 3, "errors": false,
            "items": [{ "create": { "_id": "a", "status": 201 } }, { "index": { "_id": "b", "status": 400, "error": { "type": "x" } } }],
        });
        let filter = FilterPath::parse(list).expect("a filter");
        assert_eq!(&filter.apply(answer), expect, "{list}");
    }

    #[test]
    fn paths_lead_through_objects_and_arrays() {
        check("took,errors", &json!({ "took": 3, "errors": false }));
        check(
            "items.*.status,items.*.error",
            &json!({ "items": [{ "create": { "status": 201 } }, { "index": { "status": 400, "error": { "type": "x" } } }] }),
        );
        check("items.*.err*", &json!({ "items": [{ "index": { "error": { "type": "x" } } }] }));
        check("**.type", &json!({ "items": [{ "index": { "error": { "type": "x" } } }] }));
        check("-items,-t*", &json!({ "errors": false }));
        check(
            "-items.*.status,-items.*.error,-took",
            &json!({ "errors": false, "items": [{ "create": { "_id": "a" } }, { "index": { "_id": "b" } }] }),
        );
        check("nothing", &json!({}));
        assert!(FilterPath::parse(&"a.".repeat(30)).is_err());
    }
}
