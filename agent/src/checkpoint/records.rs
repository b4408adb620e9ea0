//! The files that the agent knows, found by identity, by inode and by name.

use crate::fingerprint::{FileId, FileKey};
use crate::journal::FileRecord;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use twox_hash::XxHash3_64;

/// All records; reads like the map by identity. The indexes follow from it and are not stored.
#[derive(Debug, Clone, Default)]
pub struct Records {
    by_id: BTreeMap<FileId, FileRecord>,
    /// Records of an inode number, on whatever device.
    by_inode: HashMap<u64, Vec<FileId>>,
    /// By hash of a name: how many records have it, first or last. A wrong hit makes a file be read from its beginning
    /// where its end was asked for.
    names: HashMap<u64, u32>,
    /// Bytes and hash of heads, without those of empty files.
    heads: BTreeSet<(u32, u64, FileId)>,
}

impl Deref for Records {
    type Target = BTreeMap<FileId, FileRecord>;

    fn deref(&self) -> &Self::Target {
        &self.by_id
    }
}

impl PartialEq for Records {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id
    }
}

impl Serialize for Records {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_id.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut records = Self::default();
        for record in BTreeMap::<FileId, FileRecord>::deserialize(deserializer)?.into_values() {
            records.insert(record);
        }
        Ok(records)
    }
}

impl Records {
    pub fn insert(&mut self, record: FileRecord) {
        self.remove(&record.id);
        self.by_inode.entry(record.key.inode).or_default().push(record.id);
        for name in names_of(&record).into_iter().flatten() {
            *self.names.entry(name).or_default() += 1;
        }
        if record.head.bytes > 0 {
            self.heads.insert((record.head.bytes, record.head.hash, record.id));
        }
        self.by_id.insert(record.id, record);
    }

    pub fn remove(&mut self, id: &FileId) -> Option<FileRecord> {
        let record = self.by_id.remove(id)?;
        self.heads.remove(&(record.head.bytes, record.head.hash, *id));
        if let Some(ids) = self.by_inode.get_mut(&record.key.inode) {
            ids.retain(|known| known != id);
            if ids.is_empty() {
                self.by_inode.remove(&record.key.inode);
            }
        }
        for name in names_of(&record).into_iter().flatten() {
            if let Some(count) = self.names.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    self.names.remove(&name);
                }
            }
        }
        Some(record)
    }

    /// For positions and the like: key, head and names change by [`Records::insert`] only.
    pub fn get_mut(&mut self, id: &FileId) -> Option<&mut FileRecord> {
        self.by_id.get_mut(id)
    }

    /// The file that `key` names; what is gone no longer has a name.
    pub fn by_key(&self, key: &FileKey) -> Option<&FileRecord> {
        self.by_inode(key.inode).find(|record| !record.gone && record.key == *key)
    }

    /// Files with this inode number, on whatever device.
    pub fn by_inode(&self, inode: u64) -> impl Iterator<Item = &FileRecord> {
        self.by_inode.get(&inode).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// Files of whose content a beginning is known, with which `head` begins. Each length that is known is hashed once,
    /// however many files have it.
    pub fn begun_as(&self, head: &[u8]) -> Vec<FileId> {
        let mut found = Vec::new();
        let mut from = (0, 0, FileId(0));
        while let Some(&(bytes, ..)) = self.heads.range(from..).next() {
            let Some(begin) = head.get(..bytes as usize) else { break };
            let hash = XxHash3_64::oneshot(begin);
            let alike = self.heads.range((bytes, hash, FileId(0))..=(bytes, hash, FileId(u64::MAX)));
            found.extend(alike.map(|&(_, _, id)| id));
            from = (bytes + 1, 0, FileId(0));
        }
        found
    }

    /// Whether a file has or had this name when it was first or last seen.
    pub fn is_named(&self, path: &Path) -> bool {
        self.names.contains_key(&hash(path))
    }
}

fn hash(path: &Path) -> u64 {
    XxHash3_64::oneshot(path.as_os_str().as_bytes())
}

fn names_of(record: &FileRecord) -> [Option<u64>; 2] {
    let renamed = record.path_now != record.path;
    [Some(hash(&record.path)), renamed.then(|| hash(&record.path_now))]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::fingerprint::Print;
    use crate::format::Skip;
    use crate::journal::Form;

    pub fn record(id: u64, head: &[u8]) -> FileRecord {
        FileRecord {
            id: FileId(id),
            key: FileKey { device: 1, inode: id, birth_nanos: None },
            path: format!("{id}").into(),
            path_now: format!("{id}").into(),
            topic: "logs".into(),
            partition: None,
            dataset: None,
            dataset_detected: false,
            labels: Default::default(),
            head: Print::of(head),
            position: 0,
            skipping: Skip::NOTHING,
            marker: Print::of(b""),
            seen_secs: 0,
            gone: false,
            generation: 0,
            form: Form::Open,
        }
    }

    #[test]
    fn files_are_found_by_what_is_known_of_their_beginning() {
        let mut records = Records::default();
        for (id, head) in [(1, &b"abc"[..]), (2, b"ab"), (3, b""), (4, b"abd"), (5, b"abc"), (6, b"abcdef")] {
            records.insert(record(id, head));
        }
        let found = |records: &Records, head: &[u8]| records.begun_as(head).iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(found(&records, b"abcd"), [2, 1, 5]);
        assert_eq!(found(&records, b"abcdef and more"), [2, 1, 5, 6]);
        assert_eq!(found(&records, b"a"), Vec::<u64>::new());
        records.insert(record(1, b"abcd"));
        records.remove(&FileId(5));
        assert_eq!(found(&records, b"abcd"), [2, 1]);
    }
}
