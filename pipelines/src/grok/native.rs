//! Parts of patterns that are matched by code of their own, with the same outcome as the definition they stand for.

use super::program::Native;

/// Where the part ends when it matches at this place; for each there is at most one end.
pub(super) fn end(native: Native, line: &[u8], position: usize) -> Option<usize> {
    match native {
        Native::Ipv4 if before(line, position).is_some_and(|byte| byte.is_ascii_digit()) => None,
        Native::Ipv4 => ipv4(line, position),
        Native::Ipv6Ahead => is_ipv6_ahead(line, position).then_some(position),
        Native::Ip if before(line, position).is_some_and(|byte| byte.is_ascii_digit()) => None,
        Native::Ip => {
            let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            ipv4(line, position).filter(|end| !line.get(*end).is_some_and(goes_on) && !is_ipv6_ahead(line, position))
        }
        Native::NoUser => line[position..].starts_with(b"- ").then_some(position + 1),
        Native::Base10 => match before(line, position) {
            Some(b'0'..=b'9' | b'.' | b'+' | b'-') => None,
            _ => base10(line, position),
        },
        Native::Quoted if before(line, position) == Some(b'\\') => None,
        Native::Quoted => quoted(line, position),
        Native::HttpDate => http_date(line, position),
        // A name of a month is a word.
        Native::SyslogTimestamp => match before(line, position) {
            Some(byte) if !byte.is_ascii() || byte.is_ascii_alphanumeric() || byte == b'_' => None,
            _ => syslog_timestamp(line, position),
        },
    }
}

fn before(line: &[u8], position: usize) -> Option<u8> {
    position.checked_sub(1).map(|place| line[place])
}

fn is_ipv6_ahead(line: &[u8], position: usize) -> bool {
    let digits = line[position..].iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits < 5 && line.get(position + digits) == Some(&b':')
}

fn ipv4(line: &[u8], position: usize) -> Option<usize> {
    let mut at = position;
    for part in 0..4 {
        if part > 0 {
            if line.get(at) != Some(&b'.') {
                return None;
            }
            at += 1;
        }
        let start = at;
        let mut number = 0u32;
        while let Some(digit) = line.get(at).filter(|byte| byte.is_ascii_digit()) {
            if at - start == 3 {
                return None;
            }
            number = number * 10 + u32::from(digit - b'0');
            at += 1;
        }
        if at == start || number > 255 {
            return None;
        }
    }
    Some(at)
}

fn base10(line: &[u8], position: usize) -> Option<usize> {
    let digits = |at: usize| at + line[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = position + usize::from(matches!(line.get(position), Some(b'+' | b'-')));
    let whole = digits(start);
    if whole == start {
        if line.get(start) != Some(&b'.') {
            return None;
        }
        let end = digits(start + 1);
        return (end > start + 1).then_some(end);
    }
    if line.get(whole) != Some(&b'.') {
        return Some(whole);
    }
    let end = digits(whole + 1);
    Some(if end > whole + 1 { end } else { whole })
}

fn quoted(line: &[u8], position: usize) -> Option<usize> {
    let quote = *line.get(position)?;
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let mut at = position + 1;
    loop {
        at += memchr::memchr2(quote, b'\\', &line[at..])?;
        if line[at] == quote {
            return Some(at + 1);
        }
        // The rest of a longer character is passed over as any other.
        if matches!(line.get(at + 1), None | Some(b'\n')) {
            return None;
        }
        at += 2;
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

fn is_month(name: [u8; 3]) -> bool {
    const MONTHS: [[u8; 3]; 12] =
        [*b"Jan", *b"Feb", *b"Mar", *b"Apr", *b"May", *b"Jun", *b"Jul", *b"Aug", *b"Sep", *b"Oct", *b"Nov", *b"Dec"];
    MONTHS.contains(&name)
}

/// 01 to 31
fn is_day([tens, ones]: [u8; 2]) -> bool {
    match tens {
        b'0' => matches!(ones, b'1'..=b'9'),
        b'1' | b'2' => is_digit(ones),
        b'3' => matches!(ones, b'0' | b'1'),
        _ => false,
    }
}

/// 00:00:00 to 23:59:59
fn is_time([h0, h1, colon, m0, m1, other_colon, s0, s1]: [u8; 8]) -> bool {
    let hour = matches!(h0, b'0' | b'1') && is_digit(h1) || h0 == b'2' && matches!(h1, b'0'..=b'3');
    let sixty = |tens: u8, ones: u8| matches!(tens, b'0'..=b'5') && is_digit(ones);
    hour && colon == b':' && sixty(m0, m1) && other_colon == b':' && sixty(s0, s1)
}

fn http_date(line: &[u8], position: usize) -> Option<usize> {
    let [d0, d1, b'/', n0, n1, n2, b'/', y0, y1, y2, y3, b':', rest @ ..] = *line[position..].first_chunk::<21>()?
    else {
        return None;
    };
    let [time @ .., b' '] = rest else { return None };
    if !is_day([d0, d1]) || !is_month([n0, n1, n2]) || ![y0, y1, y2, y3].into_iter().all(is_digit) || !is_time(time) {
        return None;
    }
    let start = position + 21;
    let start = start + usize::from(matches!(line.get(start), Some(b'+' | b'-')));
    let digits = line[start..].iter().take_while(|byte| is_digit(**byte)).count();
    (digits > 0).then_some(start + digits)
}

fn syslog_timestamp(line: &[u8], position: usize) -> Option<usize> {
    let [n0, n1, n2, b' ', d0, d1, b' ', time @ ..] = *line[position..].first_chunk::<15>()? else { return None };
    let day = if d0 == b' ' { matches!(d1, b'1'..=b'9') } else { is_day([d0, d1]) };
    // A fraction, or another digit, is for the definition.
    let ends = !matches!(line.get(position + 15), Some(b'0'..=b'9' | b':' | b'.' | b','));
    (is_month([n0, n1, n2]) && day && is_time(time) && ends).then_some(position + 15)
}
