//! Which bytes of a line do not stand for themselves in a JSON string: a bit each, found once for all pieces of the line.

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
        let mut last = [b' '; WORD];
        last[..rest.len()].copy_from_slice(rest);
        self.0.extend([word(&last), 0]);
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

    /// The first marked place of a range of the line.
    #[inline]
    pub fn next(&self, from: usize, end: usize) -> Option<usize> {
        let mut index = from / WORD;
        let mut word = self.0[index] >> (from % WORD) << (from % WORD);
        loop {
            if word != 0 {
                let place = index * WORD + word.trailing_zeros() as usize;
                return (place < end).then_some(place);
            }
            index += 1;
            if index * WORD >= end {
                return None;
            }
            word = self.0[index];
        }
    }
}

#[inline]
fn word(bytes: &[u8; WORD]) -> u64 {
    // In a form for which compilers take instructions on sixteen bytes at once.
    let marks = bytes.map(|byte| u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\'));
    let (eights, _) = marks.as_chunks::<8>();
    // The lowest bit of each byte, in one byte of their own: each is moved there by another power of two.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
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
                let mut place = from;
                let mut found = Vec::new();
                while let Some(next) = marks.next(place, end) {
                    found.push(next);
                    place = next + 1;
                }
                assert_eq!(found, (from..end).filter(expect).collect::<Vec<_>>(), "{from}..{end} of {length}");
                let end = end.min(from + WORD - 1);
                assert_eq!(marks.is_plain(from, end), found.iter().all(|place| *place >= end), "{from}..{end}");
            }
        }
    }
}
