//! Rust: panics with and without a backtrace, and the chains of causes that anyhow and eyre print.

use super::{State, begins_with_any, contains, is_indented, pattern};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// The message follows on its own line since Rust 1.73; before, it stood between the two.
static PLACE: LazyLock<Regex> = LazyLock::new(|| pattern(r"panicked at \S+:\d+:\d+:$"));
/// What goes on behind an error, with or without an empty line.
const CAUSES: [&str; 5] = ["Caused by:", "Stack backtrace:", "Location:", "stack backtrace:", "Backtrace omitted."];

pub fn begins(line: &[u8]) -> Option<State> {
    if line.starts_with(b"thread '") {
        if contains(line, " panicked at ") {
            return Some(if PLACE.is_match(line) { State::Header } else { State::Message });
        }
        return contains(line, " has overflowed its stack").then_some(State::Message);
    }
    begins_with_any(line, &["Error: ", "stack backtrace:"]).then_some(State::Trace)
}

pub fn next(state: State, line: &[u8], after_blank: bool) -> Option<State> {
    match state {
        State::Header => Some(State::Message),
        State::Message | State::Trace | State::Logged if begins_with_any(line, &CAUSES) => Some(State::Trace),
        _ if after_blank => None,
        State::Message | State::Trace if is_indented(line) => Some(state),
        State::Message | State::Trace if line.starts_with(b"note: ") => Some(State::Ended),
        State::Message | State::Trace | State::Ended
            if begins_with_any(line, &["fatal runtime error: ", "thread caused non-unwinding panic"]) =>
        {
            Some(State::Ended)
        }
        _ => None,
    }
}
