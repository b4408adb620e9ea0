//! `_search`, `_msearch` and `_count`.

use super::error::Failed;
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

/// The indices that a path means; a plain name has to be there.
pub fn select(store: &Store, list: &str, request: &Request) -> Result<Vec<Snapshot>, Failed> {
    let names = Names::parse(list)?;
    let found = store.select(&names);
    let ignores = request.parameter("ignore_unavailable") == Some("true");
    let missing = names.plain().find(|name| !found.iter().any(|snapshot| snapshot.name == *name));
    match missing {
        Some(name) if !ignores => Err(Failed::no_index(name)),
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
        body.insert("track_total_hits".to_owned(), serde_json::from_str(value).unwrap_or(Value::Null));
    }
    if let Some(value) = request.parameter("sort") {
        body.insert("sort".to_owned(), value.split(',').collect::<Vec<_>>().into());
    }
    if let Some(value) = request.parameter("q") {
        body.insert("query".to_owned(), json!({ "query_string": { "query": value } }));
    }
    Ok(Reply::json(&one(store, list, &body, request)?))
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
            let own = match header.get("index") {
                Some(Value::String(names)) => names.clone(),
                Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
                _ => list.to_owned(),
            };
            one(store, &own, &object(body)?, request)
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

pub fn counted(store: &Store, list: &str, request: &Request) -> Result<Reply, Failed> {
    let mut body = object(&request.body)?;
    if let Some(value) = request.parameter("q") {
        body.insert("query".to_owned(), json!({ "query_string": { "query": value } }));
    }
    if let Some(name) = body.keys().find(|name| *name != "query") {
        return Err(Refusal::parsing(format!("request does not support [{name}]")).into());
    }
    let snapshots = select(store, list, request)?;
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

fn one(store: &Store, list: &str, body: &Map<String, Value>, request: &Request) -> Result<Value, Failed> {
    let snapshots = select(store, list, request)?;
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
    let found = hits(&targets, &wanted)?;
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
    if !aggregations.is_empty() {
        answer["aggregations"] = aggs::run(&aggregations, &targets, &snapshots, request.now_millis)?;
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
                // They do not change what is found.
                "timeout" | "version" | "seq_no_primary_term" | "track_scores" | "stored_fields" => {}
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
