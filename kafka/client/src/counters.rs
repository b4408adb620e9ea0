//! What a client counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of one client, shared by its connections and producers.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub requests: Counter,
    pub retries: Counter,
    pub reconnects: Counter,
}

impl Counters {
    pub fn register(&self, registry: &mut Registry) {
        registry.register("client_requests", "Requests sent to brokers", self.requests.clone());
        registry.register("client_retries", "Requests and record batches sent again", self.retries.clone());
        registry.register("client_reconnects", "Connections made after one was lost", self.reconnects.clone());
    }
}
