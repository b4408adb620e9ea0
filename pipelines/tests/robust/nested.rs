//! A thousand levels of everything that can be nested. What goes too deep is refused or fails; nothing exhausts the stack.

use std::collections::HashMap;

use pipelines::document::Document;
use pipelines::pipeline::{LoadError, Pipeline, Resolve, Settings};
use serde_json::{Value, json};

use super::{context, of_one, run, watched};

const LEVELS: usize = 1000;
/// More than any limit on the way.
const FAR_TOO_MANY: usize = 100_000;

fn nested(open: &str, inside: &str, close: &str, levels: usize) -> String {
    format!("{}{inside}{}", open.repeat(levels), close.repeat(levels))
}

#[test]
fn json_in_lines() {
    for processor in [
        json!({"json": {"field": "message", "target_field": "j"}}),
        json!({"json": {"field": "message", "add_to_root": true, "add_to_root_conflict_strategy": "merge"}}),
    ] {
        let pipeline = of_one(&processor).unwrap();
        for levels in [LEVELS, FAR_TOO_MANY] {
            run(&pipeline, &nested("[", "", "]", levels), "lists");
            run(&pipeline, &nested("{\"a\":", "1", "}", levels), "objects");
            run(&pipeline, &nested("[{\"a\":", "1", "}]", levels), "both");
            run(&pipeline, &"[".repeat(levels), "open lists");
        }
    }
}

#[test]
fn documents() {
    for text in [
        nested("{\"a\":", "1", "}", LEVELS),
        nested("{\"a\":[", "1", "]}", LEVELS),
        nested("{\"a\":", "1", "}", FAR_TOO_MANY),
    ] {
        let _ = watched("read", || Document::from_json(&text).map(drop));
    }
    // Paths make maps on their way.
    for levels in [LEVELS, FAR_TOO_MANY] {
        let path = format!("a{}", ".a".repeat(levels));
        for processor in [
            json!({"set": {"field": path, "value": 1}}),
            json!({"rename": {"field": "message", "target_field": path}}),
            json!({"kv": {"field": "message", "field_split": " ", "value_split": "=", "target_field": path}}),
        ] {
            if let Some(pipeline) = of_one(&processor) {
                run(&pipeline, "k=v", "a deep path");
            }
        }
        let pipeline = of_one(&json!({"kv": {"field": "message", "field_split": " ", "value_split": "="}})).unwrap();
        run(&pipeline, &format!("{path}=1"), "a deep key");
        let json_key = json!({path.as_str(): 1}).to_string();
        let text = json!({"processors": [
            {"json": {"field": "message", "add_to_root": true}}, {"dot_expander": {"field": "*"}},
            {"set": {"field": "b", "copy_from": "a"}}, {"set": {"field": "c", "value": "{{{a}}}"}}
        ]});
        let pipeline = Pipeline::parse("p.json", &text.to_string()).unwrap();
        run(&pipeline, &json_key, "a deep name");
    }
}

#[test]
fn conditions() {
    for levels in [LEVELS, FAR_TOO_MANY] {
        for condition in [
            nested("(", "true", ")", levels),
            format!("{}true", "!".repeat(levels)),
            format!("1 == {}1", "-".repeat(levels)),
            format!("ctx{}", "?.a".repeat(levels)) + " == null",
            format!("ctx{} == null", "['a']".repeat(levels)),
            nested("[", "1", "]", levels) + ".isEmpty()",
            format!("{}false", "true ? true : ".repeat(levels)),
            format!("{}null", "ctx.a ?: ".repeat(levels)) + " == null",
            format!("{}true", "ctx.a == null && ".repeat(levels)),
            format!("{}true", "ctx.a == 1 || ".repeat(levels)),
            format!("ctx.message{} == 'a'", ".toLowerCase()".repeat(levels)),
            format!("1{} == 2", " + 1".repeat(levels)),
            format!("ctx.message =~ /{}/", nested("(", "a", ")", levels)),
            "(".repeat(levels),
        ] {
            if let Some(pipeline) = of_one(&json!({"set": {"field": "a", "value": 1, "if": condition}})) {
                run(&pipeline, "a", "a deep condition");
            }
        }
    }
}

#[test]
fn processors_in_processors() {
    let each = "{\"foreach\":{\"field\":\"_ingest._value\",\"ignore_missing\":true,\"processor\":";
    let handler = "{\"fail\":{\"message\":\"no\",\"on_failure\":[";
    // Twenty is less than what is allowed.
    for levels in [20, LEVELS, FAR_TOO_MANY] {
        for processor in [
            nested(each, "{\"set\":{\"field\":\"_ingest._value\",\"value\":\"x\"}}", "}}", levels),
            nested(handler, "{\"set\":{\"field\":\"a\",\"value\":\"x\"}}", "]}}", levels),
        ] {
            let text = format!("{{\"processors\":[{{\"set\":{{\"field\":\"list\",\"value\":[1]}}}},{processor}]}}");
            let pipeline = watched("load", || Pipeline::parse("p.json", &text));
            assert_eq!(pipeline.is_ok(), levels == 20, "{levels} levels: {:?}", pipeline.err());
            if let Ok(pipeline) = pipeline {
                run(&pipeline, "a", "processors in processors");
            }
        }
    }
}

