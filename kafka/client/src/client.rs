//! The client: typed calls to a node, to a leader, to a coordinator or to any broker.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use kafka_wire::protocol::messages::FindCoordinatorRequest;
use kafka_wire::protocol::protocol::{Request, StrBytes};
use prometheus_client::registry::Registry;

use crate::call::Call;
use crate::cluster::Cluster;
use crate::code::ErrorCode;
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::error::ClientError;
use crate::lock::lock;
use crate::metadata::{METADATA_VERSION_MAX, Metadata, address};
use crate::outage::Outages;
use crate::topic_partition::TopicPartition;

/// Version 4 asks for many coordinators at once.
const FIND_COORDINATOR_VERSION_MAX: i16 = 3;

/// A client of one Kafka cluster. Cheap to clone; clones share connections and what is known of the cluster.
///
/// The `call_*` methods make one attempt. The others wait while no broker answers, for ever; drop the future to give up.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    cluster: Arc<Cluster>,
}

struct Shared {
    config: Arc<ClientConfig>,
    counters: Arc<Counters>,
    outages: Arc<Outages>,
    metadata: Mutex<Arc<Metadata>>,
    /// Node of each group's coordinator.
    coordinators: Mutex<HashMap<String, i32>>,
}

impl Client {
    /// Does no I/O: connections are made when a call needs them, on the runtime of that call.
    pub fn new(config: ClientConfig) -> Self {
        let config = Arc::new(config);
        let counters = Arc::new(Counters::default());
        let outages = Arc::new(Outages::default());
        let cluster = Cluster::new(Arc::clone(&config), Arc::clone(&counters), Arc::clone(&outages));
        let shared = Shared { config, counters, outages, metadata: Mutex::default(), coordinators: Mutex::default() };
        Self { shared: Arc::new(shared), cluster: Arc::new(cluster) }
    }

    /// A client with connections of its own that shares everything else. Brokers answer a connection's requests in
    /// order, so calls that are held back (fetch, join group) must not stand before calls that are not.
    pub fn separate(&self) -> Self {
        let Shared { config, counters, outages, .. } = &*self.shared;
        let cluster = Cluster::new(Arc::clone(config), Arc::clone(counters), Arc::clone(outages));
        Self { shared: Arc::clone(&self.shared), cluster: Arc::new(cluster) }
    }

    /// Adds this client's counters; a process with several clients gives each a sub-registry with a label.
    pub fn register(&self, registry: &mut Registry) {
        self.shared.counters.register(registry);
    }

    /// Why a broker cannot be reached or a partition cannot be written now; `None` when all is well. Traced once for
    /// each outage.
    pub fn problem(&self) -> Option<String> {
        self.shared.outages.problem()
    }

    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    pub(crate) fn outages(&self) -> &Outages {
        &self.shared.outages
    }

