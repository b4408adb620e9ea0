//! Writes a time by the parts of a pattern.

use std::fmt::Write;

use jiff::Zoned;

use super::names;
use super::pattern::{NumberField, OffsetStyle, Part};

/// Appends the time in the pattern's form.
pub(super) fn write(out: &mut String, time: &Zoned, parts: &[Part]) {
    for part in parts {
        // Writing to a string cannot fail.
        let _ = write_part(out, time, part);
    }
}

fn write_part(out: &mut String, time: &Zoned, part: &Part) -> std::fmt::Result {
    match part {
        Part::Literal(c) => out.push(*c),
        Part::Number { field, digits_min, .. } => {
            let hour_of_half = time.hour() % 12;
            let number = match field {
                NumberField::Year => i64::from(time.year()),
                NumberField::Month => i64::from(time.month()),
                NumberField::Day => i64::from(time.day()),
                NumberField::DayOfYear => i64::from(time.day_of_year()),
                NumberField::Hour => i64::from(time.hour()),
                NumberField::ClockHour => i64::from(if time.hour() == 0 { 24 } else { time.hour() }),
                NumberField::ClockHourOfHalf => i64::from(if hour_of_half == 0 { 12 } else { hour_of_half }),
                NumberField::HourOfHalf => i64::from(hour_of_half),
                NumberField::Minute => i64::from(time.minute()),
                NumberField::Second => i64::from(time.second()),
                NumberField::Nanosecond => i64::from(time.subsec_nanosecond()),
            };
            write!(out, "{number:0width$}", width = *digits_min)?;
        }
        Part::ShortYear => write!(out, "{:02}", time.year().rem_euclid(100))?,
        Part::Fraction { digits } => {
            let fraction = format!("{:09}", time.subsec_nanosecond());
            out.push_str(&fraction[..*digits]);
        }
        Part::MonthName { full } => name(out, names::MONTHS[time.month() as usize - 1], *full),
        Part::DayName { full } => {
            name(out, names::DAYS[time.weekday().to_monday_zero_offset() as usize], *full);
        }
        Part::AmPm => out.push_str(if time.hour() < 12 { "AM" } else { "PM" }),
        Part::Offset(style) => offset(out, time.offset().seconds(), *style)?,
        Part::Zone => match time.time_zone().iana_name() {
            Some("UTC") | None if time.offset().seconds() == 0 => out.push('Z'),
            Some(name) => out.push_str(name),
            None => {
                let style = OffsetStyle { colon: true, short: false, zulu: true, gmt: false };
                offset(out, time.offset().seconds(), style)?;
            }
        },
        Part::Optional(parts) => write(out, time, parts),
    }
    Ok(())
}

fn name(out: &mut String, name: &str, full: bool) {
    out.push_str(if full { name } else { &name[..3] });
}

fn offset(out: &mut String, seconds: i32, style: OffsetStyle) -> std::fmt::Result {
    if style.gmt {
        out.push_str("GMT");
    }
    if seconds == 0 && (style.zulu || style.gmt) {
        if style.zulu {
            out.push('Z');
        }
        return Ok(());
    }
    let minutes = seconds.unsigned_abs() / 60;
    out.push(if seconds < 0 { '-' } else { '+' });
    write!(out, "{:02}", minutes / 60)?;
    if style.short && !style.gmt && minutes.is_multiple_of(60) {
        return Ok(());
    }
    if style.colon {
        out.push(':');
    }
    write!(out, "{:02}", minutes % 60)
}