#[test]
fn patterns_and_templates() {
    let mut definitions = serde_json::Map::new();
    for level in 0..LEVELS {
        definitions.insert(format!("P{level}"), json!(format!("(%{{P{}}})", level + 1)));
    }
    definitions.insert(format!("P{LEVELS}"), json!("a"));
    let circle = json!({"A": "%{B}", "B": "x%{A}"});
    // Each is the one before it twice: written out, two to the power of sixty.
    let doubling: serde_json::Map<String, Value> = (0..60)
        .map(|level| (format!("D{level}"), json!(format!("%{{D{0}}}%{{D{0}}}", level + 1))))
        .chain([("D60".to_owned(), json!("a"))])
        .collect();
    for (pattern, definitions) in [
        ("%{P0:a}".to_owned(), Value::Object(definitions)),
        ("%{A}".to_owned(), circle),
        ("%{D0}".to_owned(), Value::Object(doubling)),
        (nested("(", "a", ")", LEVELS), json!({})),
        (nested("(", "a", ")*", LEVELS), json!({})),
        (nested("(?:", "a", "){2}", LEVELS), json!({})),
        (nested("(", "a", ")", FAR_TOO_MANY), json!({})),
        (nested("[", "a", "]", LEVELS), json!({})),
        ("a{1000}{1000}{1000}".to_owned(), json!({})),
        ("(((a{1,100}){1,100}){1,100}){1,100}".to_owned(), json!({})),
    ] {
        let processor =
            json!({"grok": {"field": "message", "patterns": [pattern], "pattern_definitions": definitions}});
        if let Some(pipeline) = of_one(&processor) {
            run(&pipeline, "aaaa", "deep patterns");
        }
    }
    for pattern in [nested("(", "a", ")", FAR_TOO_MANY), "(((a{1,100}){1,100}){1,100}){1,100}".to_owned()] {
        if let Some(pipeline) = of_one(&json!({"gsub": {"field": "message", "pattern": pattern, "replacement": ""}})) {
            run(&pipeline, "aaaa", "deep patterns");
        }
    }
    for levels in [LEVELS, FAR_TOO_MANY] {
        let template = nested("{{#message}}", "x", "{{/message}}", levels);
        if let Some(pipeline) = of_one(&json!({"set": {"field": "a", "value": template}})) {
            run(&pipeline, "a", "deep sections");
        }
    }
}

#[test]
fn files() {
    for text in [
        nested("[", "", "]", FAR_TOO_MANY),
        nested("{\"a\": ", "1", "}", FAR_TOO_MANY),
        nested("{processors: [", "", "]}", FAR_TOO_MANY),
        format!("processors:\n{}", (0..LEVELS).map(|level| format!("{}- a:\n", " ".repeat(level))).collect::<String>()),
        format!("processors: [set: {{field: a, value: {}}}]", nested("[", "1", "]", LEVELS)),
        // Aliases that double at each level.
        format!(
            "a0: &a0 [x, x]\n{}processors: []\n",
            (1..60).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect::<String>()
        ),
    ] {
        let pipeline = watched("load", || Pipeline::parse("p.yml", &text).ok());
        if let Some(pipeline) = pipeline {
            run(&pipeline, "a", "a deep file");
        }
    }
}

struct Many(HashMap<String, String>);

impl Resolve for Many {
    fn resolve(&self, id: &str) -> Result<Option<(String, String)>, LoadError> {
        Ok(self.0.get(id).map(|text| (id.to_owned(), text.clone())))
    }

    fn all(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

#[test]
fn pipelines_that_call_pipelines() {
    let call = |name: String| json!({"processors": [{"pipeline": {"name": name}}]}).to_string();
    let chain = |levels: usize| -> HashMap<String, String> {
        let mut all: HashMap<_, _> =
            (0..levels).map(|level| (format!("p{level}"), call(format!("p{}", level + 1)))).collect();
        all.insert(format!("p{levels}"), json!({"processors": [{"set": {"field": "end", "value": 1}}]}).to_string());
        all
    };
    let circle = HashMap::from([("p0".to_owned(), call("p1".into())), ("p1".to_owned(), call("p0".into()))]);
    let itself = HashMap::from([("p0".to_owned(), call("p0".into()))]);
    let by_template = HashMap::from([("p0".to_owned(), call("{{{message}}}".into()))]);
    for (what, all) in [
        ("ten", chain(10)),
        ("nearly a thousand", chain(LEVELS - 2)),
        ("thousands", chain(5 * LEVELS)),
        ("a circle", circle),
        ("itself", itself),
        ("by a template", by_template),
    ] {
        let text = all["p0"].clone();
        let pipeline = watched(what, || Pipeline::parse_with("p0", &text, &Settings::default(), &Many(all)));
        if let Ok(pipeline) = pipeline {
            let mut document = Document::new();
            document.set("message", "p0").unwrap();
            watched(what, || pipeline.run(&mut document, &context()));
            if what == "ten" {
                assert!(document.get("end").is_some(), "the last of ten has run");
            }
        } else {
            assert!(what != "ten", "ten that call each other are refused");
        }
    }
}
