//! Parameters of the query string: each one works or is refused by its name.

use super::Request;
use super::filter_path::FilterPath;
use crate::query::Refusal;
use axum::http::Method;
use serde_json::{Map, Value};

/// Of every request. The store has nothing that `human` and `error_trace` would add.
const COMMON: [&str; 4] = ["pretty", "human", "error_trace", "filter_path"];
/// Which indices a list means ([`Indices`]).
const INDICES: [&str; 3] = ["ignore_unavailable", "allow_no_indices", "expand_wildcards"];
/// Of searches. The last rows have nothing to decide where there is one node that answers within its time or not at all.
const SEARCH: [&str; 23] = [
    "q",
    "df",
    "default_operator",
    "analyze_wildcard",
    "lenient",
    "from",
    "size",
    "sort",
    "track_total_hits",
    "_source",
    "_source_includes",
    "_source_excludes",
    "rest_total_hits_as_int",
    "ignore_throttled",
    "preference",
    "routing",
    "request_cache",
    "batched_reduce_size",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "ccs_minimize_roundtrips",
    "allow_partial_search_results",
    "timeout",
];
const MULTIPLE: [&str; 7] = [
    "max_concurrent_searches",
    "rest_total_hits_as_int",
    "ignore_throttled",
    "routing",
    "max_concurrent_shard_requests",
    "pre_filter_shard_size",
    "ccs_minimize_roundtrips",
];
const COUNT: [&str; 9] = [
    "q",
    "df",
    "default_operator",
    "analyze_wildcard",
    "lenient",
    "ignore_throttled",
    "preference",
    "routing",
    "allow_partial_search_results",
];
/// Of writes: one copy is all copies.
const WRITE: [&str; 5] = ["refresh", "timeout", "wait_for_active_shards", "routing", "require_alias"];
const WAITS: [&str; 2] = ["timeout", "master_timeout"];

/// Refuses what the request at these parts of a path does not know. `others` have no parameters of their own.
pub fn check(method: &Method, parts: &[&str], request: &Request) -> Result<(), Refusal> {
    let reads = *method == Method::GET || *method == Method::HEAD;
    let verb = parts.iter().rev().find(|part| part.starts_with('_') && **part != "_all").copied().unwrap_or("");
    let own: &[&[&str]] = match (parts.first().copied().unwrap_or(""), verb) {
        (_, "_search") => &[&SEARCH, &INDICES],
        (_, "_msearch") => &[&MULTIPLE, &INDICES],
        (_, "_count") => &[&COUNT, &INDICES],
        (_, "_field_caps") => &[&["fields", "include_empty_fields", "include_unmapped"], &INDICES],
        (_, "_mapping") if reads => &[&WAITS, &["local"], &INDICES],
        (_, "_refresh") => &[&INDICES],
        (_, "_bulk") => &[&WRITE, &["pipeline"]],
        (_, "_doc" | "_create") => &[&WRITE, &["pipeline", "op_type"]],
        ("_cat", _) => &[&["format", "v", "h", "bytes"], &WAITS, &INDICES],
        ("_cluster", _) => &[&["wait_for_status", "level", "local"], &WAITS],
        ("_nodes", _) => &[&["timeout", "flat_settings"]],
        ("_index_template" | "_component_template", _) => &[&["create", "local", "flat_settings"], &WAITS],
        ("_ilm" | "_plugins", _) => &[&WAITS],
        ("", _) => &[],
        _ => &[&WAITS, &["wait_for_active_shards", "flat_settings", "local"], &INDICES],
    };
    let unknown = request.parameters.iter().map(|(name, _)| name.as_str()).find(|name| {
        let is_own = own.iter().any(|names| names.contains(name));
        !is_own && !COMMON.contains(name)
    });
    if let Some(name) = unknown {
        let path: String = parts.join("/").chars().take(200).collect();
        return Err(Refusal::argument(format!("request [/{path}] contains unrecognized parameter: [{name}]")));
    }
    let refused_values = [
        ("require_alias", "false", "the embedded store has no aliases"),
        ("pipeline", "_none", "the embedded store has no ingest pipelines"),
        ("rest_total_hits_as_int", "false", "the total is an object"),
        ("include_unmapped", "false", "only fields that are there are shown"),
        ("ignore_throttled", "true", "no index is throttled"),
        ("level", "cluster", "only [cluster] is supported"),
        ("bytes", "b", "only [b] is supported"),
    ];
    for (name, accepted, why) in refused_values {
        let is_refused = |value: &str| value != accepted && value != "false";
        if request.parameter(name).is_some_and(is_refused) {
            let value = request.parameter(name).unwrap_or_default();
            return Err(Refusal::argument(format!("parameter [{name}] with value [{value}] is not supported: {why}")));
        }
    }
    Ok(())
}

