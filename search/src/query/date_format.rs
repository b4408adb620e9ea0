//! Formats of dates, as mappings, ranges and aggregations name them.

use super::dates::{digits, millis, offset, zoned};
use super::error::Refusal;
use jiff::Zoned;
use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};
use std::fmt::{self, Write};

/// What is read and written: several formats are tried one after the other, the first one writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DateFormat {
    /// As it was written.
    text: String,
    alternatives: Vec<Alternative>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Alternative {
    /// `2024-05-15T10:20:30.456Z`, of which all after the year may be missing.
    OptionalTime,
    EpochMillis,
    EpochSecond,
    Pattern(Vec<Item>),
}

/// A letter, so many times, or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Letter(char, usize),
    Literal(String),
}

/// Letters of patterns, by Java's DateTimeFormatter.
const LETTERS: &str = "yuMdHmsSXxZEah";
/// Longest format: it comes from the request, and is repeated for each bucket.
const FORMAT_BYTES_MAX: usize = 200;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Default for DateFormat {
    /// That of a `date` field.
    fn default() -> Self {
        let alternatives = vec![Alternative::OptionalTime, Alternative::EpochMillis];
        Self { text: "strict_date_optional_time||epoch_millis".to_owned(), alternatives }
    }
}

impl fmt::Display for DateFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl DateFormat {
    /// Names (`epoch_millis`) and patterns (`yyyy-MM-dd`), separated by `||`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = |why: String| Refusal::argument(format!("Invalid format: [{text}]: {why}"));
        if text.len() > FORMAT_BYTES_MAX {
            return Err(Refusal::argument(format!(
                "Invalid format: longer than {FORMAT_BYTES_MAX} bytes: {:?}..",
                text.chars().take(40).collect::<String>()
            )));
        }
        let alternatives =
            text.split("||").map(|one| Alternative::parse(one).map_err(wrong)).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), alternatives })
    }

    /// Milliseconds since 1970; `up`: parts that are missing are at their end rather than at their beginning.
    pub fn read(&self, text: &str, zone: &TimeZone, up: bool) -> Option<i64> {
        self.alternatives.iter().find_map(|one| one.read(text, zone, up))
    }

    /// A time as the first format writes it.
    pub fn write(&self, at_millis: i64, zone: &TimeZone) -> String {
        let Some(at) = zoned(at_millis, zone) else { return at_millis.to_string() };
        match self.alternatives.first() {
            None | Some(Alternative::OptionalTime) => write_pattern(&at, &full()),
            Some(Alternative::EpochMillis) => at_millis.to_string(),
            Some(Alternative::EpochSecond) => at_millis.div_euclid(1000).to_string(),
            Some(Alternative::Pattern(items)) => write_pattern(&at, items),
        }
    }
}

/// `yyyy-MM-dd'T'HH:mm:ss.SSSXXX`.
fn full() -> Vec<Item> {
    pattern("yyyy-MM-dd'T'HH:mm:ss.SSSXXX").unwrap_or_default()
}

impl Alternative {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text.strip_prefix("strict_").unwrap_or(text) {
            "date_optional_time" | "date_optional_time_nanos" => Self::OptionalTime,
            "epoch_millis" => Self::EpochMillis,
            "epoch_second" => Self::EpochSecond,
            "date_time" => Self::Pattern(full()),
            "date_time_no_millis" => Self::Pattern(pattern("yyyy-MM-dd'T'HH:mm:ssXXX")?),
            "date_hour_minute_second" => Self::Pattern(pattern("yyyy-MM-dd'T'HH:mm:ss")?),
            "date" | "year_month_day" => Self::Pattern(pattern("yyyy-MM-dd")?),
            "basic_date" => Self::Pattern(pattern("yyyyMMdd")?),
            "year_month" => Self::Pattern(pattern("yyyy-MM")?),
            "year" => Self::Pattern(pattern("yyyy")?),
            "hour_minute" => Self::Pattern(pattern("HH:mm")?),
            "hour_minute_second" => Self::Pattern(pattern("HH:mm:ss")?),
            _ => Self::Pattern(pattern(text)?),
        })
    }

    fn read(&self, text: &str, zone: &TimeZone, up: bool) -> Option<i64> {
        match self {
            Self::OptionalTime => read_optional_time(text, zone, up),
            Self::EpochMillis => text.parse().ok(),
            Self::EpochSecond => text.parse::<i64>().ok()?.checked_mul(1000),
            Self::Pattern(items) => read_pattern(text, items, zone, up),
        }
    }
}

