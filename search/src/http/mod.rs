//! Elasticsearch's HTTP API, as far as the sink, the Discover page and common clients need it.
//!
//! A request is read whole (within [`BODY_BYTES_MAX`]), unzipped, and answered on a thread of its own, since the store
//! blocks. What is not supported is refused by its name, in Elasticsearch's form.

mod admin;
mod bulk;
mod error;
mod filter_path;
mod parameters;
mod search;

use crate::page::{self, Page};
use crate::query::Refusal;
use crate::store::Store;
use admin::Part;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use error::Failed;
use http_body_util::{BodyExt, Limited};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Bytes of a body, also unzipped. Our sink's bulk requests have 8 MiB.
pub const BODY_BYTES_MAX: usize = 32 << 20;
/// Bytes of a body that is too large, up to which it is read to its end and thrown away before the answer.
const BODY_BYTES_DRAINED_MAX: usize = 1 << 30;
/// How long that may take.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Bytes of all bodies that are read or worked on at once; more wait.
const BODIES_BYTES_MAX: usize = 96 << 20;
/// Bodies without a length are counted as this much until they are read.
const BODY_BYTES_UNKNOWN: usize = 8 << 20;
/// The version whose API this is a part of. Clients refuse servers that are much older or newer than themselves.
pub const VERSION: &str = "9.2.0";

/// What answers requests.
struct Server {
    store: Arc<Store>,
    bodies: Bodies,
}

/// The memory that bodies of requests may take, all together; clones share it.
#[derive(Clone)]
pub struct Bodies(Arc<Semaphore>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES_MAX)))
    }
}

impl Bodies {
    /// Bytes that are taken now, of [`Bodies::limit`].
    pub fn used(&self) -> usize {
        BODIES_BYTES_MAX.saturating_sub(self.0.available_permits())
    }

    /// Bytes that may be taken.
    pub fn limit(&self) -> usize {
        BODIES_BYTES_MAX
    }
}

/// A request, read.
pub(crate) struct Request {
    parameters: Vec<(String, String)>,
    pub body: Bytes,
    began: Instant,
    /// Milliseconds since 1970.
    pub now_millis: i64,
}

impl Request {
    /// A parameter of the query string; one without a value is empty.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Milliseconds since the request came.
    pub fn took(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

/// An answer.
pub(crate) struct Reply {
    pub status: StatusCode,
    kind: &'static str,
    body: String,
    /// Whether `filter_path` was looked at when it was written.
    is_filtered: bool,
}

const JSON: &str = "application/json";

impl Reply {
    pub fn json(value: &serde_json::Value) -> Self {
        Self::json_text(value.to_string())
    }

    /// As `filter_path` and `pretty` of the request have it.
    fn shaped(mut self, request: &Request) -> Result<Self, Failed> {
        let filter = if self.is_filtered { None } else { parameters::filter_path(request)? };
        let pretty = parameters::flag(request, "pretty")? == Some(true);
        if (filter.is_some() || pretty) && self.kind == JSON {
            let answer: serde_json::Value = serde_json::from_str(&self.body)
                .map_err(|error| Failed::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", error.to_string()))?;
            let answer = match filter {
                Some(filter) => filter.apply(answer),
                None => answer,
            };
            self.body = if pretty { format!("{answer:#}\n") } else { answer.to_string() };
        }
        Ok(self)
    }

    /// JSON that is written already.
    pub fn json_text(body: String) -> Self {
        Self { status: StatusCode::OK, kind: JSON, body, is_filtered: false }
    }

    pub fn text(body: String) -> Self {
        Self { status: StatusCode::OK, kind: "text/plain; charset=UTF-8", body, is_filtered: false }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, self.kind)], self.body).into_response()
    }
}

/// The API over `store`, and the page over the API, for requests that come to the address `listen`.
pub fn router(store: Arc<Store>, bodies: Bodies, listen: SocketAddr, page: &Page) -> Router {
    let server = Server { store, bodies };
    let api = Router::new().fallback(answer).with_state(Arc::new(server));
    page.router().merge(api).layer(middleware::from_fn_with_state(listen, page::only_own_origin))
}

async fn answer(State(server): State<Arc<Server>>, request: axum::extract::Request) -> Response {
    let is_head = request.method() == Method::HEAD;
    // A person comes with a browser, and means the page.
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if request.uri().path() == "/" && accept.is_some_and(|accept| accept.contains("text/html")) {
        return page::home();
    }
    let reply = work(server, request).await.unwrap_or_else(|failed| failed.reply());
    let mut response = reply.into_response();
    // Elastic's clients look for it.
    response.headers_mut().insert("x-elastic-product", HeaderValue::from_static("Elasticsearch"));
    if is_head {
        *response.body_mut() = Body::empty();
    }
    response
}

async fn work(server: Arc<Server>, request: axum::extract::Request) -> Result<Reply, Failed> {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let length = content_length(&head.headers);
    if length.is_some_and(|length| length > BODY_BYTES_MAX) {
        // A client that writes all of it before it reads would not see the answer otherwise.
        if length.is_some_and(|length| length <= BODY_BYTES_DRAINED_MAX) {
            let _ = tokio::time::timeout(DRAIN_MAX, drain(body)).await;
        }
        return Err(too_large());
    }
    let is_zipped = match head.headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => return Err(Refusal::argument("the only Content-Encoding that is supported is gzip").into()),
    };
    // An unzipped body is a multiple of what comes; twelve times is what access logs have.
    let weight = length.unwrap_or(BODY_BYTES_UNKNOWN) * if is_zipped { 12 } else { 1 };
    let weight = u32::try_from(weight.clamp(1, BODY_BYTES_MAX)).expect("32 MiB");
    let permit = server.bodies.0.clone().acquire_many_owned(weight).await;
    let permit = permit.map_err(|_| Failed::new(StatusCode::SERVICE_UNAVAILABLE, "node_closed_exception", "ends"))?;
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(too_large()),
        Err(error) => return Err(Refusal::argument(format!("the body ends early: {error}")).into()),
    };
    let worked = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let body = if is_zipped { unzipped(&body)? } else { body };
        let parameters = parameters(head.uri.query().unwrap_or(""));
        let request = Request { parameters, body, began, now_millis: jiff::Timestamp::now().as_millisecond() };
        let reply = route(&server.store, &head.method, head.uri.path(), &request)?;
        reply.shaped(&request)
    });
    worked.await.unwrap_or_else(|error| {
        tracing::error!("a request failed without an answer: {error}");
        Err(Failed::new(StatusCode::INTERNAL_SERVER_ERROR, "exception", "the request failed; the log says why"))
    })
}

