//! Which ids an index surely does not have: Bloom filters that grow with it, for ten million ids about 40 MB.

/// Words of a block: one cache line.
const BLOCK_WORDS: usize = 8;
/// Bits that an id sets in its block.
const BITS: u32 = 7;
/// Ids for each block of 512 bits: twenty-five bits for an id. One of ten thousand unknown ids looks known in a part; each costs
/// a look into every segment, which is a thousand times the price of a look into the filter.
const IDS_A_BLOCK: usize = 20;
/// Blocks of the first part (64 KiB, for 20,000 ids); each further one has [`GROWTH`] times as many, up to [`BLOCKS_MAX`].
const BLOCKS_FIRST: usize = 1024;
/// Few parts: an unknown id is looked for in all of them.
const GROWTH: usize = 4;
/// 16 MiB.
const BLOCKS_MAX: usize = 256 * 1024;

/// Ids by their hash; parts are full but for the last one.
#[derive(Default)]
pub struct IdFilter {
    parts: Vec<Part>,
}

struct Part {
    blocks: Vec<[u64; BLOCK_WORDS]>,
    ids: usize,
}

impl IdFilter {
    /// Whether the id with this hash may have been inserted; `false` is certain.
    pub fn may_have(&self, hash: u128) -> bool {
        self.parts.iter().rev().any(|part| {
            let block = &part.blocks[part.place(hash)];
            bits(hash).all(|bit| block[bit / 64] & (1 << (bit % 64)) != 0)
        })
    }

    pub fn insert(&mut self, hash: u128) {
        if self.parts.last().is_none_or(|part| part.ids >= part.blocks.len() * IDS_A_BLOCK) {
            let blocks = self.parts.last().map_or(BLOCKS_FIRST, |part| (part.blocks.len() * GROWTH).min(BLOCKS_MAX));
            self.parts.push(Part { blocks: vec![[0; BLOCK_WORDS]; blocks], ids: 0 });
        }
        let part = self.parts.last_mut().expect("there is one by now");
        let place = part.place(hash);
        bits(hash).for_each(|bit| part.blocks[place][bit / 64] |= 1 << (bit % 64));
        part.ids += 1;
    }
}

impl Part {
    fn place(&self, hash: u128) -> usize {
        (hash >> 64) as usize % self.blocks.len()
    }
}

fn bits(hash: u128) -> impl Iterator<Item = usize> {
    (0..BITS).map(move |number| (hash >> (number * 9)) as usize % 512)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn knows_what_was_inserted_and_little_else() {
        let mut filter = IdFilter::default();
        let hash = |number: u64| xxh3_128(&number.to_le_bytes());
        assert!(!filter.may_have(hash(1)));
        (0..200_000).for_each(|number| filter.insert(hash(number)));
        assert_eq!(filter.parts.len(), 3);
        assert!((0..200_000).all(|number| filter.may_have(hash(number))));
        let wrong = (200_000..300_000).filter(|number| filter.may_have(hash(*number))).count();
        assert!(wrong < 100, "{wrong} of 100,000 unknown ids look known");
    }
}
