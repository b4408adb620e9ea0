//! The stand-in's HTTP server: one connection after the other on a runtime of its own.

use crate::bulk::{self, BulkItem};
use crate::fault::{Answer, Fault};
use crate::{BulkRequest, Shared, State};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::convert::Infallible;
use std::io::Read;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// The only parameters that the sink sends; a real server would ignore a misspelt `filter_path`.
const QUERY: &str = "filter_path=errors,items.*.status,items.*.error,items.*.failure_store";

pub(crate) fn serve(listener: TcpListener, port: u16, shared: &Arc<Shared>, stopped: oneshot::Receiver<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be built");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime takes a listener");
        let accept = async {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(request, port, shared.clone()));
                    // An error is a connection that a fault closed.
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        };
        tokio::select! {
            () = accept => {}
            _ = stopped => {}
        }
    });
}

/// The socket is closed without an answer.
#[derive(Debug)]
struct ClosedOnPurpose;

impl std::fmt::Display for ClosedOnPurpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed on purpose")
    }
}

impl std::error::Error for ClosedOnPurpose {}

/// A body that can end in the middle.
struct AnswerBody {
    bytes: Option<Bytes>,
    cut: bool,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = ClosedOnPurpose;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClosedOnPurpose>>> {
        Poll::Ready(match self.bytes.take() {
            Some(bytes) => Some(Ok(Frame::data(bytes))),
            None if self.cut => Some(Err(ClosedOnPurpose)),
            None => None,
        })
    }
}

async fn answer(
    request: Request<Incoming>,
    port: u16,
    shared: Arc<Shared>,
) -> Result<Response<AnswerBody>, ClosedOnPurpose> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else { return Err(ClosedOnPurpose) };
    let body = body.to_bytes();
    if head.method == Method::GET && head.uri.path() == "/" {
        let version = json!({"name": "stand-in", "version": {"number": "9.2.0", "build_flavor": "default"}});
        return Ok(respond(&Answer { status: 200, body: version.to_string(), retry_after: None }, false));
    }
    if head.method == Method::GET && head.uri.path().starts_with("/_nodes/") {
        let state = shared.state.lock().expect("no test panics inside the stand-in");
        return Ok(respond(&nodes(head.uri.path(), &state), false));
    }
    if head.uri.path() != "/_bulk" {
        return Ok(respond(&Answer::error(404, "invalid_path", head.uri.path()), false));
    }
    let action = {
        let mut state = shared.state.lock().expect("no test panics inside the stand-in");
        let action = take_bulk(&head, port, &body, &mut state);
        shared.changed.notify_all();
        action
    };
    match action {
        Action::Respond(answer) => Ok(respond(&answer, false)),
        Action::Cut(answer) => Ok(respond(&answer, true)),
        Action::Close => Err(ClosedOnPurpose),
        Action::Later(after, answer) => {
            tokio::time::sleep(after).await;
            Ok(respond(&answer, false))
        }
        Action::Hang => match std::future::pending::<Infallible>().await {},
    }
}

/// What a node says about its limits, if it tells.
fn nodes(path: &str, state: &State) -> Answer {
    let section = match path {
        _ if !state.tells_limits => {
            return Answer::error(403, "security_exception", "action [monitor] is unauthorized");
        }
        "/_nodes/http" => json!({"http": {"max_content_length_in_bytes": state.content_bytes_max}}),
        "/_nodes/stats/indexing_pressure" => {
            json!({"indexing_pressure": {"memory": {"limit_in_bytes": state.pressure_bytes_max}}})
        }
        _ => return Answer::error(404, "invalid_path", path),
    };
    Answer { status: 200, body: json!({"nodes": {"a": section}}).to_string(), retry_after: None }
}

enum Action {
    Respond(Answer),
    Cut(Answer),
    Later(Duration, Answer),
    Close,
    Hang,
}