fn route(store: &Store, method: &Method, path: &str, request: &Request) -> Result<Reply, Failed> {
    let decoded: Vec<String> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    parameters::check(method, &parts, request)?;
    let is_get = matches!(*method, Method::GET | Method::HEAD);
    let asks = is_get || *method == Method::POST;
    let writes = matches!(*method, Method::POST | Method::PUT);
    let deletes = *method == Method::DELETE;
    let puts = *method == Method::PUT;
    let definitions = |part, name: &str| match () {
        () if is_get => admin::get(store, part, name),
        () if writes && !name.is_empty() => admin::put(store, part, name, request),
        () if deletes && !name.is_empty() => admin::remove(store, part, name),
        () => Err(unsupported(method, path)),
    };
    match parts[..] {
        [] if is_get => Ok(admin::root()),
        ["_cluster", "health"] if is_get => Ok(admin::health(store)),
        ["_cluster", "health", list] if is_get => {
            search::select(store, list, parameters::Indices::of(request)?)?;
            Ok(admin::health(store))
        }
        ["_nodes", ..] if is_get => Ok(admin::nodes()),
        ["_cat", "indices"] if is_get => admin::indices(store, "", request),
        ["_cat", "indices", list] if is_get => admin::indices(store, list, request),
        ["_bulk"] if writes => bulk::bulk(store, None, request),
        [index, "_bulk"] if writes => bulk::bulk(store, Some(index), request),
        ["_search"] if asks => search::search(store, "", request),
        [list, "_search"] if asks => search::search(store, list, request),
        ["_msearch"] if asks => search::searches(store, "", request),
        [list, "_msearch"] if asks => search::searches(store, list, request),
        ["_count"] if asks => search::counted(store, "", request),
        [list, "_count"] if asks => search::counted(store, list, request),
        ["_field_caps"] if asks => admin::field_caps(store, "", request),
        [list, "_field_caps"] if asks => admin::field_caps(store, list, request),
        ["_mapping"] if is_get => admin::mapping(store, "", request),
        [list, "_mapping"] if is_get => admin::mapping(store, list, request),
        [index, "_mapping"] if writes => admin::declare(store, index, request, true),
        ["_index_template"] => definitions(Part::IndexTemplate, ""),
        ["_index_template", name] => definitions(Part::IndexTemplate, name),
        ["_component_template"] => definitions(Part::ComponentTemplate, ""),
        ["_component_template", name] => definitions(Part::ComponentTemplate, name),
        ["_ilm", "policy"] | ["_plugins", "_ism", "policies"] => definitions(Part::Policy, ""),
        ["_ilm", "policy", name] | ["_plugins", "_ism", "policies", name] => definitions(Part::Policy, name),
        ["_refresh"] | [_, "_refresh"] if asks => {
            search::select(store, if parts.len() == 2 { parts[0] } else { "" }, parameters::Indices::of(request)?)?;
            store.refresh()?;
            Ok(Reply::json(&serde_json::json!({ "_shards": { "total": 1, "successful": 1, "failed": 0 } })))
        }
        [index, "_doc"] if *method == Method::POST => bulk::single(store, index, None, false, request),
        [index, "_doc", id] if writes => bulk::single(store, index, Some(id), false, request),
        [index, "_create", id] if writes => bulk::single(store, index, Some(id), true, request),
        [name, ..] if name.starts_with('_') && name != "_all" => Err(unsupported(method, path)),
        [index] if puts => admin::declare(store, index, request, false),
        [list] if deletes => admin::delete(store, list, request),
        [list] if is_get => admin::mapping(store, list, request),
        _ => Err(unsupported(method, path)),
    }
}

/// Reads to the end, and keeps nothing.
async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn unsupported(method: &Method, path: &str) -> Failed {
    let shown: String = path.chars().take(200).collect();
    let reason =
        format!("no handler found for uri [{shown}] and method [{method}]: the embedded store does not support it");
    Failed::new(StatusCode::BAD_REQUEST, "illegal_argument_exception", reason)
}

fn too_large() -> Failed {
    let reason = format!("the body has more than {BODY_BYTES_MAX} bytes");
    Failed::new(StatusCode::PAYLOAD_TOO_LARGE, "content_too_long_exception", reason)
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unzipped(body: &[u8]) -> Result<Bytes, Failed> {
    let mut unzipped = Vec::with_capacity(body.len().saturating_mul(8).min(BODY_BYTES_MAX));
    let mut reader = flate2::read::MultiGzDecoder::new(body).take(BODY_BYTES_MAX as u64 + 1);
    let read = reader.read_to_end(&mut unzipped);
    read.map_err(|error| Refusal::argument(format!("the body is no gzip: {error}")))?;
    if unzipped.len() > BODY_BYTES_MAX {
        return Err(too_large());
    }
    Ok(unzipped.into())
}

fn parameters(query: &str) -> Vec<(String, String)> {
    let decoded =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}
