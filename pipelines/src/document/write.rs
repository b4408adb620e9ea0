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
        write_string(out, key);
        out.push(b':');
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
pub fn write_escaped(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut start = 0;
    for (index, byte) in bytes.iter().enumerate() {
        let escape = ESCAPES[usize::from(*byte)];
        if escape == 0 {
            continue;
        }
        out.extend_from_slice(&bytes[start..index]);
        start = index + 1;
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            let low = HEX[usize::from(byte & 15)];
            out.extend_from_slice(&[b'0', b'0', HEX[usize::from(byte >> 4)], low]);
        }
    }
    out.extend_from_slice(&bytes[start..]);
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
