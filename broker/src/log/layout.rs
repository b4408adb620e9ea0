//! How topics lie in the data directory: reading all of them at the start, and the offsets that are written for it.

use super::committer::CleanStop;
use super::directory::{DataDirectory, Doomed};
use super::disk::{Disk, read_file, replace_file};
use super::folders::GivenUp;
use super::names::{self, CLEAN_SHUTDOWN, DELETED_ENDING, LOG_STARTS, RECOVERY_POINTS};
use super::partition::{Partition, SharedConfig};
use super::recovery::{KnownOffsets, Recovery};
use super::text::{OffsetCheckpoint, format_offsets, parse_offsets};
use super::topic::{Slot, Topic, TopicProperties, read_topic_id};
use crate::clock::now_ms;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;

/// Partitions that are read at the same time at the start.
const LOADED_AT_ONCE_MAX: usize = 8;

/// Offsets that the last run left behind.
pub(super) struct Checkpoints {
    /// `None`: the file is missing or unreadable.
    recovery_points: Option<OffsetCheckpoint>,
    log_starts: OffsetCheckpoint,
    clean: Option<CleanStop>,
}

impl Checkpoints {
    /// Reads them, and removes the marker of a clean stop: from here on a crash is a crash.
    pub fn take(disk: &dyn Disk, root: &Path) -> io::Result<Self> {
        let marker = root.join(CLEAN_SHUTDOWN);
        let clean = match read_file(disk, &marker)? {
            None => None,
            Some(_) => {
                disk.remove_file(&marker)?;
                disk.sync_directory(root)?;
                Some(CleanStop::marker_found())
            }
        };
        let read = |name| -> io::Result<Option<OffsetCheckpoint>> {
            let Some(contents) = read_file(disk, &root.join(name))? else { return Ok(None) };
            let offsets = parse_offsets(&contents);
            if let Err(error) = &offsets {
                tracing::warn!("{name} is unreadable, so the logs are checked whole: {error}");
            }
            Ok(offsets.ok())
        };
        Ok(Self { recovery_points: read(RECOVERY_POINTS)?, log_starts: read(LOG_STARTS)?.unwrap_or_default(), clean })
    }

    /// There are such files, of a directory that was in use.
    pub fn are_known(&self) -> bool {
        self.recovery_points.is_some() || !self.log_starts.is_empty()
    }

    fn of(&self, topic: &str, partition: i32) -> KnownOffsets {
        let key = (topic.to_owned(), partition);
        KnownOffsets {
            recovery_point: self.recovery_points.as_ref().map(|points| points.get(&key).copied().unwrap_or(0)),
            log_start: self.log_starts.get(&key).copied().unwrap_or(0),
        }
    }
}

impl DataDirectory {
    /// Finishes deletions that a crash interrupted, then opens every topic.
    pub(super) fn load_topics(&self, checkpoints: &Checkpoints) -> io::Result<BTreeMap<Arc<str>, Arc<Topic>>> {
        let mut folders: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for entry in self.disk.entries(&self.root)? {
            if !entry.is_directory {
                continue;
            }
            if entry.name.ends_with(DELETED_ENDING) {
                // However many they are, the start does not wait for their removal.
                self.doom([Doomed { due_ms: 0, path: self.root.join(&entry.name), is_folder: true, bytes: 0 }]);
            } else if let Some((topic, partition)) = names::parse_partition_folder(&entry.name) {
                folders.entry(topic.to_owned()).or_default().push(partition);
            } else {
                tracing::warn!("folder {:?} in the data directory is not a partition's: leaving it alone", entry.name);
            }
        }
        let mut topics = BTreeMap::new();
        for (name, mut numbers) in folders {
            numbers.sort_unstable();
            if let Some(topic) = self.load_topic(&name, numbers, checkpoints)? {
                topics.insert(Arc::clone(&topic.name), Arc::new(topic));
            }
        }
        Ok(topics)
    }

    fn load_topic(&self, name: &str, numbers: Vec<i32>, checkpoints: &Checkpoints) -> io::Result<Option<Topic>> {
        // Partition 0 gets its id last: without it the topic was never finished.
        let Some(id) = read_topic_id(&*self.disk, &self.folder(name, 0))? else {
            if self.holds_records(name, &numbers)? {
                tracing::error!(topic = name, "partition 0 has no id: leaving the topic's folders alone");
            } else {
                self.give_up_leftovers(name, numbers)?;
            }
            return Ok(None);
        };
        // Kafka keeps them elsewhere.
        let properties = TopicProperties::read(&*self.disk, &self.folder(name, 0))?.unwrap_or_default();
        if properties.deleted {
            self.give_up_leftovers(name, numbers)?;
            return Ok(None);
        }
        let config = self.defaults.with(properties.overrides).unwrap_or_else(|error| {
            tracing::error!(topic = name, "using the default configs: {error}");
            self.defaults.clone()
        });
        let config: SharedConfig = Arc::new(RwLock::new(Arc::new(config)));
        let count = properties.partitions.unwrap_or(numbers.last().map_or(0, |last| last + 1));
        let name: Arc<str> = name.into();
        let partitions = self.load_partitions(&name, count, &config, checkpoints)?;
        Ok(Some(Topic { name, id, config, partitions }))
    }

