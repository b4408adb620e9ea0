//! What clients ask about the server and its indices, templates and policies.

use super::error::Failed;
use super::parameters::Indices;
use super::search::{object, select};
use super::{BODY_BYTES_MAX, Reply, Request, VERSION};
use crate::query::Refusal;
use crate::store::{Definitions, DynamicTemplate, Kind, Mapping, Store, name};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// `GET /`: the first thing that clients look at.
pub fn root() -> Reply {
    Reply::json(&json!({
        "name": "sluice",
        "cluster_name": "sluice",
        "cluster_uuid": "sluice",
        "version": {
            "number": VERSION, "build_flavor": "default", "build_type": "tar", "build_hash": "sluice",
            "build_snapshot": false, "lucene_version": "10.3.0",
            "minimum_wire_compatibility_version": "8.19.0", "minimum_index_compatibility_version": "8.0.0",
        },
        "tagline": "You Know, for Search",
        "sluice": env!("CARGO_PKG_VERSION"),
    }))
}

pub fn health(store: &Store) -> Reply {
    let failure = store.failure();
    let indices = store.indices().len();
    Reply::json(&json!({
        "cluster_name": "sluice",
        "status": if failure.is_some() { "red" } else { "green" },
        "timed_out": false, "number_of_nodes": 1, "number_of_data_nodes": 1,
        "active_primary_shards": indices, "active_shards": indices, "relocating_shards": 0,
        "initializing_shards": 0, "unassigned_shards": 0, "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0, "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    }))
}

/// `_nodes`, `_nodes/http`, `_nodes/_local`, `_nodes/stats/..`: one node, with the largest body that it takes.
pub fn nodes() -> Reply {
    let node = json!({
        "name": "sluice", "version": VERSION, "host": "127.0.0.1", "ip": "127.0.0.1", "build_flavor": "default",
        "roles": ["data", "ingest", "master"],
        "http": { "max_content_length_in_bytes": BODY_BYTES_MAX },
    });
    Reply::json(&json!({
        "_nodes": { "total": 1, "successful": 1, "failed": 0 }, "cluster_name": "sluice", "nodes": { "sluice": node },
    }))
}

/// `_cat/indices`, as text or with `format=json`.
pub fn indices(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let selected = select(store, list, Indices::of(request)?)?;
    let mut rows = Vec::new();
    let is_selected = |name: &str| selected.iter().any(|snapshot| snapshot.name == name);
    for index in store.indices().iter().filter(|index| is_selected(&index.name)) {
        rows.push((index.name.clone(), index.documents(), index.bytes()));
    }
    let columns: Vec<&str> = match request.parameter("h") {
        None | Some("") => CAT_COLUMNS.to_vec(),
        Some(list) => list.split(',').collect(),
    };
    if let Some(unknown) = columns.iter().find(|name| !CAT_COLUMNS.contains(name)) {
        return Err(Refusal::argument(format!("the column [{unknown}] of [h] is not supported")).into());
    }
    let cell = |column: &str, (index, documents, bytes): &(String, u64, u64)| match column {
        "health" => "green".to_owned(),
        "status" => "open".to_owned(),
        "index" | "uuid" => index.clone(),
        "pri" => "1".to_owned(),
        "docs.count" => documents.to_string(),
        "store.size" | "pri.store.size" => bytes.to_string(),
        _ => "0".to_owned(),
    };
    match request.parameter("format") {
        Some("json") => {
            let row = |row| columns.iter().map(|name| ((*name).to_owned(), cell(name, row).into())).collect();
            Ok(Reply::json(&Value::Array(rows.iter().map(|found| Value::Object(row(found))).collect())))
        }
        None | Some("" | "text") => {
            let mut text = String::new();
            if super::parameters::flag(request, "v")? == Some(true) {
                text = columns.join(" ") + "\n";
            }
            for row in &rows {
                text.push_str(&columns.iter().map(|name| cell(name, row)).collect::<Vec<_>>().join(" "));
                text.push('\n');
            }
            Ok(Reply::text(text))
        }
        Some(other) => Err(Refusal::argument(format!("[format] is json or text, not [{other}]")).into()),
    }
}

/// Of `_cat/indices`, in their order.
const CAT_COLUMNS: [&str; 10] =
    ["health", "status", "index", "uuid", "pri", "rep", "docs.count", "docs.deleted", "store.size", "pri.store.size"];

pub fn mapping(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let shown = select(store, list, Indices::of(request)?)?.into_iter().map(|snapshot| {
        let properties = snapshot.mapping.to_properties();
        (snapshot.name, json!({ "mappings": { "properties": properties } }))
    });
    Ok(Reply::json(&Value::Object(shown.collect())))
}

/// `PUT {index}`, `PUT {index}/_mapping`: an index with types of its own.
pub fn declare(store: &Store, index: &str, request: &Request, of_mapping: bool) -> Result<Reply, Failed> {
    let body = Value::Object(object(&request.body)?);
    let mappings = if of_mapping { &body } else { &body["mappings"] };
    let wrong = |reason| Refusal::new("mapper_parsing_exception", reason);
    let fields = Mapping::of_properties(mappings).map_err(wrong)?;
    let rules = DynamicTemplate::parse_all(&mappings["dynamic_templates"]).map_err(wrong)?;
    let exists = store.indices().iter().any(|known| known.name == index);
    if exists && !of_mapping {
        let reason = format!("index [{index}] already exists");
        return Err(Refusal::new("resource_already_exists_exception", reason).into());
    }
    let index = store.index_for(index)??;
    {
        let mut mapping = index.mapping.write().expect("nobody panics with the mapping");
        fields.iter().for_each(|(path, kind)| mapping.declare(path, *kind));
        mapping.dynamic.extend(rules);
    }
    index.save()?;
    Ok(Reply::json(&json!({ "acknowledged": true, "shards_acknowledged": true, "index": index.name })))
}

