//! What the embedded store tells Prometheus, read when somebody looks.

use crate::http::Bodies;
use crate::store::Store;
use crate::store::limits::UNCOMMITTED_BYTES_MAX;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::{Arc, Weak};

/// Has `registry` tell of the store and of the requests' memory.
pub fn register(registry: &mut Registry, store: &Arc<Store>, bodies: &Bodies) {
    registry.register_collector(Box::new(Gauges { store: Arc::downgrade(store), bodies: bodies.clone() }));
}

struct Gauges {
    store: Weak<Store>,
    bodies: Bodies,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(store) = self.store.upgrade() else { return Ok(()) };
        let indices = store.indices();
        let documents: u64 = indices.iter().map(|index| index.documents()).sum();
        let bytes: u64 = indices.iter().map(|index| index.bytes()).sum();
        let pools = [
            ("sluice_search_indices", "Indices of the embedded store", indices.len() as u64),
            ("sluice_search_documents", "Documents that searches see", documents),
            ("sluice_search_stored_bytes", "Bytes of segments on disk", bytes),
            (
                "sluice_search_uncommitted_bytes",
                "Bytes of documents that wait in memory for the next commit",
                store.uncommitted_bytes() as u64,
            ),
            (
                "sluice_search_uncommitted_limit_bytes",
                "What they may be; then they are committed",
                UNCOMMITTED_BYTES_MAX as u64,
            ),
            ("sluice_search_bodies_bytes", "Bytes of requests that are worked on", self.bodies.used() as u64),
            ("sluice_search_bodies_limit_bytes", "What they may be; then requests wait", self.bodies.limit() as u64),
        ];
        for (name, help, value) in pools {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}
