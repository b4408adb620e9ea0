//! When two answers are the same.

use serde_json::Value;

/// Percentiles are estimates on both sides; the first ones, of few values near 0, differ most.
const PERCENTILE_TOLERANCE: f64 = 0.06;
/// Floats are added up in another order.
const NUMBER_TOLERANCE: f64 = 1e-9;

/// The first place where two answers are unequal.
pub fn unequal(expect: &Value, found: &Value) -> Option<String> {
    unequal_at(expect, found, "answer", NUMBER_TOLERANCE)
}

fn unequal_at(expect: &Value, found: &Value, place: &str, tolerance: f64) -> Option<String> {
    match (expect, found) {
        (Value::Object(expect), Value::Object(found)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                let mut names: Vec<String> = object.keys().cloned().collect();
                names.sort_unstable();
                names
            };
            if names(expect) != names(found) {
                return Some(format!("{place}: members {:?}, want {:?}", names(found), names(expect)));
            }
            expect.iter().find_map(|(name, value)| {
                let tolerance = if name == "values" { PERCENTILE_TOLERANCE } else { tolerance };
                unequal_at(value, &found[name], &format!("{place}.{name}"), tolerance)
            })
        }
        (Value::Array(expect), Value::Array(found)) if expect.len() == found.len() => {
            let mut pairs = expect.iter().zip(found).enumerate();
            pairs.find_map(|(number, (expect, found))| {
                unequal_at(expect, found, &format!("{place}[{number}]"), tolerance)
            })
        }
        (Value::Number(expect), Value::Number(found)) => {
            let [expect, found] = [expect, found].map(|number| number.as_f64().unwrap_or(f64::NAN));
            let is_near = (expect - found).abs() <= tolerance * expect.abs().max(1.0);
            (!is_near).then(|| format!("{place}: {found}, want {expect}"))
        }
        (expect, found) => (expect != found).then(|| format!("{place}: {found}, want {expect}")),
    }
}
