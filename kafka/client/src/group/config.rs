//! What a group consumer is given.

use std::str::FromStr;
use std::time::Duration;

use super::assignor::Assignor;
use crate::OffsetSpec;
use crate::topic_partition::TopicPartition;

/// How to take part in a consumer group. [`GroupConfig::new`] has defaults for everything but group and topics.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    pub group: String,
    pub topics: Vec<String>,
    /// Static membership (KIP-345): a consumer that comes back under this name within the session timeout goes on with
    /// its partitions at once, and nobody else has to rebalance. Unique in the group.
    pub instance_id: Option<String>,
    /// The coordinator gives this member's partitions away when it hears nothing for so long.
    pub session_timeout: Duration,
    /// How long the coordinator waits for members to rejoin.
    pub rebalance_timeout: Duration,
    /// Well below the session timeout, so that one lost heartbeat does no harm.
    pub heartbeat_interval: Duration,
    /// Strategies in the order of preference. Members keep their partitions while they rejoin only if all of these
    /// allow that, as in Kafka's Java client.
    pub assignors: Vec<Assignor>,
    /// Where to begin where the group has no committed offset, or one that the log no longer has.
    pub auto_offset_reset: OffsetReset,
    /// Bytes that one fetch from one broker may bring.
    pub fetch_bytes_max: i32,
    /// Of these, from one partition. A first batch that is larger comes whole all the same (KIP-74).
    pub partition_fetch_bytes_max: i32,
    /// The broker answers a fetch when it has this many bytes.
    pub fetch_bytes_min: i32,
    /// The broker answers a fetch at the latest after this.
    pub fetch_wait_max: Duration,
    /// Fetched bytes that nobody has taken yet; above it no more is asked for. What is in flight then may come on top.
    pub fetched_bytes_max: usize,
    /// How often the leader of the group looks for new partitions, and everybody whether a topic was made anew.
    pub metadata_refresh: Duration,
    /// How often it is asked how far partitions reach that are not fetched.
    pub watermark_refresh: Duration,
    /// How long a partition is left alone whose next batch is damaged.
    pub damaged_retry: Duration,
    /// Damaged batches to be left out.
    pub skips: Vec<Skip>,
}

/// Offsets of a partition that may be left out where they are damaged; what is sound there is read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skip {
    pub partition: TopicPartition,
    pub first: i64,
    pub last: i64,
}

/// `TOPIC:PARTITION:FIRST-LAST`.
impl FromStr for Skip {
    type Err = SkipError;

    fn from_str(text: &str) -> Result<Self, SkipError> {
        let read = || {
            // A topic's name has no colon.
            let (topic, rest) = text.split_once(':')?;
            let (partition, range) = rest.split_once(':')?;
            let (first, last) = range.split_once('-')?;
            let partition = TopicPartition::new(topic, partition.parse().ok().filter(|number| *number >= 0)?);
            let skip = Self { partition, first: first.parse().ok()?, last: last.parse().ok()? };
            (!topic.is_empty() && (0..=skip.last).contains(&skip.first)).then_some(skip)
        };
        read().ok_or_else(|| SkipError(text.to_owned()))
    }
}

/// A text that is no [`Skip`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("got {0:?}; want TOPIC:PARTITION:FIRST-LAST, such as logs:3:1200-1299")]
pub struct SkipError(String);

/// Kafka's `auto.offset.reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    Earliest,
    Latest,
}

impl From<OffsetReset> for OffsetSpec {
    fn from(reset: OffsetReset) -> Self {
        match reset {
            OffsetReset::Earliest => Self::Earliest,
            OffsetReset::Latest => Self::Latest,
        }
    }
}

/// Kafka's `session.timeout.ms` since KIP-735.
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
/// Kafka's `max.poll.interval.ms` is 5 minutes; here a rebalance waits for deliveries in flight, not for a poll loop.
const REBALANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Kafka's `heartbeat.interval.ms`.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
/// A worker reads many partitions of few brokers: some batches of each fit.
const FETCH_BYTES_MAX: i32 = 8 * 1024 * 1024;
/// Kafka's `max.partition.fetch.bytes`.
const PARTITION_FETCH_BYTES_MAX: i32 = 1024 * 1024;
/// Kafka's `fetch.max.wait.ms`.
const FETCH_WAIT_MAX: Duration = Duration::from_millis(500);
/// One full fetch ahead of what is worked on.
const FETCHED_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Kafka's `metadata.max.age.ms` is 5 minutes; nobody wants to wait so long for the lines of a new partition.
const METADATA_REFRESH: Duration = Duration::from_secs(30);

/// Often enough for a lag that people look at.
const WATERMARK_REFRESH: Duration = Duration::from_secs(5);
/// A damaged batch stays damaged, unless it was damaged on its way.
const DAMAGED_RETRY: Duration = Duration::from_secs(10);

impl GroupConfig {
    pub fn new(group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            group: group.into(),
            topics,
            instance_id: None,
            session_timeout: SESSION_TIMEOUT,
            rebalance_timeout: REBALANCE_TIMEOUT,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            assignors: vec![Assignor::CooperativeSticky],
            auto_offset_reset: OffsetReset::Earliest,
            fetch_bytes_max: FETCH_BYTES_MAX,
            partition_fetch_bytes_max: PARTITION_FETCH_BYTES_MAX,
            fetch_bytes_min: 1,
            fetch_wait_max: FETCH_WAIT_MAX,
            fetched_bytes_max: FETCHED_BYTES_MAX,
            metadata_refresh: METADATA_REFRESH,
            watermark_refresh: WATERMARK_REFRESH,
            damaged_retry: DAMAGED_RETRY,
            skips: Vec::new(),
        }
    }

    /// Whether members keep their partitions while they rejoin (KIP-429).
    pub(super) fn is_cooperative(&self) -> bool {
        !self.assignors.is_empty() && self.assignors.iter().all(|assignor| assignor.is_cooperative())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_read() {
        let want = Skip { partition: TopicPartition::new("logs", 3), first: 1200, last: 1299 };
        assert_eq!("logs:3:1200-1299".parse(), Ok(want));
        for text in ["", "logs:3", "logs:3:7", "logs:-1:1-2", "logs:0:3-2", ":0:1-2", "logs:0:-1-2", "logs:0:a-2"] {
            assert!(text.parse::<Skip>().is_err(), "{text:?}");
        }
    }
}
