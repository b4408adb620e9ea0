//! The same queries as OpenSearch 3.8 was sent, over the same documents: same hits, same totals, same buckets.
//!
//! `queries/queries.ndjson` has a query on each line, `queries/answers-N.ndjson` OpenSearch's answers over N documents of
//! `queries/corpus.rs` in an index with our own template (`SLUICE_RECORD=1 cargo test --test system -- search_answers` writes
//! them anew). A query whose answer is meant to differ says why (`differs`). With `SLUICE_SOAK=full` there are 100,000
//! documents.

#[path = "queries/compare.rs"]
mod compare;
#[path = "queries/corpus.rs"]
mod corpus;

use search::{Retention, Server};
use serde_json::{Value, json};
use std::path::Path;

/// Differences with a reason: at most this many of a hundred queries.
const DIFFERENCES_PERCENT_MAX: usize = 2;
/// Documents of one bulk request.
const BULK_DOCUMENTS: usize = 2000;

#[test]
fn answers_are_those_of_opensearch() {
    let documents: u64 = if std::env::var("SLUICE_SOAK").is_ok_and(|mode| mode == "full") { 100_000 } else { 4000 };
    // Building an HTTP client asks for the process's TLS provider, although all that is talked to here is plain HTTP.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let page = search::page::Page::default();
    let mut registry = prometheus_client::registry::Registry::default();
    let start = Server::start(folder.path().join("store"), listen, Retention::default(), &page, &mut registry);
    let server = runtime.block_on(start).expect("the server starts");
    let url = format!("http://{}/sluice-queries", server.address());
    let client = reqwest::blocking::Client::builder().timeout(std::time::Duration::from_secs(120)).build();
    let client = client.expect("a client");
    let ask = |path: &str, body: String| -> (u16, Value) {
        let request = client.post(format!("{url}{path}")).header("content-type", "application/x-ndjson").body(body);
        let answer = request.send().expect("the server answers");
        (answer.status().as_u16(), answer.json().expect("answers are JSON"))
    };
    // In the order of time, as logs come; a document begins with its time.
    let mut numbers: Vec<u64> = (0..documents).collect();
    numbers.sort_by_cached_key(|number| corpus::document(*number));
    for part in numbers.chunks(BULK_DOCUMENTS) {
        let lines = part.iter().map(|number| {
            format!("{{\"create\":{{\"_id\":\"{}\"}}}}\n{}\n", corpus::id(*number), corpus::document(*number))
        });
        let (status, answer) = ask("/_bulk", lines.collect());
        assert!(status == 200 && answer["errors"] == false, "{status} {answer}");
    }
    let (status, answer) = ask("/_refresh", String::new());
    assert!(status == 200, "{status} {answer}");
    let queries = lines("queries.ndjson");
    let answers = lines(&format!("answers-{documents}.ndjson"));
    let (mut wrong, mut listed) = (Vec::new(), 0);
    for (query, answer) in queries.iter().zip(&answers) {
        assert_eq!(query["name"], answer["name"], "the answers are those of other queries: record them anew");
        let (status, found) = ask("/_search", corpus::body(&query["body"]).to_string());
        let difference = differs(answer, status, &found);
        let reason = query.get("differs").and_then(Value::as_str);
        listed += usize::from(reason.is_some());
        match (difference, reason) {
            (Some(difference), None) => wrong.push(format!("{}: {difference}", query["name"])),
            (None, Some(reason)) => wrong.push(format!("{}: differs no more: {reason}", query["name"])),
            _ => {}
        }
    }
    runtime.block_on(server.stop());
    assert_eq!(queries.len(), answers.len(), "each query has an answer");
    assert!(queries.len() >= 80 && listed * 100 <= queries.len() * DIFFERENCES_PERCENT_MAX, "{listed} are listed");
    assert!(wrong.is_empty(), "{} of {} answers differ:\n{}", wrong.len(), queries.len(), wrong.join("\n"));
}

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/queries").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// What of an answer is other than `expect`.
fn differs(expect: &Value, status: u16, found: &Value) -> Option<String> {
    let refused = |status: u16| status >= 400;
    let expected_status = expect["status"].as_u64().map_or(0, |status| status as u16);
    if refused(expected_status) || status != 200 {
        // Which client error it is depends on how far a server reads before it looks.
        return (refused(expected_status) != refused(status) || status >= 500)
            .then(|| format!("status {status}, want {expected_status}: {}", found["error"]["reason"]));
    }
    if found["hits"]["total"]["value"] != expect["total"] {
        return Some(format!("{} hits, want {}", found["hits"]["total"]["value"], expect["total"]));
    }
    let hits = found["hits"]["hits"].as_array().into_iter().flatten();
    let ids: Vec<&Value> = hits.map(|hit| &hit["_id"]).collect();
    if json!(ids) != expect["ids"] {
        return Some(format!("hits {}, want {}", json!(ids), expect["ids"]));
    }
    let none = json!(null);
    let expect = expect.get("aggregations").unwrap_or(&none);
    let found = found.get("aggregations").unwrap_or(&none);
    compare::unequal(expect, found)
}
