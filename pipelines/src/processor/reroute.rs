//! `reroute`: sends a document to another index or data stream, and ends the pipeline.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

/// Longest name of a dataset or a namespace, in characters.
const NAME_CHARS_MAX: usize = 100;
/// What Elasticsearch calls the parts where neither document nor index tells them.
const DEFAULT_INDEX: &str = "logs-generic-default";

#[derive(Debug)]
struct Reroute {
    destination: Destination,
}

#[derive(Debug)]
enum Destination {
    Index(String),
    /// Tried one after the other.
    DataStream {
        datasets: Vec<Source>,
        namespaces: Vec<Source>,
    },
}

#[derive(Debug)]
enum Source {
    Text(String),
    Field(FieldPath),
}

#[derive(Clone, Copy)]
enum Part {
    Dataset,
    Namespace,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let destination = options.optional_text("destination")?;
    let datasets = sources(options, "dataset", "{{data_stream.dataset}}", Part::Dataset)?;
    let namespaces = sources(options, "namespace", "{{data_stream.namespace}}", Part::Namespace)?;
    let destination = match destination {
        None => Destination::DataStream { datasets, namespaces },
        Some(_) if options.node("dataset").is_some() || options.node("namespace").is_some() => {
            return Err(options.refuse("destination", "can only be set if dataset and namespace are not set"));
        }
        Some(index) => Destination::Index(index),
    };
    Ok(Box::new(Reroute { destination }))
}

fn sources(options: &mut Options<'_>, name: &'static str, default: &str, part: Part) -> Result<Vec<Source>, Refusal> {
    let mut texts = options.text_or_texts(name)?.unwrap_or_default();
    if texts.is_empty() {
        texts.push(default.to_owned());
    }
    texts.iter().map(|text| source(text, part).map_err(|reason| options.refuse(name, reason))).collect()
}

/// A fixed name, or `{{field}}`.
fn source(text: &str, part: Part) -> Result<Source, String> {
    let invalid = || format!("'{text}' is not a valid field reference");
    if !text.contains("{{") && !text.contains("}}") {
        return match sanitize(text, part) == text {
            true => Ok(Source::Text(text.to_owned())),
            false => Err(format!("'{text}' contains disallowed characters")),
        };
    }
    let inside = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).ok_or_else(invalid)?;
    let inside = inside.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(inside);
    if inside.contains(['{', '}']) {
        return Err(invalid());
    }
    FieldPath::parse(inside.trim()).map(Source::Field).map_err(|error| error.to_string())
}

/// Lower case, not too long, and an underscore for what an index cannot be called.
fn sanitize(text: &str, part: Part) -> String {
    let forbidden = match part {
        Part::Dataset => "\\/*?\"<>| ,#:-",
        Part::Namespace => "\\/*?\"<>| ,#:",
    };
    text.to_lowercase().chars().take(NAME_CHARS_MAX).map(|c| if forbidden.contains(c) { '_' } else { c }).collect()
}

impl Processor for Reroute {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let (datasets, namespaces) = match &self.destination {
            Destination::Index(index) => {
                document.set("_index", Value::from(index.as_str()))?;
                return Ok(Flow::Reroute);
            }
            Destination::DataStream { datasets, namespaces } => (datasets, namespaces),
        };
        // Here the index is chosen behind the pipeline, so that there often is none yet.
        let index = document.index().unwrap_or(DEFAULT_INDEX).to_owned();
        let mut parts = index.splitn(3, '-');
        let (Some(kind), Some(dataset), Some(namespace)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Reason::Text(format!(
                "invalid data stream name: [{index}]; must follow naming scheme <type>-<dataset>-<namespace>"
            )));
        };
        let dataset = resolve(datasets, Part::Dataset, document).unwrap_or_else(|| dataset.to_owned());
        let namespace = resolve(namespaces, Part::Namespace, document).unwrap_or_else(|| namespace.to_owned());
        document.set("_index", Value::from(format!("{kind}-{dataset}-{namespace}")))?;
        document.set("data_stream.type", kind)?;
        document.set("data_stream.dataset", dataset.as_str())?;
        document.set("data_stream.namespace", namespace)?;
        if document.get("event.dataset").is_some() {
            document.set("event.dataset", dataset)?;
        }
        Ok(Flow::Reroute)
    }
}

fn resolve(sources: &[Source], part: Part, document: &Document) -> Option<String> {
    sources.iter().find_map(|source| match source {
        Source::Text(text) => Some(text.clone()),
        Source::Field(field) => document.field(field).ok()?.as_str().map(|text| sanitize(text, part)),
    })
}
