//! Compresses records into LZ4 frames, at a fraction of the CPU time that a general encoder takes for log lines.
//!
//! Two things make it quick. Whoever writes the records says where bytes repeat (the headers of a record are mostly
//! those of the record before), so that those matches cost nothing to find. And matches are looked for only where a
//! word begins, since lines are alike from one word on to the middle of another. Any decoder of the format reads the
//! result; it is larger than the reference encoder's by about a sixth.
//!
//! ```text
//! frame   0 magic 0x184d2204 | FLG 0x60 (version 1, independent blocks, no checksums) | BD | header checksum
//!         7 blocks: u32 bytes, highest bit set when stored plain; data
//!           u32 0
//! block   sequences: token (literal bytes << 4 | match bytes - 4), more literal bytes, literals,
//!         u16 distance, more match bytes; the last sequence ends after its literals
//! ```
//! Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md> and `lz4_Block_format.md` beside it. Kafka's
//! Java library (`Lz4BlockInputStream`) refuses blocks that depend on each other.

pub(crate) const FRAME_MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
pub(crate) const FLG: u8 = 0x60;
/// Largest block, BD and header checksum: the second byte of the xxHash32 of FLG and BD. The smallest that holds the
/// whole batch is taken, because matches do not reach into the block before.
pub(crate) const BLOCK_SIZES: [(usize, u8, u8); 4] =
    [(64 << 10, 0x40, 0x82), (256 << 10, 0x50, 0xfb), (1 << 20, 0x60, 0x51), (4 << 20, 0x70, 0x73)];
pub(crate) const STORED: u32 = 1 << 31;
/// What a long batch is compressed in, part by part: few enough bytes to be still in a core's own cache.
const PART: (usize, u8, u8) = BLOCK_SIZES[1];
pub(crate) const PART_BYTES: usize = PART.0;

/// The format's shortest match.
const MATCH_BYTES_MIN: usize = 4;
/// A distance is written in 16 bits.
const DISTANCE_MAX: usize = 65_535;
/// The last bytes of a block are literals, and the last match begins this far from its end.
const LAST_LITERALS: usize = 5;
const LAST_MATCH_START: usize = 12;
/// Places that are remembered: as many words as lines within reach have. Half of the first cache stays free.
const TABLE_BITS: u32 = 11;
/// What a probe reads, and the shortest match that it finds: shorter ones save less than they cost.
const WORD_BYTES: usize = 8;
/// Within a longer word every eighth byte is looked at, too.
const LONG_WORD_BYTES: usize = 32;
/// Literals of a sequence up to this length are copied without a loop.
const SHORT_LITERALS: usize = 32;
/// Token, one more byte of either length, literals, distance.
const SHORT_SEQUENCE: usize = SHORT_LITERALS + 5;

/// Bytes that are known to be the same as those `distance` before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeat {
    /// No match that the search finds goes beyond it.
    pub at: u32,
    pub length: u32,
    pub distance: u32,
    /// Where to look for matches again; what is before it is like nothing else.
    pub resume_at: u32,
}

impl Repeat {
    /// Only passes over the bytes from `at` to `resume_at`.
    pub fn none(at: u32, resume_at: u32) -> Self {
        Self { at, length: 0, distance: 0, resume_at }
    }
}

/// A match that is known to follow what is searched; without length there is none.
#[derive(Clone, Copy)]
struct Known {
    distance: usize,
    length: usize,
}

impl Known {
    const NOTHING: Self = Self { distance: 0, length: 0 };
}

