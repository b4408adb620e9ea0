//! Patterns of which each part has its place, such as `dd/MMM/yyyy:HH:mm:ss Z`: what stands there is read without a search.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::fields::{Fields, Zone};
use super::names;
use super::pattern::{NumberField, OffsetStyle, Part};
use super::read::number_field;
use super::usual::{Parts, Usual};

/// A pattern in which every part has a fixed length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fixed {
    length: usize,
    /// Where each part begins.
    parts: Vec<(usize, Place)>,
    usual: Option<Usual>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Byte(u8),
    Number {
        field: NumberField,
        digits: usize,
    },
    Fraction {
        digits: usize,
    },
    ShortMonth,
    /// `+0200`
    Offset,
}

impl Fixed {
    /// None where a part has no fixed length, or is not known here.
    pub fn of(parts: &[Part]) -> Option<Fixed> {
        const PLAIN: OffsetStyle = OffsetStyle { colon: false, short: false, zulu: false, gmt: false };
        let mut fixed = Fixed { length: 0, parts: Vec::new(), usual: None };
        for part in parts {
            let (place, length) = match part {
                Part::Literal(c) if c.is_ascii() => (Place::Byte(*c as u8), 1),
                Part::Number { field, digits_min, digits_max } if digits_min == digits_max => {
                    (Place::Number { field: *field, digits: *digits_min }, *digits_min)
                }
                Part::Fraction { digits } => (Place::Fraction { digits: *digits }, *digits),
                Part::MonthName { full: false } => (Place::ShortMonth, 3),
                Part::Offset(style) if *style == PLAIN => (Place::Offset, 5),
                _ => return None,
            };
            fixed.parts.push((fixed.length, place));
            fixed.length += length;
        }
        fixed.usual = fixed.usual();
        Some(fixed)
    }

    /// The places of a pattern that has each part of a date and a time of day once.
    fn usual(&self) -> Option<Usual> {
        let mut usual = Parts { length: self.length, ..Parts::default() };
        let mut seen = [false; 8];
        for (start, place) in &self.parts {
            let part = match (*place, *start) {
                (Place::Byte(byte), start) => {
                    usual.literals.push((start, byte));
                    continue;
                }
                (Place::Number { field: NumberField::Year, digits: 4 }, start) => (0, &mut usual.year, start),
                (Place::Number { field: NumberField::Month, digits: 2 }, start) => (1, &mut usual.month, start),
                (Place::ShortMonth, start) => {
                    usual.month_is_name = true;
                    (1, &mut usual.month, start)
                }
                (Place::Number { field: NumberField::Day, digits: 2 }, start) => (2, &mut usual.day, start),
                (Place::Number { field: NumberField::Hour, digits: 2 }, start) => (3, &mut usual.hour, start),
                (Place::Number { field: NumberField::Minute, digits: 2 }, start) => (4, &mut usual.minute, start),
                (Place::Number { field: NumberField::Second, digits: 2 }, start) => (5, &mut usual.second, start),
                (Place::Fraction { digits: 3 }, start) => (6, usual.millisecond.insert(start), start),
                (Place::Offset, start) => (7, usual.offset.insert(start), start),
                _ => return None,
            };
            let (number, place, start) = part;
            *place = start;
            // Which of two counts is not for the short way to say.
            if std::mem::replace(&mut seen[number], true) {
                return None;
            }
        }
        if seen[..6].iter().all(|seen| *seen) { Usual::new(usual) } else { None }
    }

    /// The moment of a text in the usual form, in UTC unless it says otherwise; none where [`read`](Self::read) is to tell.
    #[inline]
    pub(super) fn moment(&self, text: &str, zone: &TimeZone) -> Option<Timestamp> {
        let usual = self.usual.as_ref()?;
        (usual.has_offset() || *zone == TimeZone::UTC).then(|| usual.read(text))?
    }

