//! `_bulk`: lines of actions and documents, an answer for each.

use super::error::Failed;
use super::{Reply, Request};
use crate::query::Refusal;
use crate::store::limits::ID_BYTES_MAX;
use crate::store::{BulkItem, BulkOutcome, ItemError, Store, Written};
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Map, Value, json};

/// Keys of an action line that change nothing here: there is one shard, and no ingest pipeline is named by our sink.
const HARMLESS: [&str; 5] = ["require_alias", "require_data_stream", "routing", "_type", "dynamic_templates"];

/// One line of actions, and what it asks for.
struct Action {
    operation: String,
    index: String,
    /// Why the item is not taken, though the request is.
    refused: Option<Refusal>,
}

/// Writes the documents of a request. `index`: the one in the path.
pub fn bulk(store: &Store, index: Option<&str>, request: &Request) -> Result<Reply, Failed> {
    let body = &request.body;
    if body.last().is_some_and(|last| *last != b'\n') {
        let reason = "The bulk request must be terminated by a newline [\\n]";
        return Err(Refusal::argument(reason).into());
    }
    let (actions, items) = read(body, index)?;
    if actions.is_empty() {
        return Err(Refusal::new("parse_exception", "request body is required").into());
    }
    let outcomes = store.bulk(items)?;
    if matches!(request.parameter("refresh"), Some("" | "true" | "wait_for")) {
        store.refresh()?;
    }
    let mut has_errors = false;
    let mut outcomes = outcomes.into_iter();
    let mut answers = Vec::with_capacity(actions.len());
    for action in actions {
        let (status, answer) = match action.refused {
            Some(refusal) => (400, json!({ "_index": action.index, "_id": null, "error": refusal.to_json() })),
            None => {
                let outcome = outcomes.next().expect("the store answers for each item");
                item(&action.index, outcome)
            }
        };
        has_errors |= status >= 300;
        let mut answer = answer;
        answer["status"] = status.into();
        answers.push(Value::Object(Map::from_iter([(action.operation, answer)])));
    }
    Ok(Reply::json(&json!({ "took": request.took(), "errors": has_errors, "items": answers })))
}

/// `PUT|POST {index}/_doc/{id}`, `{index}/_create/{id}`: a bulk request of one.
pub fn single(
    store: &Store,
    index: &str,
    id: Option<&str>,
    is_create: bool,
    request: &Request,
) -> Result<Reply, Failed> {
    if let Some(id) = id {
        check_id(id)?;
    }
    let item_of = BulkItem {
        index: index.to_owned(),
        id: id.map(str::to_owned),
        overwrites: !is_create,
        source: request.body.clone(),
    };
    let outcome = store.bulk(vec![item_of])?.pop().expect("an outcome for the item");
    if matches!(request.parameter("refresh"), Some("" | "true" | "wait_for")) {
        store.refresh()?;
    }
    let (status, answer) = item(index, outcome);
    let status = StatusCode::from_u16(status).expect("one of ours");
    match answer.get("error") {
        Some(error) => Ok(Reply { status, ..Reply::json(&json!({ "error": error, "status": status.as_u16() })) }),
        None => Ok(Reply { status, ..Reply::json(&answer) }),
    }
}

fn item(index: &str, outcome: BulkOutcome) -> (u16, Value) {
    let BulkOutcome { id, result } = outcome;
    let refused =
        |status, refusal: Refusal| (status, json!({ "_index": index, "_id": id, "error": refusal.to_json() }));
    let done = |status, result, sequence: u64| {
        let version = if status == 201 { 1 } else { 2 };
        let shards = json!({ "total": 1, "successful": 1, "failed": 0 });
        let answer = json!({ "_index": index, "_id": id, "_version": version, "result": result, "_shards": shards,
                             "_seq_no": sequence, "_primary_term": 1 });
        (status, answer)
    };
    match result {
        Ok(Written::Created(sequence)) => done(201, "created", sequence),
        Ok(Written::Updated(sequence)) => done(200, "updated", sequence),
        Ok(Written::Conflict) => {
            let reason = format!("[{id}]: version conflict, document already exists (current version [1])");
            refused(409, Refusal::new("version_conflict_engine_exception", reason))
        }
        Err(ItemError::Document(reason)) => {
            refused(400, Refusal::new("document_parsing_exception", reason.to_string()))
        }
        Err(ItemError::Index(refusal)) => refused(400, refusal),
    }
}

