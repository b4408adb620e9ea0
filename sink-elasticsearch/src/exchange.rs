//! One bulk request over HTTP and what its answer means for the request as a whole.

use crate::alarm::Condition;
use crate::bulk::Body;
use crate::node::Node;
use crate::response::{BulkAnswer, ErrorAnswer, ItemAnswer, error_of};
use crate::verdict;
use pipelines::sink::Rejection;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer that are read: far more than 10,000 items with long reasons, and a bound for what a stranger on
/// that port can make us keep.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A server that asks for a longer pause is asked again after this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// What became of a bulk request.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// The server worked on it; one answer for each item.
    Items(Vec<ItemAnswer>),
    /// Nothing is known; with ids it is safe to send it again.
    Again(Setback),
    /// It was refused as a whole, for what is in it: one document of it would be rejected with this.
    Divide(Rejection),
}

/// Why a request must be sent again.
#[derive(Debug)]
pub(crate) struct Setback {
    pub condition: Condition,
    pub retry_after: Option<Duration>,
    pub kind: SetbackKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetbackKind {
    /// 429: it is too much for now.
    Refused,
    /// 408 and 5xx: the server stumbled, which passes in most cases without anybody doing something.
    Stumbled,
    /// No connection, no answer, or one that holds until somebody does something.
    Stopped,
}

/// The answer, and the status for the metrics (`None`: there was none).
pub(crate) async fn exchange(
    client: &Client,
    node: &Node,
    body: Body,
    gzip: bool,
    items: usize,
) -> (Option<StatusCode>, Exchanged) {
    let mut request = client
        .post(node.bulk.clone())
        .header(CONTENT_TYPE, "application/x-ndjson")
        .header(ACCEPT, "application/json")
        .body(body.bytes);
    if gzip {
        request = request.header(CONTENT_ENCODING, "gzip");
    }
    if let Some(authorization) = &node.authorization {
        request = request.header(AUTHORIZATION, authorization.clone());
    }
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return (None, unreachable(node, error)),
    };
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let answer = match read(&mut response).await {
        Ok(Some(answer)) => answer,
        // Fewer items have a shorter answer.
        Ok(None) => return (Some(status), misunderstood(node, "its answer is larger than 64 MiB")),
        Err(error) => return (None, unreachable(node, error)),
    };
    (Some(status), interpret(node, status, retry_after, &answer, items))
}

async fn read(response: &mut Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Ok(None);
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(Some(answer))
}

fn interpret(node: &Node, status: StatusCode, retry_after: Option<Duration>, answer: &[u8], items: usize) -> Exchanged {
    if status.is_success() {
        return match serde_json::from_slice::<BulkAnswer>(answer) {
            Ok(answer) if answer.items.len() == items => Exchanged::Items(answer.items),
            Ok(answer) => misunderstood(node, &format!("it answered for {} items; want {items}", answer.items.len())),
            Err(error) => misunderstood(node, &format!("its answer is not that of a bulk request: {error}")),
        };
    }
    let code = status.as_u16();
    let in_form = error_of(answer);
    let has_form = in_form.is_some();
    let error = in_form.unwrap_or_default();
    let subject: Arc<str> = node.name.as_str().into();
    if let Some(condition) = verdict::hold(code, &error, &subject) {
        return Exchanged::Again(Setback { condition, retry_after, kind: SetbackKind::Stopped });
    }
    match code {
        429 => again(node, SetbackKind::Refused, retry_after, "is overloaded", "it gets less and slower", code, &error),
        408 | 500.. => again(node, SetbackKind::Stumbled, retry_after, "fails", "the documents wait", code, &error),
        // 413 comes without a body, or with a proxy's.
        413 => Exchanged::Divide(Rejection {
            status: code,
            kind: if has_form { error.kind } else { "content_too_large".into() },
            reason: if has_form {
                error.reason
            } else {
                "larger than the server takes (http.max_content_length)".into()
            },
            attempts: 1,
        }),
        // Only an Elasticsearch can say that a document is bad; a 400 of something else says nothing about it.
        400 if has_form => {
            Exchanged::Divide(Rejection { status: code, kind: error.kind, reason: error.reason, attempts: 1 })
        }
        _ => again(
            node,
            SetbackKind::Stopped,
            retry_after,
            "does not take bulk requests",
            "is that the address of an Elasticsearch?",
            code,
            &error,
        ),
    }
}