    /// What a deletion, or the creation of a topic, did not come to the end of.
    fn give_up_leftovers(&self, name: &str, numbers: Vec<i32>) -> io::Result<()> {
        let partitions = numbers.into_iter().map(|number| (number, 0)).collect();
        self.give_up(&[GivenUp { topic: name.into(), partitions, due_ms: 0 }])
    }

    fn holds_records(&self, name: &str, numbers: &[i32]) -> io::Result<bool> {
        for &number in numbers {
            let folder = self.folder(name, number);
            for entry in self.disk.entries(&folder)? {
                let is_log = names::parse_offset_file(&entry.name, names::LOG_ENDING).is_some();
                if is_log && self.disk.open(&folder.join(&entry.name))?.bytes()? > 0 {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Several at once: what takes time after a crash are flushes, of which a disk serves many together.
    fn load_partitions(
        &self,
        topic: &Arc<str>,
        count: i32,
        config: &SharedConfig,
        checkpoints: &Checkpoints,
    ) -> io::Result<Vec<Slot>> {
        let next = AtomicI32::new(0);
        let load = || -> io::Result<Vec<(i32, Slot)>> {
            let mut loaded = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(loaded);
                }
                loaded.push((number, self.load_partition(topic, number, config, checkpoints)?));
            }
        };
        let others = if self.loads_alone { 0 } else { usize::min(LOADED_AT_ONCE_MAX, count as usize) - 1 };
        let results = thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(load)).collect();
            let own = load();
            let joined = others.into_iter().map(|other| other.join().expect("loading returns its errors"));
            [own].into_iter().chain(joined).collect::<io::Result<Vec<_>>>()
        });
        let mut slots: Vec<(i32, Slot)> = results?.into_iter().flatten().collect();
        slots.sort_unstable_by_key(|(number, _)| *number);
        Ok(slots.into_iter().map(|(_, slot)| slot).collect())
    }

    fn load_partition(
        &self,
        topic: &Arc<str>,
        number: i32,
        config: &SharedConfig,
        checkpoints: &Checkpoints,
    ) -> io::Result<Slot> {
        let known = checkpoints.of(topic, number);
        let folder = self.folder(topic, number);
        match self.recovery(&folder, config).open(known, checkpoints.clean.as_ref()) {
            Ok((log, report)) => {
                if report.cut || report.scanned_bytes > 0 {
                    tracing::info!(topic = &**topic, partition = number, ?report, "recovered");
                }
                Ok(Slot::Live(Arc::new(self.partition(topic, number, config, log))))
            }
            Err(error) => {
                let reason: Arc<str> = error.to_string().into();
                tracing::error!(topic = &**topic, partition = number, "cannot serve this partition: {reason}");
                Ok(Slot::Offline { reason, recovery_point: known.recovery_point, log_start: known.log_start })
            }
        }
    }

    pub(super) fn recovery<'a>(&'a self, folder: &'a Path, config: &SharedConfig) -> Recovery<'a> {
        let config = config.read().expect("nothing panics while it holds this lock");
        Recovery {
            disk: &self.disk,
            directory: folder,
            index_interval_bytes: config.index_interval_bytes,
            now_ms: now_ms(),
        }
    }

    pub(super) fn partition(
        &self,
        topic: &Arc<str>,
        number: i32,
        config: &SharedConfig,
        log: super::partition::OpenedLog,
    ) -> Partition {
        Partition::new(Arc::clone(topic), number, self.shared(), self.folder(topic, number), Arc::clone(config), log)
    }

    /// Writes both checkpoint files, where they say something new. The caller holds the writer's lock.
    pub(super) fn write_offsets(&self) -> io::Result<()> {
        let (mut points, mut starts) = (OffsetCheckpoint::new(), OffsetCheckpoint::new());
        for topic in self.topics().values() {
            for (number, slot) in topic.partitions.iter().enumerate() {
                let key = (topic.name.to_string(), number as i32);
                let (point, start) = match slot {
                    Slot::Live(partition) => (Some(partition.recovery_point()), partition.log_start_offset()),
                    Slot::Offline { recovery_point, log_start, .. } => (*recovery_point, *log_start),
                };
                starts.insert(key.clone(), start);
                points.extend(point.map(|point| (key, point)));
            }
        }
        // Starts first: a recovery point above a start that is not written yet does no harm, the reverse would.
        let mut durable = self.durable_offsets.lock().expect("nothing panics while it holds this lock");
        for (name, offsets) in [(LOG_STARTS, starts), (RECOVERY_POINTS, points)] {
            let contents = format_offsets(&offsets);
            if durable.get(name) != Some(&contents) {
                // After an error nobody knows what is on disk.
                durable.remove(name);
                replace_file(&*self.disk, &self.root.join(name), contents.as_bytes())?;
                durable.insert(name, contents);
            }
        }
        Ok(())
    }
}
