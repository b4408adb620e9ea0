//! Messages of syslog over TCP (RFC 6587): octet counting and newlines, told apart for each message.
//!
//! ```text
//! octet counting   MSGLEN SP SYSLOG-MSG      "29 <34>1 - - su - - - 'su root'"
//! newlines         SYSLOG-MSG LF
//! ```
//! Octet counting it is when digits, a space and `<` come first: RFC 5424 lets every message begin with its priority, so
//! that a line which only begins with a number is not taken for it.

use crate::format::spool::put_entry;
use memchr::memchr;

/// Digits of a length: 99 MB are more than any sender means.
const LENGTH_DIGITS_MAX: usize = 8;

/// Takes messages out of what a connection brings, wherever it is cut.
#[derive(Debug)]
pub struct Frames {
    message_bytes_max: usize,
    state: State,
    /// The beginning of a message, or of its length.
    part: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What kind of message comes is not clear yet.
    Start,
    /// So many bytes of the message are still to come.
    Counted(usize),
    Line,
    /// The rest of a line that was cut.
    SkipLine,
}

enum Front {
    Unclear,
    Counted(usize),
    Line,
}

impl Frames {
    pub fn new(message_bytes_max: usize) -> Self {
        Self { message_bytes_max, state: State::Start, part: Vec::new() }
    }

    /// Appends the entries of all messages that end in `bytes` to `out`. Returns how many are longer than may be.
    pub fn take(&mut self, mut bytes: &[u8], source: &str, out: &mut Vec<u8>) -> u64 {
        let mut cut = 0;
        while let Some(&next) = bytes.first() {
            match self.state {
                // Between messages: some senders count octets and end with a newline as well.
                State::Start if self.part.is_empty() && matches!(next, b'\n' | b'\r' | 0) => bytes = &bytes[1..],
                State::Start => {
                    self.part.push(next);
                    match front(&self.part) {
                        Front::Unclear => bytes = &bytes[1..],
                        Front::Counted(length) => {
                            bytes = &bytes[1..];
                            self.part.clear();
                            self.part.push(next);
                            self.state = State::Counted(length - 1);
                            if length == 1 {
                                self.put(source, false, out);
                            }
                        }
                        Front::Line => {
                            // It may be the newline already.
                            self.part.pop();
                            self.state = State::Line;
                        }
                    }
                }
                State::Counted(left) => {
                    let here = left.min(bytes.len());
                    self.keep(&bytes[..here]);
                    bytes = &bytes[here..];
                    self.state = State::Counted(left - here);
                    if left == here {
                        cut += self.put(source, false, out);
                    }
                }
                State::Line => {
                    let newline = memchr(b'\n', bytes);
                    self.keep(&bytes[..newline.unwrap_or(bytes.len())]);
                    bytes = newline.map_or(&[], |at| &bytes[at + 1..]);
                    if newline.is_some() {
                        cut += self.put(source, false, out);
                    } else if self.part.len() > self.message_bytes_max + 1 {
                        cut += self.put(source, false, out);
                        self.state = State::SkipLine;
                    }
                }
                State::SkipLine => match memchr(b'\n', bytes) {
                    Some(at) => {
                        bytes = &bytes[at + 1..];
                        self.state = State::Start;
                    }
                    None => bytes = &[],
                },
            }
        }
        cut
    }

    /// The connection ended: a line without newline is a message, one that was counted has lost its end.
    pub fn finish(&mut self, source: &str, out: &mut Vec<u8>) -> u64 {
        if self.part.is_empty() { 0 } else { self.put(source, matches!(self.state, State::Counted(_)), out) }
    }

    /// Keeps what may be needed: two bytes more than the longest message tell that it is longer, carriage return or not.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (self.message_bytes_max + 2).saturating_sub(self.part.len());
        self.part.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn put(&mut self, source: &str, torn: bool, out: &mut Vec<u8>) -> u64 {
        let cut = put_message(&self.part, source, self.message_bytes_max, torn, out);
        self.part.clear();
        self.state = State::Start;
        u64::from(cut)
    }
}

/// Appends the entry of a message, unless it is empty; returns whether it is not whole. Line ends behind it, and the NUL
/// that some senders add, are no part of it.
pub fn put_message(message: &[u8], source: &str, bytes_max: usize, torn: bool, out: &mut Vec<u8>) -> bool {
    let end = message.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r' | 0)).map_or(0, |last| last + 1);
    if end == 0 {
        return false;
    }
    let cut = torn || end > bytes_max;
    put_entry(out, Some(source), &message[..end.min(bytes_max)], cut);
    cut
}

fn front(part: &[u8]) -> Front {
    let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || part[0] == b'0' || digits > LENGTH_DIGITS_MAX {
        return Front::Line;
    }
    match &part[digits..] {
        [] | [b' '] => Front::Unclear,
        [b' ', b'<'] => {
            let length = part[..digits].iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
            Front::Counted(length)
        }
        _ => Front::Line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tests::values;

    const MAX: usize = 12;

    /// However the bytes are cut into three reads.
    fn check(bytes: &str, expect: &[(&str, bool)]) {
        let want: Vec<(String, bool)> = expect.iter().map(|(value, cut)| ((*value).to_owned(), *cut)).collect();
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let (mut frames, mut out) = (Frames::new(MAX), Vec::new());
                let mut cut = 0;
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    cut += frames.take(piece.as_bytes(), "10.0.0.1:514", &mut out);
                }
                cut += frames.finish("10.0.0.1:514", &mut out);
                assert_eq!(values(&out), want, "{bytes:?} cut at {first} and {second}");
                assert_eq!(cut, want.iter().filter(|(_, cut)| *cut).count() as u64);
            }
        }
    }

    #[test]
    fn each_message_may_have_the_other_framing() {
        check(
            "7 <34>abc<34>line\n8 <34>a\nbc7 <34>xyz",
            &[("<34>abc", false), ("<34>line", false), ("<34>a\nbc", false), ("<34>xyz", false)]
                .map(|(value, cut)| (value, cut)),
        );
        check("7 <34>abc\n7 <34>abc\n\n", &[("<34>abc", false), ("<34>abc", false)]);
        check("<1>a\r\n<2>b\0\n\n<3>c", &[("<1>a", false), ("<2>b", false), ("<3>c", false)]);
    }

    #[test]
    fn a_line_that_begins_with_a_number_is_a_line() {
        check(
            "2026 foo\n12\n7<34>\n0 <1>\n123456789 <1\n",
            &[("2026 foo", false), ("12", false), ("7<34>", false), ("0 <1>", false), ("123456789 <1", false)],
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_one_whole() {
        check("16 <34>456789012345<5>next\n", &[("<34>45678901", true), ("<5>next", false)]);
        check("<34>456789012\r\n<34>45678901\r\nx\n", &[("<34>45678901", true), ("<34>45678901", false), ("x", false)]);
        check("<34>45678901234567890123456789\n<5>next\n", &[("<34>45678901", true), ("<5>next", false)]);
    }

    #[test]
    fn what_ends_too_early_is_marked() {
        check("<1>whole", &[("<1>whole", false)]);
        check("9 <1>half", &[("<1>half", true)]);
        check("12", &[("12", false)]);
    }

    #[test]
    fn memory_is_bounded_whatever_comes() {
        let (mut frames, mut out) = (Frames::new(MAX), Vec::new());
        frames.take(b"99999999 <", "a", &mut out);
        for _ in 0..1000 {
            frames.take(&[b'x'; 1000], "a", &mut out);
        }
        assert!(out.is_empty() && frames.part.len() <= MAX + 2);
    }
}
