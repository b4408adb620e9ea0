//! A document as one short line for a person: time, where from, level, message.

use serde_json::Value;

/// Appends the short line of `document`, a JSON object. Control characters of log lines are shown, never obeyed.
pub fn render(document: &[u8], out: &mut Vec<u8>) {
    let Ok(document) = serde_json::from_slice::<Value>(document) else {
        out.extend_from_slice(document);
        return;
    };
    let time = document.get("@timestamp").and_then(Value::as_str).unwrap_or_default();
    // The day is on the first screen's files; the time of day is what one looks for in a stream of lines.
    let time = time.split_once('T').map_or(time, |(_, time)| time.get(..8).unwrap_or(time));
    put(out, time);
    put_rest(&document, out);
}

/// The time of `document` as it stands there, and what else is in its short line.
pub fn short_line(document: &Value) -> (String, String) {
    let time = document.get("@timestamp").map(|time| time.as_str().map_or_else(|| time.to_string(), str::to_owned));
    let (mut shown, mut rest) = (Vec::new(), Vec::new());
    put(&mut shown, &time.unwrap_or_default());
    put_rest(document, &mut rest);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_start().to_owned();
    (text(shown), text(rest))
}

/// What follows the time, each with a space before it.
fn put_rest(document: &Value, out: &mut Vec<u8>) {
    let text = |path: &[&str]| path.iter().try_fold(document, |at, key| at.get(key));
    let path = text(&["log", "file", "path"]).and_then(Value::as_str).unwrap_or_default();
    put_after_space(out, path.rsplit('/').next().unwrap_or_default());
    if let Some(status) = text(&["http", "response", "status_code"]) {
        put_after_space(out, &status.to_string());
    }
    if let Some(level) = text(&["log", "level"]).and_then(Value::as_str) {
        put_after_space(out, level);
    }
    let message = text(&["message"]).or_else(|| text(&["event", "original"]));
    match message {
        Some(Value::String(message)) => put_after_space(out, message),
        Some(other) => put_after_space(out, &other.to_string()),
        None => put_after_space(out, &request_of(document)),
    }
}

/// An access log's pipeline keeps no message: method, path and agent say what happened.
fn request_of(document: &Value) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    format!("{} {} {}", text("/http/request/method"), text("/url/original"), text("/source/address"))
}

fn put_after_space(out: &mut Vec<u8>, text: &str) {
    if !text.is_empty() {
        out.push(b' ');
        put(out, text);
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    for character in text.chars() {
        match character {
            '\t' => out.push(b' '),
            control if control.is_control() => out.extend(control.escape_default().map(|c| c as u8)),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(document: &str, expect: &str) {
        let mut out = Vec::new();
        render(document.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).expect("lines are text"), expect);
    }

    #[test]
    fn documents_become_short_lines() {
        check(
            r#"{"@timestamp":"2026-11-23T08:40:42.123Z","message":"it works","log":{"level":"info","file":{"path":"/var/log/a.log"}}}"#,
            "08:40:42 a.log info it works",
        );
        check(
            r#"{"@timestamp":"2026-11-23T08:40:42Z","http":{"request":{"method":"GET"},"response":{"status_code":404}},"url":{"original":"/x"},"source":{"address":"10.0.0.1"},"log":{"file":{"path":"access.log"}}}"#,
            "08:40:42 access.log 404 GET /x 10.0.0.1",
        );
        check(r#"{"message":"\u001b[2Jgone"}"#, r" \u{1b}[2Jgone");
        check("not json", "not json");
    }
}
