//! Compresses records into LZ4 frames, at a fraction of the CPU time that a general encoder takes for log lines.
//!
//! Three things make it quick. Whoever writes the records says where bytes probably repeat (the headers of a record are
//! mostly those of the record before), so that those are not searched. Where a match has ended, a line mostly goes on as
//! the same earlier line does, a few bytes further on: that is looked at first, without a table. Other matches are looked
//! for only where a word begins, since lines are alike from one word on to the middle of another. Any decoder of the
//! format reads the result; it is larger than the reference encoder's by a fifth to a third.
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

use crate::lz4_find::{SCAN_BYTES, WORD_BYTES, again, check_of, hash, same_bytes, same_bytes_back, word, word_begins};

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
/// Literals of a sequence up to this length are copied without a loop.
const SHORT_LITERALS: usize = 32;
/// Where bytes that are expected to repeat do not for so long, they are searched like others.
const REPEAT_BYTES_MIN: usize = 16;
/// Token, one more byte of either length, literals, distance.
const SHORT_SEQUENCE: usize = SHORT_LITERALS + 5;

/// Bytes that are probably the same as those `distance` before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub at: u32,
    pub length: u32,
    pub distance: u32,
    /// Where to look for matches again; what is between is like nothing else. Where the bytes are not the same after all,
    /// they are searched as well.
    pub resume_at: u32,
}

impl Repeat {
    /// Only passes over the bytes up to `resume_at`.
    pub fn none(resume_at: u32) -> Self {
        Self { at: 0, length: 0, distance: 0, resume_at }
    }
}

/// A match that probably follows what is searched; without length there is none.
#[derive(Clone, Copy)]
struct Known {
    distance: usize,
    length: usize,
}

impl Known {
    const NOTHING: Self = Self { distance: 0, length: 0 };
}

/// A match.
#[derive(Clone, Copy)]
struct Found {
    start: usize,
    length: usize,
    distance: usize,
}

/// A word that was seen: where, and bits of its hash.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: u32,
    check: u32,
}

impl Seen {
    const NOWHERE: Self = Self { at: 0, check: 0 };
}

/// An encoder with its buffers, which are used again.
#[derive(Debug)]
pub(crate) struct Encoder {
    /// Where a word with this hash was last seen in the block; 0 also when it never was.
    table: Box<[Seen; 1 << TABLE_BITS]>,
    /// A block in compressed form; as long as the longest so far may become.
    block: Vec<u8>,
}

impl Encoder {
    pub fn new() -> Self {
        Self { table: Box::new([Seen::NOWHERE; 1 << TABLE_BITS]), block: Vec::new() }
    }

