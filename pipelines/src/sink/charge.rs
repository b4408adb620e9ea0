//! What the documents of a batch take in memory while a sink has them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Bytes of a batch's documents that are in memory. A sink that keeps only some of a batch, since they have to wait, says so
/// here, and whoever counts memory is told.
#[derive(Debug)]
pub struct Charge {
    bytes: AtomicUsize,
    changed: Arc<Notify>,
}

impl Charge {
    /// There are so many bytes; `changed` is notified when it becomes another number.
    pub fn new(bytes: usize, changed: Arc<Notify>) -> Self {
        Self { bytes: AtomicUsize::new(bytes), changed }
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// So many bytes more are in memory.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// So many of the bytes that were counted are gone.
    pub fn remove(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.changed.notify_one();
    }
}
