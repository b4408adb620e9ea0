//! The document that a line becomes: a tree of values, and beside it what Elasticsearch calls metadata.

mod map;
mod path;
mod read;
mod value;
mod write;

use jiff::Timestamp;
use std::borrow::Cow;

pub use map::Map;
pub(crate) use path::Root;
pub use path::{FieldError, FieldPath};
pub use read::{DuplicateKeys, JsonError, NESTING_MAX, read, read_prefix};
pub use value::{Text, Value};
pub(crate) use write::{ESCAPE, escape, is_plain, write_escaped, write_value};

use path::METADATA;

use crate::pipeline::Failure;

/// Whether a name at the top of a document is kept beside its fields.
pub(crate) fn is_metadata(name: &str) -> bool {
    METADATA.contains(&name)
}

/// The version of the Elastic Common Schema whose field names the ready-made pipelines use.
pub const ECS_VERSION: &str = "8.17.0";
/// Tag of a document whose line was not UTF-8: wrong bytes have become replacement characters.
pub const INVALID_UTF8_TAG: &str = "_invalid_utf8";
/// Tag of a document whose pipeline failed without a handler: it has the line and `error.message` only.
pub const PIPELINE_FAILURE_TAG: &str = "_pipeline_failure";

/// Fields at the top of a document for which there is room at once.
const FIELDS_EXPECTED: usize = 16;

/// Where a line comes from, as its record says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The record's timestamp, in milliseconds since 1970.
    pub timestamp_ms: i64,
    pub host_name: Option<&'a str>,
    pub file_path: Option<&'a str>,
    /// Position of the line's first byte in its file.
    pub position: Option<u64>,
    pub dataset: Option<&'a str>,
    /// Static labels of the agent's input: name and value.
    pub labels: &'a [(Cow<'a, str>, Cow<'a, str>)],
    /// `stdout` or `stderr` of a container.
    pub stream: Option<&'a str>,
    /// Who sent the line over the network.
    pub source_address: Option<&'a str>,
    /// When the container's runtime took the line (RFC 3339): nearer to the event than the record's timestamp.
    pub written_at: Option<&'a str>,
    /// The line was longer than the agent's limit; this is its beginning.
    pub truncated: bool,
}

impl Origin<'_> {
    /// `@timestamp` with which a document begins, in milliseconds since 1970.
    pub(crate) fn begin_ms(&self) -> i64 {
        let written_ms = self.written_at.and_then(|text| Some(text.parse::<Timestamp>().ok()?.as_millisecond()));
        written_ms.unwrap_or(self.timestamp_ms)
    }
}

/// What is indexed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    source: Map,
    /// `_index`, `_id`, `_routing` and the like, where a pipeline set them.
    metadata: Map,
    /// `_ingest.*`: only pipelines see it.
    ingest: Map,
}

impl Document {
    /// An empty document.
    pub fn new() -> Document {
        Document::default()
    }

    /// The document with which a pipeline starts: the line as `message` and what is known about its source.
    pub fn from_line(line: &[u8], origin: &Origin<'_>) -> Document {
        let mut source = Map::with_capacity(FIELDS_EXPECTED);
        source.insert("@timestamp", format_ms(origin.begin_ms()));
        // Nearly every line is UTF-8, which is told faster by this way.
        let text = std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        let invalid = matches!(text, std::borrow::Cow::Owned(_));
        source.insert("message", Text::from(text));
        if let Some(host_name) = origin.host_name {
            source.insert("host", single("name", host_name));
        }
        let mut log = Map::new();
        if let Some(file_path) = origin.file_path {
            log.insert("file", single("path", file_path));
        }
        if let Some(position) = origin.position {
            log.insert("offset", position);
        }
        if let Some(address) = origin.source_address {
            log.insert("source", single("address", address));
        }
        if origin.truncated {
            // Filebeat's mark.
            log.insert("flags", vec![Value::from("truncated")]);
        }
        if !log.is_empty() {
            source.insert("log", log);
        }
        if let Some(stream) = origin.stream {
            source.insert("stream", stream);
        }
        if !origin.labels.is_empty() {
            let mut labels = Map::new();
            for (name, value) in origin.labels {
                labels.insert(name.as_ref(), value.as_ref());
            }
            source.insert("labels", labels);
        }
        if let Some(dataset) = origin.dataset {
            source.insert("event", single("dataset", dataset));
        }
        source.insert("ecs", single("version", ECS_VERSION));
        if invalid {
            source.insert("tags", vec![Value::from(INVALID_UTF8_TAG)]);
        }
        Document { source, ..Document::default() }
    }

    /// The document that a line becomes when its pipeline failed without a handler: as it was before the pipeline, with
    /// the reason and a tag.
    pub fn from_failed_line(line: &[u8], origin: &Origin<'_>, failure: &Failure) -> Document {
        let mut document = Document::from_line(line, origin);
        document.source.insert("error", single("message", &failure.to_string()));
        match document.source.get_or_insert_with("tags", || Value::List(Vec::new())) {
            Value::List(tags) => tags.push(Value::from(PIPELINE_FAILURE_TAG)),
            other => *other = Value::List(vec![Value::from(PIPELINE_FAILURE_TAG)]),
        }
        document
    }

