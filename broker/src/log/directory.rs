//! The data directory: one owner, its topics, and the files that say how far each partition is known to be sound.

use super::committer::{Committer, FlushFailureHook, abort_on_flush_failure};
use super::config::TopicConfig;
use super::disk::{DirectoryLock, Disk, SystemDisk, replace_file};
use super::layout::Checkpoints;
use super::meta::{self, Meta, MetaError};
use super::names::{self, CLEAN_SHUTDOWN, LOCK, TopicNameError};
use super::partition::{Partition, Shared};
use super::room::Room;
use super::topic::{Slot, Topic, TopicProperties};
use super::upkeep::{self, StopSignal};
use crate::config::Durability;
use crate::limits;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;
use uuid::Uuid;

/// Partitions of one topic; each holds an open file.
pub const PARTITIONS_MAX: i32 = 10_000;

/// How a data directory is opened.
#[derive(Clone)]
pub struct DirectoryConfig {
    pub node_id: i32,
    pub disk: Arc<dyn Disk>,
    pub on_flush_failure: FlushFailureHook,
    /// Run the committer and the upkeep on threads of their own. Off only in tests that decide every step.
    pub threads: bool,
    pub durability: Durability,
    /// Time between two sweeps of retention.
    pub retention_check_interval: Duration,
    /// What a topic has that sets nothing.
    pub topic_defaults: TopicConfig,
    /// Bytes that all segments may take; produce is refused beyond.
    pub disk_bytes_max: Option<u64>,
}

impl DirectoryConfig {
    /// On the system's disk; a failed flush ends the process.
    pub fn new(node_id: i32) -> Self {
        Self {
            node_id,
            disk: Arc::new(SystemDisk),
            on_flush_failure: abort_on_flush_failure(),
            threads: true,
            durability: Durability::Disk,
            retention_check_interval: limits::RETENTION_CHECK_INTERVAL,
            topic_defaults: TopicConfig::default(),
            disk_bytes_max: None,
        }
    }
}

/// Why a data directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("data directory {} is in use by another process; hint: stop it, or choose another directory", .0.display())]
    Locked(PathBuf),
    #[error("{}: {reason}", path.display())]
    Corrupt { path: PathBuf, reason: String },
    #[error("open data directory {}", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

