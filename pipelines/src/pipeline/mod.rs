//! Ingest pipelines in Elasticsearch's format: loading, and running one over a document.

mod counters;
mod load;
mod load_error;
mod loader;
mod options;
mod run;
mod source;
mod step;
mod steps;
mod trace;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

pub use counters::ProcessorCount;
pub use load::{Resolve, id_of};
pub use load_error::LoadError;
pub use loader::Settings;
pub use trace::{Detail, Place, Status, Stop, Trace, TracedStep};

pub(crate) use load_error::{Refusal, closest};
pub(crate) use loader::Call;
pub(crate) use options::Options;
pub(crate) use run::Run;
pub(crate) use step::Step;
pub(crate) use steps::Steps;

use crate::document::{Document, Origin, Value};
use crate::processor::{Flow, Reason};
use crate::slots::{Came, Fields, Plan, Tally};

/// The pipelines that a pipeline and those below it call, by their ids.
pub(crate) type Neighbours = HashMap<Arc<str>, Pipeline>;

/// A checked pipeline. Everything in it is compiled; running it cannot meet an unknown processor or option.
#[derive(Debug)]
pub struct Pipeline {
    /// The file's path, or the name of a ready-made pipeline.
    name: Arc<str>,
    /// What other pipelines call it.
    id: Arc<str>,
    text: Arc<str>,
    steps: Steps,
    on_failure: Steps,
    /// Whether the file, or one that it calls, names `_ingest` at all: only then is it filled for each document.
    names_ingest: bool,
    /// Only the pipeline that was asked for has them.
    neighbours: Neighbours,
    /// What `geoip` reads.
    databases: Vec<PathBuf>,
    /// The usual way of a line, where there is one without a tree. Only the pipeline that was asked for has it.
    plan: Option<Plan>,
}

/// A pipeline's text, YAML or JSON, as the value that it is.
pub(crate) fn text_to_value(text: &str) -> Option<Value> {
    Some(source::read(text).ok()?.to_value())
}

/// What a run needs to know beside the document.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The record's timestamp: times without a year are resolved against it.
    pub reference: Timestamp,
    /// When the pipeline runs: `_ingest.timestamp`.
    pub now: Timestamp,
    pub year: MissingYear,
}

/// How a time without a year gets one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingYear {
    /// The year that brings it nearest to the reference.
    #[default]
    Nearest,
    /// The year of `now`, as Elasticsearch does it.
    Current,
}

impl Context {
    /// The context of a record with this timestamp, in milliseconds since 1970.
    pub fn at(reference_ms: i64, now: Timestamp) -> Context {
        Context {
            // A record of another producer can carry any number.
            reference: Timestamp::from_millisecond(reference_ms).unwrap_or(now),
            now,
            year: MissingYear::Nearest,
        }
    }
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is to be indexed.
    Done,
    /// The pipeline does not want it.
    Dropped,
    /// A processor failed and nothing handled it; the document is in the state in which the processor left it.
    Failed(Failure),
}

/// A processor's failure.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("processor {processor_type}{}: {message}", .processor_tag.as_deref().map(|tag| format!(" ({tag})")).unwrap_or_default())]
pub struct Failure {
    pub message: String,
    /// The processor's name, such as `grok`.
    pub processor_type: &'static str,
    pub processor_tag: Option<Arc<str>>,
    /// Id of the pipeline in which it failed, when that is one that another one called.
    pub pipeline: Option<Arc<str>>,
}

impl Pipeline {
    /// What the pipeline was called when it was loaded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What other pipelines and the HTTP interface call it: the file's name without folder and extension.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The pipelines that it calls, and those that these call.
    pub fn called(&self) -> impl Iterator<Item = &Pipeline> {
        self.neighbours.values()
    }

    /// The files of databases that it and those that it calls read, also those that are not there.
    pub fn databases(&self) -> impl Iterator<Item = &Path> {
        let all = [self].into_iter().chain(self.called()).flat_map(|pipeline| &pipeline.databases);
        all.map(PathBuf::as_path)
    }

    /// How often each processor ran and failed, in the order of the files.
    pub fn counts(&self) -> Vec<ProcessorCount> {
        let mut counts = Vec::new();
        let mut called: Vec<&Pipeline> = self.called().collect();
        called.sort_by(|one, other| one.id.cmp(&other.id));
        for pipeline in [self].into_iter().chain(called) {
            pipeline.steps.count(&pipeline.id, &mut counts);
            pipeline.on_failure.count(&pipeline.id, &mut counts);
        }
        counts
    }

    /// Runs the processors over the document.
    pub fn run(&self, document: &mut Document, context: &Context) -> Outcome {
        self.run_counting(document, context).0
    }

    /// Runs the processors over a line without making a document of it, where that is possible; then `done` is given its
    /// fields, and can still refuse them. What ran is counted in `tally`.
    pub(crate) fn run_line<'p, T>(
        &'p self,
        line: &[u8],
        origin: &Origin<'_>,
        context: &Context,
        tally: &mut Tally<'p>,
        done: impl FnOnce(&Fields<'_, '_>) -> Option<T>,
    ) -> Came<T> {
        self.run_text(simdutf8::basic::from_utf8(line).ok(), origin, context, tally, done)
    }

    /// As [`run_line`](Pipeline::run_line), where it is known whether the line is a text.
    pub(crate) fn run_text<'p, T>(
        &'p self,
        line: Option<&str>,
        origin: &Origin<'_>,
        context: &Context,
        tally: &mut Tally<'p>,
        done: impl FnOnce(&Fields<'_, '_>) -> Option<T>,
    ) -> Came<T> {
        match &self.plan {
            Some(plan) => plan.run(self, line, origin, context, tally, done),
            None => Came::Tree,
        }
    }

    pub(crate) fn steps(&self) -> &Steps {
        &self.steps
    }

    pub(crate) fn neighbours(&self) -> &Neighbours {
        &self.neighbours
    }

    /// As [`run`](Pipeline::run), and says how many operations the conditions took.
    pub fn run_counting(&self, document: &mut Document, context: &Context) -> (Outcome, u64) {
        let mut run = Run::new(*context, &self.neighbours);
        let outcome = self.start(document, &mut run);
        (outcome, run.work)
    }

    /// As [`run`](Pipeline::run), and takes down what each processor did.
    pub fn run_traced(&self, document: &mut Document, context: &Context, detail: Detail) -> (Outcome, Trace) {
        let mut run = Run::new(*context, &self.neighbours);
        run.trace = Some(Trace::new(detail));
        let outcome = self.start(document, &mut run);
        (outcome, run.trace.unwrap_or_default())
    }

    fn start<'p>(&'p self, document: &mut Document, run: &mut Run<'p>) -> Outcome {
        if self.names_ingest || run.trace.is_some() {
            document.ingest_mut().insert("timestamp", run.context.now.to_string());
        }
        match run.enter(self, document) {
            Ok(Flow::Drop) => Outcome::Dropped,
            Ok(_) => Outcome::Done,
            Err(Reason::Within(failure)) => Outcome::Failed(*failure),
            Err(Reason::Text(message)) => {
                Outcome::Failed(Failure { message, processor_type: "pipeline", processor_tag: None, pipeline: None })
            }
        }
    }

    /// The processors, then the handlers when one failed.
    fn execute(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Failure> {
        match self.steps.run(document, run) {
            Err(failure) if !self.on_failure.is_empty() => self.on_failure.handle(failure, document, run),
            result => result,
        }
    }
}
