//! A topic: its id, its configs and its partitions, and how they lie on disk.

use super::config::TopicConfig;
use super::disk::{Disk, Unsynced, read_file, replace_file, write_file};
use super::names::{self, PARTITION_METADATA, TOPIC_PROPERTIES};
use super::partition::{Partition, SharedConfig};
use super::text::{format_properties, parse_properties};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use uuid::Uuid;

/// One topic as it is now. It is replaced as a whole when partitions are added; configs change in place.
pub struct Topic {
    pub name: Arc<str>,
    pub id: Uuid,
    pub(super) config: SharedConfig,
    pub(super) partitions: Vec<Slot>,
}

/// A partition, or why there is none.
#[derive(Clone)]
pub(super) enum Slot {
    Live(Arc<Partition>),
    /// Its offsets are kept for the next start.
    Offline {
        reason: Arc<str>,
        recovery_point: Option<i64>,
        log_start: i64,
    },
}

/// Why a partition cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartitionError {
    /// UNKNOWN_TOPIC_OR_PARTITION (3).
    #[error("there is no such partition")]
    Unknown,
    /// KAFKA_STORAGE_ERROR (56).
    #[error("the partition is offline: {0}")]
    Offline(Arc<str>),
}

impl Topic {
    pub fn partition_count(&self) -> i32 {
        self.partitions.len() as i32
    }

    pub fn partition(&self, number: i32) -> Result<&Arc<Partition>, PartitionError> {
        match usize::try_from(number).ok().and_then(|number| self.partitions.get(number)) {
            Some(Slot::Live(partition)) => Ok(partition),
            Some(Slot::Offline { reason, .. }) => Err(PartitionError::Offline(Arc::clone(reason))),
            None => Err(PartitionError::Unknown),
        }
    }

    /// The partitions that can be used.
    pub fn live_partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.iter().filter_map(|slot| match slot {
            Slot::Live(partition) => Some(partition),
            Slot::Offline { .. } => None,
        })
    }

    pub fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().expect("nothing panics while it holds this lock"))
    }
}

/// What lies beside a topic's records, in partition 0.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TopicProperties {
    /// `None` in a folder that Kafka wrote.
    pub partitions: Option<i32>,
    /// Set before the first folder is renamed, so that a crash cannot bring half a topic back.
    pub deleted: bool,
    pub overrides: BTreeMap<String, String>,
}

const PARTITIONS_KEY: &str = "sluice.partitions";
const DELETED_KEY: &str = "sluice.deleted";

impl TopicProperties {
    /// `None`: there is no such file.
    pub fn read(disk: &dyn Disk, partition_0: &Path) -> io::Result<Option<Self>> {
        let Some(contents) = read_file(disk, &partition_0.join(TOPIC_PROPERTIES))? else { return Ok(None) };
        let mut overrides = parse_properties(&contents).map_err(|e| invalid(TOPIC_PROPERTIES, &e.to_string()))?;
        let partitions = match overrides.remove(PARTITIONS_KEY) {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| invalid(TOPIC_PROPERTIES, PARTITIONS_KEY))?),
        };
        let deleted = overrides.remove(DELETED_KEY).is_some_and(|value| value == "true");
        Ok(Some(Self { partitions, deleted, overrides }))
    }

    /// Durable on return.
    pub fn write(&self, disk: &dyn Disk, partition_0: &Path) -> io::Result<()> {
        replace_file(disk, &partition_0.join(TOPIC_PROPERTIES), self.format().as_bytes())
    }

    /// Writes them at `path`, not durable yet.
    pub fn write_new(&self, disk: &dyn Disk, path: PathBuf, unsynced: &mut Unsynced) -> io::Result<()> {
        write_file(disk, path, self.format().as_bytes(), unsynced)
    }

    fn format(&self) -> String {
        let partitions = self.partitions.map(|count| count.to_string());
        let own = [(PARTITIONS_KEY, partitions.as_deref()), (DELETED_KEY, self.deleted.then_some("true"))];
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value?)));
        format_properties(own.chain(self.overrides.iter().map(|(key, value)| (&**key, &**value))))
    }
}

/// `partition.metadata`, as Kafka writes it, at `path`.
pub(super) fn write_topic_id(disk: &dyn Disk, path: PathBuf, id: Uuid, unsynced: &mut Unsynced) -> io::Result<()> {
    let text = format!("version: 0\ntopic_id: {}", names::format_id(id));
    write_file(disk, path, text.as_bytes(), unsynced)
}

/// `None`: there is no such file.
pub(super) fn read_topic_id(disk: &dyn Disk, directory: &Path) -> io::Result<Option<Uuid>> {
    let Some(contents) = read_file(disk, &directory.join(PARTITION_METADATA))? else { return Ok(None) };
    let text = String::from_utf8_lossy(&contents);
    let id = text.lines().find_map(|line| names::parse_id(line.strip_prefix("topic_id: ")?.trim()));
    id.map(Some).ok_or_else(|| invalid(PARTITION_METADATA, "topic_id is missing"))
}

fn invalid(file: &str, reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file}: {reason}"))
}
