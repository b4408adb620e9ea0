//! Lines of data stores and brokers: PostgreSQL, MySQL, Redis, Kafka, Elasticsearch.

use super::shape::{after, after_digits, after_iso_time, after_spaces, bracketed, fits, is_level, word};

/// `2026-01-02 03:04:05.678 UTC [12] …LOG:  `
pub(super) fn is_postgresql(line: &[u8]) -> bool {
    const SEVERITIES: [&[u8]; 14] = [
        b"LOG:",
        b"ERROR:",
        b"FATAL:",
        b"PANIC:",
        b"WARNING:",
        b"NOTICE:",
        b"INFO:",
        b"DEBUG1:",
        b"DETAIL:",
        b"HINT:",
        b"STATEMENT:",
        b"CONTEXT:",
        b"QUERY:",
        b"LOCATION:",
    ];
    let time = after(line, b"0000-00-00 00:00:00.000 ").or_else(|| after(line, b"0000-00-00 00:00:00 "));
    let Some((_zone, rest)) = time.map(word) else { return false };
    let Some((pid, rest)) = bracketed(rest) else { return false };
    let head = &rest[..rest.len().min(300)];
    let severity = head.split(|byte| *byte == b' ').any(|word| SEVERITIES.contains(&word));
    after_digits(pid).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-")) && severity
}

/// `2026-01-02T03:04:05.678901Z 0 [Note] `, MariaDB's and those of 5.5.
pub(super) fn is_mysql_error(line: &[u8]) -> bool {
    const LEVELS: [&[u8]; 4] = [b"Note", b"Warning", b"ERROR", b"System"];
    if let Some(rest) = after(line, b"000000 _0:00:00 ") {
        return rest.starts_with(b"mysqld_safe ") || bracketed(rest).is_some_and(|(level, _)| LEVELS.contains(&level));
    }
    let rest = after_iso_time(line).and_then(|rest| rest.strip_prefix(b" ")).map(after_spaces);
    let Some(rest) = rest else { return false };
    let level = after_digits(rest).and_then(|rest| rest.strip_prefix(b" ")).and_then(bracketed);
    rest.starts_with(b"mysqld_safe ") || level.is_some_and(|(level, _)| LEVELS.contains(&level))
}

/// `# Time: `, `# User@Host: `, `# Query_time: `; statements lie between.
pub(super) fn is_mysql_slow(line: &[u8]) -> bool {
    const HEADS: [&[u8]; 3] = [b"# Time: ", b"# User@Host: ", b"# Query_time: "];
    HEADS.iter().any(|head| line.starts_with(head))
}

/// `12:M 02 Jan 2026 03:04:05.678 * `, and the forms before version 4.
pub(super) fn is_redis(line: &[u8]) -> bool {
    let rest = match bracketed(line) {
        Some((pid, rest)) if after_digits(pid) == Some(b"") => rest,
        Some(_) => return false,
        None => match after_digits(line) {
            Some([b':', b'X' | b'C' | b'S' | b'M', rest @ ..]) => rest,
            Some(rest) => return rest.starts_with(b":signal-handler ("),
            None => return false,
        },
    };
    let times: [&[u8]; 2] = [b" 00 aaa 0000 00:00:00.000 ", b" 00 aaa 00:00:00.000 "];
    let sign = times.iter().find_map(|shape| after(rest, shape));
    matches!(sign, Some([b'.' | b'-' | b'*' | b'#', b' ', ..]))
}

/// `[2026-01-02 03:04:05,678] INFO text (logger)`
pub(super) fn is_kafka(line: &[u8]) -> bool {
    let Some((time, rest)) = bracketed(line) else { return false };
    fits(time, b"0000-00-00 00:00:00.000") && rest.strip_prefix(b" ").is_some_and(|rest| is_level(word(rest).0))
}

/// `[2026-01-02T03:04:05,678][INFO ][logger ] `
pub(super) fn is_elasticsearch(line: &[u8]) -> bool {
    let Some((time, rest)) = bracketed(line) else { return false };
    let Some((level, rest)) = bracketed(rest) else { return false };
    fits(time, b"0000-00-00T00:00:00.000") && is_level(level.trim_ascii_end()) && rest.starts_with(b"[")
}
