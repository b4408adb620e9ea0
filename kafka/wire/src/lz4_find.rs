//! Finds bytes that are the same as earlier ones, 32 at a time, for the LZ4 encoder.

use wide::u8x16;

/// What a probe reads, and the shortest match that is looked for: shorter ones save less than they cost.
pub(crate) const WORD_BYTES: usize = 8;
/// Bytes that are looked at together.
pub(crate) const SCAN_BYTES: usize = 32;

/// A bit for each of the [`SCAN_BYTES`] from `at` on at which a word begins: white space, punctuation of the first half of
/// ASCII but for `.` and `/`, which stand within addresses and paths, and all above ASCII, where letters have several
/// bytes. Where none does, it is a long word, or no text at all: every eighth byte is looked at.
#[inline(always)]
pub(crate) fn word_begins(bytes: &[u8], at: usize) -> u32 {
    let begins = match bytes[at..].first_chunk::<SCAN_BYTES>() {
        Some(chunk) => begins_in(chunk),
        None => begins_in_last(&bytes[at..]),
    };
    if begins == 0 { 0x8080_8080 } else { begins }
}

#[cold]
#[inline(never)]
fn begins_in_last(bytes: &[u8]) -> u32 {
    let mut chunk = [b'a'; SCAN_BYTES];
    chunk[..bytes.len()].copy_from_slice(bytes);
    begins_in(&chunk)
}

#[inline(always)]
fn begins_in(chunk: &[u8; SCAN_BYTES]) -> u32 {
    let half = |at: usize| {
        let bytes = u8x16::new(*chunk[at..].first_chunk().expect("half of the chunk"));
        // Puts `:` to `?` at 0x0a to 0x0f and the space to `-` at 0x10 to 0x1d.
        let moved = (bytes ^ u8x16::splat(0x30)) - u8x16::splat(0x0a);
        (moved.min(u8x16::splat(0x13)).simd_eq(moved) | bytes).to_bitmask()
    };
    half(0) | half(16) << 16
}

#[inline(always)]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("callers stay a word away from the end"))
}

/// The highest bits choose a place in the table, those below it are kept there ([`check_of`]).
#[inline(always)]
pub(crate) fn hash(word: u64) -> u64 {
    word.wrapping_mul(0x9e37_79b1_85eb_ca87)
}

/// With the place in a table of `table_bits` it tells nearly all words apart, without a look at where the word was seen.
#[inline(always)]
pub(crate) fn check_of(hash: u64, table_bits: u32) -> u32 {
    (hash >> (u32::BITS - table_bits)) as u32
}

/// How many bytes at `left` and `right`, which is before it, are the same, and no more than `most`.
#[inline(always)]
pub(crate) fn same_bytes(bytes: &[u8], left: usize, right: usize, most: usize) -> usize {
    let mut same = 0;
    while let (Some(a), Some(b)) = (bytes[left + same..].first_chunk(), bytes[right + same..].first_chunk()) {
        let differs = differs_in(a, b);
        if differs != 0 {
            return (same + differs.trailing_zeros() as usize).min(most);
        }
        same += SCAN_BYTES;
        if same >= most {
            return most;
        }
    }
    same_last_bytes(&bytes[left + same..], &bytes[right + same..], same).min(most)
}

#[cold]
#[inline(never)]
fn same_last_bytes(left: &[u8], right: &[u8], same: usize) -> usize {
    same + left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

/// Where [`WORD_BYTES`] or more are the same as those `distance` before them, from within the next [`SCAN_BYTES`] up to `to`: the
/// beginning and the length.
#[inline(always)]
pub(crate) fn again(bytes: &[u8], at: usize, to: usize, distance: usize) -> Option<(usize, usize)> {
    if distance == 0 {
        return None;
    }
    let here = bytes[at..].first_chunk()?;
    let before = bytes[at.checked_sub(distance)?..].first_chunk()?;
    let same = !differs_in(here, before);
    let mut runs = same & same >> 1;
    runs &= runs >> 2;
    runs &= runs >> 4;
    if runs == 0 {
        return None;
    }
    let skipped = runs.trailing_zeros();
    let start = at + skipped as usize;
    let mut end = start + (!(same >> skipped)).trailing_zeros() as usize;
    if end == at + SCAN_BYTES {
        end += same_bytes(bytes, end, end - distance, to.saturating_sub(end));
    }
    Some((start, end.min(to).saturating_sub(start)))
}

#[inline(always)]
fn differs_in(left: &[u8; SCAN_BYTES], right: &[u8; SCAN_BYTES]) -> u32 {
    let half = |at: usize| {
        let of = |bytes: &[u8; SCAN_BYTES]| u8x16::new(*bytes[at..].first_chunk().expect("half of the chunk"));
        of(left).simd_eq(of(right)).to_bitmask()
    };
    !(half(0) | half(16) << 16)
}

/// How many of the bytes before both are the same, as far as one word shows.
#[inline(always)]
pub(crate) fn same_bytes_back(bytes: &[u8], left: usize, right: usize) -> usize {
    match right.checked_sub(WORD_BYTES) {
        Some(right) => ((word(bytes, left - WORD_BYTES) ^ word(bytes, right)).leading_zeros() / 8) as usize,
        None => 0,
    }
}
