//! The sink itself: what the worker holds.

use crate::alarm::Alarms;
use crate::backoff::Backoff;
use crate::bulk::ActionLine;
use crate::carry::Carrier;
use crate::config::{Compression, Config, ConfigError};
use crate::connection::Connection;
use crate::delivery::Delivery;
use crate::gather::{Command, Limits, gather};
use crate::hold::Holds;
use crate::limits;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::nodes::Nodes;
use crate::pace::{Pace, PaceLimits};
use async_trait::async_trait;
use pipelines::sink::{Closed, DocumentBatch, Framing, Outcome, Sink};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What is held is sent again after the longest back-off; a condition that was not met for so many of these is over ...
const HELD_FORGOTTEN_AFTER: u32 = 4;
/// ... but not before this time: answers may be slow.
const HELD_FORGOTTEN_AFTER_MIN: Duration = Duration::from_secs(60);

/// Delivers documents to Elasticsearch or OpenSearch in bulk requests.
///
/// How much waits inside is bounded by the callers: a document is kept until its `deliver` is answered or dropped.
/// Dropping the sink ends it at once; every `deliver` that waits answers [`Closed`].
pub struct ElasticsearchSink {
    commands: mpsc::UnboundedSender<Command>,
    carrier: Arc<Carrier>,
    closed: CancellationToken,
    /// The nodes' URLs without credentials.
    description: String,
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
        let connection = Connection::new(&config.connection)?;
        let description = connection.describe();
        let gzip = match config.compression {
            Compression::Auto => !connection.nodes.iter().all(Node::is_loopback),
            Compression::None => false,
            Compression::Gzip => true,
        };
        let alarms = Arc::new(Alarms::default());
        let closed = CancellationToken::new();
        let backoff = Backoff { min: config.backoff_min, max: config.backoff_max };
        let pace = Pace::new(PaceLimits {
            in_flight_max: config.requests_in_flight_max,
            bulk_bytes_max: config.bulk_bytes_max,
        });
        let forget_after = (config.backoff_max * HELD_FORGOTTEN_AFTER).max(HELD_FORGOTTEN_AFTER_MIN);
        let carrier = Arc::new(Carrier {
            nodes: Nodes::new(connection, backoff, alarms.clone(), pace.clone(), closed.clone()),
            metrics: Metrics::register(registry, &pace),
            pace,
            holds: Holds::new(alarms.clone(), config.index_hold, forget_after),
            gzip,
            backoff,
            index_hold: config.index_hold,
            alarms: alarms.clone(),
            closed: closed.clone(),
        });
        let limits = Limits { documents_max: config.bulk_documents_max, linger: config.linger };
        let (commands, receiver) = mpsc::unbounded_channel();
        tokio::spawn({
            let (carrier, closed) = (carrier.clone(), closed.clone());
            async move {
                // What servers say about their limits is good to know, and nothing waits for it.
                let ask = limits::ask(carrier.nodes.connection(), 0, &carrier.pace);
                closed.run_until_cancelled(ask).await;
            }
        });
        tokio::spawn(gather(receiver, limits, carrier.clone()));
        Ok(Arc::new(Self { commands, carrier, closed, description }))
    }

    /// The nodes' URLs, without credentials, for people.
    pub fn describe(&self) -> &str {
        &self.description
    }
}

#[async_trait]
impl Sink for ElasticsearchSink {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        if batch.items.is_empty() {
            return Ok(Vec::new());
        }
        let (run, mut caller) = Delivery::begin(batch);
        self.commands.send(Command::Deliver(run)).map_err(|_| Closed)?;
        tokio::select! {
            answer = &mut caller.answer => answer.map_err(|_| Closed),
            () = self.closed.cancelled() => Err(Closed),
        }
    }

    async fn flush(&self) {
        // An error is a sink that has ended: nothing is left to be flushed.
        let _ = self.commands.send(Command::Flush);
    }

    fn hurry(&self) {
        let _ = self.commands.send(Command::Hurry);
    }

    fn framing(&self) -> Option<Arc<dyn Framing>> {
        Some(Arc::new(ActionLine))
    }

    fn problems(&self) -> Vec<String> {
        self.carrier.holds.sweep(Instant::now());
        self.carrier.alarms.texts()
    }
}

impl Drop for ElasticsearchSink {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}
