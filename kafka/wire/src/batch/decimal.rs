//! Writes numbers as decimal digits, at a few nanoseconds each: every record of a file has its position.

use crate::varint::put_front;

/// What eight digits can say.
const GROUP: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Appends the varint of the number of digits, and the digits.
#[inline]
pub(super) fn put_decimal(out: &mut Vec<u8>, value: u64) {
    let (high, low) = (value / GROUP, value % GROUP);
    if high >= GROUP {
        return put_long(out, value);
    }
    // The first digit is the lowest byte. Both groups stay in registers: bytes that were just written are slow to be read
    // again in other words.
    let digits = u128::from(eight_digits(low)) << 64 | u128::from(eight_digits(high));
    // 0 has a digit, too.
    let zeros = ((digits | 1 << 120).trailing_zeros() / 8) as usize;
    let digits = (digits | u128::from(ZEROS) << 64 | u128::from(ZEROS)) >> (8 * zeros);
    let length = 16 - zeros;
    out.push(2 * length as u8);
    put_front(out, &digits.to_le_bytes(), length);
}

#[cold]
fn put_long(out: &mut Vec<u8>, value: u64) {
    let digits = value.to_string();
    out.push(2 * digits.len() as u8);
    out.extend_from_slice(digits.as_bytes());
}

/// Bytes that [`put_decimal`] appends.
#[inline]
pub(super) fn decimal_bytes(value: u64) -> usize {
    2 + value.checked_ilog10().unwrap_or(0) as usize
}

/// The digits of a number below 10^8 as bytes from 0 to 9, the first one lowest: halved into pairs of four, two and one.
#[inline]
fn eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | (value % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::varint::take_varint;

    #[test]
    fn numbers_are_decimal() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        for value in powers.flat_map(|power| [power - 1, power, power + 1, power / 2 * 3]).chain([u64::MAX]) {
            let mut out = b"kept".to_vec();
            put_decimal(&mut out, value);
            assert_eq!(out.len() - 4, decimal_bytes(value), "{value}");
            let mut rest = &out[4..];
            assert_eq!(take_varint(&mut rest), Ok(out.len() as i32 - 5), "{value}");
            assert_eq!(rest, value.to_string().as_bytes());
        }
    }
}
