//! Shapes of times and numbers at the beginning of a line, without a regex: one look at a file must cost next to nothing.

/// What follows the shape at the beginning of `text`: `0` a digit, `a` a letter, `_` a digit or a space, `+` a sign, `.` a
/// point or comma, others themselves.
pub(super) fn after<'a>(text: &'a [u8], shape: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = text.split_at_checked(shape.len())?;
    fits(head, shape).then_some(rest)
}

/// Whether `text` has the shape, and nothing else.
pub(super) fn fits(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            b'a' => byte.is_ascii_alphabetic(),
            b'_' => byte.is_ascii_digit() || *byte == b' ',
            b'+' => matches!(byte, b'+' | b'-'),
            b'.' => matches!(byte, b'.' | b','),
            other => byte == other,
        })
}

/// What follows the digits at the beginning; none without a digit.
pub(super) fn after_digits(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &text[digits..])
}

/// What follows the spaces at the beginning.
pub(super) fn after_spaces(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// The first word, and what follows it and the spaces behind it.
pub(super) fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b' ', text).unwrap_or(text.len());
    (&text[..end], after_spaces(&text[end..]))
}

/// What stands in the brackets at the beginning, and what follows them.
pub(super) fn bracketed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let close = memchr::memchr(b']', inside)?;
    Some((&inside[..close], &inside[close + 1..]))
}

/// What follows `2026-01-02 03:04:05` or `2026-01-02T03:04:05`, its fraction, and its zone when it touches.
pub(super) fn after_iso_time(text: &[u8]) -> Option<&[u8]> {
    let rest = after(text, b"0000-00-00 _0:00:00").or_else(|| after(text, b"0000-00-00T00:00:00"))?;
    let rest = match rest {
        [b'.' | b',', fraction @ ..] => after_digits(fraction)?,
        _ => rest,
    };
    let zone = rest.strip_prefix(b"Z").or_else(|| after(rest, b"+00:00")).or_else(|| after(rest, b"+0000"));
    Some(zone.unwrap_or(rest))
}

/// Words of levels in capitals, as loggers write them.
pub(super) fn is_level(word: &[u8]) -> bool {
    const LEVELS: [&[u8]; 14] = [
        b"TRACE",
        b"DEBUG",
        b"INFO",
        b"WARN",
        b"WARNING",
        b"ERROR",
        b"FATAL",
        b"CRITICAL",
        b"SEVERE",
        b"CONFIG",
        b"FINE",
        b"FINER",
        b"FINEST",
        b"NOTSET",
    ];
    LEVELS.contains(&word)
}

/// English names of months, short.
pub(super) fn is_month(word: &[u8]) -> bool {
    const MONTHS: [&[u8]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.contains(&word)
}

/// `2026-01-02T03:04:05`, then fraction and zone in any form.
pub(super) fn is_iso_time(word: &[u8]) -> bool {
    word.len() >= 20 && fits(&word[..19], b"0000-00-00T00:00:00")
}
