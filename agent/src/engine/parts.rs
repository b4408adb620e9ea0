//! What an engine is made of, and what wakes it.

use super::{FileState, View};
use crate::config::{CheckedInput, Config};
use crate::deliver::{Answer, Delivery};
use crate::discover::{Scope, Watches};
use crate::metrics::Metrics;
use crate::stream::Spool;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What wakes the agent's thread.
#[derive(Debug)]
pub enum Wake {
    Answer(Answer),
    /// Something changed in a watched directory.
    Changes,
    /// Batches gave memory back.
    Memory,
    /// Somebody wants to see the files.
    Files(SyncSender<Vec<FileState>>),
    /// There is something new in the spool.
    Spooled,
    /// Read no more; end when all is acknowledged, or at this time.
    Stop {
        until: Instant,
    },
}

/// Where the time of records comes from.
#[derive(Clone)]
pub struct Clock(pub Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// Milliseconds since the epoch.
    pub fn now_millis(&self) -> i64 {
        (self.0)()
    }
}

/// What an engine is made of.
pub struct Parts {
    pub config: Config,
    pub inputs: Vec<CheckedInput>,
    pub clock: Clock,
    pub delivery: Delivery,
    pub open_files_max: usize,
    pub scope: Scope,
    pub watches: Watches,
    pub metrics: Metrics,
    pub spool: Arc<Spool>,
    pub view: Arc<Mutex<Arc<View>>>,
    pub caught_up: tokio::sync::watch::Sender<bool>,
    /// Set when the agent was dropped: end at once, as after a crash.
    pub killed: Arc<AtomicBool>,
}
