//! How the leader of a group shares out the partitions: the strategies that Java and librdkafka members know too.

mod range;
mod sticky;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::protocol::Subscription;
use crate::TopicPartition;

/// A strategy; the group uses one that all of its members offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Assignor {
    /// Per topic, neighbouring partitions in the order of the members. Kafka's first default.
    Range,
    /// Balanced over all topics; members keep what they have, and go on with it while they rejoin (KIP-429).
    CooperativeSticky,
}

/// A member of the group as its leader sees it.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub id: Arc<str>,
    pub instance_id: Option<Arc<str>>,
    pub subscription: Subscription,
}

/// Partitions by member id; every member has an entry.
pub(super) type Shares = BTreeMap<Arc<str>, Vec<TopicPartition>>;

impl Assignor {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// The strategy with this name on the wire.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Range, Self::CooperativeSticky].into_iter().find(|assignor| assignor.name() == name)
    }

    /// Whether members may keep their partitions while they rejoin.
    pub(super) fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// What a member of this generation sends beside its topics.
    pub(super) fn user_data(self, generation: i32) -> Option<Vec<u8>> {
        match self {
            Self::Range => None,
            // For leaders older than the generation field of the subscription, as Java's assignor does.
            Self::CooperativeSticky => Some(generation.to_be_bytes().to_vec()),
        }
    }

    /// Shares out the partitions of `topics` (name and number of partitions). The result does not depend on the order
    /// of `members`.
    pub(super) fn assign(self, topics: &BTreeMap<Arc<str>, i32>, members: &[Member]) -> Shares {
        // Static members go by their instance id, which survives restarts.
        let mut sorted: Vec<&Member> = members.iter().collect();
        sorted.sort_by(|one, other| match (&one.instance_id, &other.instance_id) {
            (Some(one), Some(other)) => one.cmp(other),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => one.id.cmp(&other.id),
        });
        let mut shares = match self {
            Self::Range => range::assign(topics, &sorted),
            Self::CooperativeSticky => sticky::assign(topics, &sorted),
        };
        for member in members {
            shares.entry(Arc::clone(&member.id)).or_default().sort_unstable();
        }
        shares
    }
}
