//! Standard input: its lines go to the spool, until it ends.

use super::writer::Writer;
use crate::format::spool::put_entry;
use memchr::memchr;
use std::io::{self, Read};
use std::sync::Arc;

/// Bytes of one read: what a pipe holds.
const READ_BYTES: usize = 64 * 1024;

/// What is read as standard input; tests give something else.
#[derive(Clone)]
pub struct StandardInput(pub Arc<dyn Fn() -> Box<dyn Read + Send> + Send + Sync>);

impl Default for StandardInput {
    fn default() -> Self {
        Self(Arc::new(|| Box::new(io::stdin())))
    }
}

impl std::fmt::Debug for StandardInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StandardInput")
    }
}

/// Takes lines out of what comes, wherever it is cut into reads.
#[derive(Debug)]
pub struct Splitter {
    line_bytes_max: usize,
    /// The beginning of a line; longer by at most a carriage return than the longest line.
    part: Vec<u8>,
    /// The rest of a line that was cut.
    skipping: bool,
}

impl Splitter {
    pub fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, part: Vec::new(), skipping: false }
    }

    /// Appends the entries of all lines that end in `bytes` to `out`.
    pub fn take(&mut self, mut bytes: &[u8], source: Option<&str>, out: &mut Vec<u8>) {
        while let Some(newline) = memchr(b'\n', bytes) {
            if self.skipping {
                self.skipping = false;
            } else if self.part.is_empty() {
                self.put(&bytes[..newline], source, out);
            } else {
                self.keep(&bytes[..newline], source, out);
                let part = std::mem::take(&mut self.part);
                if !std::mem::take(&mut self.skipping) {
                    self.put(&part, source, out);
                }
                self.part = part;
                self.part.clear();
            }
            bytes = &bytes[newline + 1..];
        }
        if !self.skipping {
            self.keep(bytes, source, out);
        }
    }

    /// What has no newline at the end of everything is a line too.
    pub fn finish(&mut self, source: Option<&str>, out: &mut Vec<u8>) {
        let part = std::mem::take(&mut self.part);
        if !part.is_empty() && !std::mem::take(&mut self.skipping) {
            self.put(&part, source, out);
        }
    }

    /// Keeps the beginning of a line. One that is too long is cut now.
    fn keep(&mut self, bytes: &[u8], source: Option<&str>, out: &mut Vec<u8>) {
        // One byte more, in case that it is the carriage return before the newline.
        let room = self.line_bytes_max + 1 - self.part.len();
        self.part.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            put_entry(out, source, &self.part[..self.line_bytes_max], true);
            self.part.clear();
            self.skipping = true;
        }
    }

    fn put(&self, line: &[u8], source: Option<&str>, out: &mut Vec<u8>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let cut = line.len() > self.line_bytes_max;
        put_entry(out, source, &line[..line.len().min(self.line_bytes_max)], cut);
    }
}

/// Reads until the end, an error, or the end of the agent.
pub fn run(mut input: Box<dyn Read + Send>, writer: &Writer, line_bytes_max: usize) {
    let mut splitter = Splitter::new(line_bytes_max);
    let mut buffer = vec![0; READ_BYTES];
    let mut entries = Vec::new();
    let failed = loop {
        match input.read(&mut buffer) {
            Ok(0) => break None,
            Ok(read) => {
                entries.clear();
                splitter.take(&buffer[..read], None, &mut entries);
                if !entries.is_empty() && writer.append_blocking(&entries, None).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Some(format!("cannot be read: {error}")),
        }
    };
    entries.clear();
    splitter.finish(None, &mut entries);
    if !entries.is_empty() && writer.append_blocking(&entries, None).is_err() {
        return;
    }
    writer.end(failed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::tests::values;

    fn check(text: &str, expect: &[(&str, bool)]) {
        let want: Vec<(String, bool)> = expect.iter().map(|(value, cut)| ((*value).to_owned(), *cut)).collect();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let (mut splitter, mut out) = (Splitter::new(4), Vec::new());
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    splitter.take(piece.as_bytes(), None, &mut out);
                }
                splitter.finish(None, &mut out);
                assert_eq!(values(&out), want, "{text:?} cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn lines_are_the_same_wherever_reads_end() {
        check("", &[]);
        check("a\nb", &[("a", false), ("b", false)]);
        check("a\r\n\n\r\nb\r", &[("a", false), ("", false), ("", false), ("b", false)]);
        check("1234\r\n1234\nx\n", &[("1234", false), ("1234", false), ("x", false)]);
        check("12345\nab\n123456789\r\n1234", &[("1234", true), ("ab", false), ("1234", true), ("1234", false)]);
        check("12345", &[("1234", true)]);
    }
}