    /// Appends `plain` as one frame to `out`. `repeats` are in order and do not overlap; wrong ones only make the frame longer.
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
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2")
            && std::arch::is_x86_feature_detected!("bmi1")
            && std::arch::is_x86_feature_detected!("bmi2")
            && std::arch::is_x86_feature_detected!("lzcnt")
        {
            #[expect(unsafe_code)]
            // SAFETY: the processor has what `compress_wide` was compiled for.
            return unsafe { self.compress_wide(plain, repeats) };
        }
        self.compress_usual(plain, repeats)
    }

    /// The same instructions with those of processors since 2013: a fourteenth less time for framing and compression.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn compress_wide(&mut self, plain: &[u8], repeats: &[Repeat]) -> usize {
        self.compress_usual(plain, repeats)
    }

    #[inline(always)]
    fn compress_usual(&mut self, plain: &[u8], repeats: &[Repeat]) -> usize {
        // Literals alone, and what a short sequence writes beyond its end.
        let bound = plain.len() + plain.len() / 255 + 16 + SHORT_SEQUENCE;
        if self.block.len() < bound {
            self.block.resize(bound, 0);
        }
        self.table.fill(Seen::NOWHERE);
        let mut state = State { literals_at: 0, written: 0, distance: 0 };
        let searched = plain.len().saturating_sub(LAST_LITERALS);
        let mut at = 0;
        for repeat in repeats {
            let (start, distance) = (repeat.at as usize, repeat.distance as usize);
            let allowed = start + LAST_MATCH_START <= plain.len() && (1..=DISTANCE_MAX.min(start)).contains(&distance);
            let length = if allowed { (repeat.length as usize).min(searched - start) } else { 0 };
            let known = Known { distance, length };
            if !self.search(plain, at, start.min(searched), known, &mut state) && length > 0 {
                let same = same_bytes(plain, start, start - distance, length);
                if same >= REPEAT_BYTES_MIN {
                    self.put_sequence(plain, start, distance, same, &mut state);
                }
            }
            let different = length >= REPEAT_BYTES_MIN && state.literals_at < start + REPEAT_BYTES_MIN;
            at = if different { start } else { repeat.resume_at as usize }.max(state.literals_at);
        }
        self.search(plain, at, searched, Known::NOTHING, &mut state);
        self.put_last_literals(plain, &mut state);
        state.written
    }

    /// Writes the matches that begin in `from..to`; `true`: the last one goes on into what is `known` to follow there. A match
    /// begins at least [`WORD_BYTES`] before `to`, so that the format's rule about the last match holds where `to` is
    /// [`LAST_LITERALS`] before the end.
    #[inline(always)]
    fn search(&mut self, plain: &[u8], from: usize, to: usize, known: Known, state: &mut State) -> bool {
        const { assert!(WORD_BYTES + LAST_LITERALS >= LAST_MATCH_START) };
        let Some(last) = to.checked_sub(WORD_BYTES) else { return false };
        let mut at = from;
        while at <= last {
            let found = match again(plain, at, to, state.distance) {
                Some((start, length)) => Found { start, length, distance: state.distance },
                None => match self.look(plain, at, to, state.literals_at) {
                    Some(found) => found,
                    None => {
                        at += SCAN_BYTES;
                        continue;
                    }
                },
            };
            if found.start > last {
                return false;
            }
            state.distance = found.distance;
            if self.put_match(plain, found.start, found.length, to, known, state) {
                return true;
            }
            at = found.start + found.length;
        }
        false
    }

    /// Looks for the words that begin in the next [`SCAN_BYTES`], and remembers those before the one that is found.
    #[inline(always)]
    fn look(&mut self, plain: &[u8], at: usize, to: usize, literals_at: usize) -> Option<Found> {
        let text = &plain[..to];
        let last = to - WORD_BYTES;
        let mut begins = word_begins(plain, at);
        while begins != 0 {
            let probe = at + begins.trailing_zeros() as usize;
            if probe > last {
                return None;
            }
            begins &= begins - 1;
            let here = hash(word(text, probe));
            let check = check_of(here, TABLE_BITS);
            let slot = &mut self.table[(here >> (u64::BITS - TABLE_BITS)) as usize];
            let before = std::mem::replace(slot, Seen { at: probe as u32, check });
            let distance = probe.wrapping_sub(before.at as usize);
            if (before.check != check) | (distance.wrapping_sub(1) >= DISTANCE_MAX) {
                continue;
            }
            let before = before.at as usize;
            let length = same_bytes(plain, probe, before, to - probe);
            if length < MATCH_BYTES_MIN {
                continue;
            }
            let back = same_bytes_back(text, probe, before).min(probe - literals_at);
            return Some(Found { start: probe - back, length: length + back, distance });
        }
        None
    }

    /// Writes a match that ends at `to` or before. Where it ends there and what follows is the same at its distance, too, or the
    /// most of it, it goes on, and the result is `true`: lines of one file mostly end alike.
    #[inline(always)]
    fn put_match(
        &mut self,
        plain: &[u8],
        start: usize,
        mut length: usize,
        to: usize,
        known: Known,
        state: &mut State,
    ) -> bool {
        let joined = start + length == to && known.length > 0;
        if joined {
            let more = same_bytes(plain, to, to - state.distance, known.length);
            if more + REPEAT_BYTES_MIN < known.length && state.distance != known.distance {
                self.put_sequence(plain, start, state.distance, length, state);
                return false;
            }
            length += more;
        }
        self.put_sequence(plain, start, state.distance, length, state);
        joined
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
    /// Of the last match; 0 before the first one.
    distance: usize,
}

#[cfg(test)]
#[path = "lz4_tests.rs"]
mod tests;
