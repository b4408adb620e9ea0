//! Which ids an index has: what `create` is refused for, and what `index` takes the place of.

use super::StoreError;
use super::filter::IdFilter;
use super::index::Index;
use super::partition::Day;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_128;

/// The ids of an index.
#[derive(Default)]
pub struct Ids {
    filter: IdFilter,
    /// Written, but not committed: by their hash, with the partition.
    pending: HashMap<u128, Day, BuildHasherDefault<HashOfHash>>,
}

/// Hashes are not hashed again.
#[derive(Default)]
struct HashOfHash(u64);

impl Hasher for HashOfHash {
    fn write(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            self.0 ^= u64::from_ne_bytes(word);
        }
    }

    fn write_u128(&mut self, hash: u128) {
        self.0 = (hash >> 64) as u64 ^ hash as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Ids {
    /// Of what is in the index's partitions.
    pub fn of(index: &Index) -> Result<Self, StoreError> {
        let mut ids = Self::default();
        for partition in index.partitions() {
            let read = partition.each_id(|id| ids.filter.insert(xxh3_128(id)));
            read.map_err(|error| StoreError::tantivy("read the ids of", &partition.folder, error))?;
        }
        Ok(ids)
    }

    /// In which partitions the index has a document with this id: one, or two after a kill between the commits of two
    /// partitions, of which one gives the document away.
    pub fn places(&self, index: &Index, id: &str, hash: u128) -> Result<Vec<Day>, StoreError> {
        if !self.filter.may_have(hash) {
            return Ok(Vec::new());
        }
        if let Some(day) = self.pending.get(&hash) {
            return Ok(vec![*day]);
        }
        let mut places = Vec::new();
        for partition in index.partitions() {
            let has = partition.has(id);
            if has.map_err(|error| StoreError::tantivy("look for an id in", &partition.folder, error))? {
                places.push(partition.day);
            }
        }
        Ok(places)
    }

    /// An id whose document is written to the partition of a day.
    pub fn add(&mut self, hash: u128, day: Day) {
        self.filter.insert(hash);
        self.pending.insert(hash, day);
    }

    /// Everything that was added is in segments.
    pub fn committed(&mut self) {
        self.pending.clear();
    }

    /// A partition was taken away: what is pending there would be taken for a document that is there.
    pub fn forget(&mut self, day: Day) {
        self.pending.retain(|_, place| *place != day);
    }
}
