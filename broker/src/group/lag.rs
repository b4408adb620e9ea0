//! How far consumer groups are behind: the records that they have not committed, and how old the oldest of these is.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::Coordinator;
use crate::limits;
use crate::log::{Partition, Topics};

/// How far a group is behind in a topic, over the partitions that it has committed offsets of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLag {
    pub group: String,
    pub topic: String,
    /// Records from the committed offsets to the high watermarks.
    pub records: u64,
    /// Timestamp of the oldest of them, in milliseconds since the epoch; `None`: there are none, or none has a timestamp.
    pub oldest_ms: Option<i64>,
}

/// A partition with records that its group has not committed.
type Behind = (Arc<Partition>, i64);

impl Coordinator {
    /// Of each group and topic, those that are furthest behind first, at most [`limits::GROUP_LAGS_MAX`]. Topics that are
    /// gone are left out. Reads from the disk, so not for a thread that serves.
    pub fn lags(&self, topics: &Topics) -> Vec<GroupLag> {
        let mut lags = self.records_behind(topics);
        lags.sort_by_key(|(lag, _)| Reverse(lag.records));
        lags.truncate(limits::GROUP_LAGS_MAX);
        let mut looks_left = limits::GROUP_LAG_TIMES_MAX;
        let with_times = lags.into_iter().map(|(mut lag, behind)| {
            let looked_at = behind.len().min(looks_left);
            looks_left -= looked_at;
            // A partition that cannot be read now has no age; /health says what is wrong with it.
            let times =
                behind.iter().take(looked_at).filter_map(|(partition, from)| partition.timestamp_at(*from).ok()?);
            lag.oldest_ms = times.min();
            lag
        });
        with_times.collect()
    }

    /// Without times, and with the partitions to look for them in.
    fn records_behind(&self, topics: &Topics) -> Vec<(GroupLag, Vec<Behind>)> {
        let groups = self.lock();
        let mut lags = Vec::new();
        for (group, entry) in groups.iter() {
            let mut by_topic: BTreeMap<&str, (u64, Vec<Behind>)> = BTreeMap::new();
            for ((topic, number), committed) in &entry.offsets {
                let Some(Ok(partition)) = topics.get(&**topic).map(|topic| topic.partition(*number)) else { continue };
                // What retention has taken is nobody's backlog.
                let from = committed.value.offset.max(partition.log_start_offset());
                let records = u64::try_from(partition.high_watermark().saturating_sub(from)).unwrap_or(0);
                let (sum, behind) = by_topic.entry(topic).or_default();
                *sum = sum.saturating_add(records);
                if records > 0 {
                    behind.push((Arc::clone(partition), from));
                }
            }
            lags.extend(by_topic.into_iter().map(|(topic, (records, behind))| {
                (GroupLag { group: group.clone(), topic: topic.to_owned(), records, oldest_ms: None }, behind)
            }));
        }
        lags
    }
}
