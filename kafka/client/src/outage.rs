//! What cannot be reached at the moment: the answer to "why is nothing moving", and one trace per outage.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::lock::lock;
use crate::topic_partition::TopicPartition;

/// What an outage is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Every broker that is known.
    Cluster,
    Node(i32),
    Topic(Arc<str>),
    Partition(TopicPartition),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("brokers"),
            Self::Node(id) => write!(f, "broker {id}"),
            Self::Topic(topic) => write!(f, "topic {topic:?}"),
            Self::Partition(partition) => write!(f, "partition {partition}"),
        }
    }
}

/// The outages that last. Traced when they begin and when they end.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    reasons: Mutex<BTreeMap<Place, String>>,
}

impl Outages {
    /// Notes a failure of `place`; only the first of an outage is traced.
    pub fn begin(&self, place: Place, reason: impl FnOnce() -> String) {
        let mut reasons = lock(&self.reasons);
        if reasons.contains_key(&place) {
            return;
        }
        let reason = reason();
        tracing::warn!("{place}: {reason}; trying again");
        reasons.insert(place, reason);
    }

    /// `place` works.
    pub fn end(&self, place: &Place) {
        if lock(&self.reasons).remove(place).is_some() {
            tracing::info!("{place}: works again");
        }
    }

    /// `place` is not wanted any more.
    pub fn forget(&self, gone: impl Fn(&Place) -> bool) {
        lock(&self.reasons).retain(|place, _| !gone(place));
    }

    /// The reason of the widest outage.
    pub fn problem(&self) -> Option<String> {
        lock(&self.reasons).first_key_value().map(|(place, reason)| format!("{place}: {reason}"))
    }
}
