//! The shapes that bodies of queries and aggregations have.

use crate::query::ast::{Operator, Scalar};
use crate::query::error::Refusal;
use serde_json::{Map, Value};

/// Reads the parts of one query or aggregation, and names it where a part is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// Its name, as `range`.
    pub name: &'a str,
}

impl<'a> Reader<'a> {
    /// The body's members.
    pub fn object<'v>(&self, value: &'v Value) -> Result<&'v Map<String, Value>, Refusal> {
        value.as_object().ok_or_else(|| {
            Refusal::parsing(format!("[{}] malformed, expected an object but found {}", self.name, shown(value)))
        })
    }

    /// The only member of `{"field": ..}`.
    pub fn field<'v>(&self, value: &'v Value) -> Result<(&'v str, &'v Value), Refusal> {
        let object = self.object(value)?;
        let mut entries = object.iter();
        let Some((field, body)) = entries.next() else {
            return Err(Refusal::argument(format!("[{}] query requires a field name", self.name)));
        };
        match entries.next() {
            None => Ok((field, body)),
            Some((other, _)) => Err(Refusal::parsing(format!(
                "[{}] query doesn't support multiple fields, found [{field}] and [{other}]",
                self.name
            ))),
        }
    }

    /// A member that there is not.
    pub fn unknown(&self, key: &str) -> Refusal {
        Refusal::parsing(format!("[{}] query does not support [{key}]", self.name))
    }

    fn wrong(&self, key: &str, expected: &str, value: &Value) -> Refusal {
        Refusal::parsing(format!("[{}] [{key}] must be {expected}, got {}", self.name, shown(value)))
    }

    pub fn text(&self, key: &str, value: &Value) -> Result<String, Refusal> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(value.to_string()),
            other => Err(self.wrong(key, "a text", other)),
        }
    }

    pub fn scalar(&self, key: &str, value: &Value) -> Result<Scalar, Refusal> {
        Scalar::of(value).ok_or_else(|| self.wrong(key, "a text, a number or a boolean", value))
    }

    pub fn boolean(&self, key: &str, value: &Value) -> Result<bool, Refusal> {
        match value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(self.wrong(key, "true or false", other)),
        }
    }

    /// A number, or a text that is one.
    pub fn number(&self, key: &str, value: &Value) -> Result<f64, Refusal> {
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| self.wrong(key, "a number", value))
    }

    /// A whole number from 0 to `most`.
    pub fn count(&self, key: &str, value: &Value, most: u64) -> Result<u64, Refusal> {
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        number
            .filter(|number| *number <= most)
            .ok_or_else(|| self.wrong(key, &format!("a whole number from 0 to {most}"), value))
    }

    pub fn boost(&self, value: &Value) -> Result<f32, Refusal> {
        let boost = self.number("boost", value)?;
        match boost >= 0.0 {
            true => Ok(boost as f32),
            false => {
                Err(Refusal::argument(format!("negative [boost] are not allowed in [{}], got {boost}", self.name)))
            }
        }
    }

    pub fn operator(&self, key: &str, value: &Value) -> Result<Operator, Refusal> {
        match self.text(key, value)?.to_lowercase().as_str() {
            "or" => Ok(Operator::Or),
            "and" => Ok(Operator::And),
            _ => Err(self.wrong(key, "AND or OR", value)),
        }
    }

    pub fn array<'v>(&self, key: &str, value: &'v Value) -> Result<&'v [Value], Refusal> {
        value.as_array().map(Vec::as_slice).ok_or_else(|| self.wrong(key, "an array", value))
    }

    /// A part that must have its default, since nothing else is supported.
    pub fn only(&self, key: &str, value: &Value, supported: &[&str]) -> Result<(), Refusal> {
        let text = self.text(key, value).unwrap_or_else(|_| shown(value));
        match supported.iter().any(|one| text.eq_ignore_ascii_case(one)) {
            true => Ok(()),
            false => Err(Refusal::argument(format!(
                "[{}] [{key}] of [{text}] is not supported, only [{}]",
                self.name,
                supported.join(", ")
            ))),
        }
    }
}

/// A value in a message: its beginning is enough to find it.
fn shown(value: &Value) -> String {
    const SHOWN_CHARACTERS: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(SHOWN_CHARACTERS) {
        None => text,
        Some((end, _)) => format!("{}..", &text[..end]),
    }
}
