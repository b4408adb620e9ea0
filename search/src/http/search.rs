//! `_search`, `_msearch` and `_count`.

use super::error::Failed;
use super::parameters::{self, Indices};
use super::{Reply, Request};
use crate::aggs;
use crate::exec::hits::{count, hits, targets};
use crate::exec::sort::{SortKey, SortValue};
use crate::exec::source::SourceFilter;
use crate::exec::{Hit, Hits, HitsRequest, Target};
use crate::highlight::{Comparison, Highlight};
use crate::query::ast::Pattern;
use crate::query::{FieldNames, Query, Refusal, dsl};
use crate::store::{Kind, Snapshot, Store, name::Names};
use axum::http::StatusCode;
use serde_json::{Map, Value, json};

/// Hits of one answer, `from` included, as `index.max_result_window` of Elasticsearch.
const WINDOW_MAX: usize = 10_000;
/// Hits that are counted exactly when a request does not say, as in Elasticsearch.
const TOTAL_DEFAULT: u64 = 10_000;
/// Searches of one `_msearch`.
const SEARCHES_MAX: usize = 100;

/// The fields of all indices that a search is over.
pub struct Fields<'a>(pub &'a [Snapshot]);

impl FieldNames for Fields<'_> {
    fn matching(&self, pattern: &Pattern) -> Vec<String> {
        let all = self.0.iter().flat_map(|snapshot| &snapshot.mapping.fields);
        let searched = all.filter(|(_, entry)| !matches!(entry.kind(), Kind::Stored | Kind::Place));
        let mut names: Vec<String> =
            searched.filter(|(name, _)| pattern.matches(name)).map(|(name, _)| name.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The indices that a list of names and patterns means; a plain name has to be there, unless the options say otherwise.
pub fn select(store: &Store, list: &str, options: Indices) -> Result<Vec<Snapshot>, Failed> {
    let names = Names::parse(list)?;
    let pattern = names.patterns().next().map(str::to_owned);
    let names = names.expanding(options.expands, options.hidden);
    let found = store.select(&names);
    let missing = names.plain().find(|name| !found.iter().any(|snapshot| snapshot.name == *name));
    match (missing, pattern) {
        (Some(name), _) if !options.ignore_unavailable => Err(Failed::no_index(name)),
        (_, Some(pattern)) if found.is_empty() && !options.allow_no_indices => Err(Failed::no_index(&pattern)),
        (Some(name), None) if found.is_empty() && !options.allow_no_indices => Err(Failed::no_index(name)),
        _ => Ok(found),
    }
}

/// The body of a request as an object; nothing is an empty one.
pub fn object(body: &[u8]) -> Result<Map<String, Value>, Failed> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Refusal::parsing("the body of the request has to be an object").into()),
        Err(error) => Err(Refusal::parsing(format!("the body of the request is no JSON: {error}")).into()),
    }
}

pub fn search(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let mut body = object(&request.body)?;
    for name in ["from", "size"] {
        if let Some(value) = request.parameter(name) {
            let number: u64 = value.parse().map_err(|_| Refusal::argument(format!("[{name}] has to be a number")))?;
            body.insert(name.to_owned(), number.into());
        }
    }
    if let Some(value) = request.parameter("track_total_hits") {
        let number = serde_json::from_str(value).ok().filter(|value: &Value| value.is_boolean() || value.is_u64());
        let reason = || Refusal::argument(format!("[track_total_hits] has to be a boolean or a number, got [{value}]"));
        body.insert("track_total_hits".to_owned(), number.ok_or_else(reason)?);
    }
    source_of(&mut body, request)?;
    if let Some(value) = request.parameter("sort") {
        body.insert("sort".to_owned(), value.split(',').collect::<Vec<_>>().into());
    }
    query_in_url(&mut body, request)?;
    Ok(Reply::json(&one(store, list, &body, Indices::of(request)?, request)?))
}

/// `q` and what belongs to it.
fn query_in_url(body: &mut Map<String, Value>, request: &Request) -> Result<(), Refusal> {
    let mut query = Map::new();
    for (parameter, key) in [("df", "default_field"), ("default_operator", "default_operator")] {
        if let Some(value) = request.parameter(parameter) {
            query.insert(key.to_owned(), value.into());
        }
    }
    for name in ["analyze_wildcard", "lenient"] {
        if let Some(value) = parameters::flag(request, name)? {
            query.insert(name.to_owned(), value.into());
        }
    }
    match request.parameter("q") {
        Some(value) => {
            query.insert("query".to_owned(), value.into());
            body.insert("query".to_owned(), json!({ "query_string": query }));
        }
        None if query.is_empty() => {}
        None => {
            let names: Vec<&String> = query.keys().collect();
            return Err(Refusal::argument(format!("{names:?} mean nothing without the parameter [q]")));
        }
    }
    Ok(())
}