    /// Reads the whole text; none when it is not of that form.
    pub(super) fn read(&self, text: &str) -> Option<Fields> {
        let bytes = text.as_bytes();
        if bytes.len() != self.length {
            return None;
        }
        let mut fields = Fields::default();
        for (start, place) in &self.parts {
            match *place {
                Place::Byte(byte) => {
                    if bytes[*start] != byte {
                        return None;
                    }
                }
                Place::Number { field, digits } => {
                    number_field(field, number(&bytes[*start..*start + digits])?, &mut fields)?;
                }
                Place::Fraction { digits } => {
                    let number = number(&bytes[*start..*start + digits])?;
                    fields.nanosecond = Some(number * 10i64.pow(9 - digits as u32));
                }
                Place::ShortMonth => {
                    let (index, _) = names::at_start(text.get(*start..)?, &names::MONTHS, false)?;
                    fields.month = Some(index as i64 + 1);
                }
                Place::Offset => {
                    let sign = match bytes[*start] {
                        b'+' => 1,
                        b'-' => -1,
                        _ => return None,
                    };
                    let hours = number(&bytes[*start + 1..*start + 3])?;
                    let minutes = number(&bytes[*start + 3..*start + 5])?;
                    if hours > 18 || minutes > 59 {
                        return None;
                    }
                    fields.zone = Some(Zone::Fixed(sign * (hours * 3600 + minutes * 60) as i32));
                }
            }
        }
        Some(fields)
    }
}

/// At most nine digits.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::super::pattern::compile;
    use super::super::read;
    use super::*;
    use crate::pipeline::Context;

    #[test]
    fn texts_are_read_as_without_places() {
        let patterns = [
            "dd/MMM/yyyy:HH:mm:ss Z",
            "yyyy-MM-dd HH:mm:ss",
            "yyyy-MM-dd HH:mm:ss.SSSZ",
            "yyyy-MM-dd HH:mm:ss MM",
            "ddMMyyyy",
            "HH:mm:ss,SSS",
            "MMM dd",
            "'ä'dd",
            "HH[:mm]",
            "MMMM d",
        ];
        let texts = [
            "23/Nov/2025:01:02:03 +0230",
            "23/Nov/2025:01:02:03 -1900",
            "23/Nov/2025:01:02:03 +0160",
            "23/Nov/2025:24:02:03 +0000",
            "00/Nov/2025:01:02:03 +0000",
            "23/NOV/2025:01:02:03 +0000",
            "23/Nov/2025:01:02:03 +00000",
            "23/Nov/2025:01:02:03 +000",
            "23/Nov/2025:01:02:0x +0000",
            "23/Növ/2025:01:02:03 +000",
            "29/Feb/2024:23:59:59 -0000",
            "29/Feb/2025:23:59:59 +0000",
            "31/Apr/2025:01:02:03 +0000",
            "31/Dec/9999:01:02:03 +0000",
            "01/Jan/0000:01:02:03 +0000",
            "01/Jan/0001:00:00:00 +1800",
            "2025-11-23 01:02:03",
            "2025-11-23 01:02:60",
            "2025-11-23 01:02:03.045+0200",
            "2025-02-29 01:02:03.045-1230",
            "2025-12-31 01:02:03.045-1230",
            "2025-11-23 01:02:03 12",
            "2025-11-23T01:02:03",
            "2025-13-23 01:02:03",
            "23112025",
            "Nov 23",
            "ä23",
            "11:12",
            "11:12:13,045",
            "11:12:13,04",
            "",
        ];
        let (mut fixed_count, mut moments) = (0, 0);
        for pattern in patterns {
            let parts = compile(pattern).unwrap();
            let Some(fixed) = Fixed::of(&parts) else { continue };
            fixed_count += 1;
            for text in texts {
                let (one, other) = (fixed.read(text), read::read(text, &parts));
                assert_eq!(format!("{one:?}"), format!("{other:?}"), "{pattern} {text}");
                if let Some(moment) = fixed.moment(text, &TimeZone::UTC) {
                    let context = Context::at(0, Timestamp::UNIX_EPOCH);
                    assert_eq!(other.unwrap().resolve(&TimeZone::UTC, &context), Some(moment), "{pattern} {text}");
                    moments += 1;
                }
            }
        }
        assert_eq!((fixed_count, moments), (7, 6));
    }
}
