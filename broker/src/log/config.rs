//! Configs of a topic under Kafka's names, checked once and then trusted.

use crate::configs;
use kafka_wire::compression::Compression;
use std::collections::BTreeMap;
use std::time::Duration;

/// Whose clock gives a record its timestamp (KIP-32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// The configs that the log obeys, and which of them were set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// Age at which a sealed segment goes; -1: never.
    pub retention_ms: i64,
    /// Bytes of a partition that are kept; -1: all.
    pub retention_bytes: i64,
    pub segment_bytes: u64,
    pub segment_ms: i64,
    /// A segment's age limit is lowered by a random time below this, so that not all partitions roll at once.
    pub segment_jitter_ms: i64,
    /// Size of an index at which its segment is full.
    pub segment_index_bytes: u64,
    /// Largest record batch, with its header.
    pub max_message_bytes: usize,
    /// Codec that batches are stored with; `None`: the one that they come with.
    pub compression: Option<Compression>,
    /// Whether compressed records are looked at before they are stored, as Apache Kafka always does. Without it only the
    /// header and the checksum are: what a broken producer compressed reaches its consumers.
    pub validate_compressed: bool,
    pub timestamp_type: TimestampType,
    /// How far behind and ahead of the clock a record's timestamp may be.
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// Replicas that acks=all asks for; there is one.
    pub min_insync_replicas: i64,
    /// Bytes of log between two entries of the indexes.
    pub index_interval_bytes: u64,
    /// How long the files of removed segments stay.
    pub file_delete_delay: Duration,
    /// What was set, as it was set; all other values are defaults.
    overrides: BTreeMap<String, String>,
}

/// Why a config was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    #[error("Unknown topic config name: {0}")]
    Unknown(String),
    #[error("{0}")]
    Value(String),
}

impl Default for TopicConfig {
    /// Kafka 4.1's defaults.
    fn default() -> Self {
        Self {
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 * 1024 * 1024,
            max_message_bytes: 1_048_588,
            compression: None,
            validate_compressed: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            min_insync_replicas: 1,
            index_interval_bytes: 4096,
            file_delete_delay: Duration::from_secs(60),
            overrides: BTreeMap::new(),
        }
    }
}

impl TopicConfig {
    /// Kafka's defaults with `overrides` on top.
    ///
    /// # Errors
    /// A name that Kafka does not know; a value that is none of that config, or that the log cannot obey.
    pub fn new(overrides: BTreeMap<String, String>) -> Result<Self, TopicConfigError> {
        Self::default().with(overrides)
    }

    /// These values with `overrides` on top, which are then what was set.
    ///
    /// # Errors
    /// As of [`TopicConfig::new`].
    pub fn with(&self, overrides: BTreeMap<String, String>) -> Result<Self, TopicConfigError> {
        let mut config = self.clone();
        for (key, value) in &overrides {
            config.set(key, value)?;
        }
        config.overrides = overrides;
        Ok(config)
    }

    /// What was set, under Kafka's names.
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.overrides
    }

    /// When the files go of what is given up at `now_ms`, in milliseconds since the epoch.
    pub(super) fn removal_due_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(i64::try_from(self.file_delete_delay.as_millis()).unwrap_or(i64::MAX))
    }

    /// Sets a value without counting it as an override: a default that the broker gives.
    ///
    /// # Errors
    /// As of [`TopicConfig::new`].
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), TopicConfigError> {
        let known = configs::topic_key(key).ok_or_else(|| TopicConfigError::Unknown(key.to_owned()))?;
        known.check(value).map_err(TopicConfigError::Value)?;
        let value = value.trim();
        let refuse =
            |reason| TopicConfigError::Value(format!("Invalid value {value} for configuration {key}: {reason}"));
        let number = || value.parse::<i64>().map_err(|_| refuse("Not a number"));
        let size = || number().map(|number| u64::try_from(number).unwrap_or(0));
        match key {
            "retention.ms" => self.retention_ms = number()?,
            "retention.bytes" => self.retention_bytes = number()?.max(-1),
            "segment.bytes" => self.segment_bytes = size()?,
            "segment.ms" => self.segment_ms = number()?,
            "segment.jitter.ms" => self.segment_jitter_ms = number()?,
            "segment.index.bytes" => self.segment_index_bytes = size()?,
            "max.message.bytes" => self.max_message_bytes = size()? as usize,
            "compression.type" => self.compression = codec(value),
            "validate.compressed" => self.validate_compressed = value.eq_ignore_ascii_case("true"),
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => TimestampType::CreateTime,
                }
            }
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = number()?,
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = number()?,
            "min.insync.replicas" => self.min_insync_replicas = number()?,
            "index.interval.bytes" => self.index_interval_bytes = size()?,
            "file.delete.delay.ms" => self.file_delete_delay = Duration::from_millis(size()?),
            "cleanup.policy" if value != "delete" => return Err(refuse("compaction is not supported yet")),
            "remote.storage.enable" if value.eq_ignore_ascii_case("true") => {
                return Err(refuse("Tiered Storage functionality is disabled in the broker"));
            }
            // What is left has no meaning where there is neither compaction, nor another replica, nor tiered storage;
            // and every acknowledged batch has been flushed, so that any bound of flush.* is kept.
            _ => {}
        }
        Ok(())
    }
}

/// The codec that a topic asks for by Kafka's name.
fn codec(name: &str) -> Option<Compression> {
    match name {
        "uncompressed" => Some(Compression::None),
        "gzip" => Some(Compression::Gzip),
        "snappy" => Some(Compression::Snappy),
        "lz4" => Some(Compression::Lz4),
        "zstd" => Some(Compression::Zstd),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str, good: bool) {
        let result = TopicConfig::new([(key.to_owned(), value.to_owned())].into());
        assert_eq!(result.is_ok(), good, "{key}={value}: {result:?}");
    }

    #[test]
    fn values() {
        check("retention.ms", "-1", true);
        check("retention.ms", "-2", false);
        check("segment.bytes", "1000", true);
        check("segment.bytes", "2147483648", false);
        check("max.message.bytes", "x", false);
        check("message.timestamp.type", "LogAppendTime", true);
        check("message.timestamp.type", "logappendtime", false);
        check("cleanup.policy", "compact", false);
        check("cleanup.policy", "delete", true);
        check("compression.type", "zstd", true);
        check("compression.type", "none", false);
        check("remote.storage.enable", "true", false);
        check("min.cleanable.dirty.ratio", "0.3", true);
        check("retension.ms", "1", false);
    }

    #[test]
    fn kafkas_defaults_are_ours() {
        let all = configs::topic_keys().iter().filter_map(|key| Some((key.name.to_owned(), key.default?.to_owned())));
        let config = TopicConfig::new(all.collect()).expect("Kafka's own defaults");
        assert_eq!(TopicConfig { overrides: BTreeMap::new(), ..config }, TopicConfig::default());
    }
}
