//! Times in texts: the formats of Elasticsearch's date processor.

mod civil;
mod fields;
mod fixed;
mod names;
mod pattern;
mod read;
mod usual;
mod write;

use jiff::Timestamp;
use jiff::tz::TimeZone;

pub(crate) use civil::utc_words;
use civil::write_utc;
pub(crate) use fields::zone;
use fixed::Fixed;
pub(crate) use names::month;
use pattern::Part;
pub(crate) use pattern::PatternError;

use crate::document::Text;
use crate::pipeline::Context;

/// The form in which times are written unless a pipeline says otherwise.
pub(crate) const OUTPUT_FORMAT: &str = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX";

/// One of the formats of a date processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Iso8601,
    /// Seconds since 1970, with fraction or without.
    Unix,
    /// Milliseconds since 1970.
    UnixMs,
    /// Bernstein's TAI64N: hexadecimal seconds and nanoseconds, with or without the at sign.
    Tai64n,
    Pattern(Vec<Part>),
    /// A pattern of which each part has its place.
    Fixed(Box<Fixed>),
}

impl Format {
    /// Reads a format's name, or Java patterns with `||` between them.
    pub fn parse(text: &str) -> Result<Vec<Format>, PatternError> {
        Ok(match text {
            "ISO8601" | "iso8601" | "strict_date_optional_time" | "date_optional_time" => vec![Format::Iso8601],
            "UNIX" | "epoch_second" => vec![Format::Unix],
            "UNIX_MS" | "epoch_millis" => vec![Format::UnixMs],
            "TAI64N" => vec![Format::Tai64n],
            _ => {
                if let Some((first, rest)) = text.split_once("||") {
                    let mut formats = Format::parse(first)?;
                    formats.extend(Format::parse(rest)?);
                    return Ok(formats);
                }
                // Elasticsearch's mark for patterns of Java, from the days when there were others.
                let pattern = text.strip_prefix('8').unwrap_or(text);
                let parts = pattern::compile(pattern)?;
                vec![Fixed::of(&parts).map_or(Format::Pattern(parts), |fixed| Format::Fixed(Box::new(fixed)))]
            }
        })
    }

    /// The moment that a text names; a time without zone is one of `zone`.
    pub fn read(&self, text: &str, zone: &TimeZone, context: &Context) -> Option<Timestamp> {
        match self {
            Format::Iso8601 => read::read_iso8601(text)?.resolve(zone, context),
            // Elasticsearch goes through a double, and cuts at the millisecond.
            Format::Unix => from_millisecond(text.trim().parse::<f64>().ok()? * 1000.0),
            Format::UnixMs => Timestamp::from_millisecond(text.parse().ok()?).ok(),
            Format::Tai64n => read_tai64n(text),
            Format::Pattern(parts) => read::read(text, parts)?.resolve(zone, context),
            Format::Fixed(fixed) => match fixed.moment(text, zone) {
                Some(moment) => Some(moment),
                None => fixed.read(text)?.resolve(zone, context),
            },
        }
    }
}

/// A pattern for writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputFormat {
    parts: Vec<Part>,
    /// Whether it is [`OUTPUT_FORMAT`].
    is_default: bool,
}

impl OutputFormat {
    pub fn parse(text: &str) -> Result<OutputFormat, PatternError> {
        let pattern = text.strip_prefix('8').unwrap_or(text);
        Ok(OutputFormat { parts: pattern::compile(pattern)?, is_default: pattern == OUTPUT_FORMAT })
    }

    /// Whether it writes a moment in this zone as [`utc`] does.
    pub fn is_utc(&self, zone: &TimeZone) -> bool {
        self.is_default && *zone == TimeZone::UTC
    }

    /// The moment as it is in a zone.
    pub fn write(&self, moment: Timestamp, zone: &TimeZone) -> Text {
        if self.is_utc(zone) {
            return utc(moment.as_millisecond());
        }
        let mut out = String::with_capacity(32);
        write::write(&mut out, &fields::in_zone(moment, zone), &self.parts);
        out.into()
    }
}

/// A time in milliseconds since 1970 in [`OUTPUT_FORMAT`]; what no calendar knows becomes 1970.
pub(crate) fn utc(ms: i64) -> Text {
    match write_utc(ms) {
        Some(text) => Text::from_utf8(text).unwrap_or_default(),
        None => {
            let time = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
            format!("{time:.3}").into()
        }
    }
}

/// Reads the times that Elasticsearch's default format for dates writes, in milliseconds since 1970.
pub(crate) fn iso8601_ms(text: &str) -> Option<i64> {
    let context = Context::at(0, Timestamp::UNIX_EPOCH);
    Format::Iso8601.read(text, &TimeZone::UTC, &context).map(|moment| moment.as_millisecond())
}

fn from_millisecond(ms: f64) -> Option<Timestamp> {
    // Out of range saturates, and is refused by the calendar then.
    if ms.is_nan() { None } else { Timestamp::from_millisecond(ms as i64).ok() }
}

fn read_tai64n(text: &str) -> Option<Timestamp> {
    let digits = text.strip_prefix('@').unwrap_or(text);
    if digits.len() < 24 || !digits.is_ascii() {
        return None;
    }
    // The first digit is the 2^62 that every such label has.
    let seconds = i64::from_str_radix(&digits[1..16], 16).ok()?;
    let nanoseconds = i64::from_str_radix(&digits[16..24], 16).ok()?;
    // Ten seconds are what TAI was ahead in 1972; Elasticsearch knows no leap seconds since.
    let ms = seconds.checked_mul(1000)?.checked_sub(10_000)?.checked_add(nanoseconds / 1_000_000)?;
    Timestamp::from_millisecond(ms).ok()
}

#[cfg(test)]
mod tests;
