//! Reads the aggregations that make buckets.

use super::parse::{no_field, orders, unknown};
use super::request::{Aggregation, By, DateHistogram, Filters, Histogram, Kind, OneRange, Order, Ranges, Terms};
use super::rounding::{Interval, Length};
use crate::query::Refusal;
use crate::query::ast::Scalar;
use crate::query::dates::{self, DateFormat, DateUnit};
use crate::query::dsl::{Dsl, Reader};
use jiff::tz::TimeZone;
use serde_json::Value;

/// Buckets that an answer may have, as in Elasticsearch (`search.max_buckets`).
pub(super) const BUCKETS_MAX: usize = 65_536;
/// Ranges, filters, or listed terms of one aggregation: each is compared with every document.
const CHOICES_MAX: usize = 1024;
const MILLIS_OF_DAY: i64 = 86_400_000;

pub(super) fn terms(body: &Value, children: &[Aggregation]) -> Result<Kind, Refusal> {
    let reader = Reader { name: "terms" };
    let by_count = Order { by: By::Count, is_ascending: false };
    let (mut field, mut size, mut min_doc_count, mut order) = (None, 10, 1, vec![by_count]);
    let (mut missing, mut include, mut exclude, mut format) = (None, None, Vec::new(), None);
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => field = Some(reader.text(key, value)?),
            "size" => {
                size = reader.count(key, value, BUCKETS_MAX as u64)? as usize;
                if size == 0 {
                    return Err(Refusal::argument("[size] must be greater than 0. Found [0] in [terms]"));
                }
            }
            "min_doc_count" => min_doc_count = reader.count(key, value, u64::MAX)?,
            "order" => order = orders(reader, value, children)?,
            "missing" => missing = Some(reader.scalar(key, value)?),
            "include" => include = Some(list(reader, key, value)?),
            "exclude" => exclude = list(reader, key, value)?,
            "format" => format = Some(DateFormat::parse(&reader.text(key, value)?)?),
            // Each segment gives on more than these ask for, and how it goes about it is its own business.
            "shard_size" | "shard_min_doc_count" => drop(reader.count(key, value, u64::MAX)?),
            "execution_hint" | "collect_mode" => drop(reader.text(key, value)?),
            "show_term_doc_count_error" => reader.only(key, value, &["false"])?,
            _ => return Err(unknown(reader.name, key)),
        }
    }
    if min_doc_count == 0 {
        return Err(Refusal::argument("[min_doc_count] of [0] is not supported in [terms]"));
    }
    if order.iter().all(|order| order.by != By::Key) {
        order.push(Order { by: By::Key, is_ascending: true });
    }
    let field = field.ok_or_else(|| no_field("terms"))?;
    Ok(Kind::Terms(Terms { field, size, min_doc_count, order, missing, include, exclude, format }))
}

fn list(reader: Reader<'_>, key: &str, value: &Value) -> Result<Vec<String>, Refusal> {
    if !value.is_array() {
        return Err(Refusal::argument(format!(
            "[terms] [{key}] as a regular expression or partition is not supported: give an array of values"
        )));
    }
    let values = reader.array(key, value)?;
    at_most(values.len())?;
    values.iter().map(|value| reader.text(key, value)).collect()
}

fn at_most(choices: usize) -> Result<(), Refusal> {
    match choices > CHOICES_MAX {
        true => Err(Refusal::argument(format!("[{choices}] ranges, filters or values are more than [{CHOICES_MAX}]"))),
        false => Ok(()),
    }
}

fn histogram_order(reader: Reader<'_>, value: &Value, children: &[Aggregation]) -> Result<Order, Refusal> {
    match orders(reader, value, children)?.as_slice() {
        [order] => Ok(order.clone()),
        _ => Err(Refusal::argument(format!("several orders are not supported in [{}]", reader.name))),
    }
}

pub(super) fn histogram(body: &Value, children: &[Aggregation]) -> Result<Kind, Refusal> {
    let reader = Reader { name: "histogram" };
    let (mut field, mut interval, mut offset, mut min_doc_count) = (None, None, 0.0, 0);
    let (mut extended, mut missing, mut keyed) = (None, None, false);
    let mut order = Order { by: By::Key, is_ascending: true };
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => field = Some(reader.text(key, value)?),
            "interval" => interval = Some(reader.number(key, value)?),
            "offset" => offset = reader.number(key, value)?,
            "min_doc_count" => min_doc_count = reader.count(key, value, u64::MAX)?,
            "missing" => missing = Some(reader.number(key, value)?),
            "keyed" => keyed = reader.boolean(key, value)?,
            "order" => order = histogram_order(reader, value, children)?,
            "extended_bounds" => {
                let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
                for (end, value) in reader.object(value)? {
                    match end.as_str() {
                        "min" => min = reader.number(end, value)?,
                        "max" => max = reader.number(end, value)?,
                        _ => return Err(unknown("extended_bounds", end)),
                    }
                }
                extended = Some((min, max));
            }
            _ => return Err(unknown(reader.name, key)),
        }
    }
    let interval = interval.filter(|interval| *interval > 0.0);
    let interval = interval.ok_or_else(|| Refusal::argument("[interval] must be >0 for histogram aggregation"))?;
    let field = field.ok_or_else(|| no_field("histogram"))?;
    // A histogram's buckets begin at the offset within the first interval.
    let offset = offset.rem_euclid(interval);
    Ok(Kind::Histogram(Histogram { field, interval, offset, min_doc_count, extended, missing, order, keyed }))
}