    /// A document from a JSON object.
    pub fn from_json(text: &str) -> Result<Document, JsonError> {
        match read(text, DuplicateKeys::Refuse)? {
            Value::Map(source) => Ok(Document::from_map(source)),
            _ => Err(JsonError { reason: "expected an object".to_owned(), position: 0 }),
        }
    }

    /// A document with these fields; `_index`, `_id` and the like among them become metadata.
    pub fn from_map(source: Map) -> Document {
        let mut document = Document::new();
        for (key, value) in source {
            document.put(key, value);
        }
        document
    }

    /// The value at a dotted path.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.field(&FieldPath::parse(path).ok()?).ok()
    }

    /// Sets the value at a dotted path; maps on the way are made.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> Result<(), FieldError> {
        self.set_field(&FieldPath::parse(path)?, value.into())
    }

    /// Removes and returns the value at a dotted path.
    pub fn remove(&mut self, path: &str) -> Result<Value, FieldError> {
        self.remove_field(&FieldPath::parse(path)?)
    }

    /// Moves a value, which is an error when `from` is missing; what stood at `to` is replaced.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), FieldError> {
        let (from, to) = (FieldPath::parse(from)?, FieldPath::parse(to)?);
        let value = self.remove_field(&from)?;
        self.set_field(&to, value)
    }

    /// The index that the pipeline asked for.
    pub fn index(&self) -> Option<&str> {
        self.metadata.get("_index").and_then(Value::as_str)
    }

    /// The id that the pipeline asked for.
    pub fn id(&self) -> Option<&str> {
        self.metadata.get("_id").and_then(Value::as_str)
    }

    /// The routing that the pipeline asked for.
    pub fn routing(&self) -> Option<&str> {
        self.metadata.get("_routing").and_then(Value::as_str)
    }

    /// `@timestamp` in milliseconds since 1970, when it is a time that Elasticsearch's default date format reads.
    pub fn timestamp_ms(&self) -> Option<i64> {
        match self.source.get("@timestamp")? {
            Value::String(text) => crate::date::iso8601_ms(text),
            Value::Integer(ms) | Value::Long(ms) => Some(*ms),
            _ => None,
        }
    }

    /// The fields, without metadata.
    pub fn source(&self) -> &Map {
        &self.source
    }

    /// Appends the fields as one JSON object on one line, without a newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        write::write_map(out, &self.source);
    }

    pub(crate) fn field(&self, path: &FieldPath) -> Result<&Value, FieldError> {
        path.get(match path.root() {
            Root::Source => &self.source,
            Root::Metadata => &self.metadata,
            Root::Ingest => &self.ingest,
        })
    }

    /// The text at a path; another type than string is an error.
    pub(crate) fn field_text(&self, path: &FieldPath) -> Result<Option<&str>, FieldError> {
        match self.field(path)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            other => Err(FieldError::WrongType {
                path: path.as_str().to_owned(),
                found: other.java_class(),
                wanted: "java.lang.String",
            }),
        }
    }

    /// The text at a path, to be changed.
    pub(crate) fn field_text_mut(&mut self, path: &FieldPath) -> Option<&mut Text> {
        match path.get_mut(self.root_mut(path))? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// Whether the path leads to something, null included.
    pub(crate) fn has_field(&self, path: &FieldPath) -> bool {
        path.is_in(match path.root() {
            Root::Source => &self.source,
            Root::Metadata => &self.metadata,
            Root::Ingest => &self.ingest,
        })
    }

    #[inline]
    pub(crate) fn set_field(&mut self, path: &FieldPath, value: Value) -> Result<(), FieldError> {
        path.set(self.root_mut(path), value)
    }

    pub(crate) fn remove_field(&mut self, path: &FieldPath) -> Result<Value, FieldError> {
        path.remove(self.root_mut(path))
    }

    #[inline]
    fn root_mut(&mut self, path: &FieldPath) -> &mut Map {
        match path.root() {
            Root::Source => &mut self.source,
            Root::Metadata => &mut self.metadata,
            Root::Ingest => &mut self.ingest,
        }
    }

    /// Puts a value at the top, where `_index`, `_id` and the like are metadata.
    pub(crate) fn put(&mut self, key: Text, value: Value) {
        if METADATA.contains(&&*key) {
            self.metadata.insert(key, value);
        } else {
            self.source.insert(key, value);
        }
    }

    /// Puts a field at the top whose name is no path; gives the value back where the name is one, or is there already.
    pub(crate) fn put_new(&mut self, name: &str, value: Value) -> Result<(), Value> {
        if name.is_empty() || name.starts_with('_') || memchr::memchr(b'.', name.as_bytes()).is_some() {
            return Err(value);
        }
        self.source.insert_new(name, value)
    }

    pub(crate) fn source_mut(&mut self) -> &mut Map {
        &mut self.source
    }

    /// What pipelines see below `_ingest`.
    pub fn ingest(&self) -> &Map {
        &self.ingest
    }

    pub(crate) fn ingest_mut(&mut self) -> &mut Map {
        &mut self.ingest
    }
}

/// A time as Elasticsearch's date processor writes it by default.
pub(crate) fn format_ms(ms: i64) -> Text {
    // A record of another producer can carry any number: what no calendar knows becomes 1970.
    crate::date::utc(ms)
}

fn single(key: &str, value: &str) -> Map {
    let mut map = Map::with_capacity(1);
    map.insert(key, value);
    map
}

#[cfg(test)]
mod tests;
