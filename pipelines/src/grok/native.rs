//! Parts of patterns that are matched by code of their own, with the same outcome as the definition they stand for.

use wide::u8x16;

use super::program::Native;
use crate::date::month;

/// Bytes in which the end of a quoted text is looked for without a call.
const QUOTED_SHORT: usize = 64;

/// Where the part ends when it matches at this place; for each there is at most one end.
pub(super) fn end(native: Native, line: &[u8], position: usize) -> Option<usize> {
    match native {
        Native::Ipv4 if before(line, position).is_some_and(|byte| byte.is_ascii_digit()) => None,
        Native::Ipv4 => ipv4(line, position),
        Native::Ipv6Ahead => is_ipv6_ahead(line, position).then_some(position),
        Native::Ip if before(line, position).is_some_and(|byte| byte.is_ascii_digit()) => None,
        Native::Ip => {
            let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            // No colon follows its first digits, so that none of version 6 begins here.
            ipv4(line, position).filter(|end| !line.get(*end).is_some_and(goes_on))
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

/// Four numbers up to 255. As random as they are, branches on their digits would be guessed wrong: where an address can lie in
/// sixteen bytes there are none.
fn ipv4(line: &[u8], position: usize) -> Option<usize> {
    let Some(bytes) = line[position..].first_chunk::<16>() else { return short_ipv4(line, position) };
    let mut ends = not_digits(bytes);
    let (mut start, mut is_address) = (0, true);
    for part in 0..4 {
        // Where there is no more of them, it is not at a place of the line.
        let end = ends.trailing_zeros() as usize;
        ends &= ends.wrapping_sub(1);
        let length = end.wrapping_sub(start);
        let byte = |place: usize| bytes[place & 15];
        // As texts of three digits numbers are in the same order.
        let number = u32::from_be_bytes([0, byte(start), byte(start + 1), byte(start + 2)]);
        is_address &= length.wrapping_sub(1) < 3 && (length < 3 || number <= u32::from_be_bytes(*b"\x00255"));
        is_address &= part == 3 || byte(end) == b'.';
        start = end + usize::from(part < 3);
    }
    is_address.then_some(position + start)
}

/// As [`ipv4`], byte by byte.
fn short_ipv4(line: &[u8], position: usize) -> Option<usize> {
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

/// Where digits end that begin at a place.
#[inline]
fn digits(line: &[u8], position: usize) -> usize {
    let rest = &line[position..];
    if let Some(bytes) = rest.first_chunk::<16>() {
        let others = not_digits(bytes);
        if others != 0 {
            return position + others.trailing_zeros() as usize;
        }
    }
    position + rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

/// A bit for each byte that is no digit.
#[inline]
fn not_digits(bytes: &[u8; 16]) -> u32 {
    let nine = u8x16::splat(9);
    let digits = (u8x16::new(*bytes) - u8x16::splat(b'0')).max(nine).simd_eq(nine);
    !digits.to_bitmask() & 0xffff
}

fn base10(line: &[u8], position: usize) -> Option<usize> {
    let digits = |at: usize| digits(line, at);
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
        at += quote_or_backslash(quote, &line[at..])?;
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

/// The first of either: most texts are short, and a call costs more than a look at their bytes.
#[inline]
fn quote_or_backslash(quote: u8, bytes: &[u8]) -> Option<usize> {
    let (quotes, backslashes) = (u8x16::splat(quote), u8x16::splat(b'\\'));
    let mut begun = 0;
    for chunk in bytes.as_chunks::<16>().0.iter().take(QUOTED_SHORT / 16) {
        let chunk = u8x16::new(*chunk);
        let found = (chunk.simd_eq(quotes) | chunk.simd_eq(backslashes)).to_bitmask() & 0xffff;
        if found != 0 {
            return Some(begun + found.trailing_zeros() as usize);
        }
        begun += 16;
    }
    memchr::memchr2(quote, b'\\', &bytes[begun..]).map(|found| begun + found)
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// 01 to 31
#[inline]
fn is_day([tens, ones]: [u8; 2]) -> bool {
    let day = u16::from_be_bytes([tens, ones]);
    // Texts of two digits are in the order of their numbers.
    is_digit(ones) & is_digit(tens) & (day >= u16::from_be_bytes(*b"01")) & (day <= u16::from_be_bytes(*b"31"))
}

/// 00:00:00 to 23:59:59. Times are as random as addresses: no branches here either.
#[inline]
fn is_time(time: [u8; 8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    const LOWEST: u64 = u64::from_le_bytes(*b"00:00:00");
    /// How far each byte may be from the lowest.
    const WIDTH: u64 = u64::from_le_bytes([2, 9, 0, 5, 9, 0, 5, 9]);
    // Of a digit what is left is its number, and of a colon nothing; whatever else leaves more.
    let bytes = u64::from_le_bytes(time) ^ LOWEST;
    let above = ((bytes & !HIGH) + (ONES * 0x7f - WIDTH)) | bytes;
    let [h0, h1, ..] = time;
    (above & HIGH == 0) & (u16::from_be_bytes([h0, h1]) < u16::from_be_bytes(*b"24"))
}

fn http_date(line: &[u8], position: usize) -> Option<usize> {
    let [d0, d1, b'/', n0, n1, n2, b'/', y0, y1, y2, y3, b':', rest @ ..] = *line[position..].first_chunk::<21>()?
    else {
        return None;
    };
    let [time @ .., b' '] = rest else { return None };
    let is_year = is_digit(y0) & is_digit(y1) & is_digit(y2) & is_digit(y3);
    if !(is_day([d0, d1]) & month([n0, n1, n2]).is_some() & is_year & is_time(time)) {
        return None;
    }
    let start = position + 21;
    let start = start + usize::from(matches!(line.get(start), Some(b'+' | b'-')));
    let end = digits(line, start);
    (end > start).then_some(end)
}

fn syslog_timestamp(line: &[u8], position: usize) -> Option<usize> {
    let [n0, n1, n2, b' ', d0, d1, b' ', time @ ..] = *line[position..].first_chunk::<15>()? else { return None };
    let day = if d0 == b' ' { matches!(d1, b'1'..=b'9') } else { is_day([d0, d1]) };
    // A fraction, or another digit, is for the definition.
    let ends = !matches!(line.get(position + 15), Some(b'0'..=b'9' | b':' | b'.' | b','));
    (month([n0, n1, n2]).is_some() && day && is_time(time) && ends).then_some(position + 15)
}
