//! Guesses from a file's first lines, and its name, what kind of lines it has: the `event.dataset` of its records.

use std::path::Path;

/// Lines that are looked at: enough that a banner or a stray line does not decide.
const LINES_MAX: usize = 20;

pub const GENERIC: &str = "generic";

/// The dataset of a file that begins with `head`. A kind must fit more than half of the first lines.
pub fn dataset(path: &Path, head: &[u8]) -> &'static str {
    let lines: Vec<&[u8]> = head
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .take(LINES_MAX)
        .collect();
    let most = |fits: fn(&[u8]) -> bool| lines.iter().filter(|line| fits(line)).count() * 2 > lines.len();
    if lines.is_empty() {
        GENERIC
    } else if most(is_json) {
        "json"
    } else if most(is_access) {
        access_of(path)
    } else if most(is_syslog) {
        "syslog"
    } else {
        GENERIC
    }
}

/// Both servers write the same formats; only the path tells them apart, and nginx writes the combined one by default.
fn access_of(path: &Path) -> &'static str {
    let path = path.to_string_lossy().to_ascii_lowercase();
    if path.contains("apache") || path.contains("httpd") || path.contains("other_vhosts") {
        "apache.access"
    } else {
        "nginx.access"
    }
}

fn is_json(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
        && line.last() == Some(&b'}')
        && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// `host ident user [10/Oct/2000:13:55:36 -0700] "request" status bytes` (NCSA common log format; combined appends to
/// it). Apache's vhost format puts a name in front.
fn is_access(line: &[u8]) -> bool {
    let Some(open) = memchr::memchr(b'[', line) else { return false };
    let before = line[..open].split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
    if !(3..=4).contains(&before) {
        return false;
    }
    let after = &line[open + 1..];
    let Some(close) = memchr::memchr(b']', after) else { return false };
    if !fits(&after[..close], b"00/aaa/0000:00:00:00 +0000") {
        return false;
    }
    let Some(request) = after[close + 1..].strip_prefix(b" \"") else { return false };
    let Some(quote) = closing_quote(request) else { return false };
    let mut words = request[quote + 1..].split(|&byte| byte == b' ').skip(1);
    let status = words.next().is_some_and(|word| word.len() == 3 && word.iter().all(u8::is_ascii_digit));
    let bytes =
        words.next().is_some_and(|word| word == b"-" || (!word.is_empty() && word.iter().all(u8::is_ascii_digit)));
    status && bytes
}

/// The first `"` that no backslash protects.
fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// RFC 3164 as written to files (`Jan  2 03:04:05 host tag: ...`), Debian 12's ISO timestamps, or RFC 5424; each with
/// or without the `<priority>` in front.
fn is_syslog(line: &[u8]) -> bool {
    let line = without_priority(line);
    if let Some(rest) = line.strip_prefix(b"1 ") {
        let mut words = rest.split(|&byte| byte == b' ');
        let time = words.next().unwrap_or_default();
        return (time == b"-" || is_iso_time(time)) && words.count() >= 4;
    }
    let (time, rest) = if line.len() > 16 && fits(&line[..15], b"aaa _0 00:00:00") && is_month(&line[..3]) {
        (true, &line[15..])
    } else {
        let end = memchr::memchr(b' ', line).unwrap_or(line.len());
        (is_iso_time(&line[..end]), &line[end..])
    };
    // `host tag:`: the tag's colon tells syslog from applications that merely begin with a timestamp.
    let mut words = rest.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let host = words.next();
    time && host.is_some_and(|host| !host.ends_with(b":")) && words.next().is_some_and(|tag| tag.ends_with(b":"))
}

fn without_priority(line: &[u8]) -> &[u8] {
    let Some(rest) = line.strip_prefix(b"<") else { return line };
    match memchr::memchr(b'>', &rest[..rest.len().min(4)]) {
        Some(close) if close > 0 && rest[..close].iter().all(u8::is_ascii_digit) => &rest[close + 1..],
        _ => line,
    }
}

fn is_month(word: &[u8]) -> bool {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.contains(&word)
}

/// `2026-01-02T03:04:05`, then fraction and zone in any form.
fn is_iso_time(word: &[u8]) -> bool {
    word.len() >= 20 && fits(&word[..19], b"0000-00-00T00:00:00")
}

/// Whether `text` has the shape: `0` a digit, `a` a letter, `_` a digit or a space, `+` a sign, others themselves.
fn fits(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            b'_' => byte.is_ascii_digit() || *byte == b' ',
            b'+' => matches!(byte, b'+' | b'-'),
            other => byte == other,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, head: &str, expect: &str) {
        assert_eq!(dataset(Path::new(path), head.as_bytes()), expect, "{head:?}");
    }

    const COMBINED: &str = "10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.1\" 200 2326 \"-\" \"curl\"\n";

    #[test]
    fn access_logs_are_told_apart_by_their_path() {
        check("/var/log/nginx/access.log", COMBINED, "nginx.access");
        check("/var/log/apache2/access.log", COMBINED, "apache.access");
        check("/srv/httpd/x", "::1 - bob [10/Oct/2000:13:55:36 +0000] \"GET \\\" /\" 304 -\n", "apache.access");
        check("a.log", "www.example.org:80 10.0.0.1 - - [10/Oct/2000:13:55:36 +0000] \"-\" 408 0\n", "nginx.access");
        check("a.log", "10.0.0.1 - - [yesterday] \"GET / HTTP/1.1\" 200 1\n", GENERIC);
    }

    #[test]
    fn syslog_in_its_three_forms() {
        check("syslog", "Oct 11 22:14:15 mymachine su: 'su root' failed\n", "syslog");
        check("syslog", "<34>Oct  1 22:14:15 mymachine su[12]: 'su root' failed\n", "syslog");
        check("syslog", "2026-02-03T04:05:06.123456+01:00 web1 systemd[1]: Started x.\n", "syslog");
        check("syslog", "<165>1 2003-10-11T22:14:15.003Z host app 12 ID47 - hello\n", "syslog");
        check("app.log", "2026-02-03T04:05:06.123Z INFO hello\n", GENERIC);
        check("app.log", "Sun 11 22:14:15 x y: z\n", GENERIC);
    }

    #[test]
    fn json_and_the_rest() {
        check("x", "{\"a\":1}\r\n{\"b\":[2]}\n", "json");
        check("x", "{not json}\n", GENERIC);
        check("x", "", GENERIC);
        check("x", "hello\nworld\n", GENERIC);
        check("x", "banner\n{\"a\":1}\n{\"a\":2}\n", "json");
        dataset(Path::new("x"), b"\xff\xfe<>[] \" [\"\n<9>\n<");
    }
}
