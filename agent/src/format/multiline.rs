//! Lines that belong together: whether a line begins a group or goes on with the one before it.

use super::compile::{FormatError, regex};
use super::{Rule, preset};
use regex::bytes::Regex;

/// What a line is to the group before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It begins another one.
    Starts,
    Continues,
    /// The next line will tell.
    Maybe,
}

/// What is known of the group so far. Nothing of the groups before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trace {
    pub state: preset::State,
    /// Lines in a row of which the next one will tell.
    pub maybe: u8,
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub enum Joiner {
    Start(Regex),
    Continuation(Regex),
    Preset(super::Preset),
}

impl Joiner {
    pub fn compile(rule: &Rule) -> Result<Self, FormatError> {
        Ok(match rule {
            Rule::Start(pattern) => Self::Start(regex("multiline.start", pattern)?),
            Rule::Continuation(pattern) => Self::Continuation(regex("multiline.continuation", pattern)?),
            Rule::Preset(preset) => Self::Preset(*preset),
        })
    }

    /// A group that begins with `line`.
    pub fn begin(&self, line: &[u8]) -> Trace {
        let state = match self {
            Self::Preset(preset) => preset::begin(*preset, line),
            _ => preset::State::default(),
        };
        Trace { state, maybe: 0 }
    }

    /// A group that was cut.
    pub fn resumed(&self) -> Trace {
        Trace { state: preset::State::Trace, maybe: 0 }
    }

    /// Looks at the line that follows.
    pub fn look(&self, trace: &mut Trace, line: &[u8]) -> Verdict {
        let continues = |yes| if yes { Verdict::Continues } else { Verdict::Starts };
        match self {
            Self::Start(start) => continues(!start.is_match(line)),
            Self::Continuation(continuation) => continues(continuation.is_match(line)),
            Self::Preset(preset) => preset::look(*preset, trace, line),
        }
    }
}
