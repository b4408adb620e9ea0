//! Ingest pipelines in Elasticsearch's format: loading, and running one over a document.

mod load_error;
mod options;
mod source;
mod step;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use thiserror::Error;

pub use load_error::LoadError;
pub(crate) use load_error::{Refusal, closest};
pub(crate) use options::Options;
use step::Step;

use crate::document::Document;
use crate::library;
use crate::processor::Flow;

/// Largest pipeline file: the biggest public ones have 300 KiB.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// A checked pipeline. Everything in it is compiled; running it cannot meet an unknown processor or option.
#[derive(Debug)]
pub struct Pipeline {
    name: Arc<str>,
    steps: Vec<Step>,
    on_failure: Vec<Step>,
    /// Whether the file names `_ingest` at all: only then is its timestamp written down for each document.
    names_ingest: bool,
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
}

impl Pipeline {
    /// Loads a ready-made pipeline by its name, or a file. What looks like a path is a file.
    pub fn load(name_or_path: &str) -> Result<Pipeline, LoadError> {
        if let Some(text) = library::text(name_or_path) {
            return Pipeline::parse(name_or_path, text);
        }
        let refuse = |reason: String| Refusal::new(0, reason).in_file(name_or_path);
        let path = Path::new(name_or_path);
        let looks_like_path = name_or_path.contains(['/', '\\']) || path.extension().is_some();
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => return Err(refuse("is a directory; want a pipeline file".to_owned())),
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                let reason =
                    format!("is larger than a pipeline can be: {} bytes; at most {FILE_BYTES_MAX}", metadata.len());
                return Err(refuse(reason));
            }
            Ok(_) => {}
            Err(_) if !looks_like_path => {
                let mut error = refuse("no such pipeline, and no file of that name".to_owned());
                error.hint = Some(match load_error::closest(name_or_path, library::names()) {
                    Some(name) => format!("did you mean {name:?}?"),
                    None => format!("ready-made pipelines are {}", library::names().collect::<Vec<_>>().join(", ")),
                });
                return Err(error);
            }
            Err(error) => return Err(refuse(format!("cannot read pipeline: {error}"))),
        }
        let bytes = fs::read(path).map_err(|error| refuse(format!("cannot read pipeline: {error}")))?;
        let text = String::from_utf8(bytes).map_err(|_| refuse("is not UTF-8 text".to_owned()))?;
        Pipeline::parse(name_or_path, &text)
    }

    /// Checks and compiles the text of a pipeline, YAML or JSON; `source_name` is what messages call it.
    pub fn parse(source_name: &str, text: &str) -> Result<Pipeline, LoadError> {
        Pipeline::compile(source_name, text).map_err(|refusal| refusal.in_file(source_name))
    }

    fn compile(source_name: &str, text: &str) -> Result<Pipeline, Refusal> {
        let root = source::read(text)?;
        let mut options = Options::new("pipeline", root.line, &root)?;
        options.optional_text("description")?;
        // Elasticsearch keeps these three and does nothing with them when it runs a pipeline.
        for bystander in ["version", "_meta", "deprecated"] {
            options.node(bystander);
        }
        let Some(processors) = options.node("processors") else {
            // An unknown key here is often the misspelt list itself.
            options.node("on_failure");
            let line = options.line;
            options.finish()?;
            return Err(Refusal::new(line, "a pipeline must have \"processors\""));
        };
        let steps = step::parse_steps(processors, "\"processors\"", 0)?;
        let on_failure = match options.node("on_failure") {
            None => Vec::new(),
            Some(node) => step::parse_handlers(node, "pipeline", 0)?,
        };
        options.finish()?;
        Ok(Pipeline { name: source_name.into(), steps, on_failure, names_ingest: text.contains("_ingest") })
    }

    /// What the pipeline was called when it was loaded.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs the processors over the document.
    pub fn run(&self, document: &mut Document, context: &Context) -> Outcome {
        if self.names_ingest {
            document.ingest_mut().insert("timestamp", context.now.to_string());
        }
        let result = step::run(&self.steps, document, context).or_else(|failure| match &self.on_failure[..] {
            [] => Err(failure),
            handlers => step::handle(handlers, failure, document, context),
        });
        match result {
            Ok(Flow::Next) => Outcome::Done,
            Ok(Flow::Drop) => Outcome::Dropped,
            Err(failure) => Outcome::Failed(failure),
        }
    }
}
