//! The compiled form of a format.

use super::encoding::Encoding;
use super::machine::{Machine, Stop};
use super::multiline::Joiner;
use super::split::Splitter;
use super::{Chunk, Container, End, Format, Outcome, Span, spool};
use regex::bytes::{Regex, RegexSet};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Bytes read beyond the longest line: its delimiter, and the byte that shows that a longer one is longer.
const BEYOND_LINE_BYTES: usize = 4;
/// Longest delimiter: one that is longer is a mistake.
const DELIMITER_BYTES_MAX: usize = 64;
/// Most bytes that an encoding has for one byte of UTF-8: two in UTF-16 for ASCII, four in GB18030 for two.
const ENCODED_BYTES_PER_BYTE: usize = 2;
/// Bytes of a line that a container runtime writes: a piece of 16 KiB of which each byte is escaped in six, and as much
/// again for attributes.
const CONTAINER_LINE_BYTES_MAX: usize = 2 * 6 * 16 * 1024;

/// Why a format cannot work; each names its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("encoding {0:?} is not known")]
    Encoding(String),
    #[error("delimiter is empty")]
    DelimiterEmpty,
    #[error("delimiter {0:?} is longer than 64 bytes")]
    DelimiterTooLong(String),
    #[error("delimiter {delimiter:?} cannot be written in {encoding}")]
    DelimiterEncoding { delimiter: String, encoding: &'static str },
    #[error("{key} {pattern:?} is not a regular expression: {reason}")]
    Regex { key: &'static str, pattern: String, reason: String },
    #[error("multiline.timeout_ms is 0; want at least 1")]
    Timeout,
}

impl FormatError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Encoding(_) => {
                "labels of the WHATWG encoding standard are known, for example utf-8, utf-16le, utf-16be, latin1, gbk"
            }
            Self::DelimiterEmpty | Self::DelimiterTooLong(_) => {
                "leave the key out for lines that end with \\n or \\r\\n, or write what ends them, such as \"\\0\""
            }
            Self::DelimiterEncoding { .. } => "name the delimiter's characters as the encoding has them",
            Self::Regex { .. } => {
                "write it in single quotes, such as '^\\d{4}-'; look-around and back references are not supported"
            }
            Self::Timeout => "leave the key out for 5000 milliseconds",
        }
    }
}

/// A format that is ready for work.
#[derive(Debug, Clone)]
pub struct Framer {
    format: Format,
    plain: bool,
    pub(super) splitter: Splitter,
    encoding: Encoding,
    pub(super) container: Option<Container>,
    pub(super) joiner: Option<Joiner>,
    include: Option<RegexSet>,
    exclude: Option<RegexSet>,
}

impl Default for Framer {
    fn default() -> Self {
        Self::compile(&Format::default()).expect("plain lines have nothing that could be wrong")
    }
}

impl Framer {
    pub fn compile(format: &Format) -> Result<Self, FormatError> {
        let encoding = Encoding::named(format.encoding.as_deref())?;
        let splitter = match (format.spool, &format.delimiter) {
            (true, _) => Splitter::Spool,
            (false, None) => encoding.newline(),
            (false, Some(delimiter)) if delimiter.is_empty() => return Err(FormatError::DelimiterEmpty),
            (false, Some(delimiter)) if delimiter.len() > DELIMITER_BYTES_MAX => {
                return Err(FormatError::DelimiterTooLong(delimiter.clone()));
            }
            (false, Some(delimiter)) => encoding.delimiter(delimiter)?,
        };
        if format.multiline.as_ref().is_some_and(|multiline| multiline.timeout_millis == 0) {
            return Err(FormatError::Timeout);
        }
        Ok(Self {
            plain: format.is_plain()
                || (*format == Format { encoding: format.encoding.clone(), ..Format::default() } && encoding.is_utf8()),
            splitter,
            encoding,
            container: format.container,
            joiner: format.multiline.as_ref().map(|multiline| Joiner::compile(&multiline.rule)).transpose()?,
            include: regexes("include_lines", &format.include_lines)?,
            exclude: regexes("exclude_lines", &format.exclude_lines)?,
            format: format.clone(),
        })
    }

    /// Lines by `\n` or `\r\n`, as they are: no framer is needed.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// What the journal has to remember; nothing for plain lines.
    pub fn journaled(&self) -> Option<Box<Format>> {
        (!self.plain).then(|| Box::new(self.format.clone()))
    }

    /// How long a group waits for another line at the end of a file; `None`: nothing ever waits.
    pub fn timeout(&self) -> Option<Duration> {
        self.format.multiline.as_ref().map(|multiline| Duration::from_millis(multiline.timeout_millis))
    }

    /// Bytes that must be at hand for a longest line to be found whole.
    pub fn window_bytes(&self, line_bytes_max: usize) -> usize {
        if self.plain {
            return line_bytes_max + BEYOND_LINE_BYTES;
        }
        if let Splitter::Spool = self.splitter {
            return spool::ENTRY_BYTES_MAX;
        }
        // A line that comes in pieces has a wrapping around each.
        let pieces = if self.container.is_some() { line_bytes_max } else { 0 };
        // A whole group, its delimiters as long as itself, and the line behind it.
        let lines = if self.joiner.is_some() { 3 } else { 1 };
        self.raw_bytes_max(line_bytes_max) * lines + pieces + DELIMITER_BYTES_MAX + BEYOND_LINE_BYTES
    }

    /// Bytes of a raw line; one that is longer is cut.
    fn raw_bytes_max(&self, line_bytes_max: usize) -> usize {
        let bytes = if self.encoding.is_utf8() { line_bytes_max } else { line_bytes_max * ENCODED_BYTES_PER_BYTE };
        if self.container.is_some() { bytes.max(CONTAINER_LINE_BYTES_MAX) } else { bytes }
    }

