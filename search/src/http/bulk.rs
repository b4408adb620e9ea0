//! `_bulk`: lines of actions and documents, an answer for each.

use super::error::Failed;
use super::filter_path::FilterPath;
use super::{Reply, Request, parameters};
use crate::query::Refusal;
use crate::store::limits::ID_BYTES_MAX;
use crate::store::{BulkItem, BulkOutcome, ItemError, Node, Store, Written};
use axum::http::StatusCode;
use bytes::Bytes;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// Keys of an action line that change nothing here: there is one shard, and no ingest pipeline is named by our sink.
const HARMLESS: [&str; 2] = ["require_data_stream", "routing"];

/// Bytes of an item's answer, for the buffer of all: the longest one of what our sink sends.
const ANSWER_BYTES: usize = 224;

/// The same where a filter leaves the status.
const LEAN_BYTES: usize = 32;

/// One line of actions, and what it asks for.
struct Action {
    operation: Operation,
    index: Arc<str>,
    /// Why the item is not taken, though the request is.
    refused: Option<Refusal>,
}

/// What an action line asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Index,
    Update,
    Delete,
}

impl Operation {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "create" => Self::Create,
            "index" => Self::Index,
            "update" => Self::Update,
            "delete" => Self::Delete,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Index => "index",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

/// Writes the documents of a request. `index`: the one in the path.
pub fn bulk(store: &Store, index: Option<&str>, request: &Request) -> Result<Reply, Failed> {
    let body = &request.body;
    if body.last().is_some_and(|last| *last != b'\n') {
        let reason = "The bulk request must be terminated by a newline [\\n]";
        return Err(Refusal::argument(reason).into());
    }
    let refreshes = check_refresh(request)?;
    let filter = parameters::filter_path(request)?;
    let (actions, items) = read(body, index)?;
    if actions.is_empty() {
        return Err(Refusal::new("parse_exception", "request body is required").into());
    }
    let outcomes = store.bulk(items)?;
    if refreshes {
        store.refresh()?;
    }
    // What a filter leaves of an item that was created is the same for all, unless it names what differs.
    let lean = filter.as_ref().and_then(Lean::of);
    let mut has_errors = false;
    let mut outcomes = outcomes.into_iter();
    let mut items = String::with_capacity(actions.len() * if lean.is_some() { LEAN_BYTES } else { ANSWER_BYTES });
    for action in actions {
        let operation = action.operation.name();
        let (status, mut answer) = match action.refused {
            Some(refusal) => (400, json!({ "_index": *action.index, "_id": null, "error": refusal.to_json() })),
            None => match outcomes.next().expect("the store answers for each item") {
                BulkOutcome { id, result: Ok(Written::Created(sequence)) } => {
                    match &lean {
                        Some(lean) => add(&mut items, lean.created(action.operation)),
                        None => created(&mut items, operation, &action.index, &id, sequence),
                    }
                    continue;
                }
                outcome => item(&action.index, outcome),
            },
        };
        has_errors |= status >= 300;
        answer["status"] = status.into();
        match &lean {
            Some(lean) => add(&mut items, &lean.item(operation, answer)),
            None => add(&mut items, &json!({ operation: answer }).to_string()),
        }
    }
    match lean {
        Some(lean) => Ok(lean.reply(request.took(), has_errors, &items)),
        None => {
            let took = request.took();
            Ok(Reply::json_text(format!("{{\"took\":{took},\"errors\":{has_errors},\"items\":[{items}]}}")))
        }
    }
}

fn check_refresh(request: &Request) -> Result<bool, Refusal> {
    match request.parameter("refresh") {
        None | Some("false") => Ok(false),
        Some("" | "true" | "wait_for") => Ok(true),
        Some(other) => Err(Refusal::argument(format!("Unknown value for refresh: [{other}]."))),
    }
}

/// Adds an item's answer; an empty one is left out.
fn add(items: &mut String, answer: &str) {
    if !items.is_empty() && !answer.is_empty() {
        items.push(',');
    }
    items.push_str(answer);
}

/// Answers by a filter that leaves nothing of an item which differs from one to the next.
struct Lean<'a> {
    filter: &'a FilterPath,
    create: String,
    index: String,
}

impl<'a> Lean<'a> {
    fn of(filter: &'a FilterPath) -> Option<Self> {
        let mut created = [String::new(), String::new()];
        for (text, operation) in created.iter_mut().zip([Operation::Create, Operation::Index]) {
            self::created(text, operation.name(), "", "", 0);
            let sample: Value = serde_json::from_str(text).ok()?;
            let left = filter.apply(json!({ "items": [sample] }));
            let inner = &left["items"][0][operation.name()];
            if ["_index", "_id", "_seq_no"].iter().any(|name| inner.get(name).is_some()) {
                return None;
            }
            *text = left["items"].get(0).map(Value::to_string).unwrap_or_default();
        }
        let [create, index] = created;
        Some(Self { filter, create, index })
    }

    fn created(&self, operation: Operation) -> &str {
        if operation == Operation::Create { &self.create } else { &self.index }
    }

