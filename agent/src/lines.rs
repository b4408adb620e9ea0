//! Finds the lines in a block: `\n` or `\r\n` ends one, one that is too long is cut.

use memchr::memchr;

/// What was found at the front of the rest of a block. Positions are relative to the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    pub start: usize,
    /// Without the delimiter; the `\r` before a `\n` belongs to the delimiter.
    pub value: &'a [u8],
    /// Where the next line begins; for a cut line, where the rest begins that is to be skipped.
    pub end: usize,
    /// Only the first bytes of a longer line; [`after_newline`] finds where to go on.
    pub cut: bool,
}

/// The whole lines of a block, one after the other. After a cut line the iteration ends, since what follows is the
/// rest of that line.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    block: &'a [u8],
    at: usize,
    line_bytes_max: usize,
    ended: bool,
}

impl<'a> Lines<'a> {
    /// `block` from `at` on, which is the beginning of a line.
    pub fn new(block: &'a [u8], at: usize, line_bytes_max: usize) -> Self {
        Self { block, at, line_bytes_max, ended: false }
    }

    /// Where the first line that was not yielded begins.
    pub fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        if self.ended {
            return None;
        }
        let start = self.at;
        let rest = &self.block[start..];
        let (value, end) = match memchr(b'\n', rest) {
            Some(newline) => (without_carriage_return(&rest[..newline]), start + newline + 1),
            // One byte more could still be the `\r` of a line that has exactly the greatest length.
            None if rest.len() > self.line_bytes_max + 1 => (rest, start),
            None => {
                self.ended = true;
                return None;
            }
        };
        if value.len() > self.line_bytes_max {
            self.ended = true;
            self.at = start + self.line_bytes_max;
            return Some(Line { start, value: &value[..self.line_bytes_max], end: self.at, cut: true });
        }
        self.at = end;
        Some(Line { start, value, end, cut: false })
    }
}

fn without_carriage_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The last line of a file that ends without a newline, cut at `line_bytes_max`. A `\r` at its end is the beginning of a
/// delimiter that was not finished, and no part of the line. Should the file grow after all, its rest is a line of its own.
pub fn unfinished(block: &[u8], at: usize, line_bytes_max: usize) -> Line<'_> {
    let value = without_carriage_return(&block[at..]);
    if value.len() > line_bytes_max {
        return Line { start: at, value: &value[..line_bytes_max], end: at + line_bytes_max, cut: true };
    }
    Line { start: at, value, end: block.len(), cut: false }
}

/// Where the line after the next newline begins, if the block has one.
pub fn after_newline(block: &[u8], at: usize) -> Option<usize> {
    memchr(b'\n', &block[at..]).map(|newline| at + newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(block: &[u8], line_bytes_max: usize, expect: &[(usize, &str, usize, bool)], rest: usize) {
        let mut lines = Lines::new(block, 0, line_bytes_max);
        let got: Vec<_> = lines
            .by_ref()
            .map(|line| (line.start, String::from_utf8_lossy(line.value).into_owned(), line.end, line.cut))
            .collect();
        let got: Vec<_> = got.iter().map(|(start, value, end, cut)| (*start, value.as_str(), *end, *cut)).collect();
        assert_eq!(got, expect, "{:?}", String::from_utf8_lossy(block));
        assert_eq!(lines.position(), rest);
    }

    #[test]
    fn lines_end_with_newline_or_carriage_return_and_newline() {
        check(b"", 10, &[], 0);
        check(b"ab", 10, &[], 0);
        check(b"ab\r", 10, &[], 0);
        check(
            b"ab\ncd\r\n\n\r\ne",
            10,
            &[(0, "ab", 3, false), (3, "cd", 7, false), (7, "", 8, false), (8, "", 10, false)],
            10,
        );
        check(b"a\rb\r\r\n", 10, &[(0, "a\rb\r", 6, false)], 6);
    }

    #[test]
    fn long_lines_are_cut_at_the_limit_and_not_before() {
        check(b"abcd\nx", 4, &[(0, "abcd", 5, false)], 5);
        check(b"abcd\r\nx", 4, &[(0, "abcd", 6, false)], 6);
        check(b"abcd\r", 4, &[], 0);
        check(b"abcde", 4, &[], 0);
        check(b"abcdef", 4, &[(0, "abcd", 4, true)], 4);
        check(b"ab\nabcde\nx\n", 4, &[(0, "ab", 3, false), (3, "abcd", 7, true)], 7);
    }

    #[test]
    fn the_rest_of_a_cut_line_is_skipped_to_the_next_one() {
        assert_eq!(after_newline(b"abcdef\ngh\n", 4), Some(7));
        assert_eq!(after_newline(b"abcdef", 4), None);
    }

    #[test]
    fn a_last_line_has_no_half_of_a_delimiter() {
        let last = unfinished(b"a\nbc\r", 2, 10);
        assert_eq!((last.value, last.end, last.cut), (&b"bc"[..], 5, false));
        let full = unfinished(b"abc\r", 0, 3);
        assert_eq!((full.value, full.end, full.cut), (&b"abc"[..], 4, false));
        let cut = unfinished(b"a\nbcdef", 2, 3);
        assert_eq!((cut.value, cut.end, cut.cut), (&b"bcd"[..], 5, true));
    }
}
