//! What a text says about a time, and the moment that follows from it.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use super::civil;
use crate::pipeline::{Context, MissingYear};

/// The parts of a time that stood in a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub day_of_year: Option<i64>,
    pub hour: Option<i64>,
    /// 0 to 11.
    pub hour_of_half: Option<i64>,
    pub afternoon: Option<bool>,
    pub minute: Option<i64>,
    pub second: Option<i64>,
    pub nanosecond: Option<i64>,
    pub zone: Option<Zone>,
}

/// The zone that stood in a text.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    /// Seconds to the east of UTC.
    Fixed(i32),
    Named(TimeZone),
}

impl Fields {
    /// The moment, in the zone of the text or else in the given one. None when there is no such date or time.
    pub fn resolve(&self, zone: &TimeZone, context: &Context) -> Option<Timestamp> {
        if let Some(moment) = self.resolve_fixed(zone, context) {
            return moment;
        }
        let own;
        let zone = match &self.zone {
            None => zone,
            Some(Zone::Named(zone)) => zone,
            Some(Zone::Fixed(seconds)) => {
                own = fixed(*seconds)?;
                &own
            }
        };
        let time = self.time()?;
        let moment = |date: Date| moment(date, time, zone);
        if let Some(year) = self.year {
            return moment(self.date(i16::try_from(year).ok()?)?);
        }
        match context.year {
            MissingYear::Current => {
                let year = context.now.to_zoned(TimeZone::UTC).year();
                moment(self.date(year).or_else(|| self.clamped_date(year))?)
            }
            MissingYear::Nearest => {
                let year = context.reference.to_zoned(TimeZone::UTC).year();
                let in_year = |distance| moment(self.date(year.checked_add(distance)?)?);
                (-1..=1)
                    .filter_map(in_year)
                    .min_by_key(|moment| moment.duration_since(context.reference).abs())
                    // A 29 February, of which the last eight years hold one: logs speak of the past.
                    .or_else(|| (2..=8).find_map(|distance| in_year(-distance)))
            }
        }
    }

    /// The moment of a text with month and day, whose zone is a fixed distance to UTC: by arithmetic. None where the calendar
    /// has to be asked.
    fn resolve_fixed(&self, zone: &TimeZone, context: &Context) -> Option<Option<Timestamp>> {
        let seconds_east = match &self.zone {
            Some(Zone::Fixed(seconds)) => *seconds,
            None if *zone == TimeZone::UTC => 0,
            _ => return None,
        };
        if let Some(year) = self.year {
            return self.in_year(year, seconds_east);
        }
        if context.year != MissingYear::Nearest {
            return None;
        }
        let reference = context.reference;
        // Towards the past, also before 1970.
        let second = reference.as_second() - i64::from(reference.subsec_nanosecond() < 0);
        let (year, ..) = civil::date_of(second.div_euclid(86_400));
        let mut nearest: Option<(i128, Timestamp)> = None;
        for year in [year - 1, year, year + 1] {
            // A day that one of the years does not have is for the calendar.
            let moment = self.in_year(year, seconds_east)??;
            let distance = (moment.as_nanosecond() - reference.as_nanosecond()).abs();
            if nearest.is_none_or(|(least, _)| distance < least) {
                nearest = Some((distance, moment));
            }
        }
        nearest.map(|(_, moment)| Some(moment))
    }

    /// The moment in a year; none where the calendar has to be asked.
    fn in_year(&self, year: i64, seconds_east: i32) -> Option<Option<Timestamp>> {
        let (1..=9998, Some(month @ 1..=12), Some(day), None) = (year, self.month, self.day, self.day_of_year) else {
            return None;
        };
        if !(1..=civil::days_of_month(year, month)).contains(&day) {
            return Some(None);
        }
        let seconds_of_day = match (self.hour, self.hour_of_half) {
            (Some(hour @ 0..=23), _) => hour * 3600,
            (None, None) => 0,
            _ => return None,
        };
        let seconds_of_day = seconds_of_day + self.minute.unwrap_or(0) * 60 + self.second.unwrap_or(0);
        let seconds = civil::days_since_1970(year, month, day) * 86_400 + seconds_of_day - i64::from(seconds_east);
        let nanoseconds = i32::try_from(self.nanosecond.unwrap_or(0)).ok()?;
        Some(Timestamp::new(seconds, nanoseconds).ok())
    }

