//! `/health`, `/metrics` and `/files` of the running parts, over HTTP on loopback.
//!
//! Loopback is not private: a web page that a person opens can send requests to it (DNS rebinding), so only requests
//! for this address itself are answered.

use crate::command::renew::Request as ReloadRequest;
use crate::failure::Failure;
use crate::followed::FollowedFiles;
use crate::ingest;
use crate::metrics;
use agent::Observer;
use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use pipelines::simulate::Catalogue;
use pipelines::worker::{PartitionState, Worker};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use serde::Serialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// What is not in order right now, a sentence each; empty means ready. The loop that runs the parts writes it.
pub type Problems = tokio::sync::watch::Receiver<Vec<String>>;

/// The worker's pipelines, as far as they are shown.
pub type Pipelines = Arc<Catalogue>;

/// The metrics of the parts: each part has a registry of its own, which is replaced when the part begins anew.
#[derive(Clone, Default)]
pub struct Shown {
    pub registries: Vec<Arc<Registry>>,
    /// Where the files are known; `None`: in a process without agent.
    pub observer: Option<Observer>,
}

/// Media type of the OpenMetrics text format.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The listening socket of the status server, before there is anything to report.
pub struct StatusListener {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    /// `None`: nothing can be taken over while the process runs.
    reload: Option<mpsc::Sender<ReloadRequest>>,
    /// `None`: in a process without worker.
    worker: Option<watch::Receiver<WorkerState>>,
    /// Shown and tried at `_ingest/pipeline`; `None`: in a process without worker.
    pipelines: Option<watch::Receiver<Pipelines>>,
}

/// How far a worker is; its form is that of the answers.
#[derive(Debug, Clone, Serialize)]
pub struct WorkerState {
    lag_records: u64,
    /// Age of the oldest record that is not done.
    lag_seconds: f64,
    /// `null`: the backlog does not shrink.
    seconds_left: Option<f64>,
    done_per_second: f64,
    produced_per_second: f64,
    paused_partitions: usize,
    #[serde(skip)]
    partitions: Vec<PartitionState>,
}

impl WorkerState {
    pub fn of(worker: &Worker) -> Self {
        let (lag, partitions) = (worker.lag(), worker.partitions());
        Self {
            lag_records: lag.records,
            lag_seconds: lag.seconds,
            seconds_left: lag.seconds_left,
            done_per_second: lag.done_per_second,
            produced_per_second: lag.produced_per_second,
            paused_partitions: partitions.iter().filter(|partition| partition.is_paused).count(),
            partitions,
        }
    }
}

impl StatusListener {
    /// Binds `asked`, or `default_port` on loopback. A default port that is taken, as by a second `sluice`, is
    /// replaced by a free one: nobody asked for it. An address that was asked for is an error then.
    pub async fn bind(asked: Option<SocketAddr>, default_port: u16) -> anyhow::Result<Self> {
        let wanted = asked.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), default_port));
        let listener = match tokio::net::TcpListener::bind(wanted).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && asked.is_none() => {
                tokio::net::TcpListener::bind(SocketAddr::new(wanted.ip(), 0)).await
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(Failure::new(
                    format!("listen for health and metrics on {wanted}: address in use"),
                    "choose another with --status-listen 127.0.0.1:PORT",
                )
                .into());
            }
            bound => bound,
        }
        .with_context(|| format!("listen for health and metrics on {wanted}"))?;
        let address = listener.local_addr().context("read the address of the status server")?;
        Ok(Self { listener, address, reload: None, worker: None, pipelines: None })
    }

    /// Takes requests to take over a changed config, too.
    pub fn with_reload(mut self, reload: mpsc::Sender<ReloadRequest>) -> Self {
        self.reload = Some(reload);
        self
    }

    /// Tells how far the worker is, too.
    pub fn with_worker(mut self, worker: watch::Receiver<WorkerState>) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Answers for the worker's pipelines, too.
    pub fn with_pipelines(mut self, pipelines: watch::Receiver<Pipelines>) -> Self {
        self.pipelines = Some(pipelines);
        self
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on, until the runtime ends.
    pub fn serve(self, shown: watch::Receiver<Shown>, problems: Problems) {
        let Self { listener, address, reload, worker, pipelines } = self;
        let state = Status { shown, problems, address, reload, worker };
        let router = Router::new()
            .route("/health", get(health))
            .route("/health/ready", get(health))
            .route("/health/live", get(|| async { "live\n" }))
            .route("/metrics", get(metrics))
            .route("/files", get(files))
            .route("/partitions", get(partitions))
            .route("/reload", post(reload_config))
            .with_state(state.clone());
        #[cfg(feature = "server")]
        let router = router.merge(pipelines.map(ingest::router).unwrap_or_default());
        let router = router.layer(middleware::from_fn_with_state(state, only_own_host));
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!("the status server stopped: {error}");
            }
        });
    }
}

