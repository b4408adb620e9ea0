//! How the bytes of a file become records: encoding, delimiter, container logs, lines that belong together, filters.
//!
//! A [`Format`] is what the config says; a [`Framer`] is its compiled form. Framing is a pure function of the bytes of a
//! range, its position, what is skipped at its front ([`Skip`]) and its ending: a range that a batch was made of makes
//! the same records again, whatever was read before or behind it. Ranges end only at *safe boundaries*: positions at
//! which no record is open.
//!
//! The stages, in order: `split` (the delimiter ends a raw line), `encoding` (its bytes become UTF-8), `container` (the
//! runtime's wrapping is taken off, pieces of a line are put together, per stream), `multiline` (lines become groups),
//! filters, the longest value. Plain files go through none of this: `lines` is their way.

mod compile;
mod container;
mod encoding;
mod machine;
mod multiline;
mod preset;
mod record;
mod split;
pub mod spool;
#[cfg(test)]
mod tests;

pub use compile::{FormatError, Framer};
pub use record::{Chunk, End, Extras, Outcome, Record, Skip, Span};

use serde::{Deserialize, Serialize};

/// What the config says about the bytes of a file. It is journaled with each batch that is not plain, so that the batch
/// can be made again after the config has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Format {
    /// Label of the encoding (WHATWG), UTF-8 when absent; UTF-8 is never looked at, whatever bytes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// What ends a line, written in the file's encoding; `\n` or `\r\n` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// The lines are wrapped by a container runtime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Which lines make one record together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiline: Option<Multiline>,
    /// Regexes: only values that match one of them are sent; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub include_lines: Vec<String>,
    /// Regexes: values that match one of them are not sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude_lines: Vec<String>,
    /// Length-prefixed entries instead of lines: the layout of [`spool`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub spool: bool,
}

impl Format {
    /// The format of a spool's segments.
    pub fn spool() -> Self {
        Self { spool: true, ..Self::default() }
    }

    /// Lines by `\n` or `\r\n`, as they are.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// A container runtime's wrapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Container {
    /// Docker's json-file driver.
    Docker,
    /// Kubernetes' container runtime interface: `TIME STREAM P|F TEXT`.
    Cri,
    /// Either, told apart line by line.
    Auto,
}

/// Which lines make one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiline {
    pub rule: Rule,
    /// A group at the end of the file is sent when nothing has been written for so long.
    pub timeout_millis: u64,
}

/// How a group is told from the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rule {
    /// Lines that match begin a group.
    Start(String),
    /// Lines that match belong to the line before them.
    Continuation(String),
    /// Stack traces of a language.
    Preset(Preset),
}

/// Stack traces of these languages are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    Java,
    Python,
    Go,
    Rust,
    Dotnet,
}
