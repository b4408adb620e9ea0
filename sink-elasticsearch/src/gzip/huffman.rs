//! Huffman codes of a block, and how a block says which they are (RFC 1951, 3.2.2 and 3.2.7).

use super::Bits;

/// Longest code of a literal, a length or a distance.
const CODE_BITS_MAX: usize = 15;
/// Longest code of a code's length.
const LENGTH_CODE_BITS_MAX: usize = 7;
/// Lengths of codes are said in this order.
const LENGTH_CODE_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// The length before, 3 to 6 times; a code's length of 0, 3 to 10 or 11 to 138 times.
const REPEAT: usize = 16;
const ZEROS: usize = 17;
const MANY_ZEROS: usize = 18;

/// A code as it is written: the first bit is the lowest one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Code {
    pub bits: u32,
    pub length: u32,
}

impl Code {
    /// The code with more bits behind it.
    pub fn followed_by(self, extra: u32, bits: u32) -> Self {
        Self { bits: self.bits | extra << self.length, length: self.length + bits }
    }
}

/// The codes of a block.
pub struct Codes {
    pub literals: [Code; 286],
    pub distances: [Code; 30],
    literals_used: usize,
    distances_used: usize,
    /// Lengths of all codes, as they are said: symbol, extra bits and how many those are.
    said: Vec<(usize, u32, u32)>,
    lengths: [Code; 19],
    lengths_used: usize,
}

impl Codes {
    /// For symbols that are in the block so many times.
    pub fn of(literal_counts: &[u32; 286], distance_counts: &[u32; 30]) -> Self {
        let literals = codes::<286>(literal_counts, CODE_BITS_MAX);
        let distances = codes::<30>(distance_counts, CODE_BITS_MAX);
        let used = |codes: &[Code]| codes.iter().rposition(|code| code.length > 0).map_or(0, |last| last + 1);
        let literals_used = used(&literals).max(257);
        // One is said also when there is none.
        let distances_used = used(&distances).max(1);
        let all = literals[..literals_used].iter().chain(&distances[..distances_used]);
        let said = say(&all.map(|code| code.length).collect::<Vec<_>>());
        let mut counts = [0; 19];
        said.iter().for_each(|(symbol, ..)| counts[*symbol] += 1);
        let lengths = codes::<19>(&counts, LENGTH_CODE_BITS_MAX);
        let last = LENGTH_CODE_ORDER.iter().rposition(|symbol| lengths[*symbol].length > 0);
        let lengths_used = last.map_or(0, |last| last + 1).max(4);
        Self { literals, distances, literals_used, distances_used, said, lengths, lengths_used }
    }

    /// Bits of the block's type and of its codes.
    pub fn header_bits(&self) -> u64 {
        let said: u32 = self.said.iter().map(|(symbol, _, bits)| self.lengths[*symbol].length + bits).sum();
        3 + 14 + 3 * self.lengths_used as u64 + u64::from(said)
    }

    /// Bits of the symbols, without those that follow some of them.
    pub fn body_bits(&self, literal_counts: &[u32; 286], distance_counts: &[u32; 30]) -> u64 {
        let literals = self.literals.iter().zip(literal_counts);
        let all = literals.chain(self.distances.iter().zip(distance_counts));
        all.map(|(code, count)| u64::from(code.length) * u64::from(*count)).sum()
    }

    pub fn write_header(&self, out: &mut Bits) {
        out.put((self.literals_used - 257) as u64, 5);
        out.put((self.distances_used - 1) as u64, 5);
        out.put((self.lengths_used - 4) as u64, 4);
        for symbol in &LENGTH_CODE_ORDER[..self.lengths_used] {
            out.put(u64::from(self.lengths[*symbol].length), 3);
        }
        for (symbol, extra, bits) in &self.said {
            let code = self.lengths[*symbol].followed_by(*extra, *bits);
            out.put(u64::from(code.bits), code.length);
        }
    }
}

/// Lengths in runs.
fn say(lengths: &[u32]) -> Vec<(usize, u32, u32)> {
    let mut said = Vec::with_capacity(lengths.len());
    for run in lengths.chunk_by(|a, b| a == b) {
        let (length, mut left) = (run[0], run.len() as u32);
        if length > 0 {
            said.push((length as usize, 0, 0));
            left -= 1;
        }
        while left > 0 {
            let (symbol, count) = match (length, left) {
                (_, ..3) => (length as usize, 1),
                (0, ..=10) => (ZEROS, left),
                (0, _) => (MANY_ZEROS, left.min(138)),
                (_, _) => (REPEAT, left.min(6)),
            };
            said.push(match symbol {
                REPEAT => (symbol, count - 3, 2),
                ZEROS => (symbol, count - 3, 3),
                MANY_ZEROS => (symbol, count - 11, 7),
                _ => (symbol, 0, 0),
            });
            left -= count;
        }
    }
    said
}

/// A code for each symbol that is there, none longer than `bits_max`.
fn codes<const N: usize>(counts: &[u32; N], bits_max: usize) -> [Code; N] {
    let mut symbols: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, count)| (*count, symbol)).collect();
    let mut codes = [Code::default(); N];
    match symbols[..] {
        [] => return codes,
        // A code has at least one bit.
        [(_, symbol)] => {
            codes[symbol].length = 1;
            return codes;
        }
        _ => {}
    }
    symbols.sort_unstable();
    let mut lengths = depths(&symbols);
    while lengths.iter().any(|length| *length as usize > bits_max) {
        // Counts that are closer to each other have shorter codes; in the end all are 1.
        symbols.iter_mut().for_each(|(count, _)| *count = *count / 2 + 1);
        lengths = depths(&symbols);
    }
    let mut of_length = [0_u32; CODE_BITS_MAX + 1];
    for ((_, symbol), length) in symbols.iter().zip(lengths) {
        codes[*symbol].length = length;
        of_length[length as usize] += 1;
    }
    let mut next = [0_u32; CODE_BITS_MAX + 2];
    for length in 1..=CODE_BITS_MAX {
        next[length + 1] = (next[length] + of_length[length]) << 1;
    }
    for code in codes.iter_mut().filter(|code| code.length > 0) {
        let bits = &mut next[code.length as usize];
        code.bits = bits.reverse_bits() >> (u32::BITS - code.length);
        *bits += 1;
    }
    codes
}

/// How deep each symbol is in the tree, which joins the two rarest again and again. `symbols` are at least two, sorted by
/// their counts.
fn depths(symbols: &[(u32, usize)]) -> Vec<u32> {
    let leaves = symbols.len();
    // Leaves first, then what joins two; those come in the order of their counts, too.
    let mut counts: Vec<u64> = symbols.iter().map(|(count, _)| u64::from(*count)).collect();
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut joined) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut count = 0;
        for _ in 0..2 {
            let is_leaf = leaf < leaves && (joined >= counts.len() || counts[leaf] <= counts[joined]);
            let rarest = if is_leaf { &mut leaf } else { &mut joined };
            count += counts[*rarest];
            parents[*rarest] = node;
            *rarest += 1;
        }
        counts.push(count);
    }
    let mut depths = vec![0; 2 * leaves - 1];
    for node in (0..2 * leaves - 2).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(leaves);
    depths
}
