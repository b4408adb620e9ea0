//! What a change in a batch's header does to the checksum of the whole, without a look at what follows it.
//!
//! A CRC is a polynomial of bits modulo another one, and zeros behind a text multiply it by a power of x. Powers with an
//! exponent of a power of two are known, so that the others are a few products: a microsecond for a batch, where the
//! matrices of `crc32c_combine` take thirty. Method: <https://github.com/madler/zlib/blob/develop/crc32.c>, `multmodp` and
//! `x2nmodp`.

/// CRC-32C's polynomial (Castagnoli), lowest power in the highest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// x to the power of 0.
const ONE: u32 = 1 << 31;
/// x to the power of 2 to the power of the index.
const POWERS: [u32; 64] = powers();

const fn powers() -> [u32; 64] {
    let mut powers = [ONE >> 1; 64];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = product(powers[at - 1], powers[at - 1]);
        at += 1;
    }
    powers
}

const fn product(left: u32, mut right: u32) -> u32 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        if left & bit != 0 {
            product ^= right;
        }
        right = (right >> 1) ^ if right & 1 != 0 { POLYNOMIAL } else { 0 };
        bit >>= 1;
    }
    product
}

/// How the checksum of a text differs whose front differs by `differs`, with `bytes` equal bytes behind that.
pub(super) fn behind_equal_bytes(differs: u32, bytes: usize) -> u32 {
    // A byte is eight bits, the third power of two.
    let powers = POWERS[3..].iter().enumerate().filter(|(at, _)| bytes >> at & 1 != 0);
    powers.fold(differs, |differs, (_, &power)| product(power, differs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_is_that_of_the_whole() {
        for bytes in (0..300).chain([1 << 12, (1 << 16) - 1, 959 * 1024, (4 << 20) + 1]) {
            let rest: Vec<u8> = (0..bytes).map(|at| (at * 7) as u8).collect();
            let whole = |front: &[u8]| crc32c::crc32c(&[front, &rest].concat());
            let differs = crc32c::crc32c(b"one") ^ crc32c::crc32c(b"two");
            assert_eq!(behind_equal_bytes(differs, bytes), whole(b"one") ^ whole(b"two"), "{bytes} bytes");
        }
        let far = 1 << 40;
        assert_eq!(behind_equal_bytes(0x1234_5678, far), crc32c::crc32c_combine(0x1234_5678, 0, far));
    }
}
