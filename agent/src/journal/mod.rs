//! What the agent writes down before it acts: files at first sight, batches before they are sent, acknowledgements.
//!
//! The journal holds what happened since the last checkpoint. An append is not flushed by itself: the page cache
//! survives a killed process. It is flushed once a second against a killed machine, and at once for the identity of a
//! file, which documents carry for good.

mod log;

pub use log::{Journal, put_frame, replay, take_frame};

use crate::checkpoint::Gap;
use crate::fingerprint::{FileId, FileKey, Print};
use crate::format::{Format, Skip};
use crate::host::HostIdentity;
use crate::labels::Labels;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One change of the agent's state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Entry {
    /// First entry of the first journal: the identity of this agent.
    Agent { uuid: String },
    /// The machine that the agent runs on, or what is known better about it since.
    Host(HostIdentity),
    /// The folder was copied from another machine, whose agent may still run: this one is a new agent from here on.
    Copied { uuid: String, host: HostIdentity },
    /// The cluster that all acknowledgements so far come from.
    Cluster { id: String },
    /// A file at first sight, or what is known better about it since.
    File(FileRecord),
    /// A file that is proven to be gone.
    Forget { file: FileId },
    /// A batch that is about to be sent.
    Sent(Sent),
    /// The broker has the batch: the positions of its sources move on.
    Acknowledged { number: u64 },
    /// The broker has the batch as a part of another one: the positions of its sources move on.
    Had { number: u64 },
    /// The batch's content cannot be read any more, and whether the broker has it is unknown: positions move on.
    Lost {
        number: u64,
        #[serde(default)]
        reason: String,
    },
    /// Bytes of a file that were never sent are lost.
    Gap { file: FileId, gap: Gap },
    /// A file's bytes up to `position` have no records (any more) that are not acknowledged.
    Passed { file: FileId, position: u64, marker: Print, skipping: Skip },
    /// The batches `gone` are not sent any more in this form; `by` take their place, in order.
    Replaced { gone: Vec<u64>, by: Vec<Sent> },
}

/// A file as the agent knows it. Identity, path and dataset stay as they were at first sight.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    pub id: FileId,
    pub key: FileKey,
    /// The name under which it was first seen: the header `log.file.path`.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// The name under which it was last seen.
    #[serde(with = "path_bytes")]
    pub path_now: PathBuf,
    pub topic: String,
    /// Fixed when the number of partitions is known.
    pub partition: Option<i32>,
    /// Fixed when there is a first line to look at.
    pub dataset: Option<String>,
    pub dataset_detected: bool,
    /// Headers of the input that named the file first, without their prefix: a batch that is made again has the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub labels: Labels,
    pub head: Print,
    /// Everything before it is acknowledged.
    pub position: u64,
    /// The position lies in the rest of what was cut.
    pub skipping: Skip,
    /// The bytes just before the position.
    pub marker: Print,
    /// Seconds since the epoch.
    pub seen_secs: u64,
    /// The content is gone (truncated, inode used again): the key names another file now.
    pub gone: bool,
    /// How many files were begun under this first path before: those are to be read first.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generation: u32,
    /// What holds the content now.
    #[serde(default, skip_serializing_if = "is_default")]
    pub form: Form,
}

/// How a file holds its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Form {
    /// As it is, or compressed and not read to its end: the first bytes tell.
    #[default]
    Open,
    /// Compressed, and read to its end: the file had `bytes` bytes then, the content `end`.
    Archive { bytes: u64, end: u64 },
    /// Nothing does, or nothing that anybody writes to: it was read to its end after it had lost its name.
    Finished,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A batch that was sent, with all that is needed to make it again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Counts batches over the agent's whole life; batches of a partition are sent in this order.
    pub number: u64,
    pub topic: String,
    pub partition: i32,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub sequence: i32,
    pub records: i32,
    /// The codec's number in a batch's attributes.
    pub compression: u8,
    /// Where lines were cut.
    pub line_bytes_max: usize,
    /// Value of `host.name`; absent when the records have no headers.
    pub host: Option<String>,
    /// Milliseconds since the epoch, the same for all records.
    pub timestamp: i64,
    /// How the bytes became records; absent for plain lines. The config may say something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Box<Format>>,
    /// Not empty.
    pub sources: Vec<Source>,
    /// The number of the batch that this is a part of, as long as the broker may have that one. Parts begin at sequences
    /// that the broker then has, so that it refuses them: nothing is there twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<u64>,
}

/// A contiguous range of a file, as whole lines but for its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub file: FileId,
    pub start: u64,
    pub end: u64,
    pub ending: Ending,
    /// xxh3 of the range.
    pub content: u64,
    /// The last bytes of the range.
    pub marker: Print,
    /// What was skipped at its front.
    #[serde(default, skip_serializing_if = "Skip::is_nothing")]
    pub before: Skip,
    /// What is to be skipped behind it.
    #[serde(default, skip_serializing_if = "Skip::is_nothing")]
    pub after: Skip,
}

/// What the last line of a range ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Newline,
    /// Nothing: the line was longer than the limit, and its rest is skipped.
    Cut,
    /// Nothing: the file ended there for good.
    Open,
}

/// Paths as text, or as numbers where they are not UTF-8.
mod path_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        match path.to_str() {
            Some(text) => text.serialize(serializer),
            None => path.as_os_str().as_bytes().serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match Either::deserialize(deserializer)? {
            Either::Text(text) => PathBuf::from(text),
            Either::Bytes(bytes) => PathBuf::from(OsString::from_vec(bytes)),
        })
    }
}
