//! Lines of the system: syslog, who logged in, dpkg, container runtimes.

use super::shape::{after, fits, is_iso_time, is_month};

/// RFC 3164 as written to files (`Jan  2 03:04:05 host tag: ...`), Debian 12's ISO timestamps, or RFC 5424; each with
/// or without the `<priority>` in front.
pub(super) fn is_syslog(line: &[u8]) -> bool {
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

/// Syslog of programs that check who somebody is, and do little else.
pub(super) fn is_auth(line: &[u8]) -> bool {
    const TAGS: [&[u8]; 4] = [b" sshd[", b" sshd-session[", b" sudo: ", b" sudo["];
    let head = &line[..line.len().min(100)];
    is_syslog(line) && TAGS.iter().any(|tag| memchr::memmem::find(head, tag).is_some())
}

/// `2026-01-02 03:04:05 status installed …`
pub(super) fn is_dpkg(line: &[u8]) -> bool {
    const WORDS: [&[u8]; 11] = [
        b"startup",
        b"status",
        b"install",
        b"upgrade",
        b"configure",
        b"trigproc",
        b"disappear",
        b"remove",
        b"purge",
        b"conffile",
        b"unpack",
    ];
    let word = after(line, b"0000-00-00 00:00:00 ").and_then(|rest| rest.split(|byte| *byte == b' ').next());
    word.is_some_and(|word| WORDS.contains(&word))
}

/// `2026-01-02T03:04:05.678901234Z stdout F …`
pub(super) fn is_cri(line: &[u8]) -> bool {
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, flag) = (words.next(), words.next(), words.next());
    time.is_some_and(is_iso_time)
        && matches!(stream, Some(b"stdout" | b"stderr"))
        && flag.is_some_and(|flag| {
            matches!(flag.first(), Some(b'F' | b'P')) && flag.get(1).is_none_or(|byte| *byte == b':')
        })
}