pub(super) fn date_histogram(body: &Value, children: &[Aggregation]) -> Result<Kind, Refusal> {
    let reader = Reader { name: "date_histogram" };
    let (mut field, mut length, mut offset_millis, mut zone) = (None, None, 0, TimeZone::UTC);
    let (mut format, mut min_doc_count, mut extended, mut missing) = (DateFormat::default(), 0, None, None);
    let (mut order, mut keyed) = (Order { by: By::Key, is_ascending: true }, false);
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => field = Some(reader.text(key, value)?),
            "fixed_interval" | "calendar_interval" if length.is_some() => {
                return Err(Refusal::argument(
                    "Cannot use [fixed_interval] with [calendar_interval] configuration option.",
                ));
            }
            "fixed_interval" => length = Some(Length::Fixed(positive(&reader.text(key, value)?)?)),
            "calendar_interval" => length = Some(Length::Calendar(calendar(&reader.text(key, value)?)?)),
            "offset" => offset_millis = signed(&reader.text(key, value)?)?,
            "time_zone" => zone = dates::time_zone(&reader.text(key, value)?)?,
            "format" => format = DateFormat::parse(&reader.text(key, value)?)?,
            "min_doc_count" => min_doc_count = reader.count(key, value, u64::MAX)?,
            "missing" => missing = Some(reader.scalar(key, value)?),
            "keyed" => keyed = reader.boolean(key, value)?,
            "order" => order = histogram_order(reader, value, children)?,
            "extended_bounds" => {
                let (mut min, mut max) = (None, None);
                for (end, value) in reader.object(value)? {
                    match end.as_str() {
                        "min" => min = Some(reader.scalar(end, value)?),
                        "max" => max = Some(reader.scalar(end, value)?),
                        _ => return Err(unknown("extended_bounds", end)),
                    }
                }
                extended = Some((min, max));
            }
            _ => return Err(unknown(reader.name, key)),
        }
    }
    let length = length.ok_or_else(|| {
        Refusal::argument(
            "Invalid interval specified, must be non-null and non-empty: [fixed_interval] or [calendar_interval]",
        )
    })?;
    // Without a `now`, a value for what has no date is a date.
    let missing = missing.map(|missing| dates::math(&missing.to_string(), 0, false, &zone, &format)).transpose()?;
    let field = field.ok_or_else(|| no_field("date_histogram"))?;
    let interval = Interval { length, offset_millis };
    Ok(Kind::DateHistogram(DateHistogram {
        field,
        interval,
        zone,
        format,
        min_doc_count,
        extended,
        missing,
        order,
        keyed,
    }))
}

/// `30s`, `1h`: more than nothing.
fn positive(text: &str) -> Result<i64, Refusal> {
    duration(text).filter(|millis| *millis > 0).ok_or_else(|| {
        Refusal::argument(format!(
            "failed to parse setting [date_histogram.fixedInterval] with value [{text}] as a time value: unit is missing or unrecognized"
        ))
    })
}

fn duration(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let count: i64 = text[..digits].parse().ok()?;
    let unit = match &text[digits..] {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => MILLIS_OF_DAY,
        _ => return None,
    };
    count.checked_mul(unit)
}

/// `+6h`, `-1d`, or milliseconds.
fn signed(text: &str) -> Result<i64, Refusal> {
    let (sign, size) = match text.strip_prefix('-') {
        Some(size) => (-1, size),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let millis = size.parse().ok().or_else(|| duration(size));
    millis
        .and_then(|millis: i64| millis.checked_mul(sign))
        .ok_or_else(|| Refusal::argument(format!("failed to parse [offset] with value [{text}] as a time value")))
}

fn calendar(text: &str) -> Result<DateUnit, Refusal> {
    Ok(match text {
        "1s" | "second" => DateUnit::Second,
        "1m" | "minute" => DateUnit::Minute,
        "1h" | "hour" => DateUnit::Hour,
        "1d" | "day" => DateUnit::Day,
        "1w" | "week" => DateUnit::Week,
        "1M" | "month" => DateUnit::Month,
        "1q" | "quarter" => DateUnit::Quarter,
        "1y" | "year" => DateUnit::Year,
        _ => {
            return Err(Refusal::argument(format!(
                "The supplied interval [{text}] could not be parsed as a calendar interval."
            )));
        }
    })
}

pub(super) fn range(body: &Value) -> Result<Kind, Refusal> {
    let reader = Reader { name: "range" };
    let mut found = empty_ranges(None);
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => found.field = reader.text(key, value)?,
            "keyed" => found.keyed = reader.boolean(key, value)?,
            "missing" => found.missing = Some(reader.scalar(key, value)?),
            "ranges" => found.ranges = ranges(reader, value, &|end, value| reader.number(end, value))?,
            _ => return Err(unknown(reader.name, key)),
        }
    }
    checked(reader, found)
}

