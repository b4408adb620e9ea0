//! The read-only proxy: passes on searches and the list of fields, and nothing that could change anything.

use super::upstream::{Question, Upstream};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde_json::json;
use std::sync::Arc;

/// Bytes of a search: what the page sends has some thousands, a long list of filters some more.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a path with its query; Elasticsearch takes 4 KiB of a request line by default.
const PATH_BYTES_MAX: usize = 4096;

/// Parameters that only say how to search. Without `scroll` and the like, which make the server keep something.
const PARAMETERS: [&str; 12] = [
    "allow_no_indices",
    "allow_partial_search_results",
    "expand_wildcards",
    "fields",
    "filter_path",
    "ignore_throttled",
    "ignore_unavailable",
    "include_unmapped",
    "max_concurrent_searches",
    "request_cache",
    "rest_total_hits_as_int",
    "typed_keys",
];

/// Answers searches with what `server` answers, and everything else with an error in Elasticsearch's form.
pub fn router(server: Arc<dyn Upstream>) -> Router {
    Router::new().fallback(pass).with_state(server)
}

async fn pass(State(server): State<Arc<dyn Upstream>>, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let media_type = match check(&head.method, head.uri.path(), head.uri.query(), &head.headers) {
        Ok(media_type) => media_type,
        Err((status, reason)) => return refuse(status, reason),
    };
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "a search has at most 1 MiB");
    };
    let path = head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), ToString::to_string);
    let body = if body.is_empty() { None } else { Some((media_type, body)) };
    match server.ask(Question { method: head.method, path, body }).await {
        Ok(answer) => passed_on(answer.status, answer.body),
        Err(error) => refuse(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

fn passed_on(status: StatusCode, body: Bytes) -> Response {
    // Whatever the server calls it: a browser must never take an answer for a page.
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body).into_response()
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    let kind = if status == StatusCode::BAD_GATEWAY { "no_answer" } else { "illegal_argument_exception" };
    let cause = json!({ "type": kind, "reason": reason });
    let error =
        json!({ "error": { "root_cause": [cause], "type": kind, "reason": reason }, "status": status.as_u16() });
    passed_on(status, format!("{error}\n").into())
}

/// The media type to send a body with, or why the request is not passed on.
fn check(
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<&'static str, (StatusCode, &'static str)> {
    const BAD: StatusCode = StatusCode::BAD_REQUEST;
    let relative = path.strip_prefix('/').unwrap_or(path);
    let (index, verb) = relative.rsplit_once('/').unwrap_or(("", relative));
    let media_type = match verb {
        "_search" | "_field_caps" => "application/json",
        "_msearch" => "application/x-ndjson",
        _ => return Err((StatusCode::FORBIDDEN, "only _search, _msearch and _field_caps are passed on")),
    };
    if method != Method::GET && method != Method::POST {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "only GET and POST are passed on"));
    }
    if path.len() + query.map_or(0, str::len) > PATH_BYTES_MAX {
        return Err((BAD, "the path is too long"));
    }
    if !is_index(index) {
        return Err((BAD, "want names and patterns of indices, separated by commas, before the last slash"));
    }
    let names = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut names = names.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    if !names.all(|name| PARAMETERS.contains(&name)) {
        return Err((BAD, "a parameter of this search is not passed on"));
    }
    // A form in a stranger's page can send a body only under other types.
    let typed = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_json =
        ["application/json", "application/x-ndjson"].contains(&typed.split(';').next().unwrap_or_default().trim());
    if method == Method::POST && !is_json {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "want a body of JSON"));
    }
    Ok(media_type)
}

/// Names and patterns separated by commas: nothing that leads to another path, encoded or not. What the server
/// itself does not allow it refuses.
fn is_index(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*+:~@".contains(&byte);
    // Date math and names beyond ASCII come encoded; a slash, a percent sign or a question mark never.
    let allowed = |hex: &[u8]| {
        let digits = std::str::from_utf8(hex).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        digits.is_some_and(|byte| byte >= 0x80 || b"*+:<>{}| ".contains(&byte))
    };
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            match bytes[at] {
                b'%' if bytes.get(at + 1..at + 3).is_some_and(allowed) => at += 3,
                byte if plain(byte) => at += 1,
                _ => return false,
            }
        }
        !part.is_empty() && part != "." && part != ".." && (!part.starts_with('_') || part == "_all")
    };
    text.is_empty() || text.split(',').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn check(method: Method, target: &str, expect: u16) {
        let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"))]);
        let got = super::check(&method, path, query, &headers).map_or_else(|(status, _)| status.as_u16(), |_| 200);
        assert_eq!(got, expect, "{method} {target}");
    }

    #[test]
    fn only_searches_pass() {
        for target in [
            "/_search",
            "/_msearch",
            "/sluice-*/_search?ignore_unavailable=true&allow_no_indices=true",
            "/a,b-*,-c/_field_caps?fields=*",
            "/europe:logs-*/_search",
            "/%3Clogs-%7Bnow%7Cd%7D%3E/_search",
            "/_all/_search",
        ] {
            check(Method::POST, target, 200);
            check(Method::GET, target, 200);
            check(Method::PUT, target, 405);
            check(Method::DELETE, target, 405);
        }
        for target in [
            "/",
            "/_bulk",
            "/a",
            "/a/_doc/1",
            "/_search/scroll",
            "/_security/user",
            "/a/_search/x",
            "/_search/../_bulk",
            "/a/_delete_by_query",
            "/_pit",
        ] {
            check(Method::POST, target, 403);
        }
        for target in [
            "/a/b/_search",
            "/../_search",
            "/a/../_search",
            "/_security/_search",
            "/a%2fb/_search",
            "/a%2Fb/_search",
            "/a%25/_search",
            "/%/_search",
            "/,/_search",
            "/a/_search?scroll=1m",
            "/a/_search?source=x&fields=*",
            "/a/_search?%73croll=1m",
        ] {
            check(Method::POST, target, 400);
        }
    }

    #[test]
    fn forms_of_strangers_do_not_pass() {
        for typed in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(typed))]);
            let got = super::check(&Method::POST, "/a/_search", None, &headers);
            assert_eq!(got.map_err(|(status, _)| status.as_u16()), Err(415), "{typed}");
        }
    }
}
