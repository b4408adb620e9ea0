//! An index: its mapping, and its partitions by day.

use super::mapping::Mapping;
use super::partition::{Day, Partition};
use super::{StoreError, rebuild, write_whole};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use tantivy::Searcher;

const MAPPING_FILE: &str = "mapping.json";

/// An index. Its folder has its name.
pub struct Index {
    pub name: String,
    folder: PathBuf,
    pub mapping: RwLock<Mapping>,
    partitions: RwLock<BTreeMap<Day, Arc<Partition>>>,
    /// The mapping as its file has it.
    saved: RwLock<Mapping>,
    closed: AtomicBool,
}

/// What a search sees of an index.
#[derive(Clone)]
pub struct Snapshot {
    pub name: String,
    pub mapping: Arc<Mapping>,
    /// Ascending by day.
    pub partitions: Vec<(Day, Searcher)>,
}

impl Index {
    /// A new index in `folder`.
    pub fn create(folder: &Path, name: &str, mapping: Mapping) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|error| StoreError::io("create", folder, error))?;
        let index = Self::with(folder, name, mapping);
        index.save()?;
        Ok(index)
    }

    /// The index that lies in `folder`.
    pub fn open(folder: &Path, name: &str) -> Result<Self, StoreError> {
        let path = folder.join(MAPPING_FILE);
        let mapping = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| StoreError::io("read", &path, error.into()))?,
            // The process was killed between making the folder and the file.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Mapping::default_fields(),
            Err(error) => return Err(StoreError::io("read", &path, error)),
        };
        let index = Self::with(folder, name, mapping);
        rebuild::recover(folder).map_err(|error| StoreError::io("recover", folder, error))?;
        let entries = std::fs::read_dir(folder).map_err(|error| StoreError::io("list", folder, error))?;
        for entry in entries.flatten() {
            let Some(day) = entry.file_name().to_str().and_then(Day::of_folder) else { continue };
            match index.partition(day) {
                Err(error) if rebuild::is_wanted(&error) => {
                    rebuild::rebuild(&entry.path(), day, &index)?;
                    index.partition(day)?;
                }
                opened => drop(opened?),
            }
        }
        Ok(index)
    }

    fn with(folder: &Path, name: &str, mapping: Mapping) -> Self {
        Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            mapping: RwLock::new(mapping),
            partitions: RwLock::default(),
            saved: RwLock::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The partition of `day`, made if there is none.
    pub fn partition(&self, day: Day) -> Result<Arc<Partition>, StoreError> {
        if let Some(partition) = self.partitions.read().expect("no panic while it is held").get(&day) {
            return Ok(partition.clone());
        }
        let folder = self.folder.join(day.to_string());
        let partition = Partition::open(&folder, day).map_err(|error| StoreError::tantivy("open", &folder, error))?;
        let partition = Arc::new(partition);
        self.partitions.write().expect("no panic while it is held").insert(day, partition.clone());
        Ok(partition)
    }

    pub fn has_partition(&self, day: Day) -> bool {
        self.partitions.read().expect("no panic while it is held").contains_key(&day)
    }

    /// Ascending by day.
    pub fn partitions(&self) -> Vec<Arc<Partition>> {
        self.partitions.read().expect("no panic while it is held").values().cloned().collect()
    }

    /// Documents that searches see.
    pub fn documents(&self) -> u64 {
        self.partitions().iter().map(|partition| partition.documents()).sum()
    }

    /// Bytes of its segments on disk.
    pub fn bytes(&self) -> u64 {
        self.partitions().iter().map(|partition| partition.bytes()).sum()
    }

    /// Takes a partition away, with its folder. Searches that run keep what they have open.
    pub fn remove_partition(&self, day: Day) -> Result<(), StoreError> {
        let Some(partition) = self.partitions.write().expect("no panic while it is held").remove(&day) else {
            return Ok(());
        };
        std::fs::remove_dir_all(&partition.folder).map_err(|error| StoreError::io("delete", &partition.folder, error))
    }

    /// Takes the whole index away.
    pub fn remove(&self) -> Result<(), StoreError> {
        self.closed.store(true, Ordering::Relaxed);
        self.partitions.write().expect("no panic while it is held").clear();
        std::fs::remove_dir_all(&self.folder).map_err(|error| StoreError::io("delete", &self.folder, error))
    }

    /// Writes the mapping down if it is another than the one on disk.
    pub fn save(&self) -> Result<(), StoreError> {
        let mapping = self.mapping.read().expect("no panic while it is held").clone();
        let mut saved = self.saved.write().expect("no panic while it is held");
        if *saved != mapping && !self.closed.load(Ordering::Relaxed) {
            let path = self.folder.join(MAPPING_FILE);
            let bytes = serde_json::to_vec(&mapping).expect("a mapping is JSON");
            write_whole(&path, &bytes).map_err(|error| StoreError::io("write", &path, error))?;
            *saved = mapping;
        }
        Ok(())
    }

    pub fn snapshot(&self) -> Snapshot {
        let partitions = self.partitions().iter().map(|partition| (partition.day, partition.searcher())).collect();
        let mapping = Arc::new(self.mapping.read().expect("no panic while it is held").clone());
        Snapshot { name: self.name.clone(), mapping, partitions }
    }
}
