//! Writes positions as decimal digits, at a few nanoseconds each.

/// A position as decimal digits.
#[derive(Clone, Copy)]
pub struct Decimal {
    /// The last `length` of them.
    digits: [u8; 24],
    length: usize,
}

impl Decimal {
    pub fn as_bytes(&self) -> &[u8] {
        &self.digits[self.digits.len() - self.length..]
    }
}

/// Eight digits at a time, each group in a register: every record has a position, and bytes that are written one by one
/// are slow to be read again as words.
pub fn decimal(value: u64) -> Decimal {
    const GROUP: u64 = 100_000_000;
    let groups = [value / GROUP / GROUP, value / GROUP % GROUP, value % GROUP].map(eight_digits);
    let mut digits = [0; 24];
    for (place, group) in digits.as_chunks_mut().0.iter_mut().zip(groups) {
        *place = (group | 0x3030_3030_3030_3030).to_le_bytes();
    }
    // The first digit is the lowest byte of its group.
    let zeros =
        groups.iter().position(|&group| group != 0).map_or(23, |at| at * 8 + groups[at].trailing_zeros() as usize / 8);
    Decimal { digits, length: digits.len() - zeros }
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

    #[test]
    fn positions_are_decimal() {
        let powers = (0..20).map(|power| 10u64.pow(power));
        for value in powers.flat_map(|power| [power - 1, power, power + 1, power / 2 * 3]).chain([u64::MAX]) {
            assert_eq!(decimal(value).as_bytes(), value.to_string().as_bytes());
        }
    }
}
