//! Zigzag variable-length integers as record batches use them (protocol guide, "Variable-length integers").

/// A varint that ends too late, or not at all within the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed varint")]
pub struct MalformedVarint;

/// Longest encoding of a 64-bit value.
pub const VARLONG_BYTES_MAX: usize = 10;
/// Longest encoding of a 32-bit value.
pub const VARINT_BYTES_MAX: usize = 5;

/// Appends `value` in zigzag form.
#[inline]
pub fn put_varlong(buffer: &mut Vec<u8>, value: i64) {
    let mut rest = zigzag(value);
    while rest >= 0x80 {
        buffer.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    buffer.push(rest as u8);
}

/// Appends `value` in zigzag form; the encoding of an `i32` is that of the same `i64`.
#[inline]
pub fn put_varint(buffer: &mut Vec<u8>, value: i32) {
    put_varlong(buffer, i64::from(value));
}

/// Number of bytes that [`put_varlong`] writes for `value`.
#[inline]
pub fn varlong_bytes(value: i64) -> usize {
    let zigzag = zigzag(value);
    // Most numbers are small.
    match zigzag {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        _ => (64 - zigzag.leading_zeros() as usize).div_ceil(7),
    }
}

/// Up to seven bytes in a register: a few numbers that are written at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Short {
    /// The first byte lowest.
    bytes: u64,
    length: usize,
}

impl Short {
    pub const fn byte(byte: u8) -> Self {
        Self { bytes: byte as u64, length: 1 }
    }

    pub fn length(self) -> usize {
        self.length
    }

    /// `next` behind it; both together have at most seven bytes.
    #[inline(always)]
    pub fn then(self, next: Self) -> Self {
        Self { bytes: self.bytes | next.bytes << (8 * self.length), length: self.length + next.length }
    }

    /// Appends it.
    #[inline(always)]
    pub fn put(self, buffer: &mut Vec<u8>) {
        put_front(buffer, &self.bytes.to_le_bytes(), self.length);
    }
}

/// Appends the first `length` bytes of a register: all of it is written, and what is too much is cut off, without a call or a loop.
#[inline(always)]
pub(crate) fn put_front<const N: usize>(buffer: &mut Vec<u8>, register: &[u8; N], length: usize) {
    let end = buffer.len() + length;
    buffer.extend_from_slice(register);
    buffer.truncate(end);
}

/// `value` as [`put_varlong`] writes it, if that is no more than three bytes.
#[inline(always)]
pub(crate) fn short_varlong(value: i64) -> Option<Short> {
    let rest = zigzag(value);
    match rest {
        0..0x80 => Some(Short { bytes: rest, length: 1 }),
        0x80..0x4000 => Some(Short { bytes: (rest & 0x7f) | 0x80 | (rest >> 7) << 8, length: 2 }),
        0x4000..0x20_0000 => {
            Some(Short { bytes: (rest & 0x7f) | (rest >> 7 & 0x7f) << 8 | 0x8080 | (rest >> 14) << 16, length: 3 })
        }
        _ => None,
    }
}

/// Takes a 64-bit varint from the front of `bytes`.
#[inline]
pub fn take_varlong(bytes: &mut &[u8]) -> Result<i64, MalformedVarint> {
    take_unsigned(bytes, VARLONG_BYTES_MAX).map(unzigzag)
}

/// Takes a 32-bit varint from the front of `bytes`; a value that needs more than 32 bits is malformed.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Result<i32, MalformedVarint> {
    let value = take_unsigned(bytes, VARINT_BYTES_MAX).map(unzigzag)?;
    i32::try_from(value).map_err(|_| MalformedVarint)
}

#[inline]
fn take_unsigned(bytes: &mut &[u8], bytes_max: usize) -> Result<u64, MalformedVarint> {
    // Most numbers are small.
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Ok(u64::from(byte));
    }
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().take(bytes_max).enumerate() {
        // The tenth byte holds the 64th bit and nothing else.
        if index == VARLONG_BYTES_MAX - 1 && byte > 1 {
            return Err(MalformedVarint);
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            *bytes = &bytes[index + 1..];
            return Ok(value);
        }
    }
    Err(MalformedVarint)
}

/// The unsigned number that stands for `value` on the wire.
#[inline]
pub fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

#[inline]
fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_the_edges() {
        for value in
            [0, -1, 1, 63, 64, -64, -65, 8191, 8192, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN]
        {
            let mut buffer = Vec::new();
            put_varlong(&mut buffer, value);
            assert_eq!(buffer.len(), varlong_bytes(value), "length of {value}");
            let mut rest = buffer.as_slice();
            assert_eq!(take_varlong(&mut rest), Ok(value));
            assert!(rest.is_empty());
            for cut in 0..buffer.len() {
                assert_eq!(take_varlong(&mut &buffer[..cut]), Err(MalformedVarint));
            }
        }
    }

    #[test]
    fn short_ones_are_the_same() {
        let edges = [0, 1, 6, 7, 13, 14, 19, 20, 21, 62].map(|bits| 1i64 << bits);
        for value in edges.into_iter().flat_map(|edge| [edge - 1, edge, edge + 1, -edge, -edge - 1]) {
            let mut buffer = b"kept".to_vec();
            put_varlong(&mut buffer, value);
            let short = short_varlong(value).map(|short| {
                let mut buffer = b"kep".to_vec();
                Short::byte(b't').then(short).put(&mut buffer);
                assert_eq!(short.length(), buffer.len() - 4);
                buffer
            });
            assert_eq!(short, (buffer.len() <= 4 + 3).then_some(buffer), "{value}");
        }
    }

    #[test]
    fn overlong_encodings_are_refused() {
        assert_eq!(take_varlong(&mut [0x80u8; 11].as_slice()), Err(MalformedVarint));
        assert_eq!(take_varint(&mut [0xffu8, 0xff, 0xff, 0xff, 0xff, 0x01].as_slice()), Err(MalformedVarint));
        assert_eq!(take_varint(&mut [0xffu8, 0xff, 0xff, 0xff, 0x7f].as_slice()), Err(MalformedVarint));
    }
}
