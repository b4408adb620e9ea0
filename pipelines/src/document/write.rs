//! Writes values as JSON on one line, straight into a buffer.

use super::map::Map;
use super::value::Value;

/// For each byte: 0 when it stands for itself in a JSON string, else the letter of its escape (`u` for six bytes).
const ESCAPES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 0x20 {
        table[byte] = b'u';
        byte += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

pub fn write_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Integer(number) | Value::Long(number) => write_integer(out, *number),
        Value::BigInteger(digits) => out.extend_from_slice(digits.as_bytes()),
        // Infinity and NaN are no JSON: Elasticsearch's writer puts them in quotes.
        Value::Float(number) if !number.is_finite() => write_string(out, &value.to_java_string()),
        Value::Double(number) if !number.is_finite() => write_string(out, &value.to_java_string()),
        Value::Float(_) | Value::Double(_) => out.extend_from_slice(value.to_java_string().as_bytes()),
        Value::String(text) => write_string(out, text),
        Value::List(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(out, value);
            }
            out.push(b']');
        }
        Value::Map(map) => write_map(out, map),
    }
}

pub fn write_map(out: &mut Vec<u8>, map: &Map) {
    out.push(b'{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        write_escaped(out, key);
        out.extend_from_slice(b"\":");
        write_value(out, value);
    }
    out.push(b'}');
}

/// Writes a string with its quotes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

/// Writes what stands between the quotes of a string.
#[inline]
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        push_bytes(out, bytes);
    } else {
        write_escapes(out, bytes);
    }
}

/// Appends bytes, short ones in pieces of a fixed length that overlap: that is no call.
#[inline]
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let end = out.len() + bytes.len();
    if bytes.len() <= 32
        && let (Some(first), Some(last)) = (bytes.first_chunk::<16>(), bytes.last_chunk::<16>())
    {
        out.extend_from_slice(first);
        out.truncate(end - 16);
        out.extend_from_slice(last);
    } else if bytes.len() <= 16
        && let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>())
    {
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
        && bytes.len() <= 8
    {
        out.extend_from_slice(first);
        out.truncate(end - 4);
        out.extend_from_slice(last);
    } else if bytes.len() < 4 {
        for byte in bytes {
            out.push(*byte);
        }
    } else {
        out.extend_from_slice(bytes);
    }
}

/// Whether all bytes stand for themselves.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let (chunks, _) = bytes.as_chunks::<16>();
        return chunks.iter().all(is_plain_chunk) && is_plain_chunk(last);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return needs_escape(u64::from_le_bytes(*first)) | needs_escape(u64::from_le_bytes(*last)) == 0;
    }
    bytes.iter().all(|byte| ESCAPES[usize::from(*byte)] == 0)
}

/// In a form for which compilers take instructions on all bytes at once.
#[inline]
fn is_plain_chunk(chunk: &[u8; 16]) -> bool {
    chunk.iter().fold(0, |any, byte| any | byte_needs_escape(*byte)) == 0
}

/// 1 for a byte that does not stand for itself in a string, else 0: without a branch, so that many are told at once.
#[inline]
fn byte_needs_escape(byte: u8) -> u8 {
    u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
}

/// Writes sixteen bytes at a time, up to the next escape of each.
fn write_escapes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + bytes.len() / 8 + 16);
    let mut rest = bytes;
    while let Some(chunk) = rest.first_chunk::<16>() {
        let plain = if is_plain_chunk(chunk) { 16 } else { plain_bytes(chunk) };
        let end = out.len() + plain;
        // All of it, in one piece of a fixed length.
        out.extend_from_slice(chunk);
        out.truncate(end);
        if let Some(byte) = chunk.get(plain) {
            push_escape(out, *byte);
        }
        rest = &rest[(plain + 1).min(16)..];
    }
    loop {
        let plain = plain_bytes(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(byte) = rest.get(plain) else { return };
        push_escape(out, *byte);
        rest = &rest[plain + 1..];
    }
}

#[inline]
fn push_escape(out: &mut Vec<u8>, byte: u8) {
    let (escape, length) = escape(byte);
    out.extend_from_slice(&escape[..length]);
}

/// Memory of an escape: the longest, and behind it the length of the one that is there.
pub(crate) const ESCAPE: usize = 8;

/// The escape of a byte that does not stand for itself, which is the beginning of what is given, and its length.
#[inline]
pub(crate) fn escape(byte: u8) -> ([u8; ESCAPE], usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    static ALL: [[u8; ESCAPE]; 256] = {
        let mut all = [[0; ESCAPE]; 256];
        let mut byte = 0;
        while byte < all.len() {
            let letter = ESCAPES[byte];
            let length = if letter == b'u' { 6 } else { 2 };
            all[byte] = [b'\\', letter, b'0', b'0', HEX[byte >> 4], HEX[byte & 15], 0, length];
            byte += 1;
        }
        all
    };
    let escape = ALL[usize::from(byte)];
    (escape, usize::from(escape[ESCAPE - 1]))
}

/// How many bytes stand for themselves from the start on.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    let (words, _) = bytes.as_chunks::<8>();
    let mut plain = 0;
    for word in words {
        let marks = needs_escape(u64::from_le_bytes(*word));
        if marks != 0 {
            return plain + marks.trailing_zeros() as usize / 8;
        }
        plain += 8;
    }
    plain + bytes[plain..].iter().position(|byte| ESCAPES[usize::from(*byte)] != 0).unwrap_or(bytes.len() - plain)
}

/// The high bit of each of eight bytes that needs an escape; above the lowest such bit there may be others by mistake.
#[inline]
fn needs_escape(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let quote = is_zero(word ^ (ONES * b'"' as u64));
    let backslash = is_zero(word ^ (ONES * b'\\' as u64));
    // Below 0x20: subtracting borrows, and the byte is no byte of a longer character.
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
    quote | backslash | control
}

fn write_integer(out: &mut Vec<u8>, number: i64) {
    // The longest is -9223372036854775808.
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        digits[start] = b'-';
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_appended() {
        let bytes: Vec<u8> = (0..100).collect();
        for length in 0..bytes.len() {
            let mut out = vec![1, 2, 3];
            push_bytes(&mut out, &bytes[..length]);
            assert_eq!(out[..3], [1, 2, 3]);
            assert_eq!(out[3..], bytes[..length]);
        }
    }

    #[test]
    fn every_byte_is_escaped_at_every_place_of_a_word() {
        for code in 0..=0x80u8 {
            for before in 0..17 {
                let c = char::from(code);
                let text = format!("{}{c}ü\"{c}", "x".repeat(before));
                let mut out = Vec::new();
                write_string(&mut out, &text);
                assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text, "{code} {before}");
                assert_eq!(out, serde_json::to_vec(&text).unwrap(), "{code} {before}");
            }
        }
    }
}
