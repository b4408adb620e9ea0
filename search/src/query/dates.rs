//! Dates as queries write them: date math (`now-15m/d`, `2024-01-01||+1M`) over the formats of [`DateFormat`].

use super::error::Refusal;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp, ToSpan, Unit, Zoned};

pub use super::date_format::DateFormat;

/// A unit of date math and of intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateUnit {
    Second,
    Minute,
    Hour,
    Day,
    /// Begins on Monday.
    Week,
    Month,
    Quarter,
    Year,
}

impl DateUnit {
    /// By its letter in date math.
    fn of_letter(letter: u8) -> Option<Self> {
        Some(match letter {
            b's' => Self::Second,
            b'm' => Self::Minute,
            b'h' | b'H' => Self::Hour,
            b'd' => Self::Day,
            b'w' => Self::Week,
            b'M' => Self::Month,
            b'y' => Self::Year,
            _ => return None,
        })
    }

    /// `count` of it.
    fn span(self, count: i64) -> Option<Span> {
        let span = Span::new();
        match self {
            Self::Second => span.try_seconds(count),
            Self::Minute => span.try_minutes(count),
            Self::Hour => span.try_hours(count),
            Self::Day => span.try_days(count),
            Self::Week => span.try_weeks(count),
            Self::Month => span.try_months(count),
            Self::Quarter => span.try_months(count.checked_mul(3)?),
            Self::Year => span.try_years(count),
        }
        .ok()
    }

    /// The beginning of the unit that `at` lies in, by the clock of its zone.
    pub fn floor(self, at: &Zoned) -> Option<Zoned> {
        let date = at.date();
        let day = match self {
            Self::Second | Self::Minute | Self::Hour => {
                let unit = match self {
                    Self::Second => Unit::Second,
                    Self::Minute => Unit::Minute,
                    _ => Unit::Hour,
                };
                // By elapsed time within the day: an hour that a clock shows twice is two.
                let mode = jiff::ZonedRound::new().smallest(unit).mode(jiff::RoundMode::Floor);
                return at.round(mode).ok();
            }
            Self::Day => date,
            Self::Week => date.checked_sub(i64::from(date.weekday().since(Weekday::Monday)).days()).ok()?,
            Self::Month => date.first_of_month(),
            Self::Quarter => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).ok()?,
            Self::Year => date.first_of_year(),
        };
        day.to_zoned(at.time_zone().clone()).ok()
    }

    /// `at` moved by `count` units.
    pub fn add(self, at: &Zoned, count: i64) -> Option<Zoned> {
        at.checked_add(self.span(count)?).ok()
    }
}

/// Milliseconds since 1970 of a date with optional date math; `up`: the last millisecond of what is rounded, or was
/// written without its last parts. Dates without an offset are in `zone`, which also says where a day begins.
pub fn math(text: &str, now_millis: i64, up: bool, zone: &TimeZone, format: &DateFormat) -> Result<i64, Refusal> {
    let wrong = |why: &str| {
        Refusal::new("parse_exception", format!("failed to parse date field [{text}] with format [{format}]: {why}"))
    };
    let (anchor, mut steps) = match text.strip_prefix("now") {
        Some(steps) => (now_millis, steps),
        None => match text.split_once("||") {
            Some((date, steps)) => (format.read(date, zone, false).ok_or_else(|| wrong("not a date"))?, steps),
            None => return format.read(text, zone, up).ok_or_else(|| wrong("not a date")),
        },
    };
    let mut at = zoned(anchor, zone).ok_or_else(|| wrong("out of range"))?;
    while let Some(&sign) = steps.as_bytes().first() {
        steps = &steps[1..];
        let digits = steps.bytes().take_while(u8::is_ascii_digit).count();
        let count: i64 = match &steps[..digits] {
            "" => 1,
            digits => digits.parse().map_err(|_| wrong("number too large"))?,
        };
        let unit = steps.as_bytes().get(digits).copied();
        let unit = unit.and_then(DateUnit::of_letter).ok_or_else(|| wrong("unit not supported for date math"))?;
        steps = &steps[digits + 1..];
        let moved = match sign {
            b'+' => unit.add(&at, count),
            b'-' => unit.add(&at, -count),
            b'/' if count != 1 => return Err(wrong("rounding `/` can only be used on single unit types")),
            b'/' => {
                let begin = unit.floor(&at);
                match up {
                    true => begin
                        .and_then(|begin| unit.add(&begin, 1))
                        .and_then(|end| end.checked_sub(1.millisecond()).ok()),
                    false => begin,
                }
            }
            _ => return Err(wrong("operator not supported for date math")),
        };
        at = moved.ok_or_else(|| wrong("out of range"))?;
    }
    Ok(at.timestamp().as_millisecond())
}

