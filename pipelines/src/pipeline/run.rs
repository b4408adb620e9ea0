//! One document's way through a pipeline and those that it calls.

use std::sync::Arc;

use smallvec::SmallVec;

use super::trace::Trace;
use super::{Context, Neighbours, Pipeline};
use crate::document::{Document, Value};
use crate::processor::{Flow, Reason};

/// Pipelines that call each other for one document: Elasticsearch's limit.
const PIPELINES_MAX: usize = 100;

/// Pipelines in each other for which no memory of its own is needed.
const PIPELINES_IN_PLACE: usize = 4;

/// What processors know beside the document.
pub(crate) struct Run<'p> {
    pub context: Context,
    neighbours: &'p Neighbours,
    /// Ids of the pipelines that run, the innermost last.
    stack: SmallVec<[&'p Arc<str>; PIPELINES_IN_PLACE]>,
    /// Operations of conditions and look-ups so far: what a test of their cost counts.
    pub work: u64,
    /// Takes down what each processor did.
    pub trace: Option<Trace>,
    /// How many rows of handlers run inside of each other.
    handlers: usize,
}

impl<'p> Run<'p> {
    pub fn new(context: Context, neighbours: &'p Neighbours) -> Run<'p> {
        Run { context, neighbours, stack: SmallVec::new(), work: 0, trace: None, handlers: 0 }
    }

    /// The pipeline in which a failure lies, when it is one that another one called.
    pub fn called_pipeline(&self) -> Option<Arc<str>> {
        match &self.stack[..] {
            [_, .., last] => Some(Arc::clone(last)),
            _ => None,
        }
    }

    /// Runs a pipeline that another one names. None when there is no such pipeline.
    pub fn call(&mut self, id: &str, document: &mut Document) -> Option<Result<Flow, Reason>> {
        let neighbours = self.neighbours;
        match neighbours.get(id) {
            Some(pipeline) => Some(self.enter(pipeline, document)),
            // The first pipeline is not its own neighbour.
            None if self.stack.iter().any(|running| &***running == id) => Some(Err(cycle(id))),
            None => None,
        }
    }

    /// Runs a pipeline with its handlers.
    pub fn enter(&mut self, pipeline: &'p Pipeline, document: &mut Document) -> Result<Flow, Reason> {
        if self.stack.iter().any(|running| **running == pipeline.id) {
            return Err(cycle(&pipeline.id));
        }
        if self.stack.len() >= PIPELINES_MAX {
            return Err(Reason::Text(format!(
                "Too many nested pipelines. Cannot have more than {PIPELINES_MAX} nested pipelines"
            )));
        }
        // A trace shows it in any case.
        let names_ingest = pipeline.names_ingest || self.trace.is_some();
        let before = match names_ingest {
            true => document.ingest_mut().insert("pipeline", &*pipeline.id),
            false => None,
        };
        self.stack.push(&pipeline.id);
        let result = pipeline.execute(document, self);
        self.stack.pop();
        if names_ingest {
            match before {
                Some(before) => drop(document.ingest_mut().insert("pipeline", before)),
                None => drop(document.ingest_mut().remove("pipeline")),
            }
        }
        match result {
            // It has ended itself, and not those that called it.
            Ok(Flow::End) => Ok(Flow::Next),
            Ok(flow) => Ok(flow),
            Err(failure) => Err(Reason::Within(Box::new(failure))),
        }
    }

    /// Id of the pipeline that runs, for a trace.
    pub fn pipeline_id(&self) -> Option<Arc<str>> {
        self.trace.as_ref()?;
        self.stack.last().map(|id| Arc::clone(id))
    }

    /// Whether what runs handles a failure.
    pub fn handles(&self) -> bool {
        self.handlers > 0
    }

    /// Runs what lies inside of a processor.
    pub fn inside<R>(&mut self, is_loop: bool, run: impl FnOnce(&mut Self) -> R) -> R {
        if let Some(trace) = &mut self.trace {
            trace.enter(is_loop);
        }
        let result = run(self);
        if let Some(trace) = &mut self.trace {
            trace.leave(is_loop);
        }
        result
    }

    /// Runs the handlers of a failure.
    pub fn inside_handlers<R>(&mut self, run: impl FnOnce(&mut Self) -> R) -> R {
        self.handlers += 1;
        let result = self.inside(false, run);
        self.handlers -= 1;
        result
    }

    /// Sets a key of `_ingest` and gives what was there.
    pub fn set_ingest(&self, document: &mut Document, key: &str, value: Value) -> Option<Value> {
        document.ingest_mut().insert(key, value)
    }
}

fn cycle(id: &str) -> Reason {
    Reason::Text(format!("Cycle detected for pipeline: {id}"))
}