/// An encoder with its buffers, which are used again.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// Where a word with this hash was last seen in the block; 0 also when it never was.
    table: Box<[u32; 1 << TABLE_BITS]>,
    /// A block in compressed form; as long as the longest so far may become.
    block: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Self {
        Self { table: Box::new([0; 1 << TABLE_BITS]), block: Vec::new() }
    }

    /// Appends `plain` as one frame to `out`. `repeats` are in order and do not overlap; wrong ones garble the frame.
    pub fn frame(&mut self, plain: &[u8], repeats: &[Repeat], out: &mut Vec<u8>) {
        let fits = BLOCK_SIZES.iter().find(|(bytes, ..)| plain.len() <= *bytes);
        let size = *fits.unwrap_or(&BLOCK_SIZES[BLOCK_SIZES.len() - 1]);
        begin(size, out);
        self.blocks(plain, size.0, repeats, out);
        end(out);
    }

    /// Appends `plain` to a frame that was begun. Positions of `repeats` are relative to the part.
    pub fn part(&mut self, plain: &[u8], repeats: &[Repeat], out: &mut Vec<u8>) {
        self.blocks(plain, PART_BYTES, repeats, out);
    }

    fn blocks(&mut self, plain: &[u8], block_bytes: usize, repeats: &[Repeat], out: &mut Vec<u8>) {
        // Repeats of what is larger than a block would reach across blocks.
        let repeats = if plain.len() <= block_bytes { repeats } else { &[] };
        for block in plain.chunks(block_bytes) {
            let bytes = self.compress(block, repeats);
            let (head, data) = match bytes < block.len() {
                true => (bytes as u32, &self.block[..bytes]),
                false => (block.len() as u32 | STORED, block),
            };
            out.extend_from_slice(&head.to_le_bytes());
            out.extend_from_slice(data);
        }
    }

    /// Gives its memory back until the next frame.
    pub fn release(&mut self) {
        self.block = Vec::new();
    }

    /// Compresses one block into `self.block`; returns the number of bytes there.
    fn compress(&mut self, plain: &[u8], repeats: &[Repeat]) -> usize {
        // Literals alone, and what a short sequence writes beyond its end.
        let bound = plain.len() + plain.len() / 255 + 16 + SHORT_SEQUENCE;
        if self.block.len() < bound {
            self.block.resize(bound, 0);
        }
        self.table.fill(0);
        let mut state = State { literals_at: 0, written: 0 };
        let searched = plain.len().saturating_sub(LAST_LITERALS);
        let mut at = 0;
        for repeat in repeats {
            let (start, distance) = (repeat.at as usize, repeat.distance as usize);
            let length = (repeat.length as usize).min((plain.len() - start).saturating_sub(LAST_LITERALS));
            let allowed = start + LAST_MATCH_START <= plain.len() && (1..=DISTANCE_MAX).contains(&distance);
            let length = if length >= MATCH_BYTES_MIN && allowed { length } else { 0 };
            debug_assert!(length == 0 || plain[start..start + length] == plain[start - distance..][..length]);
            let known = Known { distance, length };
            let joined = self.search(plain, at, start.min(searched), known, &mut state);
            at = (repeat.resume_at as usize).max(start + length);
            if length > 0 && !joined {
                self.put_sequence(plain, start, distance, length, &mut state);
            }
        }
        self.search(plain, at, searched, Known::NOTHING, &mut state);
        self.put_last_literals(plain, &mut state);
        state.written
    }

    /// Writes the matches that lie in `from..to`. `known` follows them: lines of one file mostly end alike, so that the
    /// last match and what is known are one. Then both are written, and the result is `true`. A match begins at least [`WORD_BYTES`] before `to`, so that the
    /// format's rule about the last match holds where `to` is [`LAST_LITERALS`] before the end.
    #[inline(always)]
    fn search(&mut self, plain: &[u8], from: usize, to: usize, known: Known, state: &mut State) -> bool {
        const { assert!(WORD_BYTES + LAST_LITERALS >= LAST_MATCH_START) };
        let text = &plain[..to];
        let Some(last) = to.checked_sub(WORD_BYTES) else { return false };
        let mut at = from;
        // Behind the last place at which a word was seen to begin.
        let mut from_word = at;
        'words: while at <= last {
            let mut begins = word_begins(word(text, at));
            if begins == 0 {
                // A long word, or what is no text at all.
                begins = if at - from_word >= LONG_WORD_BYTES { 0x80 } else { 0 };
            } else {
                from_word = at;
            }
            while begins != 0 {
                let probe = at + (begins.trailing_zeros() / 8) as usize;
                if probe > last {
                    return false;
                }
                begins &= begins - 1;
                let here = word(text, probe);
                let slot = &mut self.table[hash(here)];
                let before = (*slot as usize).min(last);
                *slot = probe as u32;
                let (distance, differs) = (probe.wrapping_sub(before), here ^ word(text, before));
                if (differs != 0) | (distance.wrapping_sub(1) >= DISTANCE_MAX) {
                    continue;
                }
                let mut length = same_bytes(plain, probe, before, to - probe);
                at = probe + length;
                from_word = at;
                let joined = at == to && distance == known.distance && known.length > 0;
                if joined {
                    length += known.length;
                }
                let back = same_bytes_back(text, probe, before).min(probe - state.literals_at);
                self.put_sequence(plain, probe - back, distance, length + back, state);
                if joined {
                    return true;
                }
                continue 'words;
            }
            at += WORD_BYTES;
        }
        false
    }

    /// Writes the pending literals before `start` and the match that begins there.
    #[inline(always)]
    fn put_sequence(&mut self, plain: &[u8], start: usize, distance: usize, length: usize, state: &mut State) {
        let literals = start - state.literals_at;
        let more = length - MATCH_BYTES_MIN;
        let source = plain[state.literals_at..].first_chunk::<SHORT_LITERALS>();
        let target = self.block[state.written..].first_chunk_mut::<SHORT_SEQUENCE>();
        if let (Some(source), Some(target)) = (source, target)
            && literals <= SHORT_LITERALS
            && more < 15 + 255
        {
            // Lengths differ from match to match: this way does not branch on them.
            let long_literals = usize::from(literals >= 15);
            target[0] = ((literals.min(15) << 4) | more.min(15)) as u8;
            target[1] = literals.wrapping_sub(15) as u8;
            let at = 1 + long_literals;
            target[at..at + SHORT_LITERALS].copy_from_slice(source);
            let at = at + literals;
            target[at..at + 3].copy_from_slice(&[distance as u8, (distance >> 8) as u8, more.wrapping_sub(15) as u8]);
            state.written += at + 2 + usize::from(more >= 15);
        } else {
            self.put(&[((literals.min(15) << 4) | more.min(15)) as u8], state);
            self.put_more(literals, state);
            self.put(&plain[state.literals_at..start], state);
            self.put(&(distance as u16).to_le_bytes(), state);
            self.put_more(more, state);
        }
        state.literals_at = start + length;
    }

    fn put_last_literals(&mut self, plain: &[u8], state: &mut State) {
        let literals = plain.len() - state.literals_at;
        self.put(&[(literals.min(15) << 4) as u8], state);
        self.put_more(literals, state);
        self.put(&plain[state.literals_at..], state);
    }

    /// The part of a length that does not fit into the token.
    fn put_more(&mut self, length: usize, state: &mut State) {
        let Some(mut rest) = length.checked_sub(15) else { return };
        while rest >= 255 {
            self.put(&[255], state);
            rest -= 255;
        }
        self.put(&[rest as u8], state);
    }

    fn put(&mut self, bytes: &[u8], state: &mut State) {
        self.block[state.written..state.written + bytes.len()].copy_from_slice(bytes);
        state.written += bytes.len();
    }
}

