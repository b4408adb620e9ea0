//! What stands before a real server: it wants a user, gives answers of its own for some paths, and passes the rest on.

use anyhow::Context;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// More than any request of these tests has.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A server on loopback, as long as it is held.
pub struct Front {
    url: String,
    state: Arc<Inner>,
    /// Its threads end with it.
    _runtime: Runtime,
}

struct Inner {
    upstream: String,
    client: reqwest::Client,
    /// The only `Authorization` that is let in.
    authorization: String,
    /// By path.
    answers: Mutex<HashMap<String, Value>>,
}

impl Front {
    /// Lets only this user in.
    pub fn start(upstream: &str, user: &str, password: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        let token = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        let state = Arc::new(Inner {
            upstream: upstream.trim_end_matches('/').to_owned(),
            client,
            authorization: format!("Basic {token}"),
            answers: Mutex::default(),
        });
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = axum::Router::new().fallback(handle).with_state(state.clone());
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, state, _runtime: runtime })
    }

    /// From now on `path` is answered so.
    pub fn answer(&self, path: &str, answer: Value) {
        self.state.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), answer);
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }
}

async fn handle(State(front): State<Arc<Inner>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let given = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if given != Some(front.authorization.as_str()) {
        let error = json!({ "type": "security_exception", "reason": "missing or wrong authentication credentials" });
        return (StatusCode::UNAUTHORIZED, in_json(&json!({ "error": error, "status": 401 }))).into_response();
    }
    let answer = front.answers.lock().unwrap_or_else(PoisonError::into_inner).get(head.uri.path()).cloned();
    if let Some(answer) = answer {
        return in_json(&answer).into_response();
    }
    let passed = pass_on(&front, head.method, head.uri.to_string(), head.headers, body).await;
    passed.unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, format!("{error:#}")).into_response())
}

fn in_json(answer: &Value) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, "application/json")], answer.to_string())
}

async fn pass_on(
    front: &Inner,
    method: axum::http::Method,
    path: String,
    mut headers: HeaderMap,
    body: Body,
) -> anyhow::Result<Response> {
    headers.remove(header::HOST);
    headers.remove(header::AUTHORIZATION);
    let body: Bytes = to_bytes(body, BODY_BYTES_MAX).await?;
    let request = front.client.request(method, format!("{}{path}", front.upstream)).headers(headers).body(body);
    let answer = request.send().await.context("ask the server behind")?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = Response::new(Body::from(answer.bytes().await?));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    Ok(response)
}
