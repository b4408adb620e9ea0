//! What the stand-in does wrong on purpose.

use std::collections::BTreeMap;
use std::time::Duration;

/// One bulk request's treatment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request is done as it should be.
    None,
    /// Nothing of the request is done; the answer has this status.
    Status(Answer),
    /// Nothing is done, and the socket is closed without an answer.
    Close,
    /// Everything is done, but the socket is closed without an answer.
    CloseAfter,
    /// Everything is done, but the socket is closed in the middle of the answer.
    CutAnswer,
    /// Everything is done, and the answer never comes.
    Hang,
    /// Everything is done, and the answer comes after this time.
    Slow(Duration),
    /// Everything is done, and the answer is not JSON.
    Garbage,
    /// These items (by their place in the request) are not done; the others are.
    Items(BTreeMap<usize, ItemFault>),
    /// Everything is done, but the answer leaves out this many items at its end.
    MissingItems(usize),
    /// Everything is done, but the answer has this many items too many.
    ExtraItems(usize),
}

/// An answer to a whole request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub retry_after: Option<String>,
}

impl Answer {
    /// An answer without a body, as a proxy gives it.
    pub fn bare(status: u16) -> Self {
        Self { status, body: String::new(), retry_after: None }
    }

    /// An answer in Elasticsearch's form.
    pub fn error(status: u16, kind: &str, reason: &str) -> Self {
        let body = serde_json::json!({"error": {"type": kind, "reason": reason}, "status": status});
        Self { status, body: body.to_string(), retry_after: None }
    }
}

/// What is answered for one item that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemFault {
    Error {
        status: u16,
        kind: String,
        reason: String,
    },
    /// The item's answer has no status.
    NoStatus,
    /// Status 201, but the document went to the failure store.
    FailureStore,
}

impl ItemFault {
    pub fn error(status: u16, kind: &str, reason: &str) -> Self {
        Self::Error { status, kind: kind.into(), reason: reason.into() }
    }
}
