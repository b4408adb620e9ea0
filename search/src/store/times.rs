//! Times in documents: `strict_date_optional_time||epoch_millis`, as Elasticsearch's dates are by default.

use jiff::civil;

/// Milliseconds since 1970 that a date field may hold: tantivy keeps nanoseconds in 64 bits (years 1677 to 2262).
const MILLIS_MAX: i64 = i64::MAX / 1_000_000;

/// Milliseconds since 1970 of a whole time with an offset (`2025-11-28T10:00:00.123Z`), the form that a string needs to be
/// taken for a time in a field that nobody declared.
pub fn of_whole(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || bytes.len() > 35 || bytes[10] != b'T' || bytes[4] != b'-' || bytes[13] != b':' {
        return None;
    }
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0i64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    };
    if bytes[7] != b'-' || bytes[16] != b':' {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month)
        || !(1..=days_of(year, month)).contains(&day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let mut place = 19;
    let mut millis = 0;
    if bytes[place] == b'.' {
        let digits = bytes[place + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return None;
        }
        let shown = &bytes[place + 1..place + 1 + digits.min(3)];
        millis = shown.iter().fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        millis *= 10i64.pow(3 - shown.len() as u32);
        place += 1 + digits;
    }
    let offset_minutes = match &bytes[place..] {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let digits: Vec<i64> = rest.iter().filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0')).collect();
            let is_form = matches!((rest.len(), rest.get(2)), (5, Some(b':')) | (4, _) | (2, _));
            let minutes = match digits[..] {
                [a, b] if is_form => (a * 10 + b) * 60,
                [a, b, c, d] if is_form => (a * 10 + b) * 60 + c * 10 + d,
                _ => return None,
            };
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3600 + (minute - offset_minutes) * 60 + second;
    in_range(seconds * 1000 + millis)
}

/// Milliseconds since 1970 of what a date field takes: a whole time, one without its last parts or its offset (then UTC),
/// or milliseconds as a number.
pub fn of_date(text: &str) -> Option<i64> {
    if let Some(millis) = of_whole(text) {
        return Some(millis);
    }
    if let Ok(millis) = text.parse::<i64>() {
        return match text.len() {
            4 => {
                of_civil(civil::Date::new(i16::try_from(millis).ok()?, 1, 1).ok()?.to_datetime(civil::Time::midnight()))
            }
            _ => in_range(millis),
        };
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return in_range(time.as_millisecond());
    }
    if !text.as_bytes().first().is_some_and(u8::is_ascii_digit) || text.contains(' ') {
        return None;
    }
    if text.len() == 7 {
        return of_date(&format!("{text}-01"));
    }
    of_civil(text.parse::<civil::DateTime>().ok()?)
}

fn of_civil(time: civil::DateTime) -> Option<i64> {
    in_range(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}

/// `millis`, when a date field can hold it.
pub fn in_range(millis: i64) -> Option<i64> {
    (-MILLIS_MAX..=MILLIS_MAX).contains(&millis).then_some(millis)
}

/// Days since 1970-01-01 in the Gregorian calendar (Howard Hinnant's `days_from_civil`).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_of(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let expect = expect.map(|time| time.parse::<jiff::Timestamp>().expect("a time").as_millisecond());
        assert_eq!(of_date(text), expect, "{text:?}");
    }

    #[test]
    fn reads_what_elasticsearchs_dates_may_be() {
        check("2025-11-28T10:00:00.123456Z", Some("2025-11-28T10:00:00.123Z"));
        check("2025-11-28T10:00:00+02:00", Some("2025-11-28T08:00:00Z"));
        check("1969-12-31T23:59:59.5-0130", Some("1970-01-01T01:29:59.5Z"));
        check("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z"));
        check("2025-11-28T10:00", Some("2025-11-28T10:00:00Z"));
        check("2025-11-28", Some("2025-11-28T00:00:00Z"));
        check("2025-11", Some("2025-11-01T00:00:00Z"));
        check("2025", Some("2025-01-01T00:00:00Z"));
        check("1764324000000", Some("2025-11-28T10:00:00Z"));
        for wrong in
            ["", "now", "2025-02-29T00:00:00Z", "2025-11-28 10:00:00", "28/Nov/2025", "9999999999999999", "now-1d"]
        {
            check(wrong, None);
        }
    }
}
