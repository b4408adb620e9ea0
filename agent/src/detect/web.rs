//! Lines of web servers and proxies: access lines, error lines of nginx and Apache, HAProxy.

use super::shape::{after, after_digits, bracketed, fits};

/// `host ident user [10/Oct/2000:13:55:36 -0700] "request" status bytes` (NCSA common log format; combined appends to
/// it). Apache's vhost format puts a name in front.
pub(super) fn is_access(line: &[u8]) -> bool {
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

/// `2026/01/02 03:04:05 [error] 12#34: `; nginx's only form.
pub(super) fn is_nginx_error(line: &[u8]) -> bool {
    let rest = after(line, b"0000/00/00 00:00:00 ").and_then(bracketed);
    let Some((level, rest)) = rest else { return false };
    const LEVELS: [&[u8]; 8] = [b"debug", b"info", b"notice", b"warn", b"error", b"crit", b"alert", b"emerg"];
    let pid = rest.strip_prefix(b" ").and_then(after_digits).and_then(|rest| rest.strip_prefix(b"#"));
    LEVELS.contains(&level) && pid.and_then(after_digits).is_some_and(|rest| rest.starts_with(b":"))
}

/// `[Sat Jan 02 03:04:05.678901 2026] [module:level] [pid …` of 2.4, or `[Sat Jan 02 03:04:05 2026] [level] ` of 2.2.
pub(super) fn is_apache_error(line: &[u8]) -> bool {
    let Some((time, rest)) = bracketed(line) else { return false };
    let times: [&[u8]; 2] = [b"aaa aaa _0 00:00:00 0000", b"aaa aaa _0 00:00:00.000000 0000"];
    let Some((level, _)) = rest.strip_prefix(b" ").and_then(bracketed) else { return false };
    times.iter().any(|shape| fits(time, shape))
        && level.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_:-".contains(byte))
}

/// `address:port [02/Jan/2026:03:04:05.678] frontend backend/server …`, behind the head of syslog or without it; or what
/// HAProxy says of itself through syslog.
pub(super) fn is_haproxy(line: &[u8]) -> bool {
    if memchr::memmem::find(&line[..line.len().min(100)], b" haproxy[").is_some() {
        return true;
    }
    let Some(open) = memchr::memchr(b'[', line) else { return false };
    let Some((time, rest)) = bracketed(&line[open..]) else { return false };
    let colon = memchr::memrchr(b':', line[..open].trim_ascii_end());
    let port = colon.and_then(|colon| after_digits(&line[colon + 1..open]));
    let names = rest.strip_prefix(b" ").map(|rest| rest.split(|byte| *byte == b' ').nth(1).unwrap_or_default());
    fits(time, b"00/aaa/0000:00:00:00.000")
        && port == Some(b" ")
        && names.is_some_and(|backend_server| backend_server.contains(&b'/'))
}
