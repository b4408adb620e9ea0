//! Folders of topics are made, marked and removed, those of a whole request together, so that a thousand topics wait for as
//! many flushes as one does.

use super::directory::{DataDirectory, Doomed};
use super::disk::{Unsynced, temporary_path};
use super::names::{self, PARTITION_METADATA, TOPIC_PROPERTIES};
use super::partition::SharedConfig;
use super::topic::{Slot, Topic, TopicProperties, write_topic_id};
use std::io;
use std::sync::Arc;
use uuid::Uuid;

/// A topic that is made, or gets more partitions.
pub(super) struct Making {
    pub name: Arc<str>,
    pub id: Uuid,
    pub config: SharedConfig,
    /// Partitions that are there; none of a new topic.
    pub slots: Vec<Slot>,
    /// Partitions that there shall be.
    pub partitions: i32,
}

/// Partitions of a topic that are given up.
pub(super) struct GivenUp {
    pub topic: Arc<str>,
    /// Each with the bytes that its segments take of the disk.
    pub partitions: Vec<(i32, u64)>,
    /// When their folders go, in milliseconds since the epoch.
    pub due_ms: i64,
}

impl DataDirectory {
    /// Makes the folders of partitions, and then those files get their names that make them count: of a new topic the id in
    /// partition 0, of one that grows the number of its partitions. Durable on return.
    pub(super) fn make_partitions(&self, all: Vec<Making>) -> io::Result<Vec<Topic>> {
        let (mut unsynced, mut named) = (Unsynced::default(), Unsynced::default());
        let mut topics = Vec::with_capacity(all.len());
        for Making { name, id, config, mut slots, partitions } in all {
            let is_new = slots.is_empty();
            let first = self.folder(&name, 0);
            for number in slots.len() as i32..partitions {
                let folder = self.folder(&name, number);
                // What an attempt that failed left behind; nobody could append to it.
                match self.disk.remove_directory(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => self.disk.create_directory(&folder)?,
                }
                let path = folder.join(PARTITION_METADATA);
                let path = if number == 0 { temporary_path(&path) } else { path };
                write_topic_id(&*self.disk, path, id, &mut unsynced)?;
                let log = self.recovery(&folder, &config).create(0, &mut unsynced)?;
                slots.push(Slot::Live(Arc::new(self.partition(&name, number, &config, log))));
            }
            let overrides = config.read().expect("nothing panics while it holds this lock").overrides().clone();
            let properties = TopicProperties { partitions: Some(partitions), deleted: false, overrides };
            let path = first.join(TOPIC_PROPERTIES);
            let path = if is_new { path } else { temporary_path(&path) };
            properties.write_new(&*self.disk, path, &mut unsynced)?;
            named.files.push(first.join(if is_new { PARTITION_METADATA } else { TOPIC_PROPERTIES }));
            named.directories.push(first);
            topics.push(Topic { name, id, config, partitions: slots });
        }
        unsynced.directories.push(self.root.clone());
        self.disk.sync_all(&unsynced)?;
        self.name(named)?;
        Ok(topics)
    }

    /// Says of topics, in their files, that they are deleted; then they are gone, whatever of their folders is left.
    pub(super) fn mark_deleted(&self, topics: &[Arc<Topic>]) -> io::Result<()> {
        let (mut unsynced, mut named) = (Unsynced::default(), Unsynced::default());
        for topic in topics {
            let first = self.folder(&topic.name, 0);
            let path = first.join(TOPIC_PROPERTIES);
            TopicProperties { partitions: Some(topic.partition_count()), deleted: true, ..Default::default() }
                .write_new(&*self.disk, temporary_path(&path), &mut unsynced)?;
            named.files.push(path);
            named.directories.push(first);
        }
        self.disk.sync_all(&unsynced)?;
        self.name(named)
    }

    /// Gives files their names, under which contents already lie on disk.
    fn name(&self, named: Unsynced) -> io::Result<()> {
        named.files.iter().try_for_each(|path| self.disk.rename(&temporary_path(path), path))?;
        self.disk.sync_all(&Unsynced { files: Vec::new(), ..named })
    }

    /// Renames the folders of partitions out of the way, those with number 0 with their files last; they go when they are due.
    pub(super) fn give_up(&self, all: &[GivenUp]) -> io::Result<()> {
        for is_first in [false, true] {
            let mut renamed = false;
            for GivenUp { topic, partitions, due_ms } in all {
                for &(number, bytes) in partitions.iter().filter(|(number, _)| (*number == 0) == is_first) {
                    let path = self.root.join(names::deleted_folder(&names::partition_folder(topic, number)));
                    match self.disk.rename(&self.folder(topic, number), &path) {
                        Ok(()) => self.doom([Doomed { due_ms: *due_ms, path, is_folder: true, bytes }]),
                        Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                        Err(error) => return Err(error),
                    }
                    renamed = true;
                }
            }
            if renamed {
                // The order has to hold on disk too.
                self.disk.sync_directory(&self.root)?;
            }
        }
        Ok(())
    }
}