/// Why a topic was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// INVALID_TOPIC_EXCEPTION (17).
    #[error(transparent)]
    Name(#[from] TopicNameError),
    /// TOPIC_ALREADY_EXISTS (36).
    #[error("topic {0:?} already exists")]
    Exists(String),
    /// INVALID_PARTITIONS (37).
    #[error("a topic cannot have {0} partitions: want 1 to {PARTITIONS_MAX}")]
    Partitions(i32),
    /// KAFKA_STORAGE_ERROR (56).
    #[error("create the topic's files")]
    Disk(#[source] io::Error),
}

/// Why a topic was not deleted or changed.
#[derive(Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// UNKNOWN_TOPIC_OR_PARTITION (3).
    #[error("there is no topic {0:?}")]
    Unknown(String),
    /// KAFKA_STORAGE_ERROR (56).
    #[error("change the topic's files")]
    Disk(#[from] io::Error),
}

/// Topics by name.
pub type Topics = Arc<BTreeMap<Arc<str>, Arc<Topic>>>;

const POISON: &str = "nothing panics while it holds this lock";

/// An opened data directory. Topics change under one writer's lock; readers take snapshots of the map.
pub struct DataDirectory {
    pub(super) root: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    meta: Meta,
    pub(super) defaults: TopicConfig,
    topics: RwLock<Topics>,
    /// Held over every change of topics, and every write of the checkpoint files.
    writer: Mutex<()>,
    pub(super) committer: Arc<Committer>,
    room: Arc<Room>,
    stop: Arc<StopSignal>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    lock: Mutex<Option<DirectoryLock>>,
    problem: Mutex<Option<String>>,
    doomed: Mutex<Vec<Doomed>>,
    /// Asked by retention, once somebody has set it.
    guard: OnceLock<Guard>,
    /// For tests that must decide every step.
    pub(super) loads_alone: bool,
}

/// A file of a segment that retention has given up.
struct Doomed {
    /// When it goes, in milliseconds since the epoch.
    due_ms: i64,
    path: PathBuf,
    /// What its segment takes of the disk; 0 for the indexes.
    bytes: u64,
}

/// The offset of a topic's partition from which on everything stays, whatever retention says; `None`: nobody waits there.
pub type Guard = Box<dyn Fn(&str, i32) -> Option<i64> + Send + Sync>;

impl DataDirectory {
    /// Creates the directory where needed, locks it, and recovers its partitions. A partition that is damaged is
    /// offline, see [`DataDirectory::problems`]; the others serve.
    pub fn open(root: &Path, config: DirectoryConfig) -> Result<Arc<Self>, OpenError> {
        let failed = |source| OpenError::Disk { path: root.to_owned(), source };
        let disk = config.disk;
        disk.create_directory(root).map_err(failed)?;
        let lock = disk.lock(&root.join(LOCK)).map_err(failed)?.ok_or_else(|| OpenError::Locked(root.to_owned()))?;
        let corrupt = |name: &str, reason: String| OpenError::Corrupt { path: root.join(name), reason };
        let meta = meta::read_or_create(&*disk, root, config.node_id).map_err(|error| match error {
            MetaError::Content(reason) => corrupt(names::META_PROPERTIES, reason),
            MetaError::Disk(source) => failed(source),
        })?;
        let checkpoints = Checkpoints::take(&*disk, root).map_err(failed)?;

        let committer = Arc::new(Committer::new(config.on_flush_failure, config.durability));
        let directory = Self {
            root: root.to_owned(),
            disk,
            meta,
            defaults: config.topic_defaults,
            topics: RwLock::default(),
            writer: Mutex::new(()),
            committer,
            room: Arc::new(Room::new(config.disk_bytes_max)),
            stop: Arc::default(),
            threads: Mutex::default(),
            lock: Mutex::new(Some(lock)),
            problem: Mutex::default(),
            doomed: Mutex::default(),
            guard: OnceLock::new(),
            loads_alone: !config.threads,
        };
        let topics = directory.load_topics(&checkpoints).map_err(failed)?;
        *directory.topics.write().expect(POISON) = Arc::new(topics);
        directory.write_offsets().map_err(failed)?;
        directory.recount();
        let directory = Arc::new(directory);
        if config.threads {
            let committing = directory.committer.start().map_err(failed)?;
            let upkeep =
                upkeep::start(Arc::downgrade(&directory), Arc::clone(&directory.stop), config.retention_check_interval)
                    .map_err(failed)?;
            *directory.threads.lock().expect(POISON) = vec![committing, upkeep];
        } else {
            directory.committer.set_manual();
        }
        Ok(directory)
    }

    pub fn cluster_id(&self) -> &str {
        &self.meta.cluster_id
    }

    pub fn node_id(&self) -> i32 {
        self.meta.node_id
    }

    /// The directory's own id (KIP-858).
    pub fn directory_id(&self) -> &str {
        &self.meta.directory_id
    }

    /// The config of a topic that sets nothing.
    pub fn topic_defaults(&self) -> &TopicConfig {
        &self.defaults
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The topics as they are now.
    pub fn topics(&self) -> Topics {
        Arc::clone(&self.topics.read().expect(POISON))
    }

    pub fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().expect(POISON).get(name).cloned()
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<Arc<Topic>> {
        self.topics().values().find(|topic| topic.id == id).cloned()
    }

    /// Flush rounds so far, and the batches that they made durable.
    pub fn flush_counts(&self) -> (u64, u64) {
        self.committer.counts()
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.room.used()
    }

    pub(super) fn shared(&self) -> Shared {
        Shared { disk: Arc::clone(&self.disk), committer: Arc::clone(&self.committer), room: Arc::clone(&self.room) }
    }

    fn recount(&self) {
        self.room.recount(|| {
            let doomed: u64 = self.doomed.lock().expect(POISON).iter().map(|file| file.bytes).sum();
            let topics = self.topics();
            let partitions = topics.values().flat_map(|topic| topic.live_partitions());
            doomed + partitions.map(|partition| partition.bytes()).sum::<u64>()
        });
    }

    /// Whether produce is refused for want of room, so that nothing should wait for its time to be removed.
    pub(super) fn is_short_of_room(&self) -> bool {
        self.room.problem().is_some()
    }

    /// Why the log is not whole, one sentence each; empty when it is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.problem.lock().expect(POISON).iter().cloned().collect();
        problems.extend(self.room.problem());
        for topic in self.topics().values() {
            for (number, slot) in topic.partitions.iter().enumerate() {
                if let Slot::Offline { reason, .. } = slot {
                    problems.push(format!("partition {}-{number} is offline: {reason}", topic.name));
                }
            }
        }
        problems
    }

    /// Creates a topic; durable and visible on return.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        config: TopicConfig,
    ) -> Result<Arc<Topic>, CreateTopicError> {
        names::check_topic_name(name)?;
        if !(1..=PARTITIONS_MAX).contains(&partitions) {
            return Err(CreateTopicError::Partitions(partitions));
        }
        let _writer = self.writer.lock().expect(POISON);
        if self.topic(name).is_some() {
            return Err(CreateTopicError::Exists(name.to_owned()));
        }
        let topic = self
            .create_partitions(
                name.into(),
                names::new_id(),
                Arc::new(RwLock::new(Arc::new(config))),
                Vec::new(),
                partitions,
            )
            .map_err(CreateTopicError::Disk)?;
        Ok(self.insert(topic))
    }

    /// Adds partitions up to `partitions` in all; durable and visible on return.
    pub fn add_partitions(&self, name: &str, partitions: i32) -> Result<Arc<Topic>, CreateTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic =
            self.topic(name).filter(|topic| topic.partition_count() < partitions && partitions <= PARTITIONS_MAX);
        let topic = topic.ok_or(CreateTopicError::Partitions(partitions))?;
        let slots = topic.partitions.clone();
        let topic = self
            .create_partitions(Arc::clone(&topic.name), topic.id, Arc::clone(&topic.config), slots, partitions)
            .map_err(CreateTopicError::Disk)?;
        Ok(self.insert(topic))
    }

    /// Replaces what is set of a topic's configs; durable and in force on return.
    pub fn set_topic_config(&self, name: &str, config: TopicConfig) -> Result<(), DeleteTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic = self.topic(name).ok_or_else(|| DeleteTopicError::Unknown(name.to_owned()))?;
        let properties = TopicProperties {
            partitions: Some(topic.partition_count()),
            deleted: false,
            overrides: config.overrides().clone(),
        };
        properties.write(&*self.disk, &self.folder(name, 0))?;
        *topic.config.write().expect(POISON) = Arc::new(config);
        Ok(())
    }

    /// Deletes a topic; it is gone for good on return, and its space soon.
    pub fn delete_topic(&self, name: &str) -> Result<(), DeleteTopicError> {
        let _writer = self.writer.lock().expect(POISON);
        let topic = self.topic(name).ok_or_else(|| DeleteTopicError::Unknown(name.to_owned()))?;
        let properties =
            TopicProperties { partitions: Some(topic.partition_count()), deleted: true, ..Default::default() };
        properties.write(&*self.disk, &self.folder(name, 0))?;
        let mut topics = self.topics();
        Arc::make_mut(&mut topics).remove(name);
        *self.topics.write().expect(POISON) = topics;
        topic.live_partitions().for_each(|partition| partition.mark_deleted());
        self.remove_folders(name, (0..topic.partition_count()).collect())?;
        self.recount();
        Ok(())
    }

    /// Moves the recovery points to the ends of the logs, so that a crash leaves little to scan.
    pub fn checkpoint(&self) {
        self.try_checkpoint(false);
        self.recount();
        self.room.turn();
    }

    /// Has retention ask before it removes anything; the first guard stays.
    pub fn set_guard(&self, guard: Guard) {
        drop(self.guard.set(guard));
    }

    /// Removes what retention no longer keeps.
    pub fn sweep(&self, now_ms: i64) {
        self.remove_doomed(now_ms);
        let mut expired = Vec::new();
        let guarded = |topic: &str, partition| self.guard.get().and_then(|guard| guard(topic, partition));
        for topic in self.topics().values() {
            for partition in topic.live_partitions() {
                match partition.take_expired(now_ms, guarded(&topic.name, partition.number())) {
                    Ok(segments) => {
                        let delay = i64::try_from(partition.config().file_delete_delay.as_millis()).unwrap_or(i64::MAX);
                        expired.extend(segments.into_iter().map(|segment| (segment, now_ms.saturating_add(delay))));
                    }
                    Err(error) => tracing::error!(topic = %topic.name, "cannot seal an expired segment: {error}"),
                }
            }
        }
        if expired.is_empty() {
            return;
        }
        // The new log start first: after a crash in between, files are left over instead of a start that is not there.
        let removed = {
            let _writer = self.writer.lock().expect(POISON);
            self.write_offsets().and_then(|()| {
                let mut doomed = self.doomed.lock().expect(POISON);
                for (segment, due_ms) in &expired {
                    // The log's file comes first.
                    let mut bytes = segment.bytes();
                    doomed.extend(segment.doom()?.into_iter().map(|path| Doomed {
                        due_ms: *due_ms,
                        path,
                        bytes: std::mem::take(&mut bytes),
                    }));
                }
                Ok(())
            })
        };
        self.remove_doomed(now_ms);
        match removed {
            Ok(()) => tracing::info!(segments = expired.len(), "retention removed segments"),
            Err(error) => tracing::error!("retention cannot remove segments: {error}"),
        }
    }

    /// Removes the files whose `file.delete.delay.ms` is over. A crash before that leaves it to the next start.
    pub(super) fn remove_doomed(&self, now_ms: i64) {
        let mut doomed = self.doomed.lock().expect(POISON);
        let due: Vec<Doomed> = doomed.extract_if(.., |file| file.due_ms <= now_ms).collect();
        drop(doomed);
        let removes = !due.is_empty();
        for Doomed { path, .. } in due {
            match self.disk.remove_file(&path) {
                // Gone with its topic.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::error!("cannot remove {}: {error}", path.display());
                }
                _ => {}
            }
        }
        if removes {
            self.recount();
        }
    }

    /// Moves a partition's log start forward; durable on return. `false`: beyond its high watermark.
    pub fn delete_records(&self, partition: &Partition, offset: i64) -> io::Result<bool> {
        let _writer = self.writer.lock().expect(POISON);
        if !partition.raise_log_start(offset) {
            return Ok(false);
        }
        self.write_offsets().map(|()| true)
    }

    /// Flushes everything, leaves the marker of a clean stop, and gives the directory free. Appends must have ended.
    /// Blocks; call it once, from outside of tasks.
    pub fn close(&self) {
        self.stop.stop();
        let sound = self.try_checkpoint(true);
        self.committer.stop();
        for thread in self.threads.lock().expect(POISON).drain(..) {
            // The upkeep thread itself may hold the last reference; it must not wait for itself.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the log has panicked");
            }
        }
        if sound {
            let marker = br#"{"version":0,"brokerEpoch":-1}"#;
            if let Err(error) = replace_file(&*self.disk, &self.root.join(CLEAN_SHUTDOWN), marker) {
                tracing::error!("cannot write {CLEAN_SHUTDOWN}, so the next start checks the log: {error}");
            }
        }
        self.lock.lock().expect(POISON).take();
    }

    fn try_checkpoint(&self, closing: bool) -> bool {
        let mut result = Ok(());
        for topic in self.topics().values() {
            for partition in topic.live_partitions().filter(|partition| !partition.is_deleted()) {
                match partition.checkpoint(closing) {
                    Ok(()) => {}
                    // Deleted meanwhile.
                    Err(_) if partition.is_deleted() => {}
                    Err(error) => {
                        result = Err(format!("checkpoint of {}-{}: {error:?}", topic.name, partition.number()))
                    }
                }
            }
        }
        let _writer = self.writer.lock().expect(POISON);
        let result = result.and(self.write_offsets().map_err(|error| format!("checkpoint: {error}")));
        let sound = result.is_ok();
        if let Err(problem) = &result {
            tracing::error!("{problem}");
        }
        *self.problem.lock().expect(POISON) = result.err();
        sound
    }

    pub(super) fn folder(&self, topic: &str, partition: i32) -> PathBuf {
        self.root.join(names::partition_folder(topic, partition))
    }

    fn insert(&self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        let mut topics = self.topics();
        Arc::make_mut(&mut topics).insert(Arc::clone(&topic.name), Arc::clone(&topic));
        *self.topics.write().expect(POISON) = topics;
        topic
    }
}

impl Drop for DataDirectory {
    /// Without [`DataDirectory::close`] this is a crash in small: the threads end, and the next start checks the log.
    fn drop(&mut self) {
        self.stop.stop();
        self.committer.stop();
    }
}
