//! The server that is asked, and its way of being asked: `_search` of Elasticsearch, OpenSearch and what speaks like them.

use super::short::{short_names, spelled_out};
use crate::cli::PlaceArgs;
use crate::command::{comma_lists, elasticsearch, index};
use crate::config::ConfigFile;
use crate::failure::Failure;
use anyhow::Context;
use jiff::Timestamp;
use serde_json::{Value, json};
use sink_elasticsearch::{Connection, Method};

/// Where a server is looked for when nobody says it.
const URL_DEFAULT: &str = "http://127.0.0.1:9200";
/// Indices of a worker whose config says nothing.
const INDEX_DEFAULT: &str = "sluice-*";

pub struct Server {
    connection: Connection,
    index: String,
}

impl Server {
    /// Flags win over the config file, whose credentials and TLS are used.
    pub fn new(place: &PlaceArgs, config: ConfigFile) -> anyhow::Result<Self> {
        let written = index::index(&config.worker)?.map(|index| pattern(&index));
        let index = place.index.clone().or(written).unwrap_or_else(|| INDEX_DEFAULT.to_owned());
        if index.is_empty() || index.contains(['/', '?', '#', '%', '\\', '"', '<', '>', ' ']) || index.starts_with('_')
        {
            let hint = "for example: --index 'sluice-*', or --index logs-a,logs-b";
            return Err(Failure::new(format!("{index:?} is no name of an index"), hint).into());
        }
        let mut section = config.worker.elasticsearch.unwrap_or_default();
        if !place.elasticsearch.is_empty() {
            section.urls = comma_lists(&place.elasticsearch);
        }
        if section.urls.is_empty() {
            section.urls = vec![URL_DEFAULT.to_owned()];
        }
        let connection = Connection::new(&elasticsearch::connection(&section)?).context("worker.elasticsearch")?;
        Ok(Self { connection, index })
    }

    /// The query with ECS fields in place of short names, which is said, where documents have no fields of such names.
    pub async fn spelled_out(&self, query: Option<String>) -> Option<String> {
        let query = query?;
        let mut names = short_names(&query);
        if names.is_empty() {
            return Some(query);
        }
        let asked: Vec<&str> = names.iter().map(|short| short.name).collect();
        let path = format!("/{}/_field_caps?ignore_unavailable=true&fields={}", self.index, asked.join(","));
        let there = match self.connection.ask(Method::GET, &path, None).await {
            Ok((status, answer)) if status.is_success() => serde_json::from_slice(&answer).unwrap_or_default(),
            // The search itself says what is wrong with the server.
            _ => return Some(query),
        };
        names.retain(|short| !is_searched(&there, short.name));
        for (number, short) in names.iter().enumerate() {
            if names[..number].iter().all(|before| before.name != short.name) {
                eprintln!("{} stands for {}", short.name, short.field);
            }
        }
        Some(spelled_out(&query, &names))
    }

    pub fn index(&self) -> &str {
        &self.index
    }

    pub fn describe(&self) -> String {
        self.connection.describe()
    }

    /// Has the server show what it took a moment ago. Who may only read is not allowed to ask for that; what is missed then
    /// is found a second later.
    pub async fn refresh(&self) {
        let path = format!("/{}/_refresh", self.index);
        if let Err(error) = self.connection.ask(Method::POST, &path, None).await {
            tracing::debug!("refresh {}: {error}", self.index);
        }
    }

    /// Asks, and says what was left out of the answer.
    pub async fn search(&self, body: &Value) -> anyhow::Result<Value> {
        let path = format!("/{}/_search", self.index);
        let (status, answer) = self.connection.ask(Method::POST, &path, Some(body)).await.map_err(|error| {
            let hint = "name the server with --elasticsearch URL, or in worker.elasticsearch of sluice.yaml";
            Failure::new(error.to_string(), hint)
        })?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if !status.is_success() {
            return Err(refusal(status.as_u16(), &answer).into());
        }
        if answer["timed_out"] == true {
            eprintln!("the server did not look at everything in its time: what follows is a part");
        }
        let failed = answer.pointer("/_shards/failed").and_then(Value::as_u64).unwrap_or_default();
        if failed > 0 {
            eprintln!("{failed} shards have no answer: {}", reason(&answer["_shards"]["failures"][0]));
        }
        Ok(answer)
    }
}

