//! Configs of a topic under Kafka's names, checked once and then trusted.

use std::collections::BTreeMap;
use std::time::Duration;

/// A segment's positions are 31 bits in Kafka's indexes.
const SEGMENT_BYTES_MAX: i64 = i32::MAX as i64;
/// Kafka's `LegacyRecord.RECORD_OVERHEAD_V0`: it accepts no smaller segment.
const SEGMENT_BYTES_MIN: i64 = 14;

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
    /// Largest record batch, with its header.
    pub max_message_bytes: usize,
    pub timestamp_type: TimestampType,
    /// How far behind and ahead of the clock a record's timestamp may be.
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// Bytes of log between two entries of the indexes.
    pub index_interval_bytes: u64,
    /// How long removed segments stay for those that read them.
    pub file_delete_delay: Duration,
    /// What was set, as it was set; all other values are defaults.
    overrides: BTreeMap<String, String>,
}

/// Why a config was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicConfigError {
    #[error("unknown topic config name: {0}")]
    Unknown(String),
    #[error("invalid value {value:?} for configuration {key}: {reason}")]
    Value { key: String, value: String, reason: &'static str },
}

impl Default for TopicConfig {
    /// Kafka 4.1's defaults.
    fn default() -> Self {
        Self {
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_bytes: -1,
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            max_message_bytes: 1_048_588,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 60 * 60 * 1000,
            index_interval_bytes: 4096,
            file_delete_delay: Duration::from_secs(60),
            overrides: BTreeMap::new(),
        }
    }
}

impl TopicConfig {
    /// The defaults with `overrides` on top.
    ///
    /// # Errors
    /// A name that Kafka does not know or that the log does not obey yet; a value that is no value of that config.
    pub fn new(overrides: BTreeMap<String, String>) -> Result<Self, TopicConfigError> {
        let mut config = Self::default();
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

    fn set(&mut self, key: &str, value: &str) -> Result<(), TopicConfigError> {
        let refuse = |reason| TopicConfigError::Value { key: key.to_owned(), value: value.to_owned(), reason };
        let number = |min: i64, max: i64| match value.parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            Ok(_) => Err(refuse("out of range")),
            Err(_) => Err(refuse("not a number")),
        };
        let one_of = |allowed: &[&str], reason| if allowed.contains(&value) { Ok(()) } else { Err(refuse(reason)) };
        match key {
            "retention.ms" => self.retention_ms = number(-1, i64::MAX)?,
            "retention.bytes" => self.retention_bytes = number(-1, i64::MAX)?,
            "segment.bytes" => self.segment_bytes = number(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)? as u64,
            "segment.ms" => self.segment_ms = number(1, i64::MAX)?,
            "max.message.bytes" => self.max_message_bytes = number(0, i64::from(i32::MAX))? as usize,
            "message.timestamp.type" => {
                self.timestamp_type = match value {
                    "CreateTime" => TimestampType::CreateTime,
                    "LogAppendTime" => TimestampType::LogAppendTime,
                    _ => return Err(refuse("must be CreateTime or LogAppendTime")),
                }
            }
            "message.timestamp.before.max.ms" => self.timestamp_before_max_ms = number(0, i64::MAX)?,
            "message.timestamp.after.max.ms" => self.timestamp_after_max_ms = number(0, i64::MAX)?,
            "index.interval.bytes" => self.index_interval_bytes = number(0, i64::from(i32::MAX))? as u64,
            "file.delete.delay.ms" => {
                self.file_delete_delay = Duration::from_millis(number(0, i64::MAX)?.unsigned_abs())
            }
            "cleanup.policy" => one_of(&["delete"], "only delete is supported: compaction is not there yet")?,
            "compression.type" => one_of(&["producer"], "only producer is supported: batches are kept as they come")?,
            "min.insync.replicas" => one_of(&["1"], "there is one replica")?,
            // Every acknowledged batch has been flushed: any bound here is kept.
            "flush.messages" => drop(number(1, i64::MAX)?),
            "flush.ms" => drop(number(0, i64::MAX)?),
            _ => return Err(TopicConfigError::Unknown(key.to_owned())),
        }
        Ok(())
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
        check("retension.ms", "1", false);
    }
}