#[derive(Clone)]
struct Status {
    shown: watch::Receiver<Shown>,
    problems: Problems,
    address: SocketAddr,
    reload: Option<mpsc::Sender<ReloadRequest>>,
    worker: Option<watch::Receiver<WorkerState>>,
}

async fn health(State(status): State<Status>) -> Response {
    let problems = status.problems.borrow().clone();
    let (code, word) = match problems.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
    };
    let mut body = serde_json::json!({ "status": word, "problems": problems });
    if let Some(worker) = &status.worker {
        body["worker"] = serde_json::json!(*worker.borrow());
    }
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn metrics(State(status): State<Status>) -> Response {
    let shown = status.shown.borrow().clone();
    let files = followed(shown.observer.clone()).await;
    // The broker reads the times of backlogs from its disk.
    let written = tokio::task::spawn_blocking(move || {
        let of_process = metrics::of_process(&files);
        let mut body = String::new();
        let mut registries = shown.registries.iter().map(|registry| &**registry).chain([&of_process]);
        registries.try_for_each(|registry| text::encode_registry(&mut body, registry))?;
        text::encode_eof(&mut body)?;
        Ok::<_, std::fmt::Error>(body)
    });
    match written.await {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, OPENMETRICS)], body).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn files(State(status): State<Status>) -> Response {
    let observer = status.shown.borrow().observer.clone();
    if observer.is_none() {
        return (StatusCode::NOT_FOUND, "no agent runs here\n").into_response();
    }
    let files = followed(observer).await;
    match serde_json::to_string(&files) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The files of the agent, when there is one.
async fn followed(observer: Option<Observer>) -> FollowedFiles {
    let Some(observer) = observer else { return FollowedFiles::default() };
    // The agent's thread answers between two turns.
    tokio::task::spawn_blocking(move || FollowedFiles::of(&observer.files())).await.unwrap_or_default()
}

/// Has the changed config taken over, and says what came of it.
async fn reload_config(State(status): State<Status>) -> Response {
    let Some(reload) = status.reload else {
        return (StatusCode::NOT_FOUND, "this part takes over nothing while it runs\n").into_response();
    };
    let (request, answer) = ReloadRequest::new();
    if reload.send(request).await.is_err() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the process ends\n").into_response();
    }
    let Ok(answer) = answer.await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "the process ends\n").into_response();
    };
    let code = if answer.refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    (code, [(header::CONTENT_TYPE, "application/json")], format!("{}\n", serde_json::json!(answer))).into_response()
}

/// The worker's partitions, one object each.
async fn partitions(State(status): State<Status>) -> Response {
    let Some(worker) = status.worker else {
        return (StatusCode::NOT_FOUND, "no worker runs here\n").into_response();
    };
    let partitions: Vec<_> = worker
        .borrow()
        .partitions
        .iter()
        .map(|it| {
            serde_json::json!({
                "topic": &*it.topic, "partition": it.partition, "done": it.done, "committed": it.committed,
                "high_watermark": it.high_watermark, "lag_records": it.lag_records,
                "oldest": it.oldest_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map(|at| at.to_string()),
                "paused": it.is_paused,
            })
        })
        .collect();
    let body = serde_json::Value::from(partitions);
    ([(header::CONTENT_TYPE, "application/json")], format!("{body}\n")).into_response()
}

async fn only_own_host(State(status): State<Status>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match is_own_host(host, status.address) && !request.headers().contains_key(header::ORIGIN) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "only requests for this address itself are answered\n").into_response(),
    }
}

/// Whether `host` names this listener by address, or as localhost when it is on loopback. A listener that was opened
/// to the network on purpose is reached by names that it cannot know.
fn is_own_host(host: &str, address: SocketAddr) -> bool {
    if !address.ip().is_loopback() {
        return true;
    }
    let name = host.strip_suffix(&format!(":{}", address.port())).unwrap_or(host);
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_hosts_are_refused_on_loopback() {
        let check = |host: &str, listen: &str, expect: bool| {
            assert_eq!(is_own_host(host, listen.parse().expect("an address")), expect, "{host} on {listen}");
        };
        check("127.0.0.1:9600", "127.0.0.1:9600", true);
        check("localhost:9600", "127.0.0.1:9600", true);
        check("[::1]:9600", "[::1]:9600", true);
        check("localhost", "127.0.0.1:80", true);
        check("evil.example:9600", "127.0.0.1:9600", false);
        check("127.0.0.1.evil.example:9600", "127.0.0.1:9600", false);
        check("", "127.0.0.1:9600", false);
        check("metrics.internal:9600", "10.0.0.1:9600", true);
    }
}
