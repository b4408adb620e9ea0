//! The topic `__consumer_offsets`: appends a group's records, and reads all of them back at the start.

use kafka_wire::batch::{BatchWriter, Batches, PlainRecords, Producer, RecordHeaders};
use kafka_wire::compression::Compression;
use kafka_wire::protocol::ResponseError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

use super::records::{GroupRecordError, GroupValue, Key, OffsetValue};
use crate::clock::now_ms;
use crate::limits;
use crate::log::{
    Appended, CreateTopicError, DataDirectory, DeleteTopicError, Partition, PartitionError, ReadError, TopicConfig,
    TopicConfigError,
};

/// Kafka's name.
pub const OFFSETS_TOPIC: &str = "__consumer_offsets";

/// Why the groups cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("create topic {OFFSETS_TOPIC}")]
    Create(#[source] CreateTopicError),
    #[error("configure topic {OFFSETS_TOPIC}")]
    Config(#[source] TopicConfigError),
    #[error("write the configs of topic {OFFSETS_TOPIC}")]
    Change(#[source] DeleteTopicError),
    /// A damaged partition: its groups cannot be known.
    #[error("open {OFFSETS_TOPIC}")]
    Offline(#[source] PartitionError),
    #[error("read {OFFSETS_TOPIC}-{partition} at offset {offset}")]
    Read {
        partition: i32,
        offset: i64,
        #[source]
        source: ReadError,
    },
    #[error("read {OFFSETS_TOPIC}-{partition} at offset {offset}: {reason}")]
    Records { partition: i32, offset: i64, reason: String },
}

pub(super) struct Journal {
    log: Arc<DataDirectory>,
    partitions: Vec<Arc<Partition>>,
    growth: Vec<Growth>,
    grown: Notify,
}

/// How much a partition has grown since it was last written anew.
struct Growth {
    bytes: AtomicU64,
    /// It is written anew when it has grown by more.
    bytes_max: AtomicU64,
}

/// Records that were appended and may not be on disk yet.
pub(super) struct Written {
    partition: Arc<Partition>,
    appended: Appended,
    pub base_offset: i64,
}

/// What the topic says about groups and offsets, the last word on each.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub groups: BTreeMap<String, GroupValue>,
    /// By group, topic and partition, with the offset of the record.
    pub offsets: BTreeMap<(String, String, i32), (OffsetValue, i64)>,
}

impl Journal {
    pub fn open(log: &Arc<DataDirectory>, partitions: i32) -> Result<Self, OpenError> {
        // What groups have committed does not grow old. Kafka compacts this topic; here it is written anew when it has
        // grown (see `rewrite`), and the segments before that go.
        let segment_bytes = limits::OFFSETS_SEGMENT_BYTES.to_string();
        let own = [("retention.ms", "-1"), ("retention.bytes", "-1"), ("segment.bytes", &segment_bytes)];
        let overrides = own.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = TopicConfig::new(overrides).map_err(OpenError::Config)?;
        let topic = match log.topic(OFFSETS_TOPIC) {
            Some(topic) => {
                if topic.config().overrides() != config.overrides() {
                    log.set_topic_config(OFFSETS_TOPIC, config).map_err(OpenError::Change)?;
                }
                topic
            }
            None => log.create_topic(OFFSETS_TOPIC, partitions, config).map_err(OpenError::Create)?,
        };
        let partitions = (0..topic.partition_count()).map(|index| topic.partition(index).cloned());
        let partitions: Vec<Arc<Partition>> = partitions.collect::<Result<_, _>>().map_err(OpenError::Offline)?;
        let growth = partitions.iter().map(|partition| Growth {
            bytes: AtomicU64::new(partition.bytes()),
            bytes_max: AtomicU64::new(limits::OFFSETS_GROWTH_BYTES_MIN),
        });
        let growth = growth.collect();
        Ok(Self { log: Arc::clone(log), partitions, growth, grown: Notify::new() })
    }

    /// Appends keys and values of one group as one batch; a missing value deletes what the key names.
    pub fn append(&self, group: &str, records: &[(Vec<u8>, Option<Vec<u8>>)]) -> Result<Written, ResponseError> {
        let mut writer = BatchWriter::new(Compression::None);
        let now = now_ms();
        for (key, value) in records {
            writer.push(now, Some(key), value.as_deref(), &RecordHeaders::new(), None);
        }
        if writer.plain_bytes() > limits::GROUP_RECORD_BYTES_MAX {
            return Err(ResponseError::InvalidCommitOffsetSize);
        }
        let mut batch = Vec::new();
        writer.seal(Producer::NONE, &mut batch);
        let index = self.index(group);
        let partition = &self.partitions[index];
        let appended = partition.append_own(&batch, now).map_err(|error| {
            tracing::error!("a group's records cannot be written: {error}");
            // Retriable for clients, as Kafka answers when its offsets topic cannot be written.
            ResponseError::CoordinatorNotAvailable
        })?;
        let growth = &self.growth[index];
        let before = growth.bytes.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let bytes_max = growth.bytes_max.load(Ordering::Relaxed);
        if before <= bytes_max && before + batch.len() as u64 > bytes_max {
            self.grown.notify_one();
        }
        Ok(Written { partition: Arc::clone(partition), base_offset: appended.base_offset, appended })
    }

    pub async fn flushed(&self, written: &Written) -> Result<(), ResponseError> {
        let flushed = written.partition.flushed(written.appended.next_offset).await;
        flushed.map(drop).map_err(|_| ResponseError::CoordinatorNotAvailable)
    }

    /// Resolves when a partition has grown so much that it should be written anew.
    pub async fn has_grown(&self) {
        self.grown.notified().await;
    }

    /// Partitions to be written anew.
    pub fn grown(&self) -> Vec<usize> {
        let is_grown =
            |growth: &Growth| growth.bytes.load(Ordering::Relaxed) > growth.bytes_max.load(Ordering::Relaxed);
        (0..self.growth.len()).filter(|&index| is_grown(&self.growth[index])).collect()
    }

    /// A partition was written anew, with `bytes` of records.
    pub fn rewritten(&self, index: usize, bytes: u64) {
        let bytes_max = (bytes * limits::OFFSETS_GROWTH_FACTOR).max(limits::OFFSETS_GROWTH_BYTES_MIN);
        self.growth[index].bytes_max.store(bytes_max, Ordering::Relaxed);
        self.growth[index].bytes.store(0, Ordering::Relaxed);
    }

    /// Gives up what lies before `offset`; blocks.
    pub fn forget_before(&self, index: usize, offset: i64) -> std::io::Result<()> {
        self.log.delete_records(&self.partitions[index], offset)?;
        self.log.sweep(now_ms());
        Ok(())
    }

    /// Kafka's choice of a group's partition: Java's hash of the group id.
    pub fn index(&self, group: &str) -> usize {
        let hash = group.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        (hash & i32::MAX) as usize % self.partitions.len()
    }

    pub fn read_back(&self) -> Result<Restored, OpenError> {
        let mut restored = Restored::default();
        for partition in &self.partitions {
            read_partition(partition, &mut restored)?;
        }
        Ok(restored)
    }
}

fn read_partition(partition: &Partition, restored: &mut Restored) -> Result<(), OpenError> {
    let index = partition.number();
    let mut offset = partition.log_start_offset();
    while offset < partition.high_watermark() {
        let read = partition.read(offset, limits::OFFSETS_READ_BYTES).and_then(|range| range.read());
        let bytes = read.map_err(|source| OpenError::Read { partition: index, offset, source })?;
        let bad = |offset, reason| OpenError::Records { partition: index, offset, reason };
        let before = offset;
        for batch in Batches::new(&bytes) {
            let (header, batch) = batch.map_err(|error| bad(offset, error.to_string()))?;
            let records = PlainRecords::read(header, batch, limits::GROUP_RECORD_BYTES_MAX)
                .map_err(|error| bad(header.base_offset, error.to_string()))?;
            for record in &records {
                let record = record.map_err(|error| bad(header.base_offset, error.to_string()))?;
                if let Err(error) = restored.take(record.key, record.value, record.offset) {
                    // Of a newer Kafka, or a producer that writes here: nothing that this coordinator knew.
                    tracing::warn!("{OFFSETS_TOPIC}-{index} at offset {}: {error}; left out", record.offset);
                }
            }
            offset = header.last_offset() + 1;
        }
        if offset == before {
            return Err(bad(offset, "no whole record batch".to_owned()));
        }
    }
    Ok(())
}

impl Restored {
    fn take(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, at: i64) -> Result<(), GroupRecordError> {
        match (Key::decode(key.ok_or(GroupRecordError::Malformed)?)?, value) {
            (Key::Group(group), None) => drop(self.groups.remove(&group)),
            (Key::Group(group), Some(value)) => drop(self.groups.insert(group, GroupValue::decode(value)?)),
            (Key::Offset { group, topic, partition }, None) => drop(self.offsets.remove(&(group, topic, partition))),
            (Key::Offset { group, topic, partition }, Some(value)) => {
                self.offsets.insert((group, topic, partition), (OffsetValue::decode(value)?, at));
            }
        }
        Ok(())
    }
}
