//! The sink itself: what the worker holds.

use crate::alarm::Alarms;
use crate::backoff::Backoff;
use crate::carry::Carrier;
use crate::config::{Config, ConfigError};
use crate::delivery::Delivery;
use crate::gather::{Command, Limits, gather};
use crate::metrics::Metrics;
use crate::node::Node;
use async_trait::async_trait;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Sink};
use prometheus_client::registry::Registry;
use reqwest::Client;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Delivers documents to Elasticsearch or OpenSearch in bulk requests.
///
/// How much waits inside is bounded by the callers: a document is kept until its `deliver` is answered or dropped.
/// Dropping the sink ends it at once; every `deliver` that waits answers [`Closed`].
pub struct ElasticsearchSink {
    commands: mpsc::UnboundedSender<Command>,
    alarms: Arc<Alarms>,
    closed: CancellationToken,
    /// The nodes' URLs without credentials.
    nodes: String,
}

impl ElasticsearchSink {
    /// Checks the configuration and starts the sink. It does not connect before there is something to send.
    ///
    /// # Errors
    /// The configuration cannot work.
    ///
    /// # Panics
    /// There is no tokio runtime here.
    pub fn new(config: Config, registry: &mut Registry) -> Result<Arc<Self>, ConfigError> {
        config.check()?;
        let nodes = config
            .urls
            .iter()
            .map(|url| Node::parse(url, config.auth.as_ref()))
            .collect::<Result<Vec<_>, ConfigError>>()?;
        let names = nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
        let client = client(&config, nodes.iter().any(Node::is_https))?;
        let alarms = Arc::new(Alarms::default());
        let closed = CancellationToken::new();
        let carrier = Arc::new(Carrier {
            client,
            nodes,
            turn: AtomicUsize::new(0),
            gzip: config.gzip,
            slots: Semaphore::new(config.requests_in_flight_max),
            backoff: Backoff { min: config.backoff_min, max: config.backoff_max },
            alarms: alarms.clone(),
            metrics: Metrics::register(registry),
            closed: closed.clone(),
        });
        let limits = Limits {
            bytes_max: config.bulk_bytes_max,
            documents_max: config.bulk_documents_max,
            linger: config.linger,
        };
        let (commands, receiver) = mpsc::unbounded_channel();
        tokio::spawn(gather(receiver, limits, carrier));
        Ok(Arc::new(Self { commands, alarms, closed, nodes: names }))
    }

    /// The nodes' URLs, without credentials, for people.
    pub fn describe(&self) -> &str {
        &self.nodes
    }
}

fn client(config: &Config, https: bool) -> Result<Client, ConfigError> {
    // The process has one provider of cryptography; that somebody installed it before is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        // Documents go where the configuration says, not where a shell's http_proxy says.
        .no_proxy()
        // A redirect would carry the documents and the credentials to somewhere else.
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(config.requests_in_flight_max)
        .connect_timeout(config.connect_timeout)
        .timeout(config.request_timeout);
    if !https {
        // A machine without certificate authorities can still speak HTTP.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(ConfigError::Client)
}

#[async_trait]
impl Sink for ElasticsearchSink {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        if batch.items.is_empty() {
            return Ok(Vec::new());
        }
        let (delivery, mut caller) = Delivery::new(batch);
        self.commands.send(Command::Deliver(delivery)).map_err(|_| Closed)?;
        tokio::select! {
            answer = &mut caller.answer => answer.map_err(|_| Closed),
            () = self.closed.cancelled() => Err(Closed),
        }
    }

    async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.commands.send(Command::Flush(done)).is_ok() {
            // An error is a sink that has ended: nothing is left to be flushed.
            let _ = flushed.await;
        }
    }

    fn problems(&self) -> Vec<String> {
        self.alarms.texts()
    }
}

impl Drop for ElasticsearchSink {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
