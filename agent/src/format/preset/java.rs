//! Java, Kotlin, Scala: `Throwable.printStackTrace`, also behind the line of a logger.

use super::{State, begins_with_any, is_indented, pattern};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// `java.lang.IllegalStateException: boom`.
static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^(?:Exception in thread ".*?" )?(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable|Failure|Fault)[\w$]*(?::|\s|$)"#,
    )
});
/// The first of two lines that `java.util.logging` writes: `Nov 24, 2026 10:00:00 AM org.example.Shop order`.
static LOGGING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d"));
/// What stands in front of a frame, or of what is left out.
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^[ \t]+(?:(?:eval )?at |\.\.\. \d+ (?:more|common frames)|Caused by: |Suppressed: |- (?:locked|waiting|parking) )",
    )
});

pub fn begins(line: &[u8]) -> Option<State> {
    if HEADER.is_match(line) { Some(State::Trace) } else { LOGGING.is_match(line).then_some(State::Message) }
}

pub fn next(state: State, line: &[u8], after_blank: bool) -> Option<State> {
    if begins_with_any(line, &["Caused by: ", "Wrapped by: ", "Suppressed: ", "nested exception is:"])
        || FRAME.is_match(line)
    {
        return Some(State::Trace);
    }
    if after_blank {
        return None;
    }
    match state {
        // Messages may have further lines, as PostgreSQL's `  Position: 21`.
        State::Trace if is_indented(line) => Some(State::Trace),
        // What ends a thread was logged by nobody.
        State::Logged if !line.starts_with(b"Exception in thread") && HEADER.is_match(line) => Some(State::Trace),
        State::Message if begins_with_any(line, &["SEVERE: ", "WARNING: ", "INFO: ", "CONFIG: ", "FINE"]) => {
            Some(State::Logged)
        }
        _ => None,
    }
}