/// The actions in their order, and an item for each that is not refused.
fn read(body: &Bytes, path_index: Option<&str>) -> Result<(Vec<Action>, Vec<BulkItem>), Failed> {
    let mut actions = Vec::new();
    let mut items = Vec::new();
    let mut rest = body.clone();
    let mut number = 0;
    while let Some(line) = next_line(&mut rest) {
        number += 1;
        if line.is_empty() {
            continue;
        }
        let (operation, metadata) = action(&line, number)?;
        let text = |key: &str| metadata.get(key).and_then(Value::as_str).map(str::to_owned);
        let Some(index) = text("_index").or_else(|| path_index.map(str::to_owned)) else {
            return Err(
                Refusal::new("action_request_validation_exception", "Validation Failed: 1: index is missing;").into()
            );
        };
        let id = match metadata.get("_id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(other) => Some(other.to_string()),
        };
        if let Some(id) = &id {
            check_id(id)?;
        }
        let is_create = operation == "create";
        let known = |key: &&String| !["_index", "_id"].contains(&key.as_str()) && !HARMLESS.contains(&key.as_str());
        let refused = match metadata.keys().find(known) {
            Some(key) => Some(Refusal::argument(format!(
                "Action/metadata line [{number}] contains [{key}], which is not supported"
            ))),
            None if !matches!(operation.as_str(), "create" | "index") => {
                Some(Refusal::argument(format!("the bulk action [{operation}] is not supported")))
            }
            None => None,
        };
        if operation == "delete" {
            // It has no document behind it.
            actions.push(Action { operation, index, refused });
            continue;
        }
        number += 1;
        let Some(source) = next_line(&mut rest) else {
            return Err(Refusal::argument(format!("the document of line [{number}] is missing")).into());
        };
        if refused.is_none() {
            items.push(BulkItem { index: index.clone(), id, overwrites: !is_create, source });
        }
        actions.push(Action { operation, index, refused });
    }
    Ok((actions, items))
}

fn action(line: &[u8], number: usize) -> Result<(String, Map<String, Value>), Failed> {
    let malformed =
        |what: &str| Failed::from(Refusal::argument(format!("Malformed action/metadata line [{number}], {what}")));
    let parsed: Value = serde_json::from_slice(line).map_err(|error| malformed(&format!("{error}")))?;
    match parsed {
        Value::Object(object) if object.len() == 1 => match object.into_iter().next() {
            Some((operation, Value::Object(metadata))) => match operation.as_str() {
                "create" | "index" | "update" | "delete" => Ok((operation, metadata)),
                _ => Err(malformed("expected one of [create, delete, index, update]")),
            },
            _ => Err(malformed("expected START_OBJECT")),
        },
        _ => Err(malformed("expected an object with one action")),
    }
}

/// The next line without its end; `None`: there is none.
fn next_line(rest: &mut Bytes) -> Option<Bytes> {
    if rest.is_empty() {
        return None;
    }
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    let mut line = rest.split_to(end);
    if !rest.is_empty() {
        let _ = rest.split_to(1);
    }
    if line.last() == Some(&b'\r') {
        line.truncate(line.len() - 1);
    }
    Some(line)
}

fn check_id(id: &str) -> Result<(), Failed> {
    if id.len() > ID_BYTES_MAX {
        let reason = format!(
            "Validation Failed: 1: id is too long, must be no longer than {ID_BYTES_MAX} bytes but was: {};",
            id.len()
        );
        return Err(Refusal::new("action_request_validation_exception", reason).into());
    }
    match id.is_empty() {
        true => Err(Refusal::argument("if _id is specified it must not be empty").into()),
        false => Ok(()),
    }
}
