//! The settings of topics that Apache Kafka 4.1 has, with its defaults, as its DescribeConfigs answers.

/// Kafka's `ConfigDef.Type`, as version 3 of DescribeConfigs numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConfigType {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

#[derive(Debug)]
pub(super) struct TopicConfig {
    pub name: &'static str,
    pub default: &'static str,
    pub kind: ConfigType,
    /// The broker's setting of the same meaning; empty: none.
    pub synonym: &'static str,
}

const fn config(name: &'static str, kind: ConfigType, default: &'static str, synonym: &'static str) -> TopicConfig {
    TopicConfig { name, default, kind, synonym }
}

pub(super) const TOPIC_CONFIGS: &[TopicConfig] = &[
    config("cleanup.policy", ConfigType::List, "delete", "log.cleanup.policy"),
    config("compression.gzip.level", ConfigType::Int, "-1", "compression.gzip.level"),
    config("compression.lz4.level", ConfigType::Int, "9", ""),
    config("compression.type", ConfigType::Text, "producer", "compression.type"),
    config("compression.zstd.level", ConfigType::Int, "3", "compression.zstd.level"),
    config("delete.retention.ms", ConfigType::Long, "86400000", "log.cleaner.delete.retention.ms"),
    config("file.delete.delay.ms", ConfigType::Long, "60000", "log.segment.delete.delay.ms"),
    config("flush.messages", ConfigType::Long, "9223372036854775807", "log.flush.interval.messages"),
    config("flush.ms", ConfigType::Long, "9223372036854775807", ""),
    config("follower.replication.throttled.replicas", ConfigType::List, "", ""),
    config("index.interval.bytes", ConfigType::Int, "4096", "log.index.interval.bytes"),
    config("leader.replication.throttled.replicas", ConfigType::List, "", ""),
    config("local.retention.bytes", ConfigType::Long, "-2", "log.local.retention.bytes"),
    config("local.retention.ms", ConfigType::Long, "-2", "log.local.retention.ms"),
    config("max.compaction.lag.ms", ConfigType::Long, "9223372036854775807", "log.cleaner.max.compaction.lag.ms"),
    config("max.message.bytes", ConfigType::Int, "1048588", "message.max.bytes"),
    config("message.timestamp.after.max.ms", ConfigType::Long, "3600000", "log.message.timestamp.after.max.ms"),
    config(
        "message.timestamp.before.max.ms",
        ConfigType::Long,
        "9223372036854775807",
        "log.message.timestamp.before.max.ms",
    ),
    config("message.timestamp.type", ConfigType::Text, "CreateTime", "log.message.timestamp.type"),
    config("min.cleanable.dirty.ratio", ConfigType::Double, "0.5", "log.cleaner.min.cleanable.ratio"),
    config("min.compaction.lag.ms", ConfigType::Long, "0", "log.cleaner.min.compaction.lag.ms"),
    config("min.insync.replicas", ConfigType::Int, "1", "min.insync.replicas"),
    config("preallocate", ConfigType::Boolean, "false", "log.preallocate"),
    config("remote.log.copy.disable", ConfigType::Boolean, "false", ""),
    config("remote.log.delete.on.disable", ConfigType::Boolean, "false", ""),
    config("remote.storage.enable", ConfigType::Boolean, "false", ""),
    config("retention.bytes", ConfigType::Long, "-1", "log.retention.bytes"),
    config("retention.ms", ConfigType::Long, "604800000", ""),
    config("segment.bytes", ConfigType::Int, "1073741824", "log.segment.bytes"),
    config("segment.index.bytes", ConfigType::Int, "10485760", "log.index.size.max.bytes"),
    config("segment.jitter.ms", ConfigType::Long, "0", ""),
    config("segment.ms", ConfigType::Long, "604800000", ""),
    config("unclean.leader.election.enable", ConfigType::Boolean, "false", "unclean.leader.election.enable"),
];
