//! Buffers that are filled again and again: memory that is new costs more than what is written to it.

use std::fmt;
use std::sync::Mutex;

/// Buffers that are kept: as many as are made at once on a machine with some cores, each with a bulk request waiting.
const SPARES_MAX: usize = 4;
/// A larger one held a large document, of which there are few.
const SPARE_BYTES_MAX: usize = 12 * 1024 * 1024;

/// Buffers that nobody needs now.
#[derive(Default)]
pub struct Spares(Mutex<Vec<Vec<u8>>>);

impl Spares {
    /// An empty buffer with room for `bytes`: one that was given back, unless it has room for more than twice as much, which
    /// would be kept from others.
    pub fn take(&self, bytes: usize) -> Vec<u8> {
        let mut spares = self.0.lock().expect(LOCK);
        match spares.iter().position(|spare| (bytes..=bytes.saturating_mul(2)).contains(&spare.capacity())) {
            Some(place) => spares.swap_remove(place),
            None => Vec::with_capacity(bytes),
        }
    }

    /// Keeps a buffer for the next one who needs it, or drops it.
    pub fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut spares = self.0.lock().expect(LOCK);
        if !(1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) {
            return;
        }
        // The oldest has been of no use for the longest time.
        if spares.len() == SPARES_MAX {
            spares.remove(0);
        }
        spares.push(buffer);
    }
}

const LOCK: &str = "nothing panics while it holds the spares";

impl fmt::Debug for Spares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spares")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let spares = Spares::default();
        spares.give_back(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        spares.give_back(Vec::new());
        assert_eq!(spares.0.lock().expect(LOCK).len(), 0);
        for length in [1_000, 100, 110, 120, 130] {
            spares.give_back(vec![1; length]);
        }
        assert_eq!(spares.0.lock().expect(LOCK).len(), SPARES_MAX);
        // The first is gone, and the others are too large for this.
        assert!((20..100).contains(&spares.take(20).capacity()));
        for _ in 0..SPARES_MAX {
            let buffer = spares.take(100);
            assert!(buffer.is_empty() && (100..=130).contains(&buffer.capacity()));
        }
        assert_eq!(spares.0.lock().expect(LOCK).len(), 0);
    }
}
