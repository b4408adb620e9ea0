//! Notes of which choices were met at which place of a line: the second time a choice leads where it led before, to
//! nothing.
//!
//! Notes are taken only from the moment on at which a line takes more steps than lines usually do; with them the number
//! of steps is bounded by the size of the program times the length of the line.

/// Memory for the notes of one line: the longest lines (1 MiB) with some hundred choices that are really met.
const NOTES_BYTES_MAX: usize = 64 << 20;

/// Bits, a row for each choice that was met, a column for each place.
#[derive(Debug, Default)]
pub(super) struct Visits {
    /// For each choice its row, from 1; 0 when it has none yet.
    rows: Vec<u32>,
    bits: Vec<u64>,
    row_words: usize,
    on: bool,
    /// What was noted inside of parts that are run on their own: choice, first and last place.
    log: Vec<(u32, usize, usize)>,
}

/// There is no room for more notes.
#[derive(Debug)]
pub(super) struct Full;

impl Visits {
    pub fn is_on(&self) -> bool {
        self.on
    }

    pub fn stop(&mut self) {
        self.on = false;
    }

    pub fn start(&mut self, points: usize, line_bytes: usize) {
        self.on = true;
        self.rows.clear();
        self.rows.resize(points, 0);
        self.bits.clear();
        self.log.clear();
        self.row_words = (line_bytes + 1).div_ceil(64);
    }

    fn row(&mut self, point: u32) -> Result<usize, Full> {
        if self.rows[point as usize] == 0 {
            if (self.bits.len() + self.row_words) * 8 > NOTES_BYTES_MAX {
                return Err(Full);
            }
            self.bits.resize(self.bits.len() + self.row_words, 0);
            self.rows[point as usize] = (self.bits.len() / self.row_words) as u32;
        }
        Ok((self.rows[point as usize] as usize - 1) * self.row_words)
    }

    /// The first place from `from` on that was noted.
    pub fn first_noted(&self, point: u32, from: usize) -> Option<usize> {
        let row = (self.rows[point as usize] as usize).checked_sub(1)? * self.row_words;
        let bits = &self.bits[row..row + self.row_words];
        let mut word = from / 64;
        let mut rest = bits[word] & (u64::MAX << (from % 64));
        while rest == 0 {
            word += 1;
            rest = *bits.get(word)?;
        }
        Some(word * 64 + rest.trailing_zeros() as usize)
    }

    /// Notes the places from `from` to `to`, up to the first that was noted before, which is given back.
    pub fn note(&mut self, point: u32, from: usize, to: usize, logged: bool) -> Result<Option<usize>, Full> {
        let row = self.row(point)?;
        let bits = &mut self.bits[row..row + self.row_words];
        let mut place = from;
        let mut before = None;
        while place <= to {
            let (word, bit) = (place / 64, place % 64);
            // A whole word at once, where a row of places covers it.
            if bit == 0 && to - place >= 63 && bits[word] == 0 {
                bits[word] = u64::MAX;
                place += 64;
                continue;
            }
            if bits[word] >> bit & 1 == 1 {
                before = Some(place);
                break;
            }
            bits[word] |= 1 << bit;
            place += 1;
        }
        if logged && place > from {
            self.log.push((point, from, place - 1));
        }
        Ok(before)
    }

    /// How much is in the log.
    pub fn mark(&self) -> usize {
        // Before notes are taken the log is that of another line.
        if self.on { self.log.len() } else { 0 }
    }

    /// Takes back what was noted since a mark: the part has matched, and a choice in it may lead there again.
    pub fn forget(&mut self, mark: usize) {
        for (point, from, to) in self.log.drain(mark..) {
            let row = (self.rows[point as usize] as usize - 1) * self.row_words;
            for place in from..=to {
                self.bits[row + place / 64] &= !(1 << (place % 64));
            }
        }
    }
}
