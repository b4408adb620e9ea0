//! Why a request is refused, in Elasticsearch's form.

use serde_json::{Map, Value, json};

/// A fault of the request: what Elasticsearch answers with status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Elasticsearch's name of the exception, as `parsing_exception`.
    pub kind: &'static str,
    pub reason: String,
    /// `caused_by`.
    pub cause: Option<Box<Refusal>>,
}

impl Refusal {
    pub fn new(kind: &'static str, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into(), cause: None }
    }

    /// The body has the wrong shape.
    pub fn parsing(reason: impl Into<String>) -> Self {
        Self::new("parsing_exception", reason)
    }

    /// A value is out of the question.
    pub fn argument(reason: impl Into<String>) -> Self {
        Self::new("illegal_argument_exception", reason)
    }

    /// A field's type does not allow it.
    pub fn shard(reason: impl Into<String>) -> Self {
        Self::new("query_shard_exception", reason)
    }

    /// The same, because of `cause`.
    pub fn because(mut self, cause: Refusal) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// `{"type": .., "reason": .., "caused_by": ..}`.
    pub fn to_json(&self) -> Value {
        let mut form = Map::new();
        form.insert("type".to_owned(), json!(self.kind));
        form.insert("reason".to_owned(), json!(self.reason));
        if let Some(cause) = &self.cause {
            form.insert("caused_by".to_owned(), cause.to_json());
        }
        Value::Object(form)
    }
}
