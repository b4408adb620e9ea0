//! Writes JSON into memory that is there already, in pieces of fixed lengths that the next one partly overwrites: to copy such
//! a piece is no call, and whether there is room is asked once a field.

use super::marks::Marks;
use crate::date;
use crate::document::{ESCAPE, Value, escape, is_plain, write_escaped, write_value};

/// Length of the pieces: most texts and keys are shorter.
pub(super) const PIECE: usize = 32;
/// Length of the texts that are written with their key at once.
pub(super) const SHORT: usize = 2 * PIECE - 1;
/// Texts up to this length are copied in pieces; for a longer one a call is faster.
const PIECES_MAX: usize = 8 * PIECE;
/// The smallest number that has more than eight digits.
const EIGHT_DIGITS: u32 = 100_000_000;
/// The smallest number that has more than sixteen digits.
const SIXTEEN_DIGITS: u64 = EIGHT_DIGITS as u64 * EIGHT_DIGITS as u64;
/// Eight digits of zero.
const ZEROS: u64 = 0x3030_3030_3030_3030;
/// Bytes of memory at least that are made ready when there is no more room.
const READY: usize = 1024;

/// What was written, in memory that is there before: what is behind it means nothing.
#[derive(Debug, Default)]
pub(crate) struct Page {
    memory: Vec<u8>,
    at: usize,
}

impl Page {
    pub fn written(&self) -> &[u8] {
        &self.memory[..self.at]
    }

    /// Forgets what was written. What a long line took is not kept for ever.
    pub fn clear(&mut self) {
        self.at = 0;
        if self.memory.len() > super::fields::KEPT_MAX {
            self.memory = Vec::new();
        }
    }

    /// Writes behind what was written.
    #[inline]
    pub(super) fn write(&mut self, write: impl FnOnce(&mut Pen<'_>)) {
        let mut pen = Pen { memory: &mut self.memory, at: self.at };
        write(&mut pen);
        self.at = pen.at;
    }

    /// Lets others append.
    pub fn append(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        self.write(|pen| pen.appending(append));
    }
}

/// Writes at a place in memory, of which what is behind the place means nothing.
#[derive(Debug)]
pub(super) struct Pen<'b> {
    memory: &'b mut Vec<u8>,
    at: usize,
}