    fn item(&self, operation: &str, answer: Value) -> String {
        let left = self.filter.apply(json!({ "items": [{ operation: answer }] }));
        left["items"].get(0).map(Value::to_string).unwrap_or_default()
    }

    fn reply(&self, took: u64, has_errors: bool, items: &str) -> Reply {
        let left = self.filter.apply(json!({ "took": took, "errors": has_errors }));
        let mut parts: Vec<String> =
            left.as_object().into_iter().flatten().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        if !items.is_empty() {
            parts.push(format!("\"items\":[{items}]"));
        }
        Reply { is_filtered: true, ..Reply::json_text(format!("{{{}}}", parts.join(","))) }
    }
}

/// The answer of most items, without a tree in between.
fn created(items: &mut String, operation: &str, index: &str, id: &str, sequence: u64) {
    if !items.is_empty() {
        items.push(',');
    }
    items.push_str("{\"");
    items.push_str(operation);
    items.push_str("\":{\"_index\":");
    quote(items, index);
    items.push_str(",\"_id\":");
    quote(items, id);
    let shards = "{\"total\":1,\"successful\":1,\"failed\":0}";
    let rest = format_args!(
        ",\"_version\":1,\"result\":\"created\",\"_shards\":{shards},\"_seq_no\":{sequence},\"_primary_term\":1,\"status\":201}}}}"
    );
    items.write_fmt(rest).expect("a string takes everything");
}

/// Adds a text as JSON has it; most need no escapes.
fn quote(out: &mut String, text: &str) {
    match text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        true => {
            out.push('"');
            out.push_str(text);
            out.push('"');
        }
        false => out.push_str(&Value::from(text).to_string()),
    }
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
    let refreshes = check_refresh(request)?;
    let is_create = match request.parameter("op_type") {
        None => is_create,
        Some("create") => true,
        Some("index") if !is_create => false,
        Some(other) => return Err(Refusal::argument(format!("opType [{other}] is not supported here")).into()),
    };
    let item_of = BulkItem {
        index: index.into(),
        id: id.map(str::to_owned),
        overwrites: !is_create,
        source: request.body.clone(),
    };
    let outcome = store.bulk(vec![item_of])?.pop().expect("an outcome for the item");
    if refreshes {
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
    let path_index: Option<Arc<str>> = path_index.map(Into::into);
    // Most lines name the same index.
    let mut last: Option<Arc<str>> = None;
    while let Some(line) = next_line(&mut rest) {
        number += 1;
        if line.is_empty() {
            continue;
        }
        let (operation, metadata) = action(&line, number)?;
        let get = |key: &str| metadata.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value);
        let index = match get("_index") {
            Some(Node::Text(name)) => match &last {
                Some(index) if **index == **name => index.clone(),
                _ => last.insert((**name).into()).clone(),
            },
            _ => path_index.clone().ok_or_else(|| {
                Refusal::new("action_request_validation_exception", "Validation Failed: 1: index is missing;")
            })?,
        };
        let id = match get("_id") {
            None | Some(Node::Null) => None,
            Some(Node::Text(id)) => Some((**id).to_owned()),
            Some(Node::Long(id)) => Some(id.to_string()),
            Some(_) => return Err(Refusal::argument(format!("the [_id] of line [{number}] is no text")).into()),
        };
        if let Some(id) = &id {
            check_id(id)?;
        }
        let known = |key: &&str| !["_index", "_id"].contains(key) && !HARMLESS.contains(key);
        let refused = match metadata.iter().map(|(key, _)| &**key).find(known) {
            Some(key) => Some(Refusal::argument(format!(
                "Action/metadata line [{number}] contains [{key}], which is not supported"
            ))),
            None if !matches!(operation, Operation::Create | Operation::Index) => {
                let name = operation.name();
                Some(Refusal::argument(format!("the bulk action [{name}] is not supported")))
            }
            None => None,
        };
        if operation == Operation::Delete {
            // It has no document behind it.
            actions.push(Action { operation, index, refused });
            continue;
        }
        number += 1;
        let Some(source) = next_line(&mut rest) else {
            return Err(Refusal::argument(format!("the document of line [{number}] is missing")).into());
        };
        if refused.is_none() {
            let overwrites = operation == Operation::Index;
            items.push(BulkItem { index: index.clone(), id, overwrites, source });
        }
        actions.push(Action { operation, index, refused });
    }
    Ok((actions, items))
}

type Metadata<'a> = Vec<(Cow<'a, str>, Node<'a>)>;

fn action(line: &[u8], number: usize) -> Result<(Operation, Metadata<'_>), Failed> {
    let malformed =
        |what: &str| Failed::from(Refusal::argument(format!("Malformed action/metadata line [{number}], {what}")));
    let line = std::str::from_utf8(line).map_err(|error| malformed(&format!("{error}")))?;
    let parsed = Node::parse(line).map_err(|error| malformed(&format!("{error}")))?;
    match parsed {
        Node::Object(object) if object.len() == 1 => match object.into_iter().next() {
            Some((operation, Node::Object(metadata))) => match Operation::of(&operation) {
                Some(operation) => Ok((operation, metadata)),
                None => Err(malformed("expected one of [create, delete, index, update]")),
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
    let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
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