/// Whether documents have values in a field of this name, and not only in fields below it, by an answer of `_field_caps`.
fn is_searched(answer: &Value, name: &str) -> bool {
    let types = answer.get("fields").and_then(|fields| fields.get(name)).and_then(Value::as_object);
    types.is_some_and(|types| types.keys().any(|kind| !matches!(kind.as_str(), "object" | "nested" | "unmapped")))
}

/// The documents of an answer.
pub fn hits(answer: &Value) -> &[Value] {
    answer.pointer("/hits/hits").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What documents must have, and their time.
pub fn query(text: Option<&str>, time: Option<(Timestamp, Timestamp)>) -> Value {
    let wanted = match text.map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => json!({ "query_string": { "query": text } }),
        None => json!({ "match_all": {} }),
    };
    let Some((since, until)) = time else { return wanted };
    let range = json!({ "range": { "@timestamp": { "gte": since.to_string(), "lte": until.to_string() } } });
    json!({ "bool": { "must": [wanted], "filter": [range] } })
}

/// `sluice-<dataset>-<yyyy.MM>` becomes `sluice-*-*`, which finds all of them.
fn pattern(index: &str) -> String {
    let mut pattern = String::new();
    let mut rest = index;
    while let Some((before, behind)) = rest.split_once('<') {
        pattern.push_str(before);
        pattern.push('*');
        rest = behind.split_once('>').map_or("", |(_, rest)| rest);
    }
    pattern + rest
}

/// What the server says against the query, and the way to one that it takes.
fn refusal(status: u16, answer: &Value) -> Failure {
    let reason = reason(answer);
    let hint = match status {
        400 => {
            "the syntax is Lucene's: field:value, field:>=500, \"two words\", AND, OR, NOT; \\ before :()[]{}/ in a value"
        }
        401 | 403 => "credentials are keys of worker.elasticsearch in sluice.yaml",
        404 => "name an index that exists with --index; `_cat/indices` of the server lists them",
        _ => "the server's own log has more",
    };
    Failure::new(format!("the server refuses the search ({status}): {reason}"), hint)
}

/// The reason that says most to a person, with control characters made visible.
fn reason(answer: &Value) -> String {
    let places = [
        "/error/failed_shards/0/reason/caused_by/reason",
        "/error/failed_shards/0/reason/reason",
        "/error/root_cause/0/reason",
        "/error/reason",
        "/reason/reason",
        "/error",
    ];
    let found = places.iter().find_map(|place| answer.pointer(place)?.as_str());
    crate::command::paint::safe(found.unwrap_or("without a reason").lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_of_a_worker_become_a_pattern() {
        assert_eq!(pattern("sluice-<dataset>-<yyyy.MM>"), "sluice-*-*");
        assert_eq!(pattern("logs"), "logs");
        assert_eq!(pattern("a<b"), "a*");
    }

    #[test]
    fn objects_are_no_fields_that_are_searched() {
        let answer = json!({ "fields": {
            "host": { "object": { "type": "object" } }, "level": { "keyword": { "type": "keyword" }, "unmapped": {} },
        } });
        assert!(is_searched(&answer, "level") && !is_searched(&answer, "host") && !is_searched(&answer, "status"));
        assert!(!is_searched(&json!([]), "level"));
    }

    #[test]
    fn a_query_with_and_without_time() {
        assert_eq!(query(Some(" "), None), json!({ "match_all": {} }));
        let time = Timestamp::constant(1_772_323_200, 0);
        let got = query(Some("a:b"), Some((time, time)));
        assert_eq!(got["bool"]["must"][0]["query_string"]["query"], "a:b");
        assert_eq!(got["bool"]["filter"][0]["range"]["@timestamp"]["gte"], "2026-03-01T00:00:00Z");
    }

    #[test]
    fn the_innermost_reason_is_shown_and_steers_nothing() {
        let answer = json!({ "error": {
            "root_cause": [{ "reason": "Failed to parse query [a:]" }],
            "failed_shards": [{ "reason": { "reason": "x", "caused_by": { "reason": "Cannot parse \u{1b}[2J\nmore" } } }],
        } });
        assert_eq!(refusal(400, &answer).to_string(), r"the server refuses the search (400): Cannot parse \u{1b}[2J");
        assert_eq!(reason(&json!("rubbish")), "without a reason");
    }
}
