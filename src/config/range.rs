//! Whether the numbers of a config are in the ranges of its schema.

use super::file::ConfigFile;
use super::place::Places;
use super::problem::Problem;
use super::schema::Schema;
use serde_json::Value;

/// One problem for each number that is out of its range.
pub fn problems(config: &ConfigFile, file: &str, text: &str) -> Vec<Problem> {
    let schema = Schema::new();
    let written = serde_json::to_value(config).expect("a config that was read can be written");
    let mut found = Vec::new();
    look(&schema, schema.root(), &written, "", &mut found);
    if found.is_empty() {
        return Vec::new();
    }
    let places = Places::of(text);
    let problem = |(path, cause, hint): (String, String, String)| {
        let mut problem = Problem::new(file, text, places.find(&path), cause, hint);
        problem.key = Some(path);
        problem
    };
    found.into_iter().map(problem).collect()
}

fn look(schema: &Schema, node: &Value, value: &Value, path: &str, found: &mut Vec<(String, String, String)>) {
    let node = schema.resolve(node);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner = node.get("properties").and_then(|known| known.get(key));
                if let Some(inner) = inner {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    look(schema, inner, value, &path, found);
                }
            }
        }
        Value::Array(items) => {
            let Some(inner) = node.get("items") else { return };
            for (index, value) in items.iter().enumerate() {
                look(schema, inner, value, &format!("{path}.{index}"), found);
            }
        }
        Value::Number(number) => {
            let Some(got) = number.as_f64() else { return };
            let bound = |name: &str| node.get(name).and_then(Value::as_f64);
            let is_in =
                bound("minimum").is_none_or(|least| got >= least) && bound("maximum").is_none_or(|most| got <= most);
            if !is_in {
                let key = path.rsplit('.').next().unwrap_or_default();
                let default = schema.default_of(path);
                let hint = match default {
                    Some(default) => format!("leave {key} out for {default}, which is the default"),
                    None => format!("leave {key} out to have no such limit"),
                };
                let range = Schema::range(node).unwrap_or_default();
                found.push((path.to_owned(), format!("{path} is {number}; want {range}"), hint));
            }
        }
        _ => {}
    }
}
