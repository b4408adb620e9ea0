//! What is known of an index's fields while the documents of a request are read.

use super::mapping::FieldEntry;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What is known of an index's fields, from one document of a request to the next: without the mapping's lock, and by a hash.
#[derive(Default)]
pub struct Fields {
    pub(super) known: Known,
    /// Whether the mapping has dynamic templates.
    pub(super) has_dynamic: Option<bool>,
}

pub(super) type Known = HashMap<Box<str>, FieldEntry, BuildHasherDefault<PathHasher>>;

/// Paths are short, and looked up for each value.
#[derive(Default)]
pub(super) struct PathHasher(u64);

impl Hasher for PathHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    // What `str` writes behind its bytes; there is one text in a key.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        self.0
    }
}
