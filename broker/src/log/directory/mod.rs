//! The data directory: one owner, its topics, and the files that say how far each partition is known to be sound.

mod config;
mod removal;
mod topics;

pub use config::{DirectoryConfig, OpenError};
pub(super) use removal::Doomed;
pub use removal::Guard;
pub use topics::{CreateTopicError, DeleteTopicError, NewTopic};

use super::committer::Committer;
use super::config::TopicConfig;
use super::disk::{DirectoryLock, Disk, replace_file};
use super::layout::Checkpoints;
use super::meta::{self, Meta, MetaError};
use super::names::{self, CLEAN_SHUTDOWN, LOCK};
use super::partition::Shared;
use super::room::Room;
use super::topic::{Slot, Topic};
use super::upkeep::{self, StopSignal};
use prometheus_client::metrics::histogram::Histogram;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::thread::JoinHandle;
use uuid::Uuid;

/// Partitions of one topic; each has a folder.
pub const PARTITIONS_MAX: i32 = 10_000;

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
    /// What this process has made durable of the checkpoint files, by name.
    pub(super) durable_offsets: Mutex<BTreeMap<&'static str, String>>,
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
            durable_offsets: Mutex::default(),
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
        if !directory.topics().is_empty() || checkpoints.are_known() {
            directory.write_offsets().map_err(failed)?;
        }
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

    /// How long flush rounds took.
    pub fn flush_seconds(&self) -> Histogram {
        self.committer.seconds()
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
            let doomed: u64 = self.doomed.lock().expect(POISON).iter().map(|one| one.bytes).sum();
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

    /// Moves the recovery points to the ends of the logs, so that a crash leaves little to scan.
    pub fn checkpoint(&self) {
        self.try_checkpoint(false);
        self.recount();
        self.room.turn();
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

    fn insert(&self, new: Vec<Topic>) -> Vec<Arc<Topic>> {
        let new: Vec<Arc<Topic>> = new.into_iter().map(Arc::new).collect();
        let mut topics = self.topics();
        Arc::make_mut(&mut topics).extend(new.iter().map(|topic| (Arc::clone(&topic.name), Arc::clone(topic))));
        *self.topics.write().expect(POISON) = topics;
        new
    }
}

impl Drop for DataDirectory {
    /// Without [`DataDirectory::close`] this is a crash in small: the threads end, and the next start checks the log.
    fn drop(&mut self) {
        self.stop.stop();
        self.committer.stop();
    }
}
