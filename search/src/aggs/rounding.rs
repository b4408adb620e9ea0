//! Intervals of time: in which one a moment lies, and which one comes next.

use crate::query::dates::{DateUnit, zoned};
use jiff::tz::TimeZone;

/// The length of a histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub length: Length,
    /// By which every bucket begins later.
    pub offset_millis: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Milliseconds, at least 1.
    Fixed(i64),
    Calendar(DateUnit),
}

impl Interval {
    /// The beginning of the bucket of `millis`, by the clock of `zone`.
    fn floor(&self, millis: i64, zone: &TimeZone) -> i64 {
        let at = millis.saturating_sub(self.offset_millis);
        let begin = match self.length {
            Length::Fixed(length) => {
                let shift = zoned(at, zone).map_or(0, |at| i64::from(at.offset().seconds()) * 1000);
                let local = at.saturating_add(shift);
                let floor = local.saturating_sub(local.rem_euclid(length));
                // The offset at the bucket's beginning may be another than the one now.
                zoned(floor, &TimeZone::UTC)
                    .and_then(|clock| clock.datetime().to_zoned(zone.clone()).ok())
                    .map(|begin| begin.timestamp().as_millisecond())
                    .filter(|begin| *begin <= at)
                    .unwrap_or_else(|| floor.saturating_sub(shift))
            }
            Length::Calendar(unit) => {
                zoned(at, zone).and_then(|at| unit.floor(&at)).map_or(at, |begin| begin.timestamp().as_millisecond())
            }
        };
        begin.saturating_add(self.offset_millis)
    }

    /// The beginning of the bucket after the one that begins at `begin`.
    pub fn next(&self, begin: i64, zone: &TimeZone) -> i64 {
        let next = match self.length {
            Length::Fixed(length) => begin.saturating_add(length),
            Length::Calendar(unit) => zoned(begin.saturating_sub(self.offset_millis), zone)
                .and_then(|at| unit.add(&at, 1))
                .map_or(i64::MAX, |next| next.timestamp().as_millisecond().saturating_add(self.offset_millis)),
        };
        // Where clocks are set back, a fixed interval may meet its own beginning.
        self.floor(next, zone).max(begin.saturating_add(1))
    }
}

/// Rounds many moments: what was worked out once is looked up.
#[derive(Debug, Clone)]
pub struct Rounding {
    interval: Interval,
    zone: TimeZone,
    /// Without a zone, a fixed interval is arithmetic.
    arithmetic: Option<i64>,
    /// Beginnings and ends of known buckets, ascending.
    known: Vec<(i64, i64)>,
    last: (i64, i64),
}

impl Rounding {
    pub fn new(interval: Interval, zone: TimeZone) -> Self {
        let arithmetic = match interval.length {
            Length::Fixed(length) if zone == TimeZone::UTC => Some(length),
            _ => None,
        };
        Self { interval, zone, arithmetic, known: Vec::new(), last: (0, 0) }
    }

    /// The beginning of the bucket of `millis`.
    pub fn floor(&mut self, millis: i64) -> i64 {
        if (self.last.0..self.last.1).contains(&millis) {
            return self.last.0;
        }
        if let Some(length) = self.arithmetic {
            let at = millis.saturating_sub(self.interval.offset_millis);
            let begin = at.saturating_sub(at.rem_euclid(length)).saturating_add(self.interval.offset_millis);
            self.last = (begin, begin.saturating_add(length));
            return begin;
        }
        let place = self.known.partition_point(|&(begin, _)| begin <= millis);
        if let Some(&found) = place.checked_sub(1).and_then(|before| self.known.get(before))
            && millis < found.1
        {
            self.last = found;
            return found.0;
        }
        let begin = self.interval.floor(millis, &self.zone);
        let end = self.interval.next(begin, &self.zone);
        if begin <= millis && millis < end {
            self.last = (begin, end);
            self.known.insert(self.known.partition_point(|&(known, _)| known <= begin), self.last);
        }
        begin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::dates::{DateFormat, math, time_zone};

    fn check(length: Length, offset_millis: i64, zone: &str, at: &str, begin: &str, next: &str) {
        let read = |text: &str| math(text, 0, false, &TimeZone::UTC, &DateFormat::default()).expect("a date");
        let zone = time_zone(zone).expect("a zone");
        let interval = Interval { length, offset_millis };
        let mut rounding = Rounding::new(interval, zone.clone());
        for _ in 0..2 {
            assert_eq!(rounding.floor(read(at)), read(begin), "{at}");
        }
        assert_eq!(interval.next(read(begin), &zone), read(next), "{begin}");
    }

    #[test]
    fn rounds_by_the_clock() {
        let day = Length::Calendar(DateUnit::Day);
        check(day, 0, "Europe/Berlin", "2024-03-31T10:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z");
        check(day, 6 * 3_600_000, "UTC", "2024-05-15T05:00:00Z", "2024-05-14T06:00:00Z", "2024-05-15T06:00:00Z");
        let month = Length::Calendar(DateUnit::Month);
        check(month, 0, "UTC", "2024-02-29T23:59:59.999Z", "2024-02-01", "2024-03-01");
        let quarter = Length::Calendar(DateUnit::Quarter);
        check(quarter, 0, "UTC", "2024-06-30", "2024-04-01", "2024-07-01");
        check(
            Length::Fixed(86_400_000),
            0,
            "+02:00",
            "2024-05-15T10:00:00Z",
            "2024-05-14T22:00:00Z",
            "2024-05-15T22:00:00Z",
        );
        let half_day = Length::Fixed(43_200_000);
        check(half_day, 0, "Europe/Berlin", "2024-03-31T09:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T10:00:00Z");
        check(Length::Fixed(30_000), 0, "UTC", "2024-05-15T10:00:31Z", "2024-05-15T10:00:30Z", "2024-05-15T10:01:00Z");
        check(Length::Fixed(1000), 0, "UTC", "1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59Z", "1970-01-01");
    }
}