/// Begins a frame whose content comes in parts.
pub(crate) fn begin_parts(out: &mut Vec<u8>) {
    begin(PART, out);
}

fn begin((_, bd, checksum): (usize, u8, u8), out: &mut Vec<u8>) {
    out.extend_from_slice(&FRAME_MAGIC);
    out.extend_from_slice(&[FLG, bd, checksum]);
}

/// Ends a frame.
pub(crate) fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(&0u32.to_le_bytes());
}

/// How far a block is.
struct State {
    /// Everything before it in the plain bytes is written.
    literals_at: usize,
    /// Bytes of the compressed form.
    written: usize,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x80 * ONES;

/// Sets the highest bit of the bytes at which a word begins: white space, punctuation of the first half of ASCII but
/// for `.` and `/`, which stand within addresses and paths, and all above ASCII, where letters have several bytes.
#[inline(always)]
fn word_begins(word: u64) -> u64 {
    // Puts `:` to `?` at 0x0a to 0x0f and the space to `-` at 0x10 to 0x1d.
    let moved = (word ^ (0x30 * ONES)) & !HIGHS;
    let from = moved + (0x80 - 0x0a) * ONES;
    let beyond = moved + (0x80 - 0x1e) * ONES;
    ((from & !beyond) | word) & HIGHS
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("callers stay a word away from the end"))
}

#[inline(always)]
fn hash(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - TABLE_BITS)) as usize
}

/// How many bytes at `left` and `right`, which is before it, are the same, and no more than `most`.
#[inline(always)]
fn same_bytes(bytes: &[u8], left: usize, right: usize, most: usize) -> usize {
    let (left, right) = (&bytes[left..], &bytes[right..]);
    let mut same = 0;
    for (a, b) in left.as_chunks::<16>().0.iter().zip(right.as_chunks::<16>().0) {
        let differs = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
        if differs != 0 {
            return (same + (differs.trailing_zeros() / 8) as usize).min(most);
        }
        same += 16;
        if same >= most {
            return most;
        }
    }
    (same + left[same..].iter().zip(&right[same..]).take_while(|(a, b)| a == b).count()).min(most)
}

/// How many of the bytes before both are the same, as far as one word shows.
#[inline(always)]
fn same_bytes_back(bytes: &[u8], left: usize, right: usize) -> usize {
    match right.checked_sub(WORD_BYTES) {
        Some(right) => ((word(bytes, left - WORD_BYTES) ^ word(bytes, right)).leading_zeros() / 8) as usize,
        None => 0,
    }
}

#[cfg(test)]
#[path = "lz4_tests.rs"]
mod tests;
