//! The log: record batches in Apache Kafka's segment files, appended behind group commit and read by offset.
//!
//! ```text
//! DataDirectory ─ Topic ─ Partition ─ Segment (.log) ─ SparseIndex (.index, .timeindex)
//!      │                     └ Producers (.snapshot), LeaderEpochs
//!      ├ Committer: one flush for everything that arrived since the last one; it alone makes `Flushed`
//!      └ Upkeep: checkpoints, retention
//! ```
//! Architecture invariant: the high watermark is the end of what is on disk, so nobody reads what a power cut can take
//! back. Architecture invariant: no record is decoded on the way in or out; only base offset, leader epoch and, where
//! the topic asks for it, the log append time are written into a batch.

mod check;
mod committer;
mod config;
mod directory;
mod disk;
mod durable;
mod epochs;
#[cfg(test)]
mod fake_disk;
mod flushers;
mod folders;
mod index;
mod layout;
mod meta;
mod names;
mod open_files;
mod partition;
mod producers;
mod read;
mod recompress;
mod recovery;
mod retention;
mod room;
mod segment;
mod snapshot;
#[cfg(test)]
mod tests;
mod text;
mod topic;
mod upkeep;

pub use check::AppendError;
pub use committer::{FlushError, FlushFailureHook, Flushed, LogStopped, abort_on_flush_failure};
pub use config::{TimestampType, TopicConfig, TopicConfigError};
pub use directory::{CreateTopicError, DataDirectory, DeleteTopicError, DirectoryConfig, NewTopic, OpenError, Topics};
pub use disk::{Disk, SystemDisk};
pub use epochs::LeaderEpochs;
pub use names::{TopicNameError, check_topic_name};
pub use partition::{Appended, Partition};
pub use read::{ReadError, ReadRange, TimestampOffset};
pub use topic::{PartitionError, Topic};
