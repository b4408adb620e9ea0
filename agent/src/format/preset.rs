//! Stack traces of languages, by the lines that they are made of.

use super::Preset;
use super::multiline::{Trace, Verdict};

/// Where in a trace a group stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    #[default]
    Plain,
    Trace,
}

/// The state of a group that begins with `line`.
pub fn begin(_preset: Preset, _line: &[u8]) -> State {
    State::Plain
}

/// What `line` is to the group before it.
pub fn look(_preset: Preset, _trace: &mut Trace, line: &[u8]) -> Verdict {
    if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) { Verdict::Continues } else { Verdict::Starts }
}
