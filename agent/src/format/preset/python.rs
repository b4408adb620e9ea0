//! Python: tracebacks, chained exceptions, exception groups.

use super::{State, begins_with_any, contains, is_indented, pattern};
use regex::bytes::Regex;
use std::sync::LazyLock;

const TRACEBACK: &str = "Traceback (most recent call last):";
const CHAINS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];
/// `package.module.Error: message`, or without a message.
static EXCEPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Za-z_][\w.]*(?::|$)"));

pub fn begins(line: &[u8]) -> Option<State> {
    if !contains(line, TRACEBACK) {
        return None;
    }
    // All lines of a group of exceptions are indented, its last one too.
    Some(if is_indented(line) { State::Raised } else { State::Trace })
}

pub fn next(state: State, line: &[u8], after_blank: bool) -> Option<State> {
    match state {
        State::Logged | State::Chained if contains(line, TRACEBACK) => begins(line),
        State::Raised if begins_with_any(line, &CHAINS) => Some(State::Chained),
        _ if after_blank => None,
        State::Trace | State::Raised if is_indented(line) => Some(state),
        State::Trace if EXCEPTION.is_match(line) => Some(State::Raised),
        _ => None,
    }
}
