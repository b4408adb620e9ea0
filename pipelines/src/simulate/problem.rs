//! Why a request cannot be answered, in Elasticsearch's form.

use super::Answer;
use crate::document::{Map, Value};
use crate::pipeline::LoadError;

/// An exception as it stands under `error`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    status: u16,
    kind: &'static str,
    reason: String,
    /// Further keys, such as `property_name`.
    more: Vec<(&'static str, Value)>,
}

impl Problem {
    pub fn new(kind: &'static str, reason: impl Into<String>) -> Problem {
        Problem { status: 400, kind, reason: reason.into(), more: Vec::new() }
    }

    pub fn illegal(reason: impl Into<String>) -> Problem {
        Problem::new("illegal_argument_exception", reason)
    }

    /// A part of the request that is missing or not what it should be.
    pub fn property(name: &'static str, reason: impl std::fmt::Display) -> Problem {
        Problem::new("parse_exception", format!("[{name}] {reason}")).with("property_name", name)
    }

    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Problem {
        self.more.push((key, value.into()));
        self
    }

    pub fn with_status(self, status: u16) -> Problem {
        Problem { status, ..self }
    }

    pub fn answer(self) -> Answer {
        let mut body = Map::new();
        body.insert("error", self.error());
        body.insert("status", Value::Integer(i64::from(self.status)));
        Answer::json(self.status, body)
    }

    /// What stands under `error`.
    pub fn error(&self) -> Map {
        let mut one = Map::new();
        one.insert("type", self.kind);
        one.insert("reason", self.reason.as_str());
        for (key, value) in self.more.iter().filter(|(key, _)| *key != "caused_by") {
            one.insert(*key, value.clone());
        }
        let mut error = Map::new();
        error.insert("root_cause", vec![Value::Map(one.clone())]);
        for (key, value) in one {
            error.insert(key, value);
        }
        if let Some((key, cause)) = self.more.iter().find(|(key, _)| *key == "caused_by") {
            error.insert(*key, cause.clone());
        }
        error
    }
}

impl From<LoadError> for Problem {
    fn from(error: LoadError) -> Problem {
        let mut reason = error.reason;
        if let Some(hint) = error.hint {
            reason.push_str("; ");
            reason.push_str(&hint);
        }
        Problem::new("parse_exception", reason)
    }
}
