//! Reads the body of a request: `{"pipeline": {..}, "docs": [{"_index", "_id", "_source", ..}]}`.

use super::catalogue::Catalogue;
use super::problem::Problem;
use crate::document::{Document, DuplicateKeys, Map, Value, read, write_value};
use crate::pipeline::Pipeline;
use crate::processor;

/// What messages and `_ingest.pipeline` call a pipeline that came with its request.
const INLINE: &str = "_simulate_pipeline";
const VERSION_TYPES: [&str; 3] = ["internal", "external", "external_gte"];

/// What is to be run.
pub(super) struct Request {
    pub pipeline: Pipeline,
    pub documents: Vec<Document>,
}

impl Request {
    pub fn read(body: &[u8], id: Option<&str>, catalogue: &Catalogue) -> Result<Request, Problem> {
        let malformed = |reason: String| Problem::new("x_content_parse_exception", reason);
        if body.iter().all(u8::is_ascii_whitespace) {
            return Err(Problem::new("parse_exception", "request body or source parameter is required"));
        }
        let text = std::str::from_utf8(body).map_err(|error| malformed(format!("the body is not UTF-8: {error}")))?;
        let value = read(text, DuplicateKeys::Refuse)
            .map_err(|error| malformed(format!("byte {}: {}", error.position, error.reason)))?;
        let Value::Map(mut body) = value else {
            return Err(malformed(format!("the body must be an object; got {}", value.java_class())));
        };
        let pipeline = match id {
            Some(id) => match catalogue.pipeline(id) {
                Some(pipeline) => pipeline?,
                None => return Err(Problem::illegal(format!("pipeline [{id}] does not exist"))),
            },
            None => inline(&mut body, catalogue)?,
        };
        let documents = match body.remove("docs") {
            Some(Value::List(documents)) => documents,
            Some(Value::Null) | None => return Err(missing("docs")),
            Some(other) => {
                let reason = format!("property isn't a list, but of type [{}]", other.java_class());
                return Err(Problem::property("docs", reason));
            }
        };
        if documents.is_empty() {
            return Err(Problem::illegal("must specify at least one document in [docs]"));
        }
        let documents = documents.into_iter().map(document).collect::<Result<_, _>>()?;
        Ok(Request { pipeline, documents })
    }
}

fn missing(name: &'static str) -> Problem {
    Problem::property(name, "required property is missing")
}

fn map(body: &mut Map, name: &'static str) -> Result<Map, Problem> {
    match body.remove(name) {
        Some(Value::Map(map)) => Ok(map),
        Some(Value::Null) | None => Err(missing(name)),
        Some(other) => {
            let reason = format!("property isn't a map, but of type [{}]", other.java_class());
            Err(Problem::property(name, reason))
        }
    }
}

/// Compiles the pipeline that stands in a request.
fn inline(body: &mut Map, catalogue: &Catalogue) -> Result<Pipeline, Problem> {
    let pipeline = map(body, "pipeline")?;
    match pipeline.get("processors") {
        None | Some(Value::Null) => return Err(missing("processors")),
        Some(Value::List(processors)) => processors.iter().try_for_each(known_processor)?,
        Some(other) => {
            let reason = format!("property isn't a list, but of type [{}]", other.java_class());
            return Err(Problem::property("processors", reason));
        }
    }
    let mut text = Vec::new();
    write_value(&mut text, &Value::Map(pipeline));
    let text = String::from_utf8_lossy(&text);
    Ok(Pipeline::parse_with(INLINE, &text, &catalogue.settings, catalogue)?)
}

/// Refuses a processor of which nobody has heard in Elasticsearch's words.
fn known_processor(processor: &Value) -> Result<(), Problem> {
    let Value::Map(processor) = processor else { return Ok(()) };
    for (name, options) in processor.iter() {
        if processor::named(name).is_none() && processor::why_absent(name).is_none() {
            let reason = format!("No processor type exists with name [{name}]");
            let problem = Problem::new("parse_exception", reason).with("processor_type", name);
            let tag = match options {
                Value::Map(options) => options.get("tag").and_then(Value::as_str),
                _ => None,
            };
            return Err(match tag {
                Some(tag) => problem.with("processor_tag", tag),
                None => problem,
            });
        }
    }
    Ok(())
}

/// One entry of `docs`.
fn document(entry: Value) -> Result<Document, Problem> {
    let Value::Map(mut entry) = entry else {
        return Err(Problem::illegal("malformed [docs] section, should include an inner object"));
    };
    let source = map(&mut entry, "_source")?;
    let mut document = Document::from_map(source);
    let mut set =
        |name: &str, value: Value| document.set(name, value).map_err(|error| Problem::illegal(error.to_string()));
    for (name, default) in [("_index", Some("_index")), ("_id", Some("_id")), ("_routing", None)] {
        if let Some(text) = text(&mut entry, name)?.or_else(|| default.map(str::to_owned)) {
            set(name, text.into())?;
        }
    }
    match entry.remove("_version") {
        Some(version @ (Value::Integer(_) | Value::Long(_))) => set("_version", version)?,
        Some(_) => {
            return Err(Problem::illegal("Failed to parse parameter [_version], only int or long is accepted"));
        }
        None => {}
    }
    match entry.remove("_version_type") {
        Some(Value::String(kind)) if VERSION_TYPES.contains(&&*kind) => set("_version_type", kind.into())?,
        Some(other) => {
            return Err(Problem::illegal(format!("No version type match [{}]", other.to_java_string())));
        }
        None => {}
    }
    Ok(document)
}

fn text(entry: &mut Map, name: &'static str) -> Result<Option<String>, Problem> {
    match entry.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.to_string())),
        Some(number @ (Value::Integer(_) | Value::Long(_))) => Ok(Some(number.to_java_string())),
        Some(other) => {
            let reason = format!("property isn't a string or int, but of type [{}]", other.java_class());
            Err(Problem::property(name, reason))
        }
    }
}