/// `_source`, `_source_includes` and `_source_excludes`.
fn source_of(body: &mut Map<String, Value>, request: &Request) -> Result<(), Refusal> {
    let list = |name: &str| request.parameter(name).map(|list| list.split(',').map(Value::from).collect::<Vec<_>>());
    match request.parameter("_source") {
        Some("true" | "false") | Some("") => {
            body.insert("_source".to_owned(), parameters::flag(request, "_source")?.unwrap_or(true).into());
        }
        Some(names) => {
            body.insert("_source".to_owned(), names.split(',').collect::<Vec<_>>().into());
        }
        None => {}
    }
    let (includes, excludes) = (list("_source_includes"), list("_source_excludes"));
    if includes.is_some() || excludes.is_some() {
        let filter = json!({ "includes": includes.unwrap_or_default(), "excludes": excludes.unwrap_or_default() });
        body.insert("_source".to_owned(), filter);
    }
    Ok(())
}

/// A search for each pair of lines; a failed one is an answer among others.
pub fn searches(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let mut lines = request.body.split(|byte| *byte == b'\n');
    let mut answers = Vec::new();
    while let Some(header) = lines.next() {
        let Some(body) = lines.next() else { break };
        if answers.len() >= SEARCHES_MAX {
            return Err(Refusal::argument(format!("a request has at most {SEARCHES_MAX} searches")).into());
        }
        let answer = object(header).and_then(|header| {
            check_header(&header)?;
            let own = match header.get("index") {
                Some(Value::String(names)) => names.clone(),
                Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                _ => list.to_owned(),
            };
            one(store, &own, &object(body)?, Indices::of(request)?.with_header(&header)?, request)
        });
        answers.push(match answer {
            Ok(mut answer) => {
                answer["status"] = 200.into();
                answer
            }
            Err(failed) => failed.to_json(),
        });
    }
    Ok(Reply::json(&json!({ "took": request.took(), "responses": answers })))
}

/// Refuses a header of `_msearch` that says what would be ignored.
fn check_header(header: &Map<String, Value>) -> Result<(), Refusal> {
    let known = [
        "index",
        "ignore_unavailable",
        "allow_no_indices",
        "expand_wildcards",
        // They have nothing to decide where there is one node.
        "preference",
        "routing",
        "request_cache",
        "allow_partial_search_results",
        "ccs_minimize_roundtrips",
    ];
    match header.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, Value::String(value))) if name == "search_type" && value == "query_then_fetch" => Ok(()),
        Some((name, _)) => Err(Refusal::argument(format!("key [{name}] is not supported in the metadata section"))),
        None => Ok(()),
    }
}

pub fn counted(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let mut body = object(&request.body)?;
    query_in_url(&mut body, request)?;
    if let Some(name) = body.keys().find(|name| *name != "query") {
        return Err(Refusal::parsing(format!("request does not support [{name}]")).into());
    }
    let snapshots = select(store, list, Indices::of(request)?)?;
    let query = query_of(&body, &snapshots)?;
    let number = count(&targets(&snapshots, &query, request.now_millis)?)?;
    Ok(Reply::json(&json!({ "count": number, "_shards": shards(snapshots.len()) })))
}

fn query_of(body: &Map<String, Value>, snapshots: &[Snapshot]) -> Result<Query, Refusal> {
    match body.get("query") {
        None | Some(Value::Null) => Ok(Query::All),
        Some(query) => dsl::parse(query, &Fields(snapshots)),
    }
}

fn one(
    store: &Store,
    list: &str,
    body: &Map<String, Value>,
    indices: Indices,
    request: &Request,
) -> Result<Value, Failed> {
    let snapshots = select(store, list, indices)?;
    let asked = Asked::parse(body)?;
    let query = query_of(body, &snapshots)?;
    let targets: Vec<Target<'_>> = targets(&snapshots, &query, request.now_millis)?;
    let wanted = HitsRequest { sort: &asked.sort, from: asked.from, size: asked.size, after: asked.after.as_deref() };
    let fields = Fields(&snapshots);
    let aggregations = match body.get("aggs").or_else(|| body.get("aggregations")) {
        Some(aggregations) => aggs::parse(aggregations, &mut dsl::Dsl::new(&fields))?,
        None => Vec::new(),
    };
    let highlight = body.get("highlight").map(|highlight| Highlight::parse(highlight, &fields)).transpose()?;
    let counted = match aggregations.is_empty() {
        true => None,
        false => Some(aggs::run(&aggregations, &targets, &snapshots, request.now_millis)?),
    };
    let found = match &counted {
        // Without hits, everything is known from one walk.
        Some((total, _)) if asked.from + asked.size == 0 => Hits { total: *total, score_max: None, hits: Vec::new() },
        _ => hits(&targets, &wanted)?,
    };
    let marks = |hit: &Hit, document: &Value| {
        let snapshot = snapshots.iter().find(|snapshot| snapshot.name == hit.index)?;
        let comparison = |path: &str| match snapshot.mapping.get(path)?.kind() {
            Kind::Text => Some(Comparison::Words),
            Kind::Stored | Kind::Place => None,
            _ => Some(Comparison::Whole),
        };
        highlight.as_ref()?.of(&query, document, &comparison)
    };
    let mut answer = json!({
        "took": request.took(),
        "timed_out": false,
        "_shards": shards(snapshots.len()),
        "hits": asked.render(found, &marks)?,
    });
    answer["_shards"]["skipped"] = 0.into();
    if let Some((_, aggregations)) = counted {
        answer["aggregations"] = aggregations;
    }
    Ok(answer)
}