/// A time in a zone; `None`: beyond the years that dates have.
pub fn zoned(millis: i64, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(millis).ok()?.to_zoned(zone.clone()))
}

/// A zone by its name or offset: `Europe/Berlin`, `+02:00`, `-0330`, `Z`.
pub fn time_zone(text: &str) -> Result<TimeZone, Refusal> {
    if matches!(text, "Z" | "UTC" | "GMT") {
        return Ok(TimeZone::UTC);
    }
    if let Some((seconds, "")) = offset(text) {
        return Ok(TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| zone_unknown(text))?));
    }
    TimeZone::get(text).map_err(|_| zone_unknown(text))
}

fn zone_unknown(text: &str) -> Refusal {
    Refusal::new("date_time_exception", format!("Invalid ID for ZoneOffset or region: {text:?}"))
}

/// An offset at the beginning of `text` in seconds, and what follows it.
pub(super) fn offset(text: &str) -> Option<(i32, &str)> {
    if let Some(rest) = text.strip_prefix('Z') {
        return Some((0, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = digits(&text[1..], 2)?;
    let (minutes, rest) = match digits(rest.strip_prefix(':').unwrap_or(rest), 2) {
        Some((minutes, rest)) => (minutes, rest),
        None => (0, rest),
    };
    (hours <= 18 && minutes < 60).then_some((sign * (hours * 3600 + minutes * 60), rest))
}

/// Exactly `count` digits.
pub(super) fn digits(text: &str, count: usize) -> Option<(i32, &str)> {
    let head = text.get(..count)?;
    head.bytes().all(|byte| byte.is_ascii_digit()).then(|| Some((head.parse().ok()?, &text[count..])))?
}

/// The millisecond of a clock's time in `zone`.
pub(super) fn millis(date: Date, time: Time, zone: &TimeZone) -> Option<i64> {
    let at = DateTime::from_parts(date, time).to_zoned(zone.clone()).ok()?;
    Some(at.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-05-15T10:20:30.456Z, a Wednesday.
    const NOW: i64 = 1_715_768_430_456;

    fn check(text: &str, zone: &str, down: &str, up: &str) {
        let zone = time_zone(zone).expect("a zone");
        let read = |up| {
            let millis = math(text, NOW, up, &zone, &DateFormat::default()).expect("a date");
            Timestamp::from_millisecond(millis).expect("in range").to_string()
        };
        assert_eq!((read(false).as_str(), read(true).as_str()), (down, up), "{text}");
    }

    #[test]
    fn moves_and_rounds() {
        check("now-15m", "Z", "2024-05-15T10:05:30.456Z", "2024-05-15T10:05:30.456Z");
        check("now/d", "Z", "2024-05-15T00:00:00Z", "2024-05-15T23:59:59.999Z");
        check("now-1M/w", "Z", "2024-04-15T00:00:00Z", "2024-04-21T23:59:59.999Z");
        check("now/d", "+02:00", "2024-05-14T22:00:00Z", "2024-05-15T21:59:59.999Z");
        check("2024-03-31||/d", "Europe/Berlin", "2024-03-30T23:00:00Z", "2024-03-31T21:59:59.999Z");
        check("2024-01-31||+1M", "Z", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z");
        check("2024", "Z", "2024-01-01T00:00:00Z", "2024-12-31T23:59:59.999Z");
    }

    #[test]
    fn refuses_what_is_no_date() {
        for text in
            ["now+", "now*1d", "now+1x", "now/2d", "yesterday", "2024-13-01", "2024-01-01||x", "now+99999999999y"]
        {
            let read = math(text, NOW, false, &TimeZone::UTC, &DateFormat::default());
            assert_eq!(read.map_err(|error| error.kind), Err("parse_exception"), "{text}");
        }
        assert!(time_zone("Mars/Base").is_err());
    }
}