    /// Frames `data` and hands on its chunks, until `sink` wants no more.
    pub fn frame<'a>(
        &self,
        data: &'a [u8],
        span: Span,
        end: End,
        mut sink: impl FnMut(Chunk<'_, 'a>) -> bool,
    ) -> Outcome {
        if end == End::Final {
            return Machine::new(self, data, 0, span).run(Stop::Flush, &mut sink).outcome;
        }
        let rest = Machine::new(self, data, 0, span).run(Stop::Wait, &mut sink);
        let outcome = rest.outcome;
        let after = Span { skip: outcome.skip, ..span };
        if outcome.damaged.is_some() {
            return outcome;
        }
        match end {
            End::Idle if outcome.waits && !rest.astride => {
                let data = &data[..rest.pieces.unwrap_or(rest.unfinished)];
                Machine::new(self, data, outcome.end, after).run(Stop::Flush, &mut sink).outcome
            }
            End::Full if outcome.end == 0 && !data.is_empty() => {
                let odd = !span.base.is_multiple_of(2);
                if rest.unfinished > 0 && data.len() - rest.unfinished <= self.raw_bytes_max(span.line_bytes_max) {
                    let data = &data[..rest.unfinished];
                    return Machine::new(self, data, 0, after).run(Stop::Flush, &mut sink).outcome;
                }
                let data = &data[..self.splitter.edge(data, odd)];
                Machine::new(self, data, 0, after).run(Stop::Cut, &mut sink).outcome
            }
            _ => outcome,
        }
    }

    /// Frames the content of a range that a batch was made of. `cut`: it ends within a line.
    pub fn frame_range<'a>(
        &self,
        content: &'a [u8],
        span: Span,
        cut: bool,
        mut sink: impl FnMut(Chunk<'_, 'a>) -> bool,
    ) -> Outcome {
        let stop = if cut { Stop::Cut } else { Stop::Flush };
        Machine::new(self, content, 0, span).run(stop, &mut sink).outcome
    }

    /// Whether a line begins at `position`, as far as `before`, the bytes in front of it, tell.
    pub fn begins_line(&self, before: &[u8], position: u64) -> bool {
        if before.is_empty() {
            return true;
        }
        let odd = !(position - before.len() as u64).is_multiple_of(2);
        let mut at = 0;
        while let Some(next) = self.splitter.after_delimiter(before, at, odd) {
            at = next;
        }
        at == before.len()
    }

    /// The framer for a file that begins with `head`: a byte order mark knows better than the config.
    pub fn for_head(self: &Arc<Self>, head: &[u8]) -> Arc<Self> {
        match self.encoding.marked(head) {
            Some(label) => {
                let format = Format { encoding: Some(label.to_owned()), ..self.format.clone() };
                Self::compile(&format).map_or_else(|_| Arc::clone(self), Arc::new)
            }
            None => Arc::clone(self),
        }
    }

    /// The last position up to `position` at which a character may begin.
    pub fn aligned(&self, position: u64) -> u64 {
        if matches!(self.splitter, Splitter::Wide(..)) { position & !1 } else { position }
    }

    /// Bytes of the byte order mark that `data` begins with.
    pub(super) fn mark_bytes(&self, data: &[u8]) -> usize {
        self.encoding.mark_bytes(data)
    }

    /// The first values of `data`, filters or not, one a line; `None` when there is not one whole line.
    pub fn sample(&self, data: &[u8], span: Span, end: End, bytes_max: usize) -> Option<Vec<u8>> {
        let rest = Machine::new(self, data, 0, span).unfiltered().run(Stop::Wait, &mut |_| true);
        let all = end == End::Final || data.len() > span.line_bytes_max;
        // Pieces of a line are no line yet.
        let whole = rest.pieces.filter(|&at| at > 0).unwrap_or(rest.unfinished);
        let data = if all { data } else { &data[..whole] };
        let (mut sample, mut lines) = (Vec::new(), 0);
        Machine::new(self, data, 0, span).unfiltered().run(Stop::Flush, &mut |chunk: Chunk<'_, '_>| {
            for record in chunk.records {
                sample.extend_from_slice(&record.value);
                sample.push(b'\n');
                lines += 1;
            }
            sample.len() < bytes_max
        });
        // The rest of a line that was cut has no value, however long it is.
        (lines > 0 || (all && !data.is_empty())).then_some(sample)
    }

    /// `cut`: bytes of a character may be missing at the end.
    pub(super) fn decode<'a>(&self, raw: &'a [u8], cut: bool) -> Cow<'a, [u8]> {
        self.encoding.decode(raw, cut)
    }

    pub(super) fn passes(&self, value: &[u8]) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(value))
            && !self.exclude.as_ref().is_some_and(|set| set.is_match(value))
    }
}

fn regexes(key: &'static str, patterns: &[String]) -> Result<Option<RegexSet>, FormatError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    for pattern in patterns {
        regex(key, pattern)?;
    }
    let set = RegexSet::new(patterns);
    set.map(Some).map_err(|error| FormatError::Regex { key, pattern: patterns.join(", "), reason: error.to_string() })
}

/// Compiles the regular expression of `key`.
pub(super) fn regex(key: &'static str, pattern: &str) -> Result<Regex, FormatError> {
    Regex::new(pattern).map_err(|error| FormatError::Regex {
        key,
        pattern: pattern.to_owned(),
        // The crate draws the place over several lines; the last one says what is wrong.
        reason: error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    })
}
