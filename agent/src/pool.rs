//! The fixed memory that lines live in between the file and the acknowledgement; when it is used up, reading stops.
//!
//! It has three parts, which together stay within the limit: sealed batches, buffers for the next ones, and what is at
//! work: the block that was read and the batch that is being framed. Only a first batch that is larger than the limit goes
//! beyond it, so that there is progress in any case.

use bytes::Bytes;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Buffers kept for the next batches: what a full pipeline to one partition has in flight, and those that are framed
/// meanwhile.
const SPARE_BUFFERS_MAX: usize = 12;

/// Bytes that may be held at a time.
#[derive(Debug)]
pub struct Pool {
    bytes_max: usize,
    /// Of sealed batches.
    used: AtomicUsize,
    /// Of the block and the batch at work.
    working: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
    /// The reader found no room and wants to hear when there is some.
    wanted: AtomicBool,
    wake: Wake,
}

impl Pool {
    /// `wake` is called after memory came back while somebody waited for it.
    pub fn new(bytes_max: usize, wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            used: AtomicUsize::new(0),
            working: AtomicUsize::new(0),
            spare: Mutex::new(Vec::new()),
            wanted: AtomicBool::new(false),
            wake: Wake(Box::new(wake)),
        })
    }

    /// Whether `bytes` more fit. A refusal arms the wake-up.
    pub fn has_room(&self, bytes: usize) -> bool {
        let fits = || self.taken() + bytes <= self.bytes_max;
        if fits() {
            return true;
        }
        self.wanted.store(true, Ordering::SeqCst);
        // Memory may have come back between the look and the flag.
        fits()
    }

    /// How many bytes more fit now.
    pub fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.taken())
    }

    /// Says how many bytes are at work besides sealed batches.
    pub fn set_working(&self, bytes: usize) {
        self.working.store(bytes, Ordering::SeqCst);
    }

    /// What no new batch can have: spare buffers are there to be used.
    fn taken(&self) -> usize {
        self.used.load(Ordering::SeqCst) + self.working.load(Ordering::SeqCst)
    }

    /// Bytes of sealed batches.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::SeqCst)
    }

    /// An empty buffer, often one that was used before.
    pub fn buffer(&self) -> Vec<u8> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Gives the memory of spare buffers back; nothing is at work.
    pub fn release(&self) {
        self.set_working(0);
        let spare = std::mem::take(&mut *self.spare.lock().unwrap_or_else(PoisonError::into_inner));
        drop(spare);
    }

    /// Counts the memory of `buffer` as held until the last clone of the returned bytes is dropped; then it is used again.
    pub fn hold(self: &Arc<Self>, buffer: Vec<u8>) -> Bytes {
        self.used.fetch_add(buffer.capacity(), Ordering::SeqCst);
        Bytes::from_owner(Held { buffer, pool: Arc::clone(self) })
    }
}

struct Wake(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Wake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wake")
    }
}

struct Held {
    buffer: Vec<u8>,
    pool: Arc<Pool>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.buffer.capacity(), Ordering::SeqCst);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut spare = self.pool.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let kept: usize = spare.iter().map(Vec::capacity).sum();
        if spare.len() < SPARE_BUFFERS_MAX && self.pool.taken() + kept + buffer.capacity() <= self.pool.bytes_max {
            spare.push(buffer);
        }
        drop(spare);
        if self.pool.wanted.swap(false, Ordering::SeqCst) {
            (self.pool.wake.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_with_the_last_clone_and_wakes_who_waits() {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&woken);
        let pool = Pool::new(100, move || {
            counter.fetch_add(1, Ordering::SeqCst);
        });
        assert!(pool.has_room(100));
        let held = pool.hold(vec![0; 60]);
        let clone = held.clone();
        assert!(pool.has_room(40) && !pool.has_room(41));
        drop(held);
        assert_eq!((pool.used(), woken.load(Ordering::SeqCst)), (60, 0));
        drop(clone);
        assert_eq!((pool.used(), woken.load(Ordering::SeqCst)), (0, 1));
        assert!(pool.buffer().capacity() >= 60);
        drop(pool.hold(vec![0; 60]));
        pool.release();
        assert_eq!(pool.buffer().capacity(), 0);
    }

    #[test]
    fn what_is_at_work_and_what_is_spare_counts_too() {
        let pool = Pool::new(100, || {});
        pool.set_working(30);
        assert!(pool.has_room(70) && !pool.has_room(71));
        let (first, second) = (pool.hold(vec![0; 40]), pool.hold(vec![0; 30]));
        drop(first);
        // 30 are at work, 30 are held: 40 more may be kept.
        assert!(pool.buffer().capacity() >= 40);
        drop(pool.hold(vec![0; 41]));
        assert_eq!(pool.buffer().capacity(), 0, "it would not fit beside the others");
        drop(second);
        pool.release();
        assert!(pool.has_room(100));
    }
}
