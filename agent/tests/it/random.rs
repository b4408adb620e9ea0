//! Randomness that can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// xorshift64*: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }
}

/// The seed in `SLUICE_SEED`, or `count` fresh ones.
pub fn seeds(count: u64) -> Vec<u64> {
    if let Some(seed) = std::env::var("SLUICE_SEED").ok().map(|seed| seed.parse().expect("SLUICE_SEED is a number")) {
        return vec![seed];
    }
    let start = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    (0..count).map(|one| start.wrapping_add(one * 7919)).collect()
}