fn pattern(text: &str) -> Result<Vec<Item>, String> {
    let mut items = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        if letter == '\'' {
            let literal: String = std::iter::from_fn(|| rest.next_if(|&next| next != '\'')).collect();
            if rest.next().is_none() {
                return Err("an apostrophe has no partner".to_owned());
            }
            items.push(Item::Literal(if literal.is_empty() { "'".to_owned() } else { literal }));
        } else if letter.is_ascii_alphabetic() {
            if !LETTERS.contains(letter) {
                return Err(format!("Unknown pattern letter: {letter}"));
            }
            let more = std::iter::from_fn(|| rest.next_if_eq(&letter)).count();
            items.push(Item::Letter(letter, more + 1));
        } else {
            items.push(Item::Literal(letter.to_string()));
        }
    }
    Ok(items)
}

/// Parts of a date as far as they were written: year, month, day, hour, minute, second, nanosecond.
#[derive(Default)]
struct Parts {
    numbers: [Option<i32>; 7],
    offset_seconds: Option<i32>,
}

impl Parts {
    fn millis(&self, zone: &TimeZone, up: bool) -> Option<i64> {
        let [year, month, day, hour, minute, second, nanosecond] = self.numbers;
        let or = |part: Option<i32>, first: i32, last: i32| part.unwrap_or(if up { last } else { first });
        let (year, month) = (i16::try_from(year.unwrap_or(1970)).ok()?, i8::try_from(or(month, 1, 12)).ok()?);
        let last_day = Date::new(year, month, 1).ok()?.days_in_month();
        let date = Date::new(year, month, i8::try_from(or(day, 1, i32::from(last_day))).ok()?).ok()?;
        let part = |part, last| i8::try_from(or(part, 0, last)).ok();
        let time =
            Time::new(part(hour, 23)?, part(minute, 59)?, part(second, 59)?, or(nanosecond, 0, 999_999_999)).ok()?;
        match self.offset_seconds {
            Some(seconds) => millis(date, time, &TimeZone::fixed(Offset::from_seconds(seconds).ok()?)),
            None => millis(date, time, zone),
        }
    }
}

fn read_optional_time(text: &str, zone: &TimeZone, up: bool) -> Option<i64> {
    let mut parts = Parts::default();
    let (year, mut rest) = digits(text, 4)?;
    parts.numbers[0] = Some(year);
    for (place, separator) in [(1, "-"), (2, "-"), (3, "T"), (4, ":"), (5, ":")] {
        let Some(next) = rest.strip_prefix(separator) else { break };
        if next.is_empty() && separator == "T" {
            rest = next;
            break;
        }
        // A minus sign after the hour is an offset's, and `break` above has left the loop by then.
        let (number, next) = digits(next, 2)?;
        parts.numbers[place] = Some(number);
        rest = next;
    }
    if parts.numbers[5].is_some()
        && let Some(fraction) = rest.strip_prefix(['.', ','])
    {
        let (nanoseconds, next) = fraction_of_second(fraction, 1, 9)?;
        parts.numbers[6] = Some(nanoseconds);
        rest = next;
    }
    if parts.numbers[3].is_some()
        && let Some((seconds, next)) = offset(rest)
    {
        parts.offset_seconds = Some(seconds);
        rest = next;
    }
    if rest.is_empty() { parts.millis(zone, up) } else { None }
}

/// Nanoseconds of `least` to `most` digits.
fn fraction_of_second(text: &str, least: usize, most: usize) -> Option<(i32, &str)> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count().min(most);
    if count < least || count > 9 {
        return None;
    }
    let nanoseconds = text[..count].parse::<i32>().ok()? * 10i32.pow(9 - count as u32);
    Some((nanoseconds, &text[count..]))
}

fn read_pattern(text: &str, items: &[Item], zone: &TimeZone, up: bool) -> Option<i64> {
    let mut parts = Parts::default();
    let mut rest = text;
    for item in items {
        let (letter, count) = match item {
            Item::Literal(literal) => {
                rest = rest.strip_prefix(literal.as_str())?;
                continue;
            }
            Item::Letter(letter, count) => (*letter, *count),
        };
        let place = match letter {
            'y' | 'u' => 0,
            'M' if count == 3 => {
                let month = MONTHS.iter().position(|name| rest.starts_with(name))?;
                parts.numbers[1] = Some(month as i32 + 1);
                rest = &rest[3..];
                continue;
            }
            'M' => 1,
            'd' => 2,
            'H' => 3,
            'm' => 4,
            's' => 5,
            'S' => {
                let (nanoseconds, next) = fraction_of_second(rest, count, count)?;
                parts.numbers[6] = Some(nanoseconds);
                rest = next;
                continue;
            }
            'X' | 'x' | 'Z' => {
                let (seconds, next) = offset(rest)?;
                parts.offset_seconds = Some(seconds);
                rest = next;
                continue;
            }
            // Names of days and halves of a day are only written.
            _ => return None,
        };
        let width = match count {
            1 => rest.bytes().take_while(u8::is_ascii_digit).count().min(if place == 0 { 4 } else { 2 }),
            count => count,
        };
        let (number, next) = digits(rest, width).filter(|_| width > 0)?;
        parts.numbers[place] = Some(number + if place == 0 && count == 2 { 2000 } else { 0 });
        rest = next;
    }
    if rest.is_empty() { parts.millis(zone, up) } else { None }
}

