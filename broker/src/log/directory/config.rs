//! How a data directory is opened, and why it cannot be.

use crate::config::Durability;
use crate::limits;
use crate::log::committer::{FlushFailureHook, abort_on_flush_failure};
use crate::log::config::TopicConfig;
use crate::log::disk::{Disk, SystemDisk};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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
            disk: Arc::new(SystemDisk::default()),
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