/// `_field_caps?fields=..`: the types of fields over all indices that are meant.
pub fn field_caps(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let body = object(&request.body)?;
    let asked = match (request.parameter("fields"), body.get("fields")) {
        (Some(list), _) => list.to_owned(),
        (None, Some(Value::Array(names))) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        (None, Some(Value::String(list))) => list.clone(),
        _ => return Err(Refusal::argument("no fields specified").into()),
    };
    let asked = name_patterns(&asked)?;
    let snapshots = select(store, list, Indices::of(request)?)?;
    let mut fields: BTreeMap<&str, BTreeMap<&'static str, (Kind, Vec<&str>)>> = BTreeMap::new();
    for snapshot in &snapshots {
        for (path, entry) in &snapshot.mapping.fields {
            if asked.iter().any(|pattern| pattern.matches(path)) {
                let types = fields.entry(path).or_default();
                types.entry(entry.kind().name()).or_insert((entry.kind(), Vec::new())).1.push(&snapshot.name);
            }
        }
    }
    let mut shown = Map::new();
    for (path, types) in fields {
        let several = types.len() > 1;
        let caps = types.into_iter().map(|(name, (kind, indices))| {
            let mut caps = json!({
                "type": name, "metadata_field": false,
                "searchable": !matches!(kind, Kind::Stored | Kind::Place),
                "aggregatable": !matches!(kind, Kind::Stored | Kind::Place | Kind::Text),
            });
            if several {
                caps["indices"] = json!(indices);
            }
            (name.to_owned(), caps)
        });
        shown.insert(path.to_owned(), Value::Object(caps.collect()));
    }
    let names: Vec<&str> = snapshots.iter().map(|snapshot| snapshot.name.as_str()).collect();
    Ok(Reply::json(&json!({ "indices": names, "fields": shown })))
}

fn name_patterns(list: &str) -> Result<Vec<crate::query::ast::Pattern>, Refusal> {
    list.split(',').filter(|name| !name.is_empty()).map(crate::query::ast::Pattern::parse).collect()
}

/// Which definitions a path is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    IndexTemplate,
    ComponentTemplate,
    /// Of Elasticsearch's lifecycle management or OpenSearch's state management: kept and shown. What the store keeps is
    /// said by its own retention.
    Policy,
}

impl Part {
    fn of(self, definitions: &mut Definitions) -> &mut Map<String, Value> {
        match self {
            Self::IndexTemplate => &mut definitions.index_templates,
            Self::ComponentTemplate => &mut definitions.component_templates,
            Self::Policy => &mut definitions.policies,
        }
    }

    fn show(self, found: Map<String, Value>) -> Value {
        let list = |key: &str, inner: &str| {
            let one = |(name, body)| json!({ "name": name, inner: body });
            json!({ key: found.clone().into_iter().map(one).collect::<Vec<_>>() })
        };
        match self {
            Self::IndexTemplate => list("index_templates", "index_template"),
            Self::ComponentTemplate => list("component_templates", "component_template"),
            Self::Policy => found
                .into_iter()
                .map(|(name, body)| (name, json!({ "version": 1, "policy": body["policy"] })))
                .collect(),
        }
    }
}

pub fn put(store: &Store, part: Part, name: &str, request: &Request) -> Result<Reply, Failed> {
    let body = Value::Object(object(&request.body)?);
    match part {
        Part::IndexTemplate => Definitions::check_template(&body)?,
        Part::ComponentTemplate => Definitions::check_mappings(&body["template"]["mappings"])?,
        Part::Policy => {}
    }
    let only_new = super::parameters::flag(request, "create")? == Some(true);
    store.define(|definitions| {
        definitions.check_room()?;
        if only_new && part.of(definitions).contains_key(name) {
            return Err(Refusal::argument(format!("[{name}] already exists")));
        }
        part.of(definitions).insert(name.to_owned(), body);
        Ok(())
    })??;
    Ok(Reply::json(&json!({ "acknowledged": true })))
}

pub fn get(store: &Store, part: Part, names: &str) -> Result<Reply, Failed> {
    let patterns = name_patterns(if names.is_empty() { "*" } else { names })?;
    let mut definitions = store.definitions();
    let all = std::mem::take(part.of(&mut definitions));
    let found: Map<String, Value> =
        all.into_iter().filter(|(name, _)| patterns.iter().any(|pattern| pattern.matches(name))).collect();
    match found.is_empty() && !names.is_empty() && !names.contains('*') {
        true => Err(missing(names)),
        false => Ok(Reply::json(&part.show(found))),
    }
}

pub fn remove(store: &Store, part: Part, name: &str) -> Result<Reply, Failed> {
    let removed = store.define(|definitions| Ok(part.of(definitions).remove(name).is_some()))??;
    match removed {
        true => Ok(Reply::json(&json!({ "acknowledged": true }))),
        false => Err(missing(name)),
    }
}

fn missing(name: &str) -> Failed {
    Failed::new(StatusCode::NOT_FOUND, "resource_not_found_exception", format!("[{name}] not found"))
}

pub fn delete(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let options = Indices::of(request)?;
    if list.contains('*') || list == "_all" || list.is_empty() {
        let reason = "Wildcard expressions or all indices are not allowed";
        return Err(Refusal::argument(reason).into());
    }
    let names = name::Names::parse(list)?;
    let known = store.indices();
    let missing = names.plain().find(|name| !known.iter().any(|index| index.name == *name));
    if let Some(name) = missing.filter(|_| !options.ignore_unavailable) {
        return Err(Failed::no_index(name));
    }
    store.delete(&names)?;
    Ok(Reply::json(&json!({ "acknowledged": true })))
}
