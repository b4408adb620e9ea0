//! The store behind a listener: what `sluice up` starts.

use crate::http::{self, Bodies};
use crate::metrics;
use crate::page::Page;
use crate::store::{Config, Retention, Store, StoreError};
use prometheus_client::registry::Registry;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Why the embedded store does not run.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} for searches")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot open the embedded store")]
    Store(#[from] StoreError),
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    store: Arc<Store>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Opens the store in `folder`, and answers requests at `listen`; browsers get `page`, and `registry` its metrics.
    pub async fn start(
        folder: PathBuf,
        listen: SocketAddr,
        retention: Retention,
        page: &Page,
        registry: &mut Registry,
    ) -> Result<Self, StartError> {
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|source| StartError::Listen { address: listen, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: listen, source })?;
        let config = Config { folder, retention, now: || jiff::Timestamp::now().as_millisecond() };
        // It reads its journal: seconds, after a kill.
        let opened = tokio::task::spawn_blocking(move || Store::open(config)).await;
        let store = Arc::new(opened.unwrap_or(Err(StoreError::Ended))?);
        let bodies = Bodies::default();
        metrics::register(registry, &store, &bodies);
        let router = http::router(store.clone(), bodies, address, page);
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stopped).await {
                tracing::error!("the embedded store answers no more: {error}");
            }
        });
        Ok(Self { address, store, stop, task })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a person has to know: that no more documents are taken.
    pub fn problems(&self) -> Vec<String> {
        let failure = self.store.failure();
        failure.into_iter().map(|reason| format!("the embedded store takes no more documents: {reason}")).collect()
    }

    /// Answers no more, and commits what it has.
    pub async fn stop(self) {
        self.stop.cancel();
        // Clients keep connections open that they do not use.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), self.task).await;
        let store = self.store;
        let _ = tokio::task::spawn_blocking(move || store.stop()).await;
    }
}
