//! Finds repetitions: each sequence is some literal bytes and a copy of earlier ones.

/// Deflate's bounds of a copy (RFC 1951, 3.2.5).
pub const LENGTH_MIN: u16 = 3;
pub const LENGTH_MAX: usize = 258;
const DISTANCE_MAX: usize = 32 * 1024;
/// Shorter repetitions make bodies smaller by a tenth, and cost a tenth more time.
const MATCH_BYTES_MIN: usize = 6;
/// So many bytes are looked up at once: one that begins with fewer equal ones is found a little later, if it is long.
const HASHED_BYTES: u32 = 6;
/// The table is in a core's first cache.
const TABLE_BITS: u32 = 12;
/// A copy is only looked for where a whole word can be read.
const WORD: usize = size_of::<u64>();
/// The more bytes there are without a repetition, the larger the steps: one more for each of these.
const STEP_SHIFT: usize = 5;
/// What is stepped over is found on the way back from what follows it.
const STEP_MIN: usize = 2;

/// Some bytes as they are, and a copy.
#[derive(Debug, Clone, Copy)]
pub struct Sequence {
    pub literals: u32,
    /// [`LENGTH_MIN`] to [`LENGTH_MAX`].
    pub length: u16,
    /// How far back the copy begins, less one.
    pub distance: u16,
}

/// What was found in a block, and where in its piece bytes were last seen.
pub struct Sequences {
    found: Vec<Sequence>,
    /// By hash of the bytes there: position, and one more, so that 0 is none.
    seen: Box<[u32; 1 << TABLE_BITS]>,
}

impl Default for Sequences {
    fn default() -> Self {
        Self { found: Vec::new(), seen: Box::new([0; 1 << TABLE_BITS]) }
    }
}

impl Sequences {
    /// What comes is another piece.
    pub fn begin(&mut self) {
        self.seen.fill(0);
    }

    pub fn found(&self) -> &[Sequence] {
        &self.found
    }

    /// Looks through `piece[start..end]`, also for copies of what is before it. Returns how many literals are behind the
    /// last copy.
    pub fn find(&mut self, piece: &[u8], start: usize, end: usize) -> usize {
        self.found.clear();
        let piece = &piece[..end];
        let (mut at, mut literals_from) = (start, start);
        while at + WORD <= end {
            let word = word_at(piece, at);
            let seen = &mut self.seen[hash(word)];
            // Pieces are far below 4 GiB; beyond that, a wrong position is compared and found different.
            let candidate = std::mem::replace(seen, (at + 1) as u32) as usize;
            if candidate > 0 && at >= candidate && at - (candidate - 1) <= DISTANCE_MAX {
                let mut from = candidate - 1;
                let same = same_bytes(piece, from, at);
                if same >= MATCH_BYTES_MIN {
                    let matched = at + same;
                    while at > literals_from && from > 0 && piece[at - 1] == piece[from - 1] {
                        (at, from) = (at - 1, from - 1);
                    }
                    self.copy(at - literals_from, matched - at, at - from);
                    // What comes at the end of a copy is likely to come again.
                    if matched + WORD <= end {
                        let last = matched - 2;
                        self.seen[hash(word_at(piece, last))] = (last + 1) as u32;
                    }
                    (at, literals_from) = (matched, matched);
                    continue;
                }
            }
            at += STEP_MIN + ((at - literals_from) >> STEP_SHIFT);
        }
        end - literals_from
    }

    fn copy(&mut self, literals: usize, mut length: usize, distance: usize) {
        let mut literals = u32::try_from(literals).expect("a block is below 4 GiB");
        let distance = u16::try_from(distance - 1).expect("distances are at most 32 KiB");
        while length > 0 {
            // What is left has to be a copy too.
            let part = match length {
                0..=LENGTH_MAX => length,
                _ => LENGTH_MAX.min(length - usize::from(LENGTH_MIN)),
            };
            self.found.push(Sequence { literals, length: part as u16, distance });
            (literals, length) = (0, length - part);
        }
    }
}

#[inline(always)]
fn word_at(piece: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(piece[at..at + WORD].try_into().expect("a word has eight bytes"))
}

#[inline(always)]
fn hash(word: u64) -> usize {
    // Multiplicative, as LZ4 and zstd do it.
    const FACTOR: u64 = 0x9e37_79b1_85eb_ca87;
    ((word << (64 - 8 * HASHED_BYTES)).wrapping_mul(FACTOR) >> (64 - TABLE_BITS)) as usize
}

/// How many bytes are the same from these positions on, `from < at`.
#[inline(always)]
fn same_bytes(piece: &[u8], from: usize, at: usize) -> usize {
    let mut same = 0;
    while at + same + WORD <= piece.len() {
        let differ = word_at(piece, from + same) ^ word_at(piece, at + same);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += WORD;
    }
    same + piece[at + same..].iter().zip(&piece[from + same..]).take_while(|(a, b)| a == b).count()
}
