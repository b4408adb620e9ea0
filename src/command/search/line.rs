//! A document as a person or a program reads it.

use crate::command::paint::{Paint, fit};
use crate::output::short_line;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use unicode_width::UnicodeWidthStr;

/// Writes documents, a line each.
pub struct Lines {
    paint: Paint,
    as_json: bool,
    /// Of the terminal: what is longer is cut, since a screen of lines is read by columns. A pipe gets all of it.
    columns: Option<usize>,
}

/// How bad it is what a document tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Error,
    Warning,
    Plain,
    Detail,
}

impl Lines {
    pub fn for_stdout(as_json: bool) -> Self {
        let size = io::stdout().is_terminal().then(terminal_size::terminal_size).flatten();
        Self { paint: Paint::for_stdout(), as_json, columns: size.map(|(columns, _)| usize::from(columns.0)) }
    }

    pub fn write(&mut self, document: &Value, out: &mut impl Write) -> io::Result<()> {
        if self.as_json {
            return writeln!(out, "{document}");
        }
        let (time, rest) = short_line(document);
        let rest = match self.columns {
            Some(columns) => fit(&rest, columns.saturating_sub(time.width() + 1).max(1)),
            None => rest,
        };
        let time = self.paint.faint(time);
        match weight(document) {
            Weight::Error => writeln!(out, "{time} {}", self.paint.bad(rest)),
            Weight::Warning => writeln!(out, "{time} {}", self.paint.changed(rest)),
            Weight::Plain => writeln!(out, "{time} {rest}"),
            Weight::Detail => writeln!(out, "{time} {}", self.paint.faint(rest)),
        }
    }
}

/// The level, or what the status of a request says where there is none. Keys may be nested, or have dots.
fn weight(document: &Value) -> Weight {
    let field = |pointer: &str, dotted: &str| document.pointer(pointer).or_else(|| document.get(dotted));
    let level = field("/log/level", "log.level").and_then(Value::as_str).map(str::to_ascii_lowercase);
    let status = field("/http/response/status_code", "http.response.status_code").and_then(Value::as_u64);
    match (level.as_deref(), status) {
        (Some("error" | "critical" | "fatal" | "alert" | "emergency"), _) | (None, Some(500..)) => Weight::Error,
        (Some("warn" | "warning"), _) | (None, Some(400..)) => Weight::Warning,
        (Some("debug" | "trace"), _) => Weight::Detail,
        _ => Weight::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_have_a_weight() {
        let check = |document: Value, want: Weight| assert_eq!(weight(&document), want, "{document}");
        check(json!({ "log": { "level": "ERROR" } }), Weight::Error);
        check(json!({ "log.level": "warn" }), Weight::Warning);
        check(json!({ "http": { "response": { "status_code": 503 } } }), Weight::Error);
        check(json!({ "http": { "response": { "status_code": 503 } }, "log": { "level": "info" } }), Weight::Plain);
        check(json!({ "http": { "response": { "status_code": 404 } } }), Weight::Warning);
        check(json!({ "log": { "level": "trace" } }), Weight::Detail);
        check(json!("text"), Weight::Plain);
    }

    #[test]
    fn lines_for_people_and_for_programs() {
        let document = json!({ "@timestamp": "2026-11-23T08:40:42.123Z", "message": "a\u{1b}[2Jb" });
        let check = |as_json: bool, want: &str| {
            let mut out = Vec::new();
            Lines { paint: Paint::PLAIN, as_json, columns: None }.write(&document, &mut out).expect("written");
            assert_eq!(String::from_utf8(out).expect("text"), want);
        };
        check(false, "2026-11-23T08:40:42.123Z a\\u{1b}[2Jb\n");
        check(true, "{\"@timestamp\":\"2026-11-23T08:40:42.123Z\",\"message\":\"a\\u001b[2Jb\"}\n");
    }
}
