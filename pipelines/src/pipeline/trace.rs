//! What each processor did with a document: for `_simulate?verbose` and `sluice pipeline explain`.

use std::sync::Arc;

use crate::document::Document;

/// Processors of one run that are taken down. Real pipelines have some hundreds; a loop over a long list has any number.
const STEPS_MAX: usize = 20_000;
/// Bytes of the documents in one trace, as JSON: one stands behind each processor.
const BYTES_MAX: usize = 64 << 20;

/// The steps of one run in the order in which they began.
#[derive(Debug, Default)]
pub struct Trace {
    pub steps: Vec<TracedStep>,
    /// There was more than is kept.
    pub is_cut: bool,
    detail: Detail,
    depth: usize,
    loops: usize,
    bytes: usize,
    /// What failed inside of a loop whose turns are not taken down.
    pub(crate) failed_in_loop: Option<&'static str>,
}

/// How much is taken down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// What Elasticsearch shows: a `foreach` is one step.
    #[default]
    Steps,
    /// Also each turn of a loop, and where the patterns of a failed grok stopped.
    Everything,
}

/// One processor's part in a run.
#[derive(Debug)]
pub struct TracedStep {
    /// Id of the pipeline that it stands in.
    pub pipeline: Arc<str>,
    /// Line in the pipeline's file.
    pub line: u64,
    /// How many processors it is inside of; a handler is inside of what failed.
    pub depth: usize,
    pub place: Place,
    /// The processor's name, such as `grok`.
    pub processor_type: &'static str,
    pub tag: Option<Arc<str>>,
    pub description: Option<Arc<str>>,
    /// Its `if`, and whether it held; none when the condition itself failed.
    pub condition: Option<(Arc<str>, Option<bool>)>,
    pub status: Status,
    /// The document behind the processor, also behind one that failed; none where it was not asked or there is none any more.
    pub document: Option<Document>,
    /// The processor's name that really failed, where that is one inside of it.
    pub failing: Option<&'static str>,
    pub stop: Option<Stop>,
}

/// Where a processor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Processors,
    OnFailure,
    Loop,
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

/// How far patterns came that did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The field that they were tried on, and its text.
    pub field: String,
    pub text: String,
    /// Bytes of the text up to where the longest attempt ended.
    pub matched_bytes: usize,
    /// What was expected there, as the pattern names it.
    pub expected: String,
}

impl Trace {
    pub(crate) fn new(detail: Detail) -> Trace {
        Trace { detail, ..Trace::default() }
    }

    /// Whether failed patterns are asked where they stopped.
    pub(crate) fn wants_stops(&self) -> bool {
        self.detail == Detail::Everything
    }

    /// Begins a step; none when it is not taken down.
    pub(crate) fn begin(&mut self, step: impl FnOnce() -> TracedStep, handles: bool) -> Option<usize> {
        if self.loops > 0 && self.detail == Detail::Steps {
            return None;
        }
        if self.steps.len() >= STEPS_MAX || self.bytes >= BYTES_MAX {
            self.is_cut = true;
            return None;
        }
        let place = match (handles, self.loops) {
            (true, _) => Place::OnFailure,
            (false, 0) => Place::Processors,
            (false, _) => Place::Loop,
        };
        self.steps.push(TracedStep { depth: self.depth, place, ..step() });
        Some(self.steps.len() - 1)
    }

    /// Keeps the document that stands behind a step.
    pub(crate) fn keep(&mut self, place: usize, document: &Document) {
        let mut json = Vec::new();
        document.write_json(&mut json);
        self.bytes += json.len();
        self.steps[place].document = Some(document.clone());
    }

    /// What is taken down from now on lies inside of a step.
    pub(crate) fn enter(&mut self, is_loop: bool) {
        self.depth += 1;
        if is_loop && self.loops == 0 {
            self.failed_in_loop = None;
        }
        self.loops += usize::from(is_loop);
    }

    pub(crate) fn leave(&mut self, is_loop: bool) {
        self.depth -= 1;
        self.loops -= usize::from(is_loop);
    }
}