fn take_bulk(head: &hyper::http::request::Parts, port: u16, sent: &[u8], state: &mut State) -> Action {
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let encoding = text(header::CONTENT_ENCODING);
    let gzip = encoding.as_deref() == Some("gzip");
    let number = state.requests.len();
    let mut violate = |what: String| state.violations.push(format!("bulk request {number}: {what}"));
    if head.method != Method::POST {
        violate(format!("method {}; want POST", head.method));
    }
    if head.uri.query().is_some_and(|query| query != QUERY && query.replace("%2C", ",").replace("%2A", "*") != QUERY) {
        violate(format!("query {:?}; want {QUERY:?}", head.uri.query()));
    }
    if text(header::CONTENT_TYPE).as_deref() != Some("application/x-ndjson") {
        violate(format!("content type {:?}; want application/x-ndjson", text(header::CONTENT_TYPE)));
    }
    if encoding.is_some() && !gzip {
        violate(format!("content encoding {encoding:?}; want gzip or none"));
    }
    let plain = if gzip { gunzip(sent) } else { Ok(sent.to_vec()) };
    let plain = plain.unwrap_or_else(|reason| {
        violate(reason);
        Vec::new()
    });
    let mut items = Vec::new();
    let mut malformed = None;
    match bulk::read(&plain) {
        Ok(read) => items = read,
        Err(error) => malformed = Some(error),
    }
    state.requests.push(BulkRequest {
        port,
        items: items.len(),
        plain_bytes: plain.len(),
        sent_bytes: sent.len(),
        gzip,
        authorization: text(header::AUTHORIZATION),
    });

    let fault = state.faults.as_mut().map_or(Fault::None, |faults| faults(number, &items));
    match fault {
        Fault::Status(answer) => return Action::Respond(answer),
        Fault::Close => return Action::Close,
        _ => {}
    }
    if plain.len() > state.content_bytes_max {
        return Action::Respond(Answer::bare(413));
    }
    if plain.len() > state.pressure_bytes_max {
        let reason = format!(
            "rejected execution of coordinating operation [coordinating_and_primary_bytes=0, replica_bytes=0, \
             all_bytes=0, coordinating_operation_bytes={}, max_coordinating_bytes={}]",
            plain.len(),
            state.pressure_bytes_max
        );
        return Action::Respond(Answer::error(429, "es_rejected_execution_exception", &reason));
    }
    if let Some((kind, reason)) = malformed {
        // An id that is too long is a document's fault, anything else that is malformed the sink's.
        if kind != "action_request_validation_exception" {
            state.violations.push(format!("bulk request {number}: {reason}"));
        }
        return Action::Respond(Answer::error(400, kind, &reason));
    }
    let mut answers = apply(&items, &fault, state);
    if let Fault::MissingItems(missing) = fault {
        answers.truncate(answers.len().saturating_sub(missing));
    }
    if let Fault::ExtraItems(extra) = fault {
        answers.extend(std::iter::repeat_n(json!({"create": {"status": 201}}), extra));
    }
    let errors = answers.iter().any(|answer| answer.to_string().contains("error"));
    let body = match fault {
        Fault::Garbage => "<html>it works</html>".to_owned(),
        _ => json!({"errors": errors, "items": answers}).to_string(),
    };
    let answer = Answer { status: 200, body, retry_after: None };
    match fault {
        Fault::CloseAfter => Action::Close,
        Fault::CutAnswer => Action::Cut(answer),
        Fault::Hang => Action::Hang,
        Fault::Slow(after) => Action::Later(after, answer),
        _ => Action::Respond(answer),
    }
}

fn apply(items: &[BulkItem], fault: &Fault, state: &mut State) -> Vec<serde_json::Value> {
    items
        .iter()
        .enumerate()
        .map(|(place, item)| {
            let scripted = match fault {
                Fault::Items(faults) => faults.get(&place),
                _ => None,
            };
            match state.refusal.as_ref().and_then(|refusal| refusal(item)) {
                Some(refused) => bulk::fail(item, &refused),
                None => match scripted {
                    Some(scripted) => bulk::fail(item, scripted),
                    None => bulk::apply(item, &mut state.documents),
                },
            }
        })
        .collect()
}

fn gunzip(sent: &[u8]) -> Result<Vec<u8>, String> {
    let mut decoder = GzDecoder::new(sent);
    let mut plain = Vec::new();
    decoder.read_to_end(&mut plain).map_err(|error| format!("gzip body: {error}"))?;
    match decoder.into_inner() {
        [] => Ok(plain),
        rest => Err(format!("{} bytes follow the gzip body", rest.len())),
    }
}

fn respond(answer: &Answer, cut: bool) -> Response<AnswerBody> {
    let mut bytes = Bytes::from(answer.body.clone());
    let length = bytes.len();
    if cut {
        bytes.truncate(length / 2);
    }
    let mut response = Response::builder()
        .status(answer.status)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, length);
    if let Some(after) = &answer.retry_after {
        response = response.header(header::RETRY_AFTER, after);
    }
    response.body(AnswerBody { bytes: Some(bytes), cut }).expect("the parts of the answer are valid")
}
