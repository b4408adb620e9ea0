//! Encodings: what a file's bytes mean as text. UTF-8 is passed through as it is.

use super::compile::FormatError;
use super::split::Splitter;
use encoding_rs::{CoderResult, UTF_8, UTF_16BE, UTF_16LE};
use memchr::memmem::Finder;
use std::borrow::Cow;

/// The encoding of an input.
#[derive(Debug, Clone, Copy)]
pub struct Encoding(Option<&'static encoding_rs::Encoding>);

impl Encoding {
    /// By its label; none is UTF-8.
    pub fn named(label: Option<&str>) -> Result<Self, FormatError> {
        let Some(label) = label else { return Ok(Self(None)) };
        // The standard maps stateful encodings that browsers gave up to one that has only an error in it.
        let known = encoding_rs::Encoding::for_label_no_replacement(label.as_bytes());
        let encoding = known.ok_or_else(|| FormatError::Encoding(label.to_owned()))?;
        Ok(Self((encoding != UTF_8).then_some(encoding)))
    }

    pub fn is_utf8(self) -> bool {
        self.0.is_none()
    }

    /// The encoding that a byte order mark names, where it is another one of two bytes.
    pub fn marked(self, head: &[u8]) -> Option<&'static str> {
        match self.0 {
            Some(encoding) if encoding == UTF_16LE && head.starts_with(b"\xfe\xff") => Some("utf-16be"),
            Some(encoding) if encoding == UTF_16BE && head.starts_with(b"\xff\xfe") => Some("utf-16le"),
            _ => None,
        }
    }

    /// Bytes of the mark at the front of a file; they are no part of its first line.
    pub fn mark_bytes(self, data: &[u8]) -> usize {
        match self.0 {
            Some(encoding) if encoding == UTF_16LE && data.starts_with(b"\xff\xfe") => 2,
            Some(encoding) if encoding == UTF_16BE && data.starts_with(b"\xfe\xff") => 2,
            _ => 0,
        }
    }

    /// Lines by newline, with or without a carriage return before it.
    pub fn newline(self) -> Splitter {
        match self.0 {
            Some(encoding) if encoding == UTF_16LE => Splitter::Wide(finder(b"\n\0"), Some(*b"\r\0")),
            Some(encoding) if encoding == UTF_16BE => Splitter::Wide(finder(b"\0\n"), Some(*b"\0\r")),
            // All others have ASCII where it is, and no newline within a longer character.
            _ => Splitter::Newline,
        }
    }

    /// Lines by `delimiter`, written in this encoding.
    pub fn delimiter(self, delimiter: &str) -> Result<Splitter, FormatError> {
        let Some(encoding) = self.0 else { return Ok(Splitter::Delimiter(finder(delimiter.as_bytes()))) };
        let units = |bytes: fn(u16) -> [u8; 2]| delimiter.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
        if encoding == UTF_16LE {
            return Ok(Splitter::Wide(finder(&units(u16::to_le_bytes)), None));
        }
        if encoding == UTF_16BE {
            return Ok(Splitter::Wide(finder(&units(u16::to_be_bytes)), None));
        }
        let (bytes, _, unmappable) = encoding.encode(delimiter);
        if unmappable {
            let delimiter = delimiter.to_owned();
            return Err(FormatError::DelimiterEncoding { delimiter, encoding: encoding.name() });
        }
        Ok(Splitter::Delimiter(finder(&bytes)))
    }

    /// As UTF-8; what is malformed becomes U+FFFD. `cut`: a character whose rest is missing at the end is left out.
    pub fn decode(self, raw: &[u8], cut: bool) -> Cow<'_, [u8]> {
        let Some(encoding) = self.0 else { return Cow::Borrowed(raw) };
        if !cut {
            return match encoding.decode_without_bom_handling(raw).0 {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            };
        }
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let bytes = decoder.max_utf8_buffer_length(raw.len()).unwrap_or(raw.len());
        let mut text = String::with_capacity(bytes);
        let (result, _, _) = decoder.decode_to_string(raw, &mut text, false);
        debug_assert_eq!(result, CoderResult::InputEmpty, "the buffer is as large as it may have to be");
        Cow::Owned(text.into_bytes())
    }
}

fn finder(delimiter: &[u8]) -> Box<Finder<'static>> {
    Box::new(Finder::new(delimiter).into_owned())
}
