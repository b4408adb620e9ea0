//! Times of the most frequent kind of pattern, with a date, a time of day and at most a plain distance to UTC, each at its place:
//! read by arithmetic alone. Whatever is not as usual is for [`Fixed`](super::fixed::Fixed) to judge.

use std::cell::Cell;

use jiff::Timestamp;
use wide::u8x16;

use super::civil;
use super::names;

/// A text is looked at as its first bytes and its last ones, so many of each at once.
const HALF: usize = 16;
/// With longer texts three letters could lie in neither half.
const LENGTH_MAX: usize = 2 * HALF - 2;

/// Where the parts of such a pattern begin in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
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

/// Such a pattern. Places are those in the halves of the text, one behind the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Usual {
    parts: Parts,
    /// Where the last two digits of the year begin, the last of the millisecond, and the last two of the distance to UTC.
    year_end: usize,
    millisecond_end: usize,
    offset_end: usize,
    /// The lowest byte that may stand at each place, and how far the highest is from it.
    lowest: [u8; 2 * HALF],
    width: [u8; 2 * HALF],
}

impl Usual {
    /// None for texts that are too long.
    pub fn new(mut parts: Parts) -> Option<Usual> {
        if parts.length > LENGTH_MAX {
            return None;
        }
        // In a short text the first half goes on behind it, and there is no other; in a longer one both have some bytes in common.
        let second = parts.length.checked_sub(HALF);
        let (mut lowest, mut width) = ([0; 2 * HALF], [u8::MAX; 2 * HALF]);
        let mut may = |start: usize, length: usize, low: u8, high: u8| {
            for place in start..start + length {
                let first = (place < HALF).then_some(place);
                let last = second.filter(|second| place >= *second).map(|second| HALF + place - second);
                for place in first.into_iter().chain(last) {
                    (lowest[place], width[place]) = (low, high - low);
                }
            }
        };
        for (place, byte) in &parts.literals {
            may(*place, 1, *byte, *byte);
        }
        may(parts.year, 4, b'0', b'9');
        for place in [parts.day, parts.hour, parts.minute, parts.second] {
            may(place, 2, b'0', b'9');
        }
        if !parts.month_is_name {
            may(parts.month, 2, b'0', b'9');
        }
        if let Some(place) = parts.millisecond {
            may(place, 3, b'0', b'9');
        }
        if let Some(place) = parts.offset {
            may(place + 1, 4, b'0', b'9');
        }
        // A part lies in one half as a whole.
        let settled = |place: usize, length: usize| match second {
            Some(second) if place + length > HALF => HALF + place - second,
            _ => place,
        };
        let year_end = settled(parts.year + 2, 2);
        let millisecond_end = settled(parts.millisecond.unwrap_or(0) + 2, 1);
        let offset_end = settled(parts.offset.unwrap_or(0) + 3, 2);
        parts.month = settled(parts.month, if parts.month_is_name { 3 } else { 2 });
        for place in [&mut parts.year, &mut parts.day, &mut parts.hour, &mut parts.minute, &mut parts.second] {
            *place = settled(*place, 2);
        }
        parts.millisecond = parts.millisecond.map(|place| settled(place, 2));
        // The sign and two digits.
        parts.offset = parts.offset.map(|place| settled(place, 3));
        Some(Usual { parts, year_end, millisecond_end, offset_end, lowest, width })
    }

    /// Whether a text without a zone has a moment of its own.
    pub fn has_offset(&self) -> bool {
        self.parts.offset.is_some()
    }

    /// The moment of a text. None where it is not in the usual form, and where it is no time.
    #[inline]
    pub fn read(&self, text: &str) -> Option<Timestamp> {
        let parts = &self.parts;
        if text.len() != parts.length {
            return None;
        }
        let halves = self.halves(text.as_bytes())?;
        let one = |place: usize| u32::from(halves[place % (2 * HALF)].wrapping_sub(b'0'));
        let two = |place: usize| one(place) * 10 + one(place + 1);
        let year = two(parts.year) * 100 + two(self.year_end);
        let month = match parts.month_is_name {
            true => names::month(*halves.get(parts.month..)?.first_chunk()?)?,
            false => two(parts.month),
        };
        let (day, hour, minute, second) = (two(parts.day), two(parts.hour), two(parts.minute), two(parts.second));
        let millisecond = match parts.millisecond {
            Some(place) => two(place) * 10 + one(self.millisecond_end),
            None => 0,
        };
        let seconds_east = match parts.offset {
            Some(place) => {
                let (hours, minutes) = (two(place + 1), two(self.offset_end));
                if hours > 18 || minutes > 59 {
                    return None;
                }
                let seconds = i64::from(hours * 3600 + minutes * 60);
                match halves[place] {
                    b'+' => seconds,
                    b'-' => -seconds,
                    _ => return None,
                }
            }
            None => 0,
        };
        let is_date = (1..=9998).contains(&year) & (1..=12).contains(&month) & (day >= 1);
        // Every month has 28 days.
        if !is_date
            || (hour > 23) | (minute > 59) | (second > 59)
            || day > 28 && i64::from(day) > civil::days_of_month(i64::from(year), i64::from(month))
        {
            return None;
        }
        let seconds = days_since_1970(year, month, day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second);
        Timestamp::new(seconds - seconds_east, millisecond as i32 * 1_000_000).ok()
    }

    /// Both halves of a text, if each byte may stand where it does.
    #[inline]
    fn halves(&self, bytes: &[u8]) -> Option<[u8; 2 * HALF]> {
        let mut halves = [0; 2 * HALF];
        match (bytes.first_chunk::<HALF>(), bytes.last_chunk::<HALF>()) {
            (Some(first), Some(last)) => {
                halves[..HALF].copy_from_slice(first);
                halves[HALF..].copy_from_slice(last);
            }
            _ => halves[..bytes.len()].copy_from_slice(bytes),
        }
        let all = halves.as_chunks::<HALF>().0.iter().zip(self.lowest.as_chunks().0).zip(self.width.as_chunks().0);
        let fits = all.fold(0xffff, |fits, ((bytes, lowest), width)| {
            let width = u8x16::new(*width);
            fits & (u8x16::new(*bytes) - u8x16::new(*lowest)).max(width).simd_eq(width).to_bitmask()
        });
        (fits == 0xffff).then_some(halves)
    }
}

/// Days since 1970 of a date. The last date is remembered: lines have that of the one before.
#[inline]
fn days_since_1970(year: u32, month: u32, day: u32) -> i64 {
    thread_local! {
        static LAST: Cell<(u32, i64)> = const { Cell::new((0, 0)) };
    }
    // No date is 0, since no month is.
    let date = (year * 16 + month) * 32 + day;
    let (last, days) = LAST.get();
    if last == date {
        return days;
    }
    let days = civil::days_since_1970(i64::from(year), i64::from(month), i64::from(day));
    LAST.set((date, days));
    days
}
