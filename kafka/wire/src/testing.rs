//! What tests share: randomness, which is small, repeatable and prints its seed, and all codecs.

use crate::compression::Compression;

pub const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];

/// A xorshift generator (Marsaglia 2003); good enough to draw test cases.
pub struct Random(u64);

impl Random {
    /// The seed is `SLUICE_SEED`, or the time; it is printed, and the test harness shows it when the test fails.
    pub fn from_environment() -> Self {
        let given = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |since| since.as_nanos() as u64)
        });
        println!("SLUICE_SEED={seed}");
        Self(seed | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 to `bound - 1`.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 11) % bound as u64) as usize
    }
}
