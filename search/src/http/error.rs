//! Answers that are errors, in Elasticsearch's form.

use super::Reply;
use crate::exec::SearchError;
use crate::query::Refusal;
use crate::store::StoreError;
use axum::http::StatusCode;
use serde_json::json;

/// Why a request has no other answer.
#[derive(Debug)]
pub struct Failed {
    pub status: StatusCode,
    pub refusal: Refusal,
}

impl Failed {
    pub fn new(status: StatusCode, kind: &'static str, reason: impl Into<String>) -> Self {
        Self { status, refusal: Refusal::new(kind, reason) }
    }

    pub fn no_index(name: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "index_not_found_exception", format!("no such index [{name}]"))
    }

    /// `{"error": {"root_cause": [..], "type": .., "reason": ..}, "status": ..}`.
    pub fn to_json(&self) -> serde_json::Value {
        let mut error = self.refusal.to_json();
        let cause = Refusal::new(self.refusal.kind, self.refusal.reason.clone()).to_json();
        error["root_cause"] = json!([cause]);
        json!({ "error": error, "status": self.status.as_u16() })
    }

    pub fn reply(&self) -> Reply {
        Reply { status: self.status, ..Reply::json(&self.to_json()) }
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self { status: StatusCode::BAD_REQUEST, refusal }
    }
}

/// The disk does not keep what it is given: the client keeps its documents, and comes again.
impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        let reason = crate::store::with_causes(&error);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable_shards_exception", reason)
    }
}

impl From<SearchError> for Failed {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Refused(refusal) => refusal.into(),
            SearchError::Store(error) => error.into(),
            error @ SearchError::Tantivy(_) => {
                let reason = crate::store::with_causes(&error);
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "search_phase_execution_exception", reason)
            }
        }
    }
}
