//! A single-node broker that speaks Kafka's wire protocol and keeps Kafka's files.
//!
//! A request goes from `connection` (frames) to `api` (a file for each Kafka API) and from there to `log` (partitions
//! on disk) or `group` (the coordinator). [`Broker`] starts and stops them.

mod addresses;
mod api;
mod clock;
mod config;
mod configs;
mod connection;
mod counters;
mod group;
mod limits;
pub mod log;
mod memory;
mod node;
mod producer_ids;
mod refusals;
mod security;
mod server;
mod together;
mod warnings;

use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::{Config, ConfigError, Durability};
pub use group::OpenError as GroupsError;
pub use security::{Listener, ListenerError, SecurityError, SecurityProtocol, TlsFiles};

use counters::{Counters, LogCounters, NodeGauges};
use group::Coordinator;
use log::{DataDirectory, DirectoryConfig, OpenError};
use node::Node;
use producer_ids::ProducerIds;
use security::Security;
use warnings::Warnings;

/// A running broker. Dropped without [`Broker::stop`], it leaves no clean marker, as after a crash.
pub struct Broker {
    node: Arc<Node>,
    addresses: Vec<SocketAddr>,
    /// Listeners, the coordinator's clock.
    tasks: TaskTracker,
    connections: TaskTracker,
}

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("listen on {0}: the address is in use")]
    AddressInUse(SocketAddr),
    #[error("listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error("data directory {0:?} is in use by another process")]
    Locked(PathBuf),
    /// The operator has to look: nothing was changed.
    #[error("data directory {path:?} is corrupt: {reason}")]
    Corrupt { path: PathBuf, reason: String },
    #[error("consumer groups in data directory {path:?} cannot be read")]
    Groups {
        path: PathBuf,
        #[source]
        source: group::OpenError,
    },
    #[error("open data directory {path:?}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Broker {
    /// Opens the data directory, listens, and serves until [`Broker::stop`].
    pub async fn start(config: Config, registry: &mut Registry) -> Result<Self, StartError> {
        let security = Security::open(&config)?;
        let listeners = server::bind(&config.listen).await?;
        let mut addresses = Vec::new();
        for (listener, asked) in listeners.iter().zip(&config.listen) {
            let address = asked.address;
            addresses.push(listener.local_addr().map_err(|source| StartError::Listen { address, source })?);
        }
        let counters = Counters::register(registry);
        let node = open(config, security, counters).await?;
        registry.register_collector(Box::new(LogCounters(Arc::downgrade(&node.log))));
        registry.register_collector(Box::new(NodeGauges(Arc::downgrade(&node))));
        let tasks = TaskTracker::new();
        let connections = TaskTracker::new();
        tasks.spawn(Arc::clone(&node.groups).keep_time(node.stop.clone()));
        for (number, listener) in listeners.into_iter().enumerate() {
            tasks.spawn(server::accept(Arc::clone(&node), listener, number, connections.clone()));
        }
        Ok(Self { node, addresses, tasks, connections })
    }

    /// The bound addresses, in the order of [`Config::listen`].
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.addresses.clone()
    }

    /// Why the broker is not healthy; empty when it is.
    pub fn problems(&self) -> Vec<String> {
        self.node.log.problems()
    }

    /// Partition and high watermark of each partition of a topic; empty when there is no such topic.
    pub fn log_end_offsets(&self, topic: &str) -> Vec<(i32, i64)> {
        let topic = self.node.log.topic(topic);
        let partitions = topic.iter().flat_map(|topic| topic.live_partitions());
        partitions.map(|partition| (partition.number(), partition.high_watermark())).collect()
    }

    /// Answers what is parked, closes all connections, flushes, and marks the data directory as cleanly closed.
    pub async fn stop(self) {
        self.node.stop.cancel();
        self.tasks.close();
        self.connections.close();
        self.tasks.wait().await;
        self.connections.wait().await;
        let log = Arc::clone(&self.node.log);
        drop(tokio::task::spawn_blocking(move || log.close()).await);
    }
}

/// Opens the data directory and reads the groups back; blocks, so not on a thread that serves.
async fn open(config: Config, security: Security, counters: Counters) -> Result<Arc<Node>, StartError> {
    let opened = tokio::task::spawn_blocking(move || open_blocking(config, security, counters)).await;
    match opened {
        Ok(node) => node,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn open_blocking(config: Config, security: Security, counters: Counters) -> Result<Arc<Node>, StartError> {
    let path = config.data.clone();
    let directory = DirectoryConfig {
        durability: config.durability,
        retention_check_interval: config.retention_check_interval,
        topic_defaults: config.topic_defaults.clone(),
        disk_bytes_max: config.disk_bytes_max,
        ..DirectoryConfig::new(config.node_id)
    };
    let log = DataDirectory::open(&path, directory).map_err(|error| match error {
        OpenError::Locked(path) => StartError::Locked(path),
        OpenError::Corrupt { path, reason } => StartError::Corrupt { path, reason },
        OpenError::Disk { path, source } => StartError::Io { path, source },
    })?;
    let request_memory_bytes = config.request_memory_bytes_max;
    let delay = config.initial_rebalance_delay;
    let groups = Coordinator::open(&log, config.offsets_topic_partitions, delay, counters.clone())
        .map_err(|source| StartError::Groups { path: path.clone(), source })?;
    let groups = Arc::new(groups);
    if !config.guarded_groups.is_empty() {
        let (groups, guarded) = (Arc::downgrade(&groups), config.guarded_groups.clone());
        log.set_guard(Box::new(move |topic, partition| {
            let groups = groups.upgrade()?;
            guarded.iter().filter_map(|group| groups.needed_from(group, topic, partition)).min()
        }));
    }
    let producer_ids = ProducerIds::open(&path).map_err(|source| StartError::Io { path, source })?;
    Ok(Arc::new(Node {
        config,
        security,
        log,
        groups,
        producer_ids,
        request_memory: memory::RequestMemory::new(request_memory_bytes),
        fetch_sessions: api::FetchSessions::default(),
        counters,
        addresses: addresses::Addresses::default(),
        warnings: Warnings::default(),
        stop: CancellationToken::new(),
    }))
}
