//! `_ingest/pipeline` on the status port: the worker's pipelines, and trial runs of them, in Elasticsearch's form.

use crate::status::Pipelines;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use pipelines::simulate::{self, Answer, BODY_BYTES_MAX};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// Trial runs at a time: they must not take the processors from the worker.
const SIMULATIONS_MAX: usize = 1;

/// What the answers are made from; shared by clones.
#[derive(Clone)]
struct Ingest {
    pipelines: watch::Receiver<Pipelines>,
    turns: Arc<Semaphore>,
}

/// What the query asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    is_verbose: bool,
    is_pretty: bool,
}

/// The routes of `_ingest/pipeline`.
pub fn router(pipelines: watch::Receiver<Pipelines>) -> Router {
    let ingest = Ingest { pipelines, turns: Arc::new(Semaphore::new(SIMULATIONS_MAX)) };
    Router::new()
        .route("/_ingest/pipeline", get(show_all))
        .route("/_ingest/pipeline/_simulate", get(simulate_inline).post(simulate_inline))
        .route("/_ingest/pipeline/{id}", get(show))
        .route("/_ingest/pipeline/{id}/_simulate", get(simulate_named).post(simulate_named))
        .with_state(ingest)
}

async fn show_all(State(ingest): State<Ingest>, request: Request) -> Response {
    shown(ingest, None, &request)
}

async fn show(State(ingest): State<Ingest>, Path(id): Path<String>, request: Request) -> Response {
    shown(ingest, Some(id), &request)
}

fn shown(ingest: Ingest, id: Option<String>, request: &Request) -> Response {
    match query(request.uri().path(), request.uri().query(), &["pretty"]) {
        Ok(query) => respond(simulate::show(id.as_deref(), &ingest.pipelines.borrow()), &query),
        Err(refused) => respond(refused, &Query::default()),
    }
}

async fn simulate_inline(State(ingest): State<Ingest>, RawQuery(query): RawQuery, request: Request) -> Response {
    simulated(ingest, None, query, request).await
}

async fn simulate_named(
    State(ingest): State<Ingest>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    simulated(ingest, Some(id), query, request).await
}

async fn simulated(ingest: Ingest, id: Option<String>, raw_query: Option<String>, request: Request) -> Response {
    let query = match query(request.uri().path(), raw_query.as_deref(), &["pretty", "verbose"]) {
        Ok(query) => query,
        Err(refused) => return respond(refused, &Query::default()),
    };
    let body = match body(request).await {
        Ok(body) => body,
        Err(refused) => return respond(refused, &query),
    };
    let Ok(turn) = ingest.turns.clone().acquire_owned().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let is_verbose = query.is_verbose;
    let catalogue = Arc::clone(&ingest.pipelines.borrow());
    let answer = tokio::task::spawn_blocking(move || {
        // Held until it has really ended, also when nobody waits for the answer any more.
        let _turn = turn;
        simulate::simulate(&body, id.as_deref(), is_verbose, &catalogue, Timestamp::now())
    });
    let answer = answer.await.unwrap_or_else(|error| {
        tracing::error!("a simulation panicked, which is a bug: {error}");
        Answer::refusal(500, "exception", "the simulation met a bug; the worker's log has more")
    });
    respond(answer, &query)
}

/// The body, if it is JSON of a size that can be worked on.
async fn body(request: Request) -> Result<Vec<u8>, Answer> {
    let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.map(|whole| whole.split(';').next().unwrap_or(whole).trim().to_ascii_lowercase());
    match media_type.as_deref() {
        Some("application/json" | "application/vnd.elasticsearch+json") => {}
        // Elasticsearch asks for the header only where there is a body.
        None if request.method() == Method::GET => {}
        other => {
            let reason = format!("Content-Type header [{}] is not supported", other.unwrap_or_default());
            let body = serde_json::json!({ "error": reason, "status": 406 });
            return Err(Answer { status: 406, body: body.to_string().into_bytes() });
        }
    }
    match to_bytes(request.into_body(), BODY_BYTES_MAX).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(_) => {
            let reason = format!("the body is larger than {BODY_BYTES_MAX} bytes, or was cut off");
            Err(Answer::refusal(413, "content_too_long_exception", reason))
        }
    }
}

/// Reads the parameters; one that is not known is refused, as in Elasticsearch.
fn query(path: &str, query: Option<&str>, known: &[&str]) -> Result<Query, Answer> {
    let mut found = Query::default();
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if !known.contains(&name) {
            let reason = format!("request [{path}] contains unrecognized parameter: [{name}]");
            return Err(Answer::refusal(400, "illegal_argument_exception", reason));
        }
        let truth = match value {
            "" | "true" => true,
            "false" => false,
            other => {
                let reason = format!("Failed to parse value [{other}] as only [true] or [false] are allowed.");
                return Err(Answer::refusal(400, "illegal_argument_exception", reason));
            }
        };
        match name {
            "verbose" => found.is_verbose = truth,
            _ => found.is_pretty = truth,
        }
    }
    Ok(found)
}

fn respond(answer: Answer, query: &Query) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // JSON that is nested too deep to be read back is sent as it is.
    let pretty = || serde_json::to_vec_pretty(&serde_json::from_slice::<serde_json::Value>(&answer.body).ok()?).ok();
    let body = match query.is_pretty {
        true => pretty().unwrap_or_else(|| answer.body.clone()),
        false => answer.body,
    };
    (status, [(header::CONTENT_TYPE, "application/json")], Body::from(body)).into_response()
}

#[cfg(test)]
mod tests;
