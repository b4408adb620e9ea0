//! Patterns on which engines that take back choices never end.

use serde_json::{Value, json};

use super::{of_one, run};

/// Written as regexes of Java and Ruby; nested repeats, choices that overlap, references and looks around.
const PATTERNS: &[&str] = &[
    "(a+)+b",
    "(a*)*b",
    "(a|a)*b",
    "(a|aa)+b",
    "(.*)*b",
    "(.*a){12}b",
    "([a-z]+)*b",
    "(a?){30}a{30}b",
    "^(a+)+$b",
    "(?:a+){2,}?b",
    "(a+)+(?=b)",
    "(?=(a+)+b)a",
    "(?<!(a|aa))b",
    "(a+)\\1+b",
    "((a+)\\2)*b",
    "(.+)+(.+)+(.+)+b",
    "(\\w+\\s?)+b",
    "(a|b|ab)*c",
];

fn lines() -> Vec<String> {
    let mut lines = vec!["a".repeat(40), "a".repeat(3000), "ab".repeat(1500), "aaaa ".repeat(800), "é".repeat(2000)];
    lines.push(format!("{}!", "a".repeat(20_000)));
    lines
}

fn check(processor: &Value) {
    // A pattern may be refused; one that is taken must end.
    let Some(pipeline) = of_one(processor) else { return };
    for line in lines() {
        run(&pipeline, &line, &processor.to_string());
    }
}

#[test]
fn grok_ends() {
    for pattern in PATTERNS {
        check(&json!({"grok": {"field": "message", "patterns": [pattern]}}));
    }
    for pattern in [
        "%{PATH:a} %{DATA:b} %{PATH:c}%{GREEDYDATA:d}",
        "%{GREEDYDATA:a}%{GREEDYDATA:b}%{GREEDYDATA:c}%{GREEDYDATA:d}!!",
        "(%{WORD:a} ?)+!!",
        "(%{DATA:a}%{DATA:b})*!!",
        "%{URI}%{URI}%{EMAILADDRESS}",
    ] {
        check(&json!({"grok": {"field": "message", "patterns": [pattern]}}));
    }
}

#[test]
fn gsub_and_split_end() {
    for pattern in PATTERNS {
        check(&json!({"gsub": {"field": "message", "pattern": pattern, "replacement": "-"}}));
        check(&json!({"split": {"field": "message", "separator": pattern}}));
    }
}

#[test]
fn kv_ends() {
    for pattern in PATTERNS {
        check(&json!({"kv": {"field": "message", "field_split": pattern, "value_split": "="}}));
        check(&json!({"kv": {"field": "message", "field_split": "\\s", "value_split": pattern}}));
    }
}

#[test]
fn redact_ends() {
    for pattern in PATTERNS {
        let definitions = json!({"EXPLODES": pattern});
        check(
            &json!({"redact": {"field": "message", "patterns": ["%{EXPLODES:x}"], "pattern_definitions": definitions}}),
        );
    }
}

#[test]
fn conditions_end() {
    for pattern in PATTERNS {
        for operator in ["=~", "==~"] {
            let condition = format!("ctx.message {operator} /{pattern}/");
            check(&json!({"set": {"field": "a", "value": 1, "if": condition}}));
        }
    }
}