fn again(
    node: &Node,
    kind: SetbackKind,
    retry_after: Option<Duration>,
    cause: &'static str,
    way_out: &str,
    status: u16,
    error: &ErrorAnswer,
) -> Exchanged {
    let why = match (error.kind.as_str(), error.reason.as_str()) {
        ("", "") => String::new(),
        (kind, reason) => format!(" {kind}: {reason}"),
    };
    let text = format!("Elasticsearch at {} {cause} ({status}{why}): {way_out}", node.name);
    let condition = Condition { cause: (cause, node.name.as_str().into()), text };
    Exchanged::Again(Setback { condition, retry_after, kind })
}

fn misunderstood(node: &Node, why: &str) -> Exchanged {
    let cause = "answers in a way that is not understood";
    let text = format!("Elasticsearch at {} {cause}: {why}; the documents are sent again", node.name);
    let condition = Condition { cause: (cause, node.name.as_str().into()), text };
    Exchanged::Again(Setback { condition, retry_after: None, kind: SetbackKind::Stumbled })
}

fn unreachable(node: &Node, error: reqwest::Error) -> Exchanged {
    // The URL is in the text already, and the innermost cause says what the operator can act on.
    let error = error.without_url();
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        why = inner.to_string();
        source = inner.source();
    }
    let (cause, kind) = match error.is_connect() {
        true => ("cannot be reached", SetbackKind::Stopped),
        // A connection that broke is the beginning of a restart, or nothing.
        false => ("gives no answer", SetbackKind::Stumbled),
    };
    let text = format!("Elasticsearch at {} {cause}: {why}; waiting for it", node.name);
    let condition = Condition { cause: (cause, node.name.as_str().into()), text };
    Exchanged::Again(Setback { condition, retry_after: None, kind })
}

/// The pause that the server asks for, where it says it in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_requests() {
        let node = Node::parse("http://h:9200", None).expect("a valid URL");
        let check = |status: u16, body: &str, want: &str| {
            let status = StatusCode::from_u16(status).expect("a status");
            let got = match interpret(&node, status, None, body.as_bytes(), 1) {
                Exchanged::Items(_) => "items".to_owned(),
                Exchanged::Again(setback) => format!("{:?}", setback.kind),
                Exchanged::Divide(rejection) => format!("divide {}", rejection.kind),
            };
            assert_eq!(got, want, "{status} {body}");
        };
        let error = |kind: &str| format!(r#"{{"error":{{"type":"{kind}","reason":"r"}},"status":1}}"#);
        check(200, r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, "items");
        check(200, r#"{"errors":false,"items":[]}"#, "Stumbled");
        check(200, r#"{"errors":false}"#, "Stumbled");
        check(200, "<html>", "Stumbled");
        check(413, "", "divide content_too_large");
        check(400, &error("illegal_argument_exception"), "divide illegal_argument_exception");
        check(400, "<html>400 The plain HTTP request was sent to HTTPS port</html>", "Stopped");
        check(401, &error("security_exception"), "Stopped");
        check(403, "", "Stopped");
        check(404, &error("index_not_found_exception"), "Stopped");
        check(404, "", "Stopped");
        check(301, "", "Stopped");
        check(405, "", "Stopped");
        check(429, &error("circuit_breaking_exception"), "Refused");
        check(408, "", "Stumbled");
        check(503, "", "Stumbled");
    }

    #[test]
    fn retry_after_is_bounded() {
        let check = |text: &str, want: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header value"))]);
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{text}");
        };
        check("3", Some(3));
        check(" 0 ", Some(0));
        check("18446744073709551615", Some(300));
        check("-1", None);
        check("Wed, 21 Oct 2015 07:28:00 GMT", None);
    }
}
