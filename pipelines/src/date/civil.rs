//! Days and seconds of the calendar by arithmetic alone: what most lines need, whose zone is a fixed distance to UTC.

use std::cell::Cell;

/// Days since 1970 of a date, which need not exist: the 31st of a month with 30 days is the first of the next.
pub(super) fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years from March to February, in eras of 400 years that are all alike.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day.
pub(super) fn date_of(days_since_1970: i64) -> (i64, i64, i64) {
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

pub(super) fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Length of a time as it is written by default, in UTC: `2024-03-05T01:02:03.004Z`.
pub(crate) const UTC_BYTES: usize = 24;

/// Writes a time in milliseconds since 1970 as it is written by default; none outside of the years 0 to 9999.
pub(crate) fn write_utc(ms: i64) -> Option<[u8; UTC_BYTES]> {
    let mut text = [0; UTC_BYTES];
    for (place, word) in text.as_chunks_mut().0.iter_mut().zip(utc_words(ms)?) {
        *place = word.to_le_bytes();
    }
    Some(text)
}

/// As [`write_utc`], in words whose lowest byte is the first: what is written byte by byte cannot be read at once soon after.
#[inline]
pub(crate) fn utc_words(ms: i64) -> Option<[u64; UTC_BYTES / 8]> {
    let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let [date, hours, seconds] = midnight(days)?;
    // Numbers of 32 bits are divided faster.
    let ms_of_day = ms_of_day as u32;
    let (second_of_day, ms) = (ms_of_day / 1000, ms_of_day % 1000);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    // Added to the zeros of midnight, at `Thh:mm` and `:ss.mmm`.
    let hours = hours + (two_digits(hour) << 24) + (two_digits(minute) << 48);
    let seconds = seconds + (two_digits(second) << 8) + (two_digits(ms / 10) << 32) + (u64::from(ms % 10) << 48);
    Some([date, hours, seconds])
}

/// Both digits of a number below 100, the first one in the lowest byte.
#[inline]
fn two_digits(number: u32) -> u64 {
    let tens = number / 10;
    u64::from(tens | (number - tens * 10) << 8)
}

/// The first moment of a day as it is written by default. The last day is remembered: lines have the day of the one before.
#[inline]
fn midnight(days_since_1970: i64) -> Option<[u64; UTC_BYTES / 8]> {
    thread_local! {
        static LAST: Cell<(i64, [u64; UTC_BYTES / 8])> = const { Cell::new((i64::MIN, [0; UTC_BYTES / 8])) };
    }
    let (last, text) = LAST.get();
    if last == days_since_1970 {
        return Some(text);
    }
    let text = write_midnight(days_since_1970)?;
    LAST.set((days_since_1970, text));
    Some(text)
}

#[cold]
fn write_midnight(days_since_1970: i64) -> Option<[u64; UTC_BYTES / 8]> {
    let (year, month, day) = date_of(days_since_1970);
    if !(0..=9999).contains(&year) {
        return None;
    }
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |place: usize, number: i64| {
        text[place] = b'0' + (number / 10) as u8;
        text[place + 1] = b'0' + (number % 10) as u8;
    };
    put(0, year / 100);
    put(2, year % 100);
    put(5, month);
    put(8, day);
    let mut words = [0; UTC_BYTES / 8];
    for (word, bytes) in words.iter_mut().zip(text.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::Date;

    #[test]
    fn every_day_of_a_thousand_years_is_that_of_the_calendar() {
        let mut date = Date::new(1599, 12, 1).unwrap();
        let mut days = days_since_1970(1599, 12, 1);
        while date.year() < 2601 {
            let (year, month, day) = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!(days_since_1970(year, month, day), days);
            assert_eq!(date_of(days), (year, month, day));
            assert_eq!(days_of_month(year, month), i64::from(date.days_in_month()));
            date = date.tomorrow().unwrap();
            days += 1;
        }
        assert_eq!(days_since_1970(1970, 1, 1), 0);
    }

    #[test]
    fn times_are_written_as_the_calendar_has_them() {
        for ms in [0, -1, 951_782_400_123, 1_772_325_000_000, -62_167_219_200_000, 253_402_207_199_999] {
            let time = jiff::Timestamp::from_millisecond(ms).unwrap();
            assert_eq!(std::str::from_utf8(&write_utc(ms).unwrap()).unwrap(), format!("{time:.3}"), "{ms}");
        }
        assert_eq!(write_utc(-62_167_219_200_001), None);
    }
}
