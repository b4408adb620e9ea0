//! What each processor did with a document: for `_simulate?verbose` and `sluice pipeline explain`.

use std::sync::Arc;

use crate::document::Document;

/// The steps of one run in the order in which they ended.
#[derive(Debug, Default)]
pub struct Trace {
    pub steps: Vec<TracedStep>,
}

/// One processor's part in a run.
#[derive(Debug)]
pub struct TracedStep {
    /// The processor's name, such as `grok`.
    pub processor_type: &'static str,
    pub tag: Option<Arc<str>>,
    pub description: Option<Arc<str>>,
    /// Its `if`, and whether it held, where it was asked.
    pub condition: Option<(Arc<str>, Option<bool>)>,
    pub status: Status,
    /// The document behind the processor; none where there is none any more.
    pub document: Option<Document>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    /// The condition did not hold.
    Skipped,
    Dropped,
    Failed(String),
    FailureIgnored(String),
}