/// The value of a parameter that is true or false; without a value it is true.
pub fn flag(request: &Request, name: &str) -> Result<Option<bool>, Refusal> {
    match request.parameter(name) {
        None => Ok(None),
        Some("" | "true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(other) => Err(not_boolean(name, other)),
    }
}

fn not_boolean(name: &str, value: &str) -> Refusal {
    Refusal::argument(format!("Failed to parse value [{value}] of [{name}] as only [true] or [false] are allowed."))
}

/// How a list of indices is read, by Elasticsearch's options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indices {
    /// A plain name may be missing.
    pub ignore_unavailable: bool,
    /// A pattern may mean nothing.
    pub allow_no_indices: bool,
    /// Patterns mean indices (all are open); otherwise a pattern is nobody's name.
    pub expands: bool,
    /// Patterns also mean names with a dot before them.
    pub hidden: bool,
}

impl Default for Indices {
    fn default() -> Self {
        Self { ignore_unavailable: false, allow_no_indices: true, expands: true, hidden: false }
    }
}

impl Indices {
    pub fn of(request: &Request) -> Result<Self, Refusal> {
        let otherwise = Self::default();
        let expand = request.parameters.iter().filter(|(name, _)| name == "expand_wildcards");
        otherwise.with(
            flag(request, "ignore_unavailable")?,
            flag(request, "allow_no_indices")?,
            expand.map(|(_, value)| value.as_str()).next_back(),
        )
    }

    /// The options in a header of `_msearch`, above those of the request.
    pub fn with_header(self, header: &Map<String, Value>) -> Result<Self, Refusal> {
        let flag = |name: &str| match header.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(Value::String(text)) if text == "true" || text == "false" => Ok(Some(text == "true")),
            Some(other) => Err(not_boolean(name, &other.to_string())),
        };
        let expand = match header.get("expand_wildcards") {
            None | Some(Value::Null) => None,
            Some(Value::String(list)) => Some(list.clone()),
            Some(Value::Array(list)) => Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
            Some(other) => return Err(Refusal::argument(format!("[expand_wildcards] cannot be [{other}]"))),
        };
        self.with(flag("ignore_unavailable")?, flag("allow_no_indices")?, expand.as_deref())
    }

    fn with(mut self, ignore: Option<bool>, allow: Option<bool>, expand: Option<&str>) -> Result<Self, Refusal> {
        self.ignore_unavailable = ignore.unwrap_or(self.ignore_unavailable);
        self.allow_no_indices = allow.unwrap_or(self.allow_no_indices);
        if let Some(list) = expand {
            (self.expands, self.hidden) = (false, false);
            for word in list.split(',') {
                match word {
                    "all" => (self.expands, self.hidden) = (true, true),
                    "open" => self.expands = true,
                    "hidden" => self.hidden = true,
                    "closed" => {}
                    "none" => (self.expands, self.hidden) = (false, false),
                    other => {
                        return Err(Refusal::argument(format!("No valid expand wildcard value [{other}]")));
                    }
                }
            }
        }
        Ok(self)
    }
}

/// `filter_path` of a request.
pub fn filter_path(request: &Request) -> Result<Option<FilterPath>, Refusal> {
    request.parameter("filter_path").filter(|list| !list.is_empty()).map(FilterPath::parse).transpose()
}
