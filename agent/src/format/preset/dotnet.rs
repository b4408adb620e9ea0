//! .NET: exceptions with their inner ones, also behind or below the line of a logger.

use super::{State, begins_with_any, is_indented, pattern};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// `System.InvalidOperationException: boom`.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:Unhandled [Ee]xception[.:] )?(?:[\w`+]+\.)+[\w`+]*(?:Exception|Error)[\w`+]*(?::|\s|$)")
});
static INNER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:---> |--- End of )"));
static FRAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s+at "));

pub fn begins(line: &[u8]) -> Option<State> {
    (HEADER.is_match(line) || begins_with_any(line, &["Unhandled exception. ", "Unhandled Exception: "]))
        .then_some(State::Trace)
}

pub fn next(state: State, line: &[u8], after_blank: bool) -> Option<State> {
    if INNER.is_match(line) || FRAME.is_match(line) {
        return Some(State::Trace);
    }
    match state {
        _ if after_blank => None,
        // The console logger indents all lines but the first.
        _ if is_indented(line) => Some(state),
        // What ends a process was logged by nobody.
        State::Logged if !line.starts_with(b"Unhandled") && HEADER.is_match(line) => Some(State::Trace),
        _ => None,
    }
}
