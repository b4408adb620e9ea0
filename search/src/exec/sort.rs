//! The order of hits that a request asks for.

use crate::query::Refusal;
use crate::query::ast::Scalar;
use serde_json::{Value, json};
use std::cmp::Ordering;
use tantivy::{DocAddress, Score};

/// Sort keys of a request: each is read for every document.
pub const KEYS_MAX: usize = 16;

/// By what hits are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    Score,
    /// The order in which documents were written.
    Written,
    Field(String),
}

/// One key of the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SortKey {
    pub by: By,
    pub descending: bool,
    pub missing_first: bool,
    /// The number that a document without a value is sorted by.
    pub missing: Option<i64>,
}

/// A value that a hit is compared by, as it stands in the answer's `sort`.
#[derive(Debug, Clone, PartialEq)]
pub enum SortValue {
    Missing,
    Long(i64),
    Double(f64),
    Text(String),
}

impl SortKey {
    /// `sort` of a request.
    pub fn parse_all(value: &Value) -> Result<Vec<Self>, Refusal> {
        let keys = match value {
            Value::Array(keys) => keys.iter().map(Self::parse).collect::<Result<Vec<_>, _>>()?,
            one => vec![Self::parse(one)?],
        };
        match keys.len() > KEYS_MAX {
            true => Err(Refusal::argument(format!("[sort] has more than {KEYS_MAX} keys"))),
            false => Ok(keys),
        }
    }

    fn parse(value: &Value) -> Result<Self, Refusal> {
        match value {
            Value::String(text) => match text.split_once(':') {
                Some((field, order)) => Self::new(field, Some(order)),
                None => Self::new(text, None),
            },
            Value::Object(object) if object.len() == 1 => {
                let (field, options) = object.iter().next().expect("there is one");
                match options {
                    Value::String(order) => Self::new(field, Some(order)),
                    Value::Object(options) => {
                        let mut key = Self::new(field, options.get("order").and_then(Value::as_str))?;
                        for (name, value) in options {
                            match (name.as_str(), value.as_str()) {
                                ("missing", None) if value.is_i64() => key.missing = value.as_i64(),
                                ("missing", Some("_first")) => key.missing_first = true,
                                ("missing", Some("_last")) | ("order" | "unmapped_type", Some(_)) => {}
                                _ => {
                                    let reason = format!("[sort] option [{name}: {value}] is not supported");
                                    return Err(Refusal::argument(reason));
                                }
                            }
                        }
                        Ok(key)
                    }
                    _ => Err(Refusal::parsing(format!("[sort] of [{field}] is malformed"))),
                }
            }
            _ => Err(Refusal::parsing("[sort] has to be names of fields or objects with one field")),
        }
    }

    fn new(field: &str, order: Option<&str>) -> Result<Self, Refusal> {
        let by = match field {
            "_score" => By::Score,
            "_doc" | "_shard_doc" | "_seq_no" => By::Written,
            field => By::Field(field.to_owned()),
        };
        let descending = match order {
            None => by == By::Score,
            Some("asc") => false,
            Some("desc") => true,
            Some(other) => return Err(Refusal::argument(format!("Unknown SortOrder [{other}]"))),
        };
        Ok(Self { by, descending, missing_first: false, missing: None })
    }
}

impl SortValue {
    /// A value of `search_after`.
    pub fn of(value: &Value) -> Result<Self, Refusal> {
        Ok(match value {
            Value::Null => Self::Missing,
            value => match Scalar::of(value) {
                Some(Scalar::Long(value)) => Self::Long(value),
                Some(Scalar::Unsigned(value)) => Self::Double(value as f64),
                Some(Scalar::Double(value)) => Self::Double(value),
                Some(Scalar::Text(text)) => Self::Text(text),
                _ => return Err(Refusal::argument(format!("[search_after] value {value} is not supported"))),
            },
        })
    }

    pub fn to_json(&self) -> Value {
        match self {
            Self::Missing => Value::Null,
            Self::Long(value) => json!(value),
            Self::Double(value) => json!(value),
            Self::Text(text) => json!(text),
        }
    }

    /// Ascending; a missing one is handled by [`SortKey::compare`].
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            (Self::Long(a), Self::Long(b)) => a.cmp(b),
            (a, b) => a.number().total_cmp(&b.number()),
        }
    }

    pub fn number(&self) -> f64 {
        match self {
            Self::Long(value) => *value as f64,
            Self::Double(value) => *value,
            Self::Missing | Self::Text(_) => f64::NAN,
        }
    }
}

impl SortKey {
    fn compare(&self, a: &SortValue, b: &SortValue) -> Ordering {
        let missing_first = if self.missing_first { Ordering::Less } else { Ordering::Greater };
        match (a, b) {
            (SortValue::Missing, SortValue::Missing) => Ordering::Equal,
            (SortValue::Missing, _) => missing_first,
            (_, SortValue::Missing) => missing_first.reverse(),
            (a, b) if self.descending => b.compare(a),
            (a, b) => a.compare(b),
        }
    }
}

/// A hit before its document is read.
#[derive(Debug, Clone)]
pub struct Found {
    pub address: DocAddress,
    pub score: Score,
    pub values: Vec<SortValue>,
    pub sequence: u64,
}

/// The order of two hits: by the keys, then as they were written.
pub fn compare(keys: &[SortKey], a: &Found, b: &Found) -> Ordering {
    let by_keys = keys.iter().zip(a.values.iter().zip(&b.values)).map(|(key, (a, b))| key.compare(a, b));
    by_keys.fold(Ordering::Equal, Ordering::then).then(a.sequence.cmp(&b.sequence))
}
