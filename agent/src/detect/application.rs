//! Lines of programming languages' loggers: Java, Python, Go, logfmt.

use super::shape::{after, after_digits, after_iso_time, after_spaces, bracketed, is_level, word};

/// Lines that belong to the line before them: parts of stack traces, and what is moved to the right.
pub(super) fn continues(line: &[u8]) -> bool {
    const STARTS: [&[u8]; 5] = [b" ", b"\t", b"Caused by: ", b"Traceback (", b"goroutine "];
    STARTS.iter().any(|start| line.starts_with(start)) || is_exception(line)
}

/// `org.example.SomeException: text`, `ValueError: text`: the first or last line of a trace.
fn is_exception(line: &[u8]) -> bool {
    let name = line.split(|byte| matches!(byte, b':' | b' ')).next().unwrap_or_default();
    (name.ends_with(b"Exception") || (name.ends_with(b"Error") && name.len() > 5))
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._$".contains(byte))
}

/// Names of Java's loggers: parts joined by points, or a class.
fn is_logger(word: &[u8]) -> bool {
    let ends = word.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"]$".contains(byte));
    ends && word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._$-[]/~".contains(byte))
}

/// time [thread] LEVEL logger, time LEVEL [thread] logger, time LEVEL logger [thread], Spring Boot's, java.util.logging's.
pub(super) fn is_java(line: &[u8]) -> bool {
    let rest = after_iso_time(line).or_else(|| after(line, b"00:00:00.000"));
    let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b" ")).map(after_spaces) else { return is_jul(line) };
    if let Some((_, rest)) = bracketed(rest) {
        // The level may stand in brackets too.
        let rest = after_spaces(rest);
        let (level, rest) = match bracketed(rest) {
            Some((level, rest)) => (level.trim_ascii(), after_spaces(rest)),
            None => word(rest),
        };
        let logger = word(rest).0;
        return is_level(level) && is_logger(logger.strip_suffix(b":").unwrap_or(logger));
    }
    let (level, rest) = word(rest);
    if !is_level(level) {
        return false;
    }
    if bracketed(rest).is_some() {
        return true;
    }
    let (first, rest) = word(rest);
    // Spring Boot: the process id and three hyphens; else the logger, a hyphen or a thread in brackets.
    match after_digits(first) {
        Some(b"") => rest.starts_with(b"--- ["),
        _ => is_logger(first) && (rest.starts_with(b"- ") || (rest.starts_with(b"[") && first.contains(&b'.'))),
    }
}

/// `Jan 2, 2026 3:04:05 PM org.example.Class method`, and the level on the next line.
fn is_jul(line: &[u8]) -> bool {
    let level = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let rest = after(line, b"aaa 00, 0000 ").or_else(|| after(line, b"aaa 0, 0000 "));
    let rest = rest.and_then(|rest| after(rest, b"00:00:00 ").or_else(|| after(rest, b"0:00:00 ")));
    rest.is_some_and(|rest| rest.starts_with(b"AM ") || rest.starts_with(b"PM "))
        || (is_level(level)
            && line[level.len()..].starts_with(b": ")
            && [&b"SEVERE"[..], b"CONFIG", b"FINE"].contains(&level))
}

/// Layouts that Python's logging has in its documentation, gunicorn's, celery's, uvicorn's.
pub(super) fn is_python(line: &[u8]) -> bool {
    let plain_level = |text: &[u8]| is_level(text.strip_suffix(b":").unwrap_or(text));
    if let Some((inside, rest)) = bracketed(line) {
        let Some(after_time) = after_iso_time(inside) else { return false };
        // celery: [time: LEVEL/process]
        if let Some(level) = after_time.strip_prefix(b": ") {
            return level.split(|byte| *byte == b'/').next().is_some_and(is_level);
        }
        // gunicorn: [time zone] [pid] [LEVEL]
        let Some((pid, rest)) = rest.strip_prefix(b" ").and_then(bracketed) else { return false };
        let level = rest.strip_prefix(b" ").and_then(bracketed);
        return after_digits(pid) == Some(b"") && level.is_some_and(|(level, _)| is_level(level));
    }
    if let Some(rest) = after_iso_time(line) {
        // time - name - LEVEL - text; time - LEVEL - text
        if let Some(rest) = rest.strip_prefix(b" - ") {
            let (first, rest) = word(rest);
            let second = rest.strip_prefix(b"- ").map(|rest| word(rest).0);
            return is_level(first) || second.is_some_and(is_level);
        }
        // time LEVEL name: text; with a comma in the time, or the level in brackets
        let rest = after_spaces(rest.strip_prefix(b":").unwrap_or(rest));
        if let Some((level, _)) = bracketed(rest) {
            return is_level(level);
        }
        let (level, rest) = word(rest);
        return plain_level(level) && word(rest).0.ends_with(b":");
    }
    // basicConfig: LEVEL:name:text
    let mut parts = line.splitn(3, |byte| *byte == b':');
    let (level, name, text) = (parts.next(), parts.next(), parts.next());
    let is_name = |name: &[u8]| !name.is_empty() && !name.contains(&b' ');
    if level.is_some_and(is_level) && name.is_some_and(is_name) && text.is_some() {
        return true;
    }
    // uvicorn: LEVEL, a colon, and blanks up to the tenth column
    level.is_some_and(is_level) && name.is_some_and(|rest| rest.starts_with(b"    "))
}

/// klog: `I0102 03:04:05.678901    1 file.go:7] `
fn is_klog(line: &[u8]) -> bool {
    let Some((b'I' | b'W' | b'E' | b'F', rest)) = line.split_first() else { return false };
    let rest = after(rest, b"0000 00:00:00.000000 ").map(after_spaces).and_then(after_digits);
    let place = rest.and_then(|rest| rest.strip_prefix(b" ")).map(|rest| word(rest).0);
    place.is_some_and(|place| place.ends_with(b"]") && place.contains(&b':'))
}

/// klog, or `2026/01/02 03:04:05 ` of Go's package log.
pub(super) fn is_go(line: &[u8]) -> bool {
    is_klog(line)
        || after(line, b"0000/00/00 00:00:00 ").is_some()
        || after(line, b"0000/00/00 00:00:00.000000 ").is_some()
}

/// At least three pairs, of which one is a level or a message: prose and URLs have pairs too.
pub(super) fn is_logfmt(line: &[u8]) -> bool {
    const KEYS: [&[u8]; 4] = [b"level", b"lvl", b"msg", b"at"];
    let (mut pairs, mut known, mut bare) = (0, false, 0);
    for word in line.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        match memchr::memchr(b'=', word) {
            Some(end)
                if end > 0 && word[..end].iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)) =>
            {
                pairs += 1;
                known |= KEYS.contains(&&word[..end]);
            }
            _ => bare += 1,
        }
        // A line of logfmt begins with a pair.
        if pairs == 0 && bare > 1 {
            return false;
        }
    }
    pairs >= 2 && known
}
