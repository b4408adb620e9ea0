//! Times of the most frequent kind of pattern, with a date, a time of day and at most a plain distance to UTC, each at its place:
//! read by arithmetic alone. Whatever is not as usual is for [`Fixed`](super::fixed::Fixed) to judge.

use jiff::Timestamp;

use super::civil;
use super::names;

/// Where the parts of such a pattern begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Usual {
    pub length: usize,
    pub literals: Vec<(usize, u8)>,
    /// Four digits.
    pub year: usize,
    /// Two digits, or the first three letters of its name.
    pub month: usize,
    pub month_is_name: bool,
    pub day: usize,
    pub hour: usize,
    pub minute: usize,
    pub second: usize,
    /// Three digits.
    pub millisecond: Option<usize>,
    /// `+0200`
    pub offset: Option<usize>,
}

impl Usual {
    /// The moment of a text. None where it is not in the usual form, and where it is no time.
    #[inline]
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let bytes = text.as_bytes();
        if bytes.len() != self.length || self.literals.iter().any(|(place, byte)| bytes[*place] != *byte) {
            return None;
        }
        let mut digits = Digits { bytes, are_digits: true };
        let year = digits.two(self.year) * 100 + digits.two(self.year + 2);
        let month = match self.month_is_name {
            true => month(bytes.get(self.month..)?.first_chunk()?)?,
            false => digits.two(self.month),
        };
        let (day, hour) = (digits.two(self.day), digits.two(self.hour));
        let (minute, second) = (digits.two(self.minute), digits.two(self.second));
        let millisecond = match self.millisecond {
            Some(place) => digits.two(place) * 10 + digits.one(place + 2),
            None => 0,
        };
        let seconds_east = match self.offset {
            Some(place) => {
                let (hours, minutes) = (digits.two(place + 1), digits.two(place + 3));
                if hours > 18 || minutes > 59 {
                    return None;
                }
                let seconds = i64::from(hours * 3600 + minutes * 60);
                match bytes[place] {
                    b'+' => seconds,
                    b'-' => -seconds,
                    _ => return None,
                }
            }
            None => 0,
        };
        let is_time = digits.are_digits && hour < 24 && minute < 60 && second < 60;
        let (year, month, day) = (i64::from(year), i64::from(month), i64::from(day));
        let is_date = (1..=9998).contains(&year) && (1..=12).contains(&month) && day >= 1;
        // Every month has 28 days.
        if !is_time || !is_date || day > 28 && day > civil::days_of_month(year, month) {
            return None;
        }
        let seconds = civil::days_since_1970(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Timestamp::new(seconds - seconds_east, millisecond as i32 * 1_000_000).ok()
    }
}

/// Digits at places of a text; that they are none is asked at the end, for all of them.
struct Digits<'t> {
    bytes: &'t [u8],
    are_digits: bool,
}

impl Digits<'_> {
    #[inline]
    fn one(&mut self, place: usize) -> u32 {
        let digit = self.bytes[place].wrapping_sub(b'0');
        self.are_digits &= digit < 10;
        u32::from(digit)
    }

    #[inline]
    fn two(&mut self, place: usize) -> u32 {
        self.one(place) * 10 + self.one(place + 1)
    }
}

/// 1 to 12, by the first three letters of the name.
#[inline]
fn month(name: &[u8; 3]) -> Option<u32> {
    names::MONTHS.iter().position(|month| month.as_bytes().first_chunk() == Some(name)).map(|index| index as u32 + 1)
}
