//! Rows of conditions on one field: what they cost, counted in operations and not in time, and that nothing is skipped.

use pipelines::document::{Document, Value};
use pipelines::pipeline::{Context, Outcome, Pipeline};

fn context() -> Context {
    Context::at(0, "2026-01-01T00:00:00Z".parse().unwrap())
}

/// A pipeline of so many processors, each of which asks the same field for another value.
fn row(conditions: usize, condition: impl Fn(usize) -> String) -> Pipeline {
    let processors: Vec<_> = (0..conditions)
        .map(|number| serde_json::json!({"append": {"field": "hits", "value": number, "if": condition(number)}}))
        .collect();
    let text = serde_json::json!({"processors": processors}).to_string();
    Pipeline::parse("row.json", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn work(pipeline: &Pipeline, code: &str) -> (u64, Value) {
    let mut document = Document::from_json(&format!("{{\"cisco\":{{\"code\":{code}}}}}")).unwrap();
    let (outcome, work) = pipeline.run_counting(&mut document, &context());
    assert_eq!(outcome, Outcome::Done);
    (work, document.get("hits").cloned().unwrap_or(Value::Null))
}

#[test]
fn a_row_of_255_conditions_costs_at_most_four_times_one_of_five() {
    let forms: [fn(usize) -> String; 4] = [
        |number| format!("ctx.cisco.code == 'c{number}'"),
        |number| format!("ctx.cisco?.code != null && ctx.cisco?.code == 'c{number}'"),
        |number| format!("['c{number}', 'other'].contains(ctx.cisco.code)"),
        |number| format!("ctx.cisco.code == 'c{number}' || ctx.cisco.code == 'd{number}'"),
    ];
    for form in forms {
        let (short, long) = (row(5, form), row(255, form));
        for code in ["\"c3\"", "\"c254\"", "\"nothing\"", "null", "7"] {
            // What the last of the long row asks for has its like in the short one.
            let (few, _) = work(&short, if code == "\"c254\"" { "\"c4\"" } else { code });
            let (many, hits) = work(&long, code);
            assert!(many <= 4 * few, "{} with {code}: {many} operations; 5 conditions take {few}", form(0));
            let expect = match code {
                "\"c3\"" => Value::List(vec![Value::Integer(3)]),
                "\"c254\"" => Value::List(vec![Value::Integer(254)]),
                _ => Value::Null,
            };
            assert_eq!(hits, expect, "{} with {code}", form(0));
        }
    }
}

#[test]
fn a_row_sees_that_its_field_changes_on_the_way() {
    let text = r#"{"processors": [
        {"set": {"field": "a", "value": "y", "if": "ctx.a == 'x'"}},
        {"set": {"field": "never", "value": 1, "if": "ctx.a == 'x'"}},
        {"set": {"field": "a", "value": "z", "if": "ctx.a == 'y'"}},
        {"set": {"field": "b", "value": 1, "if": "ctx.a == 'z' && ctx.c == null"}},
        {"set": {"field": "d", "value": 1, "if": "ctx.a == 'z' && ctx.c != null"}}]}"#;
    let pipeline = Pipeline::parse("p.json", text).unwrap();
    let mut document = Document::from_json(r#"{"a":"x"}"#).unwrap();
    assert_eq!(pipeline.run(&mut document, &context()), Outcome::Done);
    let mut json = Vec::new();
    document.write_json(&mut json);
    assert_eq!(String::from_utf8(json).unwrap(), r#"{"a":"z","b":1}"#);
}

#[test]
fn a_field_that_cannot_be_read_fails_the_first_of_a_row() {
    let text = r#"{"processors": [
        {"set": {"field": "x", "value": 1, "if": "ctx.a.b == '1'", "tag": "first"}},
        {"set": {"field": "x", "value": 2, "if": "ctx.a.b == '2'"}},
        {"set": {"field": "x", "value": 3, "if": "ctx.a.b == '3'"}}]}"#;
    let pipeline = Pipeline::parse("p.json", text).unwrap();
    let Outcome::Failed(failure) = pipeline.run(&mut Document::new(), &context()) else { panic!("it did not fail") };
    assert_eq!((failure.processor_type, failure.processor_tag.as_deref()), ("conditional", Some("first")));
}
