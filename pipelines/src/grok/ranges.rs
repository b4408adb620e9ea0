//! Finds the end of a row of characters by sixteen bytes at once, where few ranges of bytes make up its set. Most fields of lines
//! are shorter: whatever their length, they take the same way, so that no branch is guessed wrong.

use wide::u8x16;

/// Bytes that are looked at at once.
const CHUNK: usize = 16;
/// Ranges of bytes: letters, digits and the underscore of words.
const RANGES_MAX: usize = 4;

/// The bytes of a set, or those that are not in it.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    /// The lowest byte of each range, and how far its highest is from that.
    ranges: [(u8x16, u8x16); RANGES_MAX],
    are_inside: bool,
}

impl Ranges {
    /// None where both the bytes of the set and the others make more ranges.
    pub fn of(set: impl Fn(u8) -> bool) -> Option<Ranges> {
        let of = |wanted: bool| {
            let mut ranges: Vec<(u8, u8)> = Vec::new();
            for byte in (0..=255u8).filter(|byte| set(*byte) == wanted) {
                match ranges.last_mut() {
                    Some((_, highest)) if *highest + 1 == byte => *highest = byte,
                    _ => ranges.push((byte, byte)),
                }
            }
            // One that is there already stands for those that are not needed.
            let range = |index| ranges.get(index).or(ranges.first()).copied();
            let mut vectors = [(u8x16::default(), u8x16::default()); RANGES_MAX];
            for (index, vectors) in vectors.iter_mut().enumerate() {
                let (lowest, highest) = range(index)?;
                *vectors = (u8x16::splat(lowest), u8x16::splat(highest - lowest));
            }
            (ranges.len() <= RANGES_MAX).then_some(Ranges { ranges: vectors, are_inside: wanted })
        };
        of(true).or_else(|| of(false))
    }

    /// How many bytes of the set there are from the start on, in whole chunks; and whether the row ends there.
    #[inline]
    pub fn row(&self, bytes: &[u8]) -> (usize, bool) {
        let mut length = 0;
        for chunk in bytes.as_chunks::<CHUNK>().0 {
            let outside = self.outside(chunk);
            if outside != 0 {
                return (length + outside.trailing_zeros() as usize, true);
            }
            length += CHUNK;
        }
        (length, false)
    }

    /// A bit for each byte that is not in the set.
    #[inline]
    fn outside(&self, chunk: &[u8; CHUNK]) -> u32 {
        let bytes = u8x16::new(*chunk);
        let found = self
            .ranges
            .iter()
            .fold(u8x16::default(), |found, (lowest, width)| found | (bytes - *lowest).max(*width).simd_eq(*width));
        let found = found.to_bitmask() & 0xffff;
        if self.are_inside { found ^ 0xffff } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_ends_at_the_first_byte_that_is_not_in_the_set() {
        type Set = fn(u8) -> bool;
        let sets: [(&str, Set); 5] = [
            ("words", |byte| byte.is_ascii_alphanumeric() || byte == b'_'),
            ("no spaces", |byte| !matches!(byte, 9..=13 | b' ')),
            ("digits", |byte| byte.is_ascii_digit()),
            ("all but one", |byte| byte != b']'),
            ("high", |byte| byte >= 128),
        ];
        for (name, set) in sets {
            let ranges = Ranges::of(set).unwrap();
            let inside = (0..=255u8).filter(|byte| set(*byte)).collect::<Vec<_>>();
            for length in 0..40 {
                for other in (0..=255u8).filter(|byte| !set(*byte)) {
                    let mut bytes: Vec<u8> = inside.iter().copied().cycle().take(length).collect();
                    bytes.push(other);
                    bytes.resize(64, inside[0]);
                    assert_eq!(ranges.row(&bytes), (length, true), "{name} {length} {other}");
                }
                let bytes: Vec<u8> = inside.iter().rev().copied().cycle().take(length).collect();
                assert_eq!(ranges.row(&bytes), (length / CHUNK * CHUNK, false), "{name} {length}");
            }
        }
        assert!(Ranges::of(|byte| byte % 2 == 0).is_none());
        assert!(Ranges::of(|_| true).is_some_and(|all| all.row(&[7; 20]) == (16, false)));
        assert!(Ranges::of(|_| false).is_some_and(|none| none.row(&[7; 20]) == (0, true)));
    }
}
