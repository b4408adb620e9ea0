//! Writes JSON into memory that is there already, in pieces of fixed lengths that the next one partly overwrites: to copy such
//! a piece is no call, and whether there is room is asked once a field.

use super::marks::Marks;
use crate::date;
use crate::document::{Value, escape, is_plain, write_escaped, write_value};

/// Length of the pieces: most texts and keys are shorter.
pub(super) const PIECE: usize = 32;
/// Texts up to this length are copied in pieces; for a longer one a call is faster.
const PIECES_MAX: usize = 8 * PIECE;
/// Bytes of memory at least that are made ready when there is no more room.
const READY: usize = 1024;

/// Writes at a place in memory, of which what is behind the place means nothing.
#[derive(Debug)]
pub(super) struct Pen<'b> {
    memory: &'b mut Vec<u8>,
    at: usize,
}

impl<'b> Pen<'b> {
    pub fn new(memory: &'b mut Vec<u8>) -> Self {
        Pen { memory, at: 0 }
    }

    /// What was written.
    pub fn written(&self) -> &[u8] {
        &self.memory[..self.at]
    }

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

    /// Writes a key, a text that stands for itself, and its last quote, if the text is no longer than a piece and more of `text`
    /// is behind it; says whether it did. So most fields are.
    #[inline]
    pub fn short(&mut self, opening: (usize, &[u8; PIECE]), text: &[u8], start: usize, end: usize) -> bool {
        let (length, opening) = opening;
        let size = end - start;
        let Some(from) = text.get(start..start + PIECE).filter(|_| size <= PIECE) else { return false };
        self.room(PIECE + 1);
        let Some(to) = self.memory.get_mut(self.at..self.at + 2 * PIECE + 1) else { return false };
        to[..PIECE].copy_from_slice(opening);
        to[length..length + PIECE].copy_from_slice(from);
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
    fn slice(&mut self, text: &[u8], start: usize, end: usize) {
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
        while let Some(place) = marks.next(from, end) {
            self.slice(line, from, place);
            let (escape, length) = escape(line[place]);
            self.room(escape.len());
            self.memory[self.at..self.at + escape.len()].copy_from_slice(&escape);
            self.at += length;
            from = place + 1;
        }
        self.slice(line, from, end);
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

    pub fn integer(&mut self, number: i64) {
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
        match date::utc_bytes(ms) {
            Some(text) => {
                self.room(text.len());
                self.memory[self.at..self.at + text.len()].copy_from_slice(&text);
                self.at += text.len();
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