pub(super) fn date_range(body: &Value) -> Result<Kind, Refusal> {
    let reader = Reader { name: "date_range" };
    let mut found = empty_ranges(Some(DateFormat::default()));
    let mut given = None;
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => found.field = reader.text(key, value)?,
            "keyed" => found.keyed = reader.boolean(key, value)?,
            "missing" => found.missing = Some(reader.scalar(key, value)?),
            "ranges" => given = Some(value),
            "format" => found.format = Some(DateFormat::parse(&reader.text(key, value)?)?),
            "time_zone" => found.zone = dates::time_zone(&reader.text(key, value)?)?,
            _ => return Err(unknown(reader.name, key)),
        }
    }
    let now_millis = jiff::Timestamp::now().as_millisecond();
    let format = found.format.clone().unwrap_or_default();
    let zone = found.zone.clone();
    let millis = |text: &str| dates::math(text, now_millis, false, &zone, &format);
    if let Some(value) = given {
        found.ranges = ranges(reader, value, &|end, value| Ok(millis(&reader.text(end, value)?)? as f64))?;
    }
    if let Some(missing) = &found.missing {
        found.missing = Some(Scalar::Long(millis(&missing.to_string())?));
    }
    checked(reader, found)
}

fn empty_ranges(format: Option<DateFormat>) -> Ranges {
    Ranges { field: String::new(), ranges: Vec::new(), keyed: false, format, zone: TimeZone::UTC, missing: None }
}

fn checked(reader: Reader<'_>, mut found: Ranges) -> Result<Kind, Refusal> {
    if found.field.is_empty() {
        return Err(no_field(reader.name));
    }
    if found.ranges.is_empty() {
        return Err(Refusal::argument(format!("No [ranges] specified for the [{}] aggregation", reader.name)));
    }
    let from = |range: &OneRange| range.from.unwrap_or(f64::NEG_INFINITY);
    let to = |range: &OneRange| range.to.unwrap_or(f64::INFINITY);
    found.ranges.sort_by(|a, b| from(a).total_cmp(&from(b)).then(to(a).total_cmp(&to(b))));
    Ok(Kind::Range(found))
}

fn ranges(
    reader: Reader<'_>,
    value: &Value,
    number: &dyn Fn(&str, &Value) -> Result<f64, Refusal>,
) -> Result<Vec<OneRange>, Refusal> {
    let all = reader.array("ranges", value)?;
    at_most(all.len())?;
    let one = |value: &Value| {
        let mut range = OneRange { key: None, from: None, to: None };
        for (end, value) in reader.object(value)? {
            match end.as_str() {
                "key" => range.key = Some(reader.text(end, value)?),
                "from" | "to" if value.is_null() => {}
                "from" => range.from = Some(number(end, value)?),
                "to" => range.to = Some(number(end, value)?),
                _ => return Err(unknown("ranges", end)),
            }
        }
        Ok(range)
    };
    all.iter().map(one).collect()
}

pub(super) fn filters(body: &Value, dsl: &mut Dsl<'_>) -> Result<Kind, Refusal> {
    let reader = Reader { name: "filters" };
    let mut found = Filters { filters: Vec::new(), other: None, keyed: true };
    let (mut other, mut other_key) = (false, None);
    for (key, value) in reader.object(body)? {
        match (key.as_str(), value) {
            ("filters", Value::Array(queries)) => {
                at_most(queries.len())?;
                found.keyed = false;
                for query in queries {
                    found.filters.push((String::new(), dsl.query(query)?));
                }
            }
            ("filters", value) => {
                let queries = reader.object(value)?;
                at_most(queries.len())?;
                for (name, query) in queries {
                    found.filters.push((name.clone(), dsl.query(query)?));
                }
            }
            ("other_bucket", value) => other = reader.boolean(key, value)?,
            ("other_bucket_key", value) => other_key = Some(reader.text(key, value)?),
            _ => return Err(unknown(reader.name, key)),
        }
    }
    if found.filters.is_empty() {
        return Err(Refusal::argument("[filters] cannot be empty"));
    }
    if found.keyed {
        found.filters.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    found.other = match other_key {
        None => other.then(|| "_other_".to_owned()),
        some => some,
    };
    Ok(Kind::Filters(found))
}

pub(super) fn missing(body: &Value) -> Result<Kind, Refusal> {
    let reader = Reader { name: "missing" };
    let mut field = None;
    for (key, value) in reader.object(body)? {
        match key.as_str() {
            "field" => field = Some(reader.text(key, value)?),
            _ => return Err(unknown(reader.name, key)),
        }
    }
    Ok(Kind::Missing { field: field.ok_or_else(|| no_field("missing"))? })
}
