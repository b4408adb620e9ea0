//! Go: panics, fatal errors, dumps of goroutines.

use super::{State, begins_with_any, contains, is_indented, pattern};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// `goroutine 1 [running]:`, `goroutine 7 gp=0xc0 m=nil [chan receive, 2 minutes]:`.
static GOROUTINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^goroutine \d+ .*\[.*\]:$"));
/// `main.(*Shop).order(0xc000012345, {0x1, 0x2})`: the name has a package and no spaces.
static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:panic|[^\s(]+\.[^\s(]*)\(.*\)(?: in goroutine \d+)?$"));
/// `rax    0x0` of a dump after a signal.
static REGISTER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:r[a-z0-9]{1,5}|[cefg]s|lr|sp|pc|fault)\s+0x[0-9a-f]+$"));
static SIGNAL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^SIG[A-Z]+: "));

pub fn begins(line: &[u8]) -> Option<State> {
    if GOROUTINE.is_match(line) {
        return Some(State::Trace);
    }
    // Also what recovers and then prints the stack says one of these words.
    let announces = ["panic", "fatal error: ", "recover", "stack"].iter().any(|word| contains(line, word));
    let is_header = announces || line.starts_with(b"runtime: ") || SIGNAL.is_match(line);
    is_header.then_some(State::Raised)
}

pub fn next(state: State, line: &[u8], after_blank: bool) -> Option<State> {
    let is_goroutine = GOROUTINE.is_match(line) || line == b"runtime stack:";
    match state {
        State::Raised | State::Trace if is_goroutine => Some(State::Trace),
        State::Raised if begins_with_any(line, &["[signal ", "fatal error: ", "[originating from "]) => Some(state),
        State::Trace if REGISTER.is_match(line) => Some(state),
        _ if after_blank => None,
        State::Raised | State::Trace if is_indented(line) => Some(state),
        State::Raised if begins_with_any(line, &["PC=", "signal arrived during "]) => Some(state),
        State::Trace if FUNCTION.is_match(line) => Some(state),
        State::Trace if begins_with_any(line, &["created by ", "...additional frames elided"]) => Some(state),
        // `go run` says so.
        State::Trace if line.starts_with(b"exit status ") => Some(State::Ended),
        _ => None,
    }
}