impl Pen<'_> {
    /// How much was written.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Ends an object whose members were written from `start` on, each behind a comma: the first one becomes its bracket.
    #[inline]
    pub fn close_object(&mut self, start: usize) {
        if start == self.at {
            self.byte(b'{');
        } else {
            self.memory[start] = b'{';
        }
        self.byte(b'}');
    }

    /// Sees that so many bytes can be written, and a piece behind them.
    #[inline]
    fn room(&mut self, bytes: usize) {
        if self.memory.len() - self.at < bytes + PIECE {
            self.make_room(bytes + PIECE);
        }
    }

    #[cold]
    fn make_room(&mut self, bytes: usize) {
        self.memory.resize(self.at + bytes.max(READY), 0);
    }

    /// Writes a key, a text that stands for itself, and its last quote, if the text is no longer than [`SHORT`] and more of `text`
    /// is behind it; says whether it did. So most fields are.
    #[inline]
    pub fn short(&mut self, opening: (usize, &[u8; PIECE]), text: &[u8], start: usize, end: usize) -> bool {
        match end - start {
            0..=PIECE => self.pieces::<PIECE>(opening, text, start, end),
            _ => self.pieces::<SHORT>(opening, text, start, end),
        }
    }

    /// As [`short`](Self::short), with texts of at most `SIZE` bytes.
    #[inline]
    fn pieces<const SIZE: usize>(
        &mut self,
        opening: (usize, &[u8; PIECE]),
        text: &[u8],
        start: usize,
        end: usize,
    ) -> bool {
        let (length, opening) = opening;
        let size = end - start;
        let Some(from) = text.get(start..).and_then(|text| text.first_chunk::<SIZE>()) else { return false };
        self.room(SIZE + PIECE + 1);
        let Some(to) = self.memory.get_mut(self.at..self.at + SIZE + PIECE + 1) else { return false };
        to[..PIECE].copy_from_slice(opening);
        let Some(place) = to.get_mut(length..length + SIZE) else { return false };
        place.copy_from_slice(from);
        to[length + size] = b'"';
        self.at += length + size + 1;
        true
    }

    /// Writes the beginning of a piece.
    #[inline]
    pub fn piece(&mut self, piece: &[u8; PIECE], length: usize) {
        self.room(0);
        self.memory[self.at..self.at + PIECE].copy_from_slice(piece);
        self.at += length;
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.room(1);
        self.memory[self.at] = byte;
        self.at += 1;
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.slice(bytes, 0, bytes.len());
    }

    /// Writes a part of a text.
    pub fn slice(&mut self, text: &[u8], start: usize, end: usize) {
        let length = end - start;
        self.room(length);
        let pieces = length.next_multiple_of(PIECE);
        match text.get(start..start + pieces) {
            Some(from) if length <= PIECES_MAX => {
                let to = &mut self.memory[self.at..self.at + pieces];
                for (to, from) in to.as_chunks_mut::<PIECE>().0.iter_mut().zip(from.as_chunks::<PIECE>().0) {
                    *to = *from;
                }
            }
            _ => self.memory[self.at..self.at + length].copy_from_slice(&text[start..end]),
        }
        self.at += length;
    }

    /// Writes a part of a line as it stands between the quotes of a string.
    #[inline]
    pub fn marked(&mut self, line: &[u8], start: usize, end: usize, marks: &Marks) {
        let mut from = start;
        for place in marks.places(start, end) {
            self.escaping(line, from, place);
            from = place + 1;
        }
        self.slice(line, from, end);
    }

    /// Writes a part of a line and the escape of the byte behind it. Most such parts are short, as texts in quotes are.
    #[inline]
    fn escaping(&mut self, line: &[u8], from: usize, place: usize) {
        let (escape, escaped) = escape(line[place]);
        let length = place - from;
        self.room(length + ESCAPE);
        let short = line.get(from..from + PIECE).filter(|_| length <= PIECE);
        match (short, self.memory.get_mut(self.at..self.at + PIECE + ESCAPE)) {
            (Some(text), Some(to)) => {
                to[..PIECE].copy_from_slice(text);
                to[length..length + ESCAPE].copy_from_slice(&escape);
                self.at += length + escaped;
            }
            _ => {
                self.slice(line, from, place);
                self.memory[self.at..self.at + ESCAPE].copy_from_slice(&escape);
                self.at += escaped;
            }
        }
    }

    /// Writes a text as it stands between the quotes of a string.
    #[inline]
    pub fn escaped(&mut self, texts: &str, start: usize, end: usize) {
        let text = &texts[start..end];
        if is_plain(text.as_bytes()) {
            self.slice(texts.as_bytes(), start, end);
        } else {
            self.appending(|memory| write_escaped(memory, text));
        }
    }

    pub fn value(&mut self, value: &Value) {
        self.appending(|memory| write_value(memory, value));
    }

    #[inline]
    pub fn integer(&mut self, number: i64) {
        if let Ok(number @ 0..EIGHT_DIGITS) = u32::try_from(number) {
            self.eight(short_number(number));
        } else if let Ok(number @ 0..SIXTEEN_DIGITS) = u64::try_from(number) {
            // Positions in large files.
            self.eight(short_number((number / u64::from(EIGHT_DIGITS)) as u32));
            let digits = digits((number % u64::from(EIGHT_DIGITS)) as u32) | ZEROS;
            self.eight((digits.to_le_bytes(), 8));
        } else {
            self.long_integer(number);
        }
    }

    /// Writes some of eight bytes.
    #[inline]
    fn eight(&mut self, (text, length): ([u8; 8], usize)) {
        self.room(8);
        self.memory[self.at..self.at + 8].copy_from_slice(&text);
        self.at += length;
    }

    #[cold]
    fn long_integer(&mut self, number: i64) {
        let mut rest = number.unsigned_abs();
        let digits = rest.checked_ilog10().unwrap_or(0) as usize + 1;
        self.room(digits + 1);
        if number < 0 {
            self.memory[self.at] = b'-';
            self.at += 1;
        }
        for digit in self.memory[self.at..self.at + digits].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.at += digits;
    }

    /// Writes a time in milliseconds since 1970, with its quotes.
    pub fn time(&mut self, ms: i64) {
        self.byte(b'"');
        match date::utc_words(ms) {
            Some(text) => {
                let length = size_of_val(&text);
                self.room(length);
                let places = self.memory[self.at..self.at + length].as_chunks_mut().0;
                places.iter_mut().zip(text).for_each(|(place, word)| *place = word.to_le_bytes());
                self.at += length;
            }
            None => self.bytes(date::utc(ms).as_bytes()),
        }
        self.byte(b'"');
    }

    /// Lets others append, which costs more than pieces: what was ready behind the place is made ready anew.
    fn appending(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        let ready = self.memory.len();
        self.memory.truncate(self.at);
        append(self.memory);
        self.at = self.memory.len();
        self.memory.resize(ready.max(self.at), 0);
    }
}

/// The digits of a number of at most eight, with others behind them, and how many they are.
#[inline]
fn short_number(number: u32) -> ([u8; 8], usize) {
    let digits = digits(number);
    // The last digit is there in any case.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    let text = (digits | ZEROS) >> (8 * zeros);
    (text.to_le_bytes(), 8 - zeros as usize)
}

/// The eight digits of a number below [`EIGHT_DIGITS`], of which the first is the lowest byte: all at once, since how many there
/// are is as random as the number.
#[inline]
fn digits(number: u32) -> u64 {
    // Two numbers below 10,000, then four below 100, then eight digits. Quotients are products with rounded inverses, exact for
    // numbers so small.
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let pairs = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - tens * 10) << 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_others_write_them() {
        let mut numbers: Vec<i64> = vec![i64::MIN, i64::MAX, -1, 0, 99_999_999, 100_000_000, 123_456_789_012];
        for power in 0..19 {
            let power = 10i64.pow(power);
            numbers.extend((1..10).flat_map(|digit| [digit * (power / 10), power - 1, power, power + 1, -power]));
        }
        numbers.extend((0..20_000).chain((0..200_000).map(|number| number * 499)));
        numbers.extend((0..200_000).map(|number| number * 49_999_999_993));
        for number in numbers {
            let mut page = Page::default();
            page.write(|pen| pen.integer(number));
            assert_eq!(page.written(), number.to_string().as_bytes());
        }
    }
}
