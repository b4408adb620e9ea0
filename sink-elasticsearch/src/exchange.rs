//! One bulk request over HTTP and what its answer means for the request as a whole.

use crate::alarm::Condition;
use crate::bulk::Body;
use crate::connection::{innermost, read};
use crate::node::Node;
use crate::response::{BulkAnswer, ErrorAnswer, ItemAnswer, error_of, is_all_done};
use crate::verdict;
use pipelines::sink::Rejection;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use std::time::{Duration, SystemTime};

/// A server that asks for a longer pause is asked again after this one.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// What became of a bulk request.
#[derive(Debug)]
pub(crate) enum Exchanged {
    /// All items are done.
    Done,
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
    /// What a document is rejected with that comes back like this for ever.
    pub rejection: Rejection,
    pub retry_after: Option<Duration>,
    pub kind: SetbackKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetbackKind {
    /// 429: it is too much for now.
    Refused,
    /// 408, 5xx, no answer or half of one, which passes in most cases without anybody doing something. `overloaded`: it
    /// may be too much.
    Stumbled { overloaded: bool },
    /// There is no connection.
    Unreachable,
    /// An answer that holds until somebody does something.
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
        .body(body.into_request());
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
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let answer = match read(&mut response).await {
        Ok(Some(answer)) => answer,
        // Fewer items have a shorter answer.
        Ok(None) => return (Some(status), misunderstood(node, "its answer is larger than 64 MiB")),
        Err(error) => return (None, unreachable(node, error)),
    };
    (Some(status), interpret(node, status, retry_after, &answer, items))
}

/// What an answer means for the request as a whole.
pub(crate) fn interpret(
    node: &Node,
    status: StatusCode,
    retry_after: Option<Duration>,
    answer: &[u8],
    items: usize,
) -> Exchanged {
    if status.is_success() {
        if is_all_done(answer, items) {
            return Exchanged::Done;
        }
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
    let again = |kind, cause, way_out| again(node, kind, retry_after, cause, way_out, code, &error);
    if let Some((condition, _)) = verdict::hold(code, &error, &node.name.as_str().into()) {
        let rejection = error.clone().rejection(code);
        return Exchanged::Again(Setback { condition, rejection, retry_after, kind: SetbackKind::Stopped });
    }
    match code {
        429 => again(SetbackKind::Refused, "is overloaded", "it gets less and slower"),
        408 | 502..=504 => again(SetbackKind::Stumbled { overloaded: true }, "fails", "the documents wait"),
        500.. => again(SetbackKind::Stumbled { overloaded: false }, "fails", "the documents wait"),
        // 413 comes without a body, or with a proxy's.
        413 if has_form => Exchanged::Divide(error.rejection(code)),
        413 => {
            let reason = "larger than the server takes (http.max_content_length)";
            Exchanged::Divide(ErrorAnswer { kind: "content_too_large".into(), reason: reason.into() }.rejection(code))
        }
        // Only an Elasticsearch can say that a document is bad; a 400 of something else says nothing about it.
        400 if has_form => Exchanged::Divide(error.rejection(code)),
        _ => again(SetbackKind::Stopped, "does not take bulk requests", "is that the address of an Elasticsearch?"),
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
        ("", reason) => format!(" {reason}"),
        (kind, reason) => format!(" {kind}: {reason}"),
    };
    let text = format!("Elasticsearch at {} {cause} ({status}{why}): {way_out}", node.name);
    let condition = Condition { cause: (cause, node.name.as_str().into()), text };
    Exchanged::Again(Setback { condition, rejection: error.clone().rejection(status), retry_after, kind })
}

fn misunderstood(node: &Node, why: &str) -> Exchanged {
    let cause = "answers in a way that is not understood";
    let text = format!("Elasticsearch at {} {cause}: {why}; the documents are sent again", node.name);
    no_answer(node, cause, text, why, SetbackKind::Stumbled { overloaded: false })
}

fn unreachable(node: &Node, error: reqwest::Error) -> Exchanged {
    let (cause, kind) = match (error.is_connect(), error.is_timeout()) {
        (true, _) => ("cannot be reached", SetbackKind::Unreachable),
        (false, true) => ("gives no answer", SetbackKind::Stumbled { overloaded: true }),
        // A connection that broke is the beginning of a restart, or nothing.
        (false, false) => ("gives no answer", SetbackKind::Stumbled { overloaded: false }),
    };
    let why = innermost(error);
    let text = format!("Elasticsearch at {} {cause}: {why}; waiting for it", node.name);
    no_answer(node, cause, text, &why, kind)
}

fn no_answer(node: &Node, cause: &'static str, text: String, why: &str, kind: SetbackKind) -> Exchanged {
    let condition = Condition { cause: (cause, node.name.as_str().into()), text };
    // No status: there was no answer, or none for the documents.
    let rejection = ErrorAnswer { kind: "no_answer".into(), reason: why.to_owned() }.rejection(0);
    Exchanged::Again(Setback { condition, rejection, retry_after: None, kind })
}

/// The pause that the server asks for: in seconds, or until a date (RFC 9110).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        // A date that has passed asks for nothing.
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(pause.min(RETRY_AFTER_MAX))
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
                Exchanged::Done => "done".to_owned(),
                Exchanged::Items(_) => "items".to_owned(),
                Exchanged::Again(setback) => format!("{:?}", setback.kind),
                Exchanged::Divide(rejection) => format!("divide {}", rejection.kind),
            };
            assert_eq!(got, want, "{status} {body}");
        };
        let error = |kind: &str| format!(r#"{{"error":{{"type":"{kind}","reason":"r"}},"status":1}}"#);
        check(200, r#"{"errors":false,"items":[{"create":{"status":201}}]}"#, "done");
        check(200, r#"{"errors":false, "items":[{"create":{"status":201}}]}"#, "items");
        check(200, r#"{"errors":false,"items":[]}"#, "Stumbled { overloaded: false }");
        check(200, r#"{"errors":false}"#, "Stumbled { overloaded: false }");
        check(200, "<html>", "Stumbled { overloaded: false }");
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
        check(408, "", "Stumbled { overloaded: true }");
        check(500, &error("null_pointer_exception"), "Stumbled { overloaded: false }");
        check(503, "", "Stumbled { overloaded: true }");
        check(504, "", "Stumbled { overloaded: true }");
    }

    #[test]
    fn retry_after_is_bounded() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let check = |text: &str, want: Option<u64>| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().expect("a header value"))]);
            assert_eq!(retry_after(&headers, now), want.map(Duration::from_secs), "{text}");
        };
        check("3", Some(3));
        check(" 0 ", Some(0));
        check("18446744073709551615", Some(300));
        check("-1", None);
        check("Sun, 06 Nov 1994 08:49:42 GMT", Some(5));
        check("Sunday, 06-Nov-94 08:49:42 GMT", Some(5));
        check("Sun, 06 Nov 1994 08:49:37 GMT", Some(0));
        check("Wed, 21 Oct 1992 07:28:00 GMT", Some(0));
        check("Fri, 01 Jan 2100 00:00:00 GMT", Some(300));
        check("soon", None);
    }
}
