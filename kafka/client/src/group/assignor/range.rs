//! Range assignment: per topic, each member gets a run of neighbouring partitions (Kafka's `RangeAssignor`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Member, Shares};
use crate::TopicPartition;

/// The first members of each topic get one partition more where the division leaves a rest.
pub(super) fn assign(topics: &BTreeMap<Arc<str>, i32>, members: &[&Member]) -> Shares {
    let mut shares = Shares::new();
    for (topic, &partitions) in topics {
        let takers: Vec<&&Member> =
            members.iter().filter(|member| member.subscription.topics.contains(topic)).collect();
        let Ok(count) = i32::try_from(takers.len()) else { continue };
        if count == 0 {
            continue;
        }
        let (each, rest) = (partitions / count, partitions % count);
        let mut next = 0;
        for (index, member) in (0..).zip(takers) {
            let end = next + each + i32::from(index < rest);
            let run = (next..end).map(|partition| TopicPartition { topic: Arc::clone(topic), partition });
            shares.entry(Arc::clone(&member.id)).or_default().extend(run);
            next = end;
        }
    }
    shares
}
