//! Reads a text by the parts of a pattern.

use super::fields::{Fields, Zone, zone};
use super::names;
use super::pattern::{NumberField, OffsetStyle, Part};

/// Reads the whole text; none when it is not of that form.
pub(super) fn read(text: &str, parts: &[Part]) -> Option<Fields> {
    let mut fields = Fields::default();
    let rest = read_parts(text, parts, &mut fields)?;
    rest.is_empty().then_some(fields)
}

fn read_parts<'t>(text: &'t str, parts: &[Part], fields: &mut Fields) -> Option<&'t str> {
    let mut rest = text;
    for part in parts {
        rest = read_part(rest, part, fields)?;
    }
    Some(rest)
}

fn read_part<'t>(text: &'t str, part: &Part, fields: &mut Fields) -> Option<&'t str> {
    match part {
        Part::Literal(c) => text.strip_prefix(*c),
        Part::Number { field, digits_min, digits_max } => {
            let (number, rest) = digits(text, *digits_min, *digits_max)?;
            number_field(*field, number, fields)?;
            Some(rest)
        }
        Part::ShortYear => {
            let (number, rest) = digits(text, 2, 2)?;
            fields.year = Some(2000 + number);
            Some(rest)
        }
        Part::Fraction { digits: count } => {
            let (number, rest) = digits(text, *count, *count)?;
            fields.nanosecond = Some(number * 10i64.pow(9 - *count as u32));
            Some(rest)
        }
        Part::MonthName { full } => {
            let (index, length) = names::at_start(text, &names::MONTHS, *full)?;
            fields.month = Some(index as i64 + 1);
            Some(&text[length..])
        }
        // The day of the week follows from the date; only its form is checked.
        Part::DayName { full } => {
            let (_, length) = names::at_start(text, &names::DAYS, *full)?;
            Some(&text[length..])
        }
        Part::AmPm => {
            fields.afternoon = Some(match text.get(..2)? {
                "AM" => false,
                "PM" => true,
                _ => return None,
            });
            Some(&text[2..])
        }
        Part::Offset(style) => read_offset(text, *style, fields),
        Part::Zone => read_zone(text, fields),
        Part::Optional(parts) => {
            let mut tried = fields.clone();
            match read_parts(text, parts, &mut tried) {
                Some(rest) => {
                    *fields = tried;
                    Some(rest)
                }
                None => Some(text),
            }
        }
    }
}

/// A row of at least `min` and at most `max` digits.
pub(super) fn digits(text: &str, min: usize, max: usize) -> Option<(i64, &str)> {
    let count = text.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    // At most nine digits are ever asked for.
    let number = text.as_bytes()[..count].iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    Some((number, &text[count..]))
}

pub(super) fn number_field(field: NumberField, number: i64, fields: &mut Fields) -> Option<()> {
    let (slot, range) = match field {
        NumberField::Year => (&mut fields.year, 0..=9999),
        NumberField::Month => (&mut fields.month, 1..=12),
        NumberField::Day => (&mut fields.day, 1..=31),
        NumberField::DayOfYear => (&mut fields.day_of_year, 1..=366),
        NumberField::Hour => (&mut fields.hour, 0..=23),
        NumberField::ClockHour => (&mut fields.hour, 1..=24),
        NumberField::ClockHourOfHalf => (&mut fields.hour_of_half, 1..=12),
        NumberField::HourOfHalf => (&mut fields.hour_of_half, 0..=11),
        NumberField::Minute => (&mut fields.minute, 0..=59),
        NumberField::Second => (&mut fields.second, 0..=59),
        NumberField::Nanosecond => (&mut fields.nanosecond, 0..=999_999_999),
    };
    if !range.contains(&number) {
        return None;
    }
    *slot = Some(match field {
        NumberField::ClockHour => number % 24,
        NumberField::ClockHourOfHalf => number % 12,
        _ => number,
    });
    Some(())
}

fn read_offset<'t>(text: &'t str, style: OffsetStyle, fields: &mut Fields) -> Option<&'t str> {
    if style.zulu
        && let Some(rest) = text.strip_prefix('Z')
    {
        fields.zone = Some(Zone::Fixed(0));
        return Some(rest);
    }
    let text = match style.gmt {
        true => {
            let rest = text.strip_prefix("GMT")?;
            if !rest.starts_with(['+', '-']) {
                fields.zone = Some(Zone::Fixed(0));
                return Some(rest);
            }
            rest
        }
        false => text,
    };
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = if style.gmt { digits(&text[1..], 1, 2)? } else { digits(&text[1..], 2, 2)? };
    let minutes = match style.colon {
        true => rest.strip_prefix(':').and_then(|rest| digits(rest, 2, 2)),
        false => digits(rest, 2, 2),
    };
    let (minutes, rest) = match minutes {
        Some(found) => found,
        None if style.short => (0, rest),
        None => return None,
    };
    if hours > 18 || minutes > 59 {
        return None;
    }
    fields.zone = Some(Zone::Fixed(sign * (hours * 3600 + minutes * 60) as i32));
    Some(rest)
}

/// A zone's name, as long as its characters go.
fn read_zone<'t>(text: &'t str, fields: &mut Fields) -> Option<&'t str> {
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+' | ':')))
        .unwrap_or(text.len());
    fields.zone = Some(match &text[..end] {
        "Z" => Zone::Fixed(0),
        name => Zone::Named(zone(name)?),
    });
    Some(&text[end..])
}

/// Reads an ISO 8601 time of which everything after the year may be missing from some point on.
pub(super) fn read_iso8601(text: &str) -> Option<Fields> {
    let mut fields = Fields::default();
    let (year, mut rest) = digits(text, 4, 4)?;
    fields.year = Some(year);
    for field in [NumberField::Month, NumberField::Day] {
        let Some(after) = rest.strip_prefix('-') else { break };
        let (number, after) = digits(after, 2, 2)?;
        number_field(field, number, &mut fields)?;
        rest = after;
    }
    let Some(after) = rest.strip_prefix('T') else { return rest.is_empty().then_some(fields) };
    fields.day?;
    rest = after;
    if rest.is_empty() {
        return Some(fields);
    }
    let (hour, after) = digits(rest, 2, 2)?;
    number_field(NumberField::Hour, hour, &mut fields)?;
    rest = after;
    for field in [NumberField::Minute, NumberField::Second] {
        let Some(after) = rest.strip_prefix(':') else { break };
        let (number, after) = digits(after, 2, 2)?;
        number_field(field, number, &mut fields)?;
        rest = after;
    }
    if fields.second.is_some()
        && let Some(after) = rest.strip_prefix(['.', ','])
    {
        let (number, after_digits) = digits(after, 1, 9)?;
        let count = after.len() - after_digits.len();
        fields.nanosecond = Some(number * 10i64.pow(9 - count as u32));
        rest = after_digits;
    }
    if !rest.is_empty() {
        rest = read_zone(rest, &mut fields)?;
    }
    rest.is_empty().then_some(fields)
}
