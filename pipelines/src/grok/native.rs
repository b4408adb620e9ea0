//! Parts of patterns that are matched by code of their own, with the same outcome as the definition they stand for.

use super::program::Native;

/// Where the part ends when it matches at this place; for each there is at most one end.
pub(super) fn end(native: Native, line: &[u8], position: usize) -> Option<usize> {
    match native {
        Native::Ipv4 if before(line, position).is_some_and(|byte| byte.is_ascii_digit()) => None,
        Native::Ipv4 => ipv4(line, position),
        Native::Ipv6Ahead => {
            let digits = line[position..].iter().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
            (digits < 5 && line.get(position + digits) == Some(&b':')).then_some(position)
        }
        Native::Base10 => match before(line, position) {
            Some(b'0'..=b'9' | b'.' | b'+' | b'-') => None,
            _ => base10(line, position),
        },
    }
}

fn before(line: &[u8], position: usize) -> Option<u8> {
    position.checked_sub(1).map(|place| line[place])
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