    /// What is known of the cluster, without asking.
    pub fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&lock(&self.shared.metadata))
    }

    /// Asks for the brokers and for these topics, once, and returns all that is then known.
    pub async fn refresh(&self, topics: &[Arc<str>], auto_create: bool) -> Result<Arc<Metadata>, ClientError> {
        let request = Metadata::request(topics, auto_create);
        let response = self.call_any(Call::new(request).version_max(METADATA_VERSION_MAX)).await?;
        let updated = {
            let mut metadata = lock(&self.shared.metadata);
            *metadata = Arc::new(metadata.updated(&response));
            Arc::clone(&metadata)
        };
        self.cluster.keep(&updated.brokers);
        Ok(updated)
    }

    /// Calls any broker.
    pub async fn call_any<R: Request + Send + 'static>(
        &self,
        call: impl Into<Call<R>>,
    ) -> Result<R::Response, ClientError> {
        let connection = self.cluster.any(&self.metadata().brokers).await?;
        connection.call(call.into()).await
    }

    /// Calls a certain broker.
    pub async fn call_node<R: Request + Send + 'static>(
        &self,
        node: i32,
        call: impl Into<Call<R>>,
    ) -> Result<R::Response, ClientError> {
        self.connect(node).await?.call(call.into()).await
    }

    /// The connection to a node; asks for the brokers when the node is not known.
    pub(crate) async fn connect(&self, node: i32) -> Result<Connection, ClientError> {
        let known = self.metadata().brokers.get(&node).cloned();
        let address = match known {
            Some(address) => address,
            None => {
                self.refresh(&[], false).await?.brokers.get(&node).cloned().ok_or(ClientError::UnknownNode(node))?
            }
        };
        self.cluster.node(node, &address).await
    }

    /// The node that leads a partition; asks when it is not known.
    pub async fn leader(&self, partition: &TopicPartition) -> Result<i32, ClientError> {
        if let Some(leader) = self.metadata().leader(partition) {
            return Ok(leader.node);
        }
        let metadata = self.refresh(std::slice::from_ref(&partition.topic), false).await?;
        metadata.leader(partition).map(|leader| leader.node).ok_or_else(|| self.leader_unknown(&metadata, partition))
    }

    fn leader_unknown(&self, metadata: &Metadata, partition: &TopicPartition) -> ClientError {
        match metadata.topics.get(&partition.topic).and_then(|topic| topic.error) {
            Some(code) => ClientError::refused(format!("metadata of topic {:?}", partition.topic), code, None),
            None => ClientError::LeaderUnknown(partition.clone()),
        }
    }

    /// Forgets who leads a topic's partitions, after an error code with [`ErrorCode::is_stale_metadata`].
    pub fn forget_leaders(&self, topic: &str) {
        let mut metadata = lock(&self.shared.metadata);
        if metadata.topics.contains_key(topic) {
            Arc::make_mut(&mut metadata).topics.remove(topic);
        }
    }

    /// Calls the leader of a partition. Error codes inside the response are the caller's, who calls
    /// [`Client::forget_leaders`] after those that say that the leader has moved.
    pub async fn call_leader<R: Request + Send + 'static>(
        &self,
        partition: &TopicPartition,
        call: impl Into<Call<R>>,
    ) -> Result<R::Response, ClientError> {
        let node = self.leader(partition).await?;
        let result = self.call_node(node, call).await;
        if matches!(result, Err(ClientError::Unreachable { .. } | ClientError::UnknownNode(_))) {
            self.forget_leaders(&partition.topic);
        }
        result
    }

    /// Calls the coordinator of a consumer group. Error codes inside the response are the caller's, who calls
    /// [`Client::forget_coordinator`] after `NOT_COORDINATOR` or `COORDINATOR_NOT_AVAILABLE`.
    pub async fn call_coordinator<R: Request + Send + 'static>(
        &self,
        group: &str,
        call: impl Into<Call<R>>,
    ) -> Result<R::Response, ClientError> {
        let node = self.coordinator(group).await?;
        let result = self.call_node(node, call).await;
        if matches!(result, Err(ClientError::Unreachable { .. } | ClientError::UnknownNode(_))) {
            self.forget_coordinator(group);
        }
        result
    }

    /// The node that coordinates a group; asks when it is not known.
    pub async fn coordinator(&self, group: &str) -> Result<i32, ClientError> {
        if let Some(node) = lock(&self.shared.coordinators).get(group) {
            return Ok(*node);
        }
        let request = FindCoordinatorRequest::default().with_key(StrBytes::from_string(group.to_owned()));
        let found = self.call_any(Call::new(request).version_max(FIND_COORDINATOR_VERSION_MAX)).await?;
        if let Some(code) = ErrorCode::from_wire(found.error_code) {
            let what = format!("find coordinator of group {group:?}");
            return Err(ClientError::refused(what, code, found.error_message.as_deref()));
        }
        let node = found.node_id.0;
        let mut metadata = lock(&self.shared.metadata);
        if !metadata.brokers.contains_key(&node) {
            Arc::make_mut(&mut metadata).brokers.insert(node, address(&found.host, found.port));
        }
        drop(metadata);
        lock(&self.shared.coordinators).insert(group.to_owned(), node);
        Ok(node)
    }

    /// The coordinator of a group has moved, or cannot be reached.
    pub fn forget_coordinator(&self, group: &str) {
        lock(&self.shared.coordinators).remove(group);
    }
}
