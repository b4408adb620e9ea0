//! Stack traces of languages, by the lines that they are made of.
//!
//! A group is looked at line by line. What a language has to say is, for each state, which lines go on: indented ones as a
//! rule, and those that only its runtime prints.

mod dotnet;
mod go;
mod java;
mod python;
mod rust;

use super::Preset;
use super::multiline::{Trace, Verdict};
use regex::bytes::Regex;
use std::sync::LazyLock;

/// Empty lines in a row that a trace may have within: `During handling of the above exception` stands between two.
const BLANKS_MAX: u8 = 2;

/// Where in a trace a group stands. Each language uses some of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum State {
    /// Any line.
    #[default]
    Plain,
    /// A log line: a trace may follow that belongs to it.
    Logged,
    /// The first line of a trace, whose message comes next.
    Header,
    /// The message.
    Message,
    /// The frames; also what is taken for granted when the beginning is not known.
    Trace,
    /// The exception behind the frames.
    Raised,
    /// The sentence between an exception and its cause.
    Chained,
    /// The last line that a trace has.
    Ended,
}

/// The state of a group that begins with `line`.
pub fn begin(preset: Preset, line: &[u8]) -> State {
    let begins = match preset {
        Preset::Java => java::begins(line),
        Preset::Python => python::begins(line),
        Preset::Go => go::begins(line),
        Preset::Rust => rust::begins(line),
        Preset::Dotnet => dotnet::begins(line),
    };
    begins.unwrap_or(if is_logged(line) { State::Logged } else { State::Plain })
}

/// What `line` is to the group before it.
pub fn look(preset: Preset, trace: &mut Trace, line: &[u8]) -> Verdict {
    if line.trim_ascii().is_empty() && trace.state != State::Header {
        let is_within = !matches!(trace.state, State::Plain | State::Logged | State::Ended);
        if !is_within || trace.maybe == BLANKS_MAX {
            return Verdict::Starts;
        }
        trace.maybe += 1;
        return Verdict::Maybe;
    }
    let after_blank = trace.maybe > 0;
    let next = match preset {
        Preset::Java => java::next(trace.state, line, after_blank),
        Preset::Python => python::next(trace.state, line, after_blank),
        Preset::Go => go::next(trace.state, line, after_blank),
        Preset::Rust => rust::next(trace.state, line, after_blank),
        Preset::Dotnet => dotnet::next(trace.state, line, after_blank),
    };
    let Some(state) = next else { return Verdict::Starts };
    *trace = Trace { state, maybe: 0 };
    Verdict::Continues
}

fn is_indented(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn begins_with_any(line: &[u8], beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| line.starts_with(beginning.as_bytes()))
}

fn contains(line: &[u8], text: &str) -> bool {
    memchr::memmem::find(line, text.as_bytes()).is_some()
}

/// A line of a logger behind which the exception may come that it logs: a warning or worse, or of no level that can be
/// seen. Behind an `INFO` line comes what ended the process.
fn is_logged(line: &[u8]) -> bool {
    static SEVERE: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i:\b(?:warn|warning|wrn|error|err|severe|fatal|ftl|critical|crit|fail)\b)"));
    static HARMLESS: LazyLock<Regex> =
        LazyLock::new(|| pattern(r"(?i:\b(?:trace|trce|debug|dbug|dbg|info|inf|notice)\b)"));
    static STAMP: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\W?(?:\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d)"));
    SEVERE.is_match(line) || (STAMP.is_match(line) && !HARMLESS.is_match(line))
}

/// One of our own patterns; bytes that are not UTF-8 do not stop it.
fn pattern(text: &str) -> Regex {
    Regex::new(&format!("(?-u){text}")).expect("our own patterns are tested")
}

#[cfg(test)]
mod tests {
    use crate::format::{End, Format, Framer, Multiline, Preset, Rule, Skip, Span};

    /// The fixtures have a line of `=====` between two records.
    fn check(preset: Preset, fixture: &str) {
        let rule = Rule::Preset(preset);
        let multiline = Some(Multiline { rule, timeout_millis: 5000 });
        let framer = Framer::compile(&Format { multiline, ..Format::default() }).expect("sound");
        let want: Vec<&str> =
            fixture.split("=====\n").map(|record| record.strip_suffix('\n').unwrap_or(record)).collect();
        assert!(want.len() > 4);
        let text = fixture.replace("=====\n", "");
        let span = Span { base: 0, skip: Skip::NOTHING, line_bytes_max: 1 << 20 };
        let mut got = Vec::new();
        framer.frame(text.as_bytes(), span, End::Final, |chunk| {
            got.extend(chunk.records.iter().map(|record| String::from_utf8_lossy(&record.value).into_owned()));
            true
        });
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got, want, "{preset:?}");
        }
        assert_eq!(got.len(), want.len(), "{preset:?}");
        // Carriage returns make no difference to what belongs together.
        let mut count = 0;
        framer.frame(text.replace('\n', "\r\n").as_bytes(), span, End::Final, |chunk| {
            for record in chunk.records {
                assert_eq!(String::from_utf8_lossy(&record.value), want[count]);
                count += 1;
            }
            true
        });
        assert_eq!(count, want.len());
    }

    #[test]
    fn stack_traces_stay_whole_and_other_lines_alone() {
        check(Preset::Java, include_str!("fixtures/java.txt"));
        check(Preset::Python, include_str!("fixtures/python.txt"));
        check(Preset::Go, include_str!("fixtures/go.txt"));
        check(Preset::Rust, include_str!("fixtures/rust.txt"));
        check(Preset::Dotnet, include_str!("fixtures/dotnet.txt"));
    }
}