fn write_pattern(at: &Zoned, items: &[Item]) -> String {
    let mut out = String::new();
    for item in items {
        let (letter, count) = match item {
            Item::Literal(literal) => {
                out.push_str(literal);
                continue;
            }
            Item::Letter(letter, count) => (*letter, *count),
        };
        let number = match letter {
            'y' | 'u' if count == 2 => i64::from(at.year()) % 100,
            'y' | 'u' => i64::from(at.year()),
            'M' if count >= 3 => {
                out.push_str(MONTHS[at.month() as usize - 1]);
                continue;
            }
            'M' => i64::from(at.month()),
            'd' => i64::from(at.day()),
            'H' => i64::from(at.hour()),
            'h' => i64::from((at.hour() + 11) % 12 + 1),
            'm' => i64::from(at.minute()),
            's' => i64::from(at.second()),
            'S' => {
                let digits = format!("{:09}", at.subsec_nanosecond());
                out.push_str(&digits[..count.min(9)]);
                continue;
            }
            'a' => {
                out.push_str(if at.hour() < 12 { "AM" } else { "PM" });
                continue;
            }
            'E' => {
                let day = at.strftime(if count > 3 { "%A" } else { "%a" });
                // Writing to a string cannot fail.
                let _ = write!(out, "{day}");
                continue;
            }
            _ => {
                write_offset(&mut out, at.offset().seconds(), letter, count);
                continue;
            }
        };
        let _ = write!(out, "{number:0count$}");
    }
    out
}

fn write_offset(out: &mut String, seconds: i32, letter: char, count: usize) {
    if seconds == 0 && letter == 'X' {
        return out.push('Z');
    }
    let (sign, size) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let colon = if count >= 3 && letter != 'Z' { ":" } else { "" };
    let _ = write!(out, "{sign}{:02}{colon}{:02}", size / 3600, size / 60 % 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, text: &str, millis: Option<i64>) {
        let format = DateFormat::parse(format).expect("a format");
        assert_eq!(format.read(text, &TimeZone::UTC, false), millis, "{text}");
    }

    #[test]
    fn reads_what_may_lack_its_end() {
        let optional = "strict_date_optional_time";
        check(optional, "2024-05-15T10:20:30.456Z", Some(1_715_768_430_456));
        check(optional, "2024-05-15T10:20:30,4", Some(1_715_768_430_400));
        check(optional, "2024-05-15T10:20+02:00", Some(1_715_761_200_000));
        check(optional, "2024-05-15", Some(1_715_731_200_000));
        check(optional, "2024", Some(1_704_067_200_000));
        for wrong in
            ["24-01-01", "2024-1-1", "2024-05-15 10:20", "2024-05-15T10:20:30.", "2024-02-30", "", "2024-05-15T25"]
        {
            check(optional, wrong, None);
        }
    }

    #[test]
    fn reads_patterns_and_epochs() {
        check("epoch_millis", "-5", Some(-5));
        check("epoch_second", "1715768430", Some(1_715_768_430_000));
        check("dd/MMM/yyyy:HH:mm:ss Z", "15/May/2024:10:20:30 +0000", Some(1_715_768_430_000));
        check("yyyy.MM.dd||epoch_millis", "7", Some(7));
        check("d.M.yyyy", "5.12.2024", Some(1_733_356_800_000));
        assert!(DateFormat::parse("yyyy-QQ").is_err() && DateFormat::parse("yyyy 'at").is_err());
    }

    #[test]
    fn writes() {
        let write = |format: &str, zone: &str| {
            let zone = super::super::dates::time_zone(zone).expect("a zone");
            DateFormat::parse(format).expect("a format").write(1_715_768_430_456, &zone)
        };
        assert_eq!(write("strict_date_optional_time", "Z"), "2024-05-15T10:20:30.456Z");
        assert_eq!(write("strict_date_optional_time", "+02:00"), "2024-05-15T12:20:30.456+02:00");
        assert_eq!(write("epoch_millis", "Z"), "1715768430456");
        assert_eq!(write("yy-MM-dd HH:mm, EEE", "America/New_York"), "24-05-15 06:20, Wed");
    }
}
