//! Who a file is: device, inode and birth time, confirmed by hashes of its head and of the bytes before a position.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{SystemTime, UNIX_EPOCH};
use twox_hash::XxHash3_64;

/// Bytes of a file's beginning that its fingerprint covers once the file has them: more than the banner and the
/// first lines that twins of the same application share, and still one page.
pub const HEAD_BYTES_MAX: usize = 1024;
/// Bytes before the position that must not have changed when reading goes on: enough for the last line's timestamp.
pub const MARKER_BYTES_MAX: usize = 256;

/// The identity that an agent gives a file for good; documents carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId(pub u64);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FileId {
    /// A new identity for what `key` names now. `nonce` is fresh randomness: the same inode gets another identity for
    /// each generation of its content, and the same disk in another machine gets other ones.
    pub fn assign(agent: &str, key: &FileKey, first_seen_millis: i64, nonce: u128) -> Self {
        let mut seed = Vec::with_capacity(96);
        seed.extend_from_slice(agent.as_bytes());
        seed.extend_from_slice(&key.device.to_be_bytes());
        seed.extend_from_slice(&key.inode.to_be_bytes());
        seed.extend_from_slice(&key.birth_nanos.unwrap_or(-1).to_be_bytes());
        seed.extend_from_slice(&first_seen_millis.to_be_bytes());
        seed.extend_from_slice(&nonce.to_be_bytes());
        Self(XxHash3_64::oneshot(&seed))
    }
}

/// What the file system says about which file this is. An inode is used again after a deletion; its birth time, where
/// the file system has one, then differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FileKey {
    pub device: u64,
    pub inode: u64,
    /// Nanoseconds since the epoch (statx); absent on file systems that do not keep it.
    pub birth_nanos: Option<i64>,
}

impl FileKey {
    pub fn of(metadata: &Metadata) -> Self {
        let birth_nanos = metadata
            .created()
            .ok()
            .and_then(|time: SystemTime| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok());
        Self { device: metadata.dev(), inode: metadata.ino(), birth_nanos }
    }
}

/// Length and hash of some bytes of a file, to recognise them later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Print {
    pub bytes: u32,
    pub hash: u64,
}

impl Print {
    /// # Panics
    /// `bytes` is longer than 4 GiB: callers pass at most a batch.
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: u32::try_from(bytes.len()).expect("at most a batch is printed"),
            hash: XxHash3_64::oneshot(bytes),
        }
    }

    /// Whether `bytes` begins with what was printed.
    pub fn begins(&self, bytes: &[u8]) -> bool {
        bytes.get(..self.bytes as usize).is_some_and(|begin| XxHash3_64::oneshot(begin) == self.hash)
    }

    /// Whether `bytes` ends with what was printed.
    pub fn ends(&self, bytes: &[u8]) -> bool {
        bytes
            .len()
            .checked_sub(self.bytes as usize)
            .is_some_and(|from| XxHash3_64::oneshot(&bytes[from..]) == self.hash)
    }
}

/// The last bytes of `bytes` that make a marker.
pub fn marker_of(bytes: &[u8]) -> &[u8] {
    &bytes[bytes.len().saturating_sub(MARKER_BYTES_MAX)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_recognise_begin_and_end_and_nothing_shorter() {
        let print = Print::of(b"abc");
        assert!(print.begins(b"abcdef") && print.ends(b"xxabc"));
        assert!(!print.begins(b"ab") && !print.ends(b"bc") && !print.begins(b"abX"));
        assert!(Print::of(b"").begins(b"") && Print::of(b"").ends(b"anything"));
    }

    #[test]
    fn the_same_inode_gets_another_identity_each_time() {
        let key = FileKey { device: 1, inode: 2, birth_nanos: None };
        assert_ne!(FileId::assign("a", &key, 5, 1), FileId::assign("a", &key, 5, 2));
        assert_ne!(FileId::assign("a", &key, 5, 1), FileId::assign("b", &key, 5, 1));
        assert_eq!(FileId(0xab).to_string(), "00000000000000ab");
    }
}
