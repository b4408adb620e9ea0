//! Random numbers from a printed seed (SplitMix64, Steele et al. 2014).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// A sequence of numbers that its seed repeats.
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number of `range`, which is not empty.
    pub fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.of(0..times) == 0
    }
}

/// The seed of this run: `SLUICE_SEED`, or a new one.
pub fn seed() -> anyhow::Result<u64> {
    match std::env::var("SLUICE_SEED") {
        Ok(text) => Ok(text.parse()?),
        // The standard library seeds its hashers from the operating system. Six digits are easier to type.
        Err(_) => Ok(RandomState::new().hash_one(0) % 1_000_000),
    }
}
