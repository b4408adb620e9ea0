//! What the page Pipeline asks of the parts' status ports: how much, how late, what is wrong.

use super::upstream::{Question, Upstream};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// Paths of a status port that are passed on; all of them only tell.
const ASKED: [&str; 3] = ["metrics", "health", "files"];

/// `/_page/status/N/metrics` of the Nth status port, and its like.
pub fn router(ports: Vec<Arc<dyn Upstream>>) -> Router {
    Router::new().route("/_page/status/{number}/{what}", get(pass)).with_state(Arc::new(ports))
}

async fn pass(
    State(ports): State<Arc<Vec<Arc<dyn Upstream>>>>,
    Path((number, what)): Path<(usize, String)>,
) -> Response {
    let (Some(port), true) = (ports.get(number), ASKED.contains(&what.as_str())) else {
        return (StatusCode::NOT_FOUND, "no such status\n").into_response();
    };
    let media_type = if what == "metrics" { "text/plain; charset=utf-8" } else { "application/json" };
    let headers = [
        (header::CONTENT_TYPE, media_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match port.ask(Question { method: Method::GET, path: format!("/{what}"), body: None }).await {
        // A part that is not ready says so with 503; the body has it, too, and a browser would show it as an error of ours.
        Ok(answer) if answer.status == StatusCode::SERVICE_UNAVAILABLE => (headers, answer.body).into_response(),
        Ok(answer) => (answer.status, headers, answer.body).into_response(),
        // Of the ports that are asked most may be nobody's; a browser would show each look at them as an error.
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}
