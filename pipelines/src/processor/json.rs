//! `json`: reads a field's text as JSON.

use super::{Flow, Processor, Reason};
use crate::document::{Document, DuplicateKeys, FieldPath, Map, Value, read_prefix};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Json {
    field: FieldPath,
    target: Target,
    duplicate_keys: DuplicateKeys,
    /// Whether text after the value is an error.
    strict: bool,
}

#[derive(Debug)]
enum Target {
    Field(FieldPath),
    /// The document's top; with `merge` maps that are in both places become one.
    Root {
        merge: bool,
    },
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = options.optional_path("target_field")?;
    let add_to_root = options.flag("add_to_root", false)?;
    let strategy = match options.node("add_to_root_conflict_strategy") {
        None => None,
        Some(_) => Some(options.word("add_to_root_conflict_strategy", &["replace", "merge"], "replace")?),
    };
    if add_to_root && target.is_some() {
        return Err(options.refuse("target_field", "cannot be set together with \"add_to_root\""));
    }
    if !add_to_root && strategy.is_some() {
        let name = "add_to_root_conflict_strategy";
        return Err(options.refuse(name, "cannot be set without \"add_to_root\": true"));
    }
    let duplicate_keys =
        if options.flag("allow_duplicate_keys", false)? { DuplicateKeys::LastWins } else { DuplicateKeys::Refuse };
    let strict = options.flag("strict_json_parsing", true)?;
    let target = if add_to_root {
        Target::Root { merge: strategy.as_deref() == Some("merge") }
    } else {
        Target::Field(target.unwrap_or_else(|| field.clone()))
    };
    Ok(Box::new(Json { field, target, duplicate_keys, strict }))
}

impl Processor for Json {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let value = match document.field(&self.field)? {
            Value::String(text) => self.read(text)?,
            // Elasticsearch reads the text that Java makes of any other value.
            other => self.read(&other.to_java_string())?,
        };
        match (&self.target, value) {
            (Target::Field(path), value) => document.set_field(path, value)?,
            (Target::Root { merge }, Value::Map(map)) => add_to_root(document, map, *merge),
            (Target::Root { .. }, _) => {
                return Err(Reason::Text("cannot add non-map fields to root of document".to_owned()));
            }
        }
        Ok(Flow::Next)
    }
}

impl Json {
    fn read(&self, text: &str) -> Result<Value, Reason> {
        if text.trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            return Ok(Value::Null);
        }
        let (value, end) = read_prefix(text, self.duplicate_keys).map_err(|error| Reason::Text(error.to_string()))?;
        if self.strict && !text[end..].trim_matches([' ', '\t', '\r', '\n']).is_empty() {
            let reason = format!("The input {text} is not valid JSON and the strict_json_parsing parameter is true");
            return Err(Reason::Text(reason));
        }
        Ok(value)
    }
}

fn add_to_root(document: &mut Document, map: Map, merge: bool) {
    for (key, value) in map {
        match (document.source_mut().get_mut(&key), value) {
            (Some(Value::Map(there)), Value::Map(new)) if merge => merge_into(there, new),
            (_, value) => document.put(key, value),
        }
    }
}

fn merge_into(there: &mut Map, new: Map) {
    for (key, value) in new {
        match (there.get_mut(&key), value) {
            (Some(Value::Map(there)), Value::Map(new)) => merge_into(there, new),
            (_, value) => drop(there.insert(key, value)),
        }
    }
}
