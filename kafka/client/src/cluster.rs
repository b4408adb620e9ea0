//! The links to the brokers of one cluster: by node id, and to the bootstrap addresses while no node is known.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::error::{ClientError, chain};
use crate::link::Link;
use crate::lock::lock;
use crate::outage::{Outages, Place};

/// One set of connections, at most one to each broker.
pub(crate) struct Cluster {
    config: Arc<ClientConfig>,
    counters: Arc<Counters>,
    outages: Arc<Outages>,
    nodes: Mutex<BTreeMap<i32, Arc<Link>>>,
    bootstrap: Vec<(Arc<str>, Arc<Link>)>,
    /// Spreads the calls that any broker can answer.
    turn: AtomicUsize,
}

impl Cluster {
    pub fn new(config: Arc<ClientConfig>, counters: Arc<Counters>, outages: Arc<Outages>) -> Self {
        let link = || Arc::new(Link::new(Arc::clone(&config), Arc::clone(&counters)));
        let bootstrap = config.bootstrap.iter().map(|address| (Arc::from(address.as_str()), link())).collect();
        Self { config, counters, outages, nodes: Mutex::default(), bootstrap, turn: AtomicUsize::new(0) }
    }

    fn link(&self, id: i32) -> Arc<Link> {
        let link = || Arc::new(Link::new(Arc::clone(&self.config), Arc::clone(&self.counters)));
        Arc::clone(lock(&self.nodes).entry(id).or_insert_with(link))
    }

    /// The connection to a node, made if needed: one attempt.
    pub async fn node(&self, id: i32, address: &Arc<str>) -> Result<Connection, ClientError> {
        let result = self.link(id).connect(address).await;
        match &result {
            Ok(_) => {
                self.outages.end(&Place::Node(id));
                self.outages.end(&Place::Cluster);
            }
            Err(error) => self.outages.begin(Place::Node(id), || chain(error)),
        }
        result
    }

    /// A connection to any broker: a live one, else the first that can be made.
    pub async fn any(&self, brokers: &BTreeMap<i32, Arc<str>>) -> Result<Connection, ClientError> {
        let node = |(id, address): (&i32, &Arc<str>)| (Some(*id), Arc::clone(address), self.link(*id));
        let mut candidates: Vec<_> = brokers.iter().map(node).collect();
        if !candidates.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len();
            candidates.rotate_left(turn);
        }
        candidates.extend(self.bootstrap.iter().map(|(address, link)| (None, Arc::clone(address), Arc::clone(link))));
        if let Some(connection) = candidates.iter().find_map(|(_, _, link)| link.live()) {
            return Ok(connection);
        }
        // What failed last time goes last, since it waits for its next attempt.
        candidates.sort_by_key(|(_, _, link)| link.is_failing());
        let mut error = ClientError::NoBroker;
        for (node, address, link) in candidates {
            match link.connect(&address).await {
                Ok(connection) => {
                    node.inspect(|id| self.outages.end(&Place::Node(*id)));
                    self.outages.end(&Place::Cluster);
                    return Ok(connection);
                }
                Err(failure) => error = failure,
            }
        }
        self.outages.begin(Place::Cluster, || chain(&error));
        Err(error)
    }

    /// Lets go of the nodes that have left the cluster.
    pub fn keep(&self, brokers: &BTreeMap<i32, Arc<str>>) {
        lock(&self.nodes).retain(|id, _| brokers.contains_key(id));
        self.outages.forget(|place| matches!(place, Place::Node(id) if !brokers.contains_key(id)));
    }
}
