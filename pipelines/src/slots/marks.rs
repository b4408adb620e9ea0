//! Which bytes of a line do not stand for themselves in a JSON string: a bit each, found once for all pieces of the line.

use wide::u8x16;

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// A bit for each byte.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<u64>);

impl Marks {
    /// Marks the bytes of another line.
    pub fn mark(&mut self, line: &[u8]) {
        self.0.clear();
        let (words, rest) = line.as_chunks::<WORD>();
        self.0.extend(words.iter().map(word));
        // A line that ends with a word has one more, so that each place has one, and one behind it.
        let last = match line.last_chunk() {
            // What is before the rest was marked: its marks are shifted out, in two steps since there may be no rest.
            Some(last) => word(last) >> 1 >> (WORD - 1 - rest.len()),
            None => {
                let mut last = [b' '; WORD];
                last[..rest.len()].copy_from_slice(rest);
                word(&last)
            }
        };
        self.0.extend([last, 0]);
    }

    /// Whether none of at most 63 bytes is marked.
    #[inline]
    pub fn is_plain(&self, from: usize, end: usize) -> bool {
        let (index, shift) = (from / WORD, from % WORD);
        let marks = self.0[index] >> shift | self.0[index + 1] << 1 << (WORD - 1 - shift);
        marks & !(u64::MAX << (end - from)) == 0
    }

    /// What one long line took is not kept for ever.
    pub fn shrink_to(&mut self, bytes: usize) {
        self.0.shrink_to(bytes / WORD);
    }

    /// The marked places of a range of the line.
    #[inline]
    pub fn places(&self, from: usize, end: usize) -> impl Iterator<Item = usize> {
        let mut index = from / WORD;
        let mut word = self.0[index] & (u64::MAX << (from % WORD));
        std::iter::from_fn(move || {
            while word == 0 {
                index += 1;
                if index * WORD >= end {
                    return None;
                }
                word = self.0[index];
            }
            let place = index * WORD + word.trailing_zeros() as usize;
            word &= word - 1;
            (place < end).then_some(place)
        })
    }
}

#[inline]
fn word(bytes: &[u8; WORD]) -> u64 {
    let (control, quote, backslash) = (u8x16::splat(0x1f), u8x16::splat(b'"'), u8x16::splat(b'\\'));
    let bits = |bytes: &[u8; 16]| {
        let bytes = u8x16::new(*bytes);
        let marks = bytes.max(control).simd_eq(control) | bytes.simd_eq(quote) | bytes.simd_eq(backslash);
        u64::from(marks.to_bitmask())
    };
    bytes.as_chunks::<16>().0.iter().rev().fold(0, |all, part| all << 16 | bits(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_that_json_escapes_is_marked() {
        let bytes: Vec<u8> = (0..=255).chain(*b"plain\"\\").cycle().take(700).collect();
        let mut marks = Marks::default();
        for length in 0..bytes.len() {
            let line = &bytes[..length];
            marks.mark(line);
            let expect = |place: &usize| line[*place] < 0x20 || matches!(line[*place], b'"' | b'\\');
            for (from, end) in
                [(0, length), (length / 3, length), (length / 2, length / 2 + length / 4), (length, length)]
            {
                let found: Vec<_> = marks.places(from, end).collect();
                assert_eq!(found, (from..end).filter(expect).collect::<Vec<_>>(), "{from}..{end} of {length}");
                let end = end.min(from + WORD - 1);
                assert_eq!(marks.is_plain(from, end), found.iter().all(|place| *place >= end), "{from}..{end}");
            }
        }
    }
}