    fn time(&self) -> Option<Time> {
        let hour = match (self.hour, self.hour_of_half) {
            (Some(hour), _) => hour,
            // Without AM or PM the half of the day is not known.
            (None, Some(hour)) => hour + if self.afternoon? { 12 } else { 0 },
            (None, None) => 0,
        };
        Time::new(
            i8::try_from(hour).ok()?,
            i8::try_from(self.minute.unwrap_or(0)).ok()?,
            i8::try_from(self.second.unwrap_or(0)).ok()?,
            i32::try_from(self.nanosecond.unwrap_or(0)).ok()?,
        )
        .ok()
    }

    fn date(&self, year: i16) -> Option<Date> {
        if let Some(day_of_year) = self.day_of_year {
            let first = Date::new(year, 1, 1).ok()?;
            let date = first.checked_add(jiff::Span::new().try_days(day_of_year - 1).ok()?).ok()?;
            return (date.year() == year && day_of_year >= 1).then_some(date);
        }
        let month = i8::try_from(self.month.unwrap_or(1)).ok()?;
        Date::new(year, month, i8::try_from(self.day.unwrap_or(1)).ok()?).ok()
    }

    /// A day that the month does not have becomes its last one: Elasticsearch does so when the year is missing.
    fn clamped_date(&self, year: i16) -> Option<Date> {
        let month = Date::new(year, i8::try_from(self.month.unwrap_or(1)).ok()?, 1).ok()?;
        (1..=31).contains(&self.day?).then(|| month.last_of_month())
    }
}

/// The moment of a local time; where clocks go forward the time after the gap, where they go back the first one.
fn moment(date: Date, time: Time, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_timestamp(DateTime::from_parts(date, time)).ok()
}

/// A zone by its name, abbreviation or distance to UTC, as Java's `ZoneId.of` takes them.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    /// Abbreviations that Java reads as one zone each.
    const ABBREVIATIONS: &[(&str, &str)] = &[
        ("AEDT", "Australia/Sydney"),
        ("AEST", "Australia/Sydney"),
        ("AKDT", "America/Anchorage"),
        ("AKST", "America/Anchorage"),
        ("BST", "Europe/London"),
        ("CDT", "America/Chicago"),
        ("CEST", "Europe/Paris"),
        ("CET", "Europe/Paris"),
        ("CST", "America/Chicago"),
        ("EDT", "America/New_York"),
        ("EEST", "Europe/Bucharest"),
        ("EET", "Europe/Bucharest"),
        ("EST", "America/New_York"),
        ("HST", "Pacific/Honolulu"),
        ("IST", "Asia/Kolkata"),
        ("JST", "Asia/Tokyo"),
        ("KST", "Asia/Seoul"),
        ("MDT", "America/Denver"),
        ("MSK", "Europe/Moscow"),
        ("MST", "America/Denver"),
        ("NZDT", "Pacific/Auckland"),
        ("NZST", "Pacific/Auckland"),
        ("PDT", "America/Los_Angeles"),
        ("PST", "America/Los_Angeles"),
        ("WEST", "Europe/Lisbon"),
        ("WET", "Europe/Lisbon"),
    ];
    if matches!(name, "Z" | "UTC" | "GMT" | "UT") {
        return Some(TimeZone::UTC);
    }
    let distance = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if distance.starts_with(['+', '-']) {
        return offset(distance).map(|seconds| fixed(seconds).unwrap_or(TimeZone::UTC));
    }
    let name = ABBREVIATIONS.iter().find(|(short, _)| *short == name).map_or(name, |(_, name)| name);
    TimeZone::get(name).ok()
}

/// The zone that is always this many seconds from UTC.
fn fixed(seconds: i32) -> Option<TimeZone> {
    if seconds == 0 {
        return Some(TimeZone::UTC);
    }
    Offset::from_seconds(seconds).ok().map(TimeZone::fixed)
}

/// Seconds of `+H`, `+HH`, `+HHMM`, `+HH:MM` and `+HH:MM:SS`.
fn offset(text: &str) -> Option<i32> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || !matches!(digits.len(), 1 | 2 | 4 | 6) {
        return None;
    }
    let part = |range: std::ops::Range<usize>| digits.get(range).map_or(Some(0), |part| part.parse::<i32>().ok());
    let hours = part(0..digits.len().min(2))?;
    let (minutes, seconds) = (part(2..4)?, part(4..6)?);
    (hours <= 18 && minutes < 60 && seconds < 60).then_some(sign * (hours * 3600 + minutes * 60 + seconds))
}

/// The moment in a zone.
pub(super) fn in_zone(moment: Timestamp, zone: &TimeZone) -> Zoned {
    moment.to_zoned(zone.clone())
}
