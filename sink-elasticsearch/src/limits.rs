//! What servers say about how large a request may be: asked once at the start, and when a node comes back.

use crate::connection::Connection;
use crate::pace::Pace;
use reqwest::Method;
use serde_json::Value;
use std::time::Duration;

/// `http.max_content_length`, which counts decompressed bytes.
const CONTENT_PATH: &str = "/_nodes/http?filter_path=nodes.*.http.max_content_length_in_bytes";
/// Memory for writes that are under way: a tenth of the heap.
const PRESSURE_PATH: &str =
    "/_nodes/stats/indexing_pressure?filter_path=nodes.*.indexing_pressure.memory.limit_in_bytes";
/// One request shall not take more than this part of a node's memory for writes, so that others have room.
const PRESSURE_PART: usize = 4;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Caps the requests at what the nodes take. A server that does not tell (an old one, one that does not let us ask) is
/// found out by its refusals.
pub(crate) async fn ask(connection: &Connection, place: usize, pace: &Pace) {
    let content = read(connection, place, CONTENT_PATH, "http", |http| http.get("max_content_length_in_bytes")).await;
    let pressure = read(connection, place, PRESSURE_PATH, "indexing_pressure", |pressure| {
        pressure.get("memory")?.get("limit_in_bytes")
    })
    .await;
    let cap = content.into_iter().chain(pressure.map(|limit| limit / PRESSURE_PART)).min();
    if let Some(cap) = cap {
        tracing::debug!("bulk requests have at most {cap} bytes: the servers say so");
        pace.cap(cap);
    }
}

/// The smallest of all nodes: requests may be passed on.
async fn read(
    connection: &Connection,
    place: usize,
    path: &str,
    section: &str,
    limit: impl Fn(&Value) -> Option<&Value>,
) -> Option<usize> {
    let answer = connection.ask_node(place, Method::GET, path, None, Some(TIMEOUT)).await;
    let (_, body) = answer.ok().filter(|(status, _)| status.is_success())?;
    smallest(&body, section, limit)
}

fn smallest(body: &[u8], section: &str, limit: impl Fn(&Value) -> Option<&Value>) -> Option<usize> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let nodes = answer.get("nodes")?.as_object()?;
    let limits = nodes.values().filter_map(|node| limit(node.get(section)?)?.as_u64());
    // 0 and -1 mean that there is no limit.
    limits.filter(|limit| *limit > 0).filter_map(|limit| usize::try_from(limit).ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_node_counts() {
        let check = |body: &str, want: Option<usize>| {
            let got = smallest(body.as_bytes(), "http", |http| http.get("max_content_length_in_bytes"));
            assert_eq!(got, want, "{body}");
        };
        check(r#"{"nodes":{"a":{"http":{"max_content_length_in_bytes":3145728}}}}"#, Some(3_145_728));
        check(
            r#"{"nodes":{"a":{"http":{"max_content_length_in_bytes":9}},"b":{"http":{"max_content_length_in_bytes":7}}}}"#,
            Some(7),
        );
        check(r#"{"nodes":{"a":{},"b":{"http":{"max_content_length_in_bytes":0}}}}"#, None);
        check(r#"{"error":"no","status":404}"#, None);
        check("<html>", None);
    }
}
