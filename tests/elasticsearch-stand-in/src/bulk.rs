//! Reads a bulk body as strictly as Elasticsearch does, or more so, and applies its items.

use crate::fault::ItemFault;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Longest `_id`, in bytes.
const ID_BYTES_MAX: usize = 512;
/// Longest index name, in bytes.
const INDEX_BYTES_MAX: usize = 255;
/// Keys of an action line that a sink may use.
const ACTION_KEYS: [&str; 5] = ["_index", "_id", "routing", "pipeline", "require_alias"];

/// Documents by index and `_id`.
pub type Documents = BTreeMap<(String, String), Value>;

/// One item of a bulk request, read but not applied.
#[derive(Debug, Clone)]
pub struct BulkItem {
    pub op: &'static str,
    pub index: String,
    /// Empty: the stand-in makes one.
    pub id: String,
    pub source: Result<Value, String>,
}

/// Reads the NDJSON of a bulk request.
///
/// # Errors
/// What Elasticsearch answers with status 400 for the whole request: error type and reason.
pub fn read(body: &[u8]) -> Result<Vec<BulkItem>, (&'static str, String)> {
    let malformed = |reason: String| Err(("illegal_argument_exception", reason));
    let Some(body) = body.strip_suffix(b"\n") else {
        return malformed("The bulk request must be terminated by a newline [\\n]".into());
    };
    let mut lines = body.split(|&byte| byte == b'\n');
    let mut items = Vec::new();
    while let Some(action) = lines.next() {
        let number = items.len() * 2 + 1;
        let Ok(Value::Object(action)) = serde_json::from_slice::<Value>(action) else {
            return malformed(format!("Malformed action/metadata line [{number}]"));
        };
        let (op, target) = match action.iter().next() {
            Some((op, Value::Object(target))) if action.len() == 1 => (op, target),
            _ => return malformed(format!("Malformed action/metadata line [{number}]: one action expected")),
        };
        let op = match op.as_str() {
            "create" => "create",
            "index" => "index",
            other => return malformed(format!("Malformed action/metadata line [{number}]: got [{other}]")),
        };
        if let Some(key) = target.keys().find(|key| !ACTION_KEYS.contains(&key.as_str())) {
            return malformed(format!("Action/metadata line [{number}] contains an unknown parameter [{key}]"));
        }
        let Some(index) = target.get("_index").and_then(Value::as_str) else {
            return Err(("action_request_validation_exception", "Validation Failed: 1: index is missing;".into()));
        };
        let id = id_of(target)?;
        let Some(source) = lines.next() else {
            return malformed(format!("no document follows action/metadata line [{number}]"));
        };
        let source = match serde_json::from_slice::<Value>(source) {
            Ok(Value::Object(source)) => Ok(Value::Object(source)),
            Ok(_) => Err("document is not an object".into()),
            Err(error) => Err(error.to_string()),
        };
        items.push(BulkItem { op, index: index.to_owned(), id, source });
    }
    Ok(items)
}

fn id_of(target: &Map<String, Value>) -> Result<String, (&'static str, String)> {
    let invalid = |reason: String| Err(("action_request_validation_exception", format!("Validation Failed: {reason}")));
    match target.get("_id") {
        None => Ok(String::new()),
        Some(Value::String(id)) if id.is_empty() => invalid("1: if _id is specified it must not be empty;".into()),
        Some(Value::String(id)) if id.len() > ID_BYTES_MAX => {
            invalid(format!("1: id is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {};", id.len()))
        }
        Some(Value::String(id)) => Ok(id.clone()),
        Some(_) => invalid("1: _id is not a string;".into()),
    }
}

/// Applies one item to `documents` and says what is answered for it.
pub fn apply(item: &BulkItem, documents: &mut Documents) -> Value {
    if let Err(reason) = check_index(&item.index) {
        return answer(item, 400, Some(("invalid_index_name_exception", &reason)));
    }
    let source = match &item.source {
        Ok(source) => source,
        Err(reason) => return answer(item, 400, Some(("document_parsing_exception", reason))),
    };
    let id = match item.id.as_str() {
        "" => format!("made-{}", documents.len()),
        id => id.to_owned(),
    };
    let key = (item.index.clone(), id);
    if item.op == "create" && documents.contains_key(&key) {
        let reason = format!("[{}]: version conflict, document already exists (current version [1])", key.1);
        return answer(item, 409, Some(("version_conflict_engine_exception", &reason)));
    }
    let status = if documents.insert(key, source.clone()).is_none() { 201 } else { 200 };
    answer(item, status, None)
}

/// The answer for an item that is failed on purpose.
pub fn fail(item: &BulkItem, fault: &ItemFault) -> Value {
    match fault {
        ItemFault::Error { status, kind, reason } => answer(item, *status, Some((kind, reason))),
        ItemFault::NoStatus => json!({item.op: {}}),
        ItemFault::FailureStore => json!({item.op: {"status": 201, "failure_store": "used"}}),
    }
}

fn answer(item: &BulkItem, status: u16, error: Option<(&str, &str)>) -> Value {
    match error {
        None => json!({item.op: {"status": status}}),
        Some((kind, reason)) => json!({item.op: {"status": status, "error": {"type": kind, "reason": reason}}}),
    }
}

/// Elasticsearch's rules for the name of an index.
fn check_index(name: &str) -> Result<(), String> {
    let invalid = |why: &str| Err(format!("Invalid index name [{name}], {why}"));
    if name.is_empty() || name == "." || name == ".." {
        return invalid("must not be empty, '.' or '..'");
    }
    if name.len() > INDEX_BYTES_MAX {
        return invalid("index name is too long");
    }
    if name.starts_with(['-', '_', '+']) {
        return invalid("must not start with '_', '-', or '+'");
    }
    if name.chars().any(|c| matches!(c, '\\' | '/' | '*' | '?' | '"' | '<' | '>' | '|' | ' ' | ',' | '#' | ':')) {
        return invalid("must not contain the following characters [\\, /, *, ?, \", <, >, |, space, ,, #, :]");
    }
    if name.to_lowercase() != name {
        return invalid("must be lowercase");
    }
    Ok(())
}