fn shards(number: usize) -> Value {
    json!({ "total": number, "successful": number, "failed": 0 })
}

/// What a body asks for beside its query.
struct Asked {
    sort: Vec<SortKey>,
    from: usize,
    size: usize,
    after: Option<Vec<SortValue>>,
    source: SourceFilter,
    /// Up to how many hits are counted; `None`: they are not shown.
    total: Option<u64>,
}

impl Asked {
    fn parse(body: &Map<String, Value>) -> Result<Self, Failed> {
        let number = |name: &str, otherwise: usize| match body.get(name) {
            None => Ok(otherwise),
            Some(value) => value
                .as_u64()
                .and_then(|value| usize::try_from(value).ok())
                .ok_or_else(|| Refusal::argument(format!("[{name}] parameter cannot be negative, found [{value}]"))),
        };
        for name in body.keys() {
            match name.as_str() {
                "query" | "from" | "size" | "sort" | "search_after" | "_source" | "track_total_hits" => {}
                "aggs" | "aggregations" | "highlight" => {}
                // A search is answered whole or not at all.
                "timeout" => {}
                // What would be shown beside each hit is not; that it is not wanted is fine.
                "version" | "seq_no_primary_term" | "track_scores" | "explain" if body[name] == false => {}
                _ => {
                    return Err(
                        Refusal::parsing(format!("Unknown key for a value in [{name}]: it is not supported")).into()
                    );
                }
            }
        }
        let (from, size) = (number("from", 0)?, number("size", 10)?);
        if from.saturating_add(size) > WINDOW_MAX {
            let reason = format!(
                "Result window is too large, from + size must be less than or equal to: [{WINDOW_MAX}] but was [{}]",
                from.saturating_add(size)
            );
            return Err(Refusal::argument(reason).into());
        }
        let sort = body.get("sort").map_or_else(|| Ok(Vec::new()), SortKey::parse_all)?;
        let after = match body.get("search_after") {
            None | Some(Value::Null) => None,
            Some(Value::Array(values)) if values.len() == sort.len() && from == 0 && !sort.is_empty() => {
                Some(values.iter().map(SortValue::of).collect::<Result<Vec<_>, _>>()?)
            }
            Some(_) => {
                let reason = "[search_after] has to have a value for each key of [sort], and [from] has to be 0";
                return Err(Refusal::argument(reason).into());
            }
        };
        let total = match body.get("track_total_hits") {
            None | Some(Value::Null) => Some(TOTAL_DEFAULT),
            Some(Value::Bool(true)) => Some(u64::MAX),
            Some(Value::Bool(false)) => None,
            Some(value) => Some(value.as_u64().ok_or_else(|| {
                Refusal::argument(format!("[track_total_hits] parameter must be positive or equals to -1, got {value}"))
            })?),
        };
        Ok(Self { sort, from, size, after, source: SourceFilter::parse(body.get("_source"))?, total })
    }

    /// `marks` are the highlights of a hit's document, if there are any.
    fn render(&self, found: Hits, marks: &dyn Fn(&Hit, &Value) -> Option<Value>) -> Result<Value, Failed> {
        let mut rendered = Vec::with_capacity(found.hits.len());
        for hit in found.hits {
            let score = if found.score_max.is_some() { json!(hit.score) } else { Value::Null };
            let mut answer = json!({ "_index": hit.index, "_id": hit.id, "_score": score });
            let document: Value = serde_json::from_str(hit.source.get())
                .map_err(|error| Failed::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", error.to_string()))?;
            if let Some(marks) = marks(&hit, &document) {
                answer["highlight"] = marks;
            }
            if let Some(shown) = self.source.apply(document) {
                answer["_source"] = shown;
            }
            if !self.sort.is_empty() {
                answer["sort"] = hit.values.iter().map(SortValue::to_json).collect();
            }
            rendered.push(answer);
        }
        let mut hits = json!({ "max_score": found.score_max, "hits": rendered });
        if let Some(most) = self.total {
            let relation = if found.total > most { "gte" } else { "eq" };
            hits["total"] = json!({ "value": found.total.min(most), "relation": relation });
        }
        Ok(hits)
    }
}
