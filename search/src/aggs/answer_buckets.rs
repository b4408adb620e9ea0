//! Lists of buckets in Elasticsearch's form: which ones, in which order, with the empty ones between.

use super::FieldKind;
use super::answer::{Writer, number};
use super::partial::{Bucket, Buckets, Partial};
use super::request::{Aggregation, By, DateHistogram, Filters, Histogram, Kind, OneRange, Order, Ranges, Terms};
use super::values::Key;
use crate::query::ast::Scalar;
use crate::query::dates::{self, DateFormat};
use crate::query::{Refusal, mapped};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::net::Ipv6Addr;

/// A bucket of an answer, with its key.
type Entry<'a> = (Key, &'a Bucket);

static NOTHING: Bucket = Bucket { count: 0, children: Vec::new() };

/// The answer of an aggregation with several buckets.
pub fn list(writer: &mut Writer<'_>, aggregation: &Aggregation, partial: Option<&Partial>) -> Result<Value, Refusal> {
    let nothing = Buckets::default();
    let buckets = match partial {
        Some(Partial::Buckets(buckets)) => buckets,
        _ => &nothing,
    };
    let children = &aggregation.children;
    match &aggregation.kind {
        Kind::Terms(terms) => write_terms(writer, terms, children, buckets),
        Kind::Histogram(histogram) => write_histogram(writer, histogram, children, buckets),
        Kind::DateHistogram(histogram) => write_date_histogram(writer, histogram, children, buckets),
        Kind::Range(ranges) => write_ranges(writer, ranges, children, buckets),
        Kind::Filters(filters) => write_filters(writer, filters, children, buckets),
        _ => Ok(Value::Null),
    }
}

/// By the first order in which they differ. What has no number is last, whichever the direction.
fn compare(a: &Entry<'_>, b: &Entry<'_>, orders: &[Order], children: &[Aggregation], kind: FieldKind) -> Ordering {
    for order in orders {
        let found = match &order.by {
            By::Count => a.1.count.cmp(&b.1.count),
            By::Key => match (a.0.number(), b.0.number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ if kind == FieldKind::Ip => address(&a.0).cmp(&address(&b.0)).then_with(|| a.0.cmp(&b.0)),
                _ => a.0.cmp(&b.0),
            },
            By::Metric { child, property } => {
                let value = |bucket: &Bucket| match children.get(*child).map(|child| &child.kind) {
                    Some(Kind::Metric(metric)) => {
                        number(&metric.function, bucket.children.get(*child), property.as_deref())
                    }
                    _ => match bucket.children.get(*child) {
                        Some(Partial::Buckets(inner)) => {
                            inner.buckets.get(&Key::Long(0)).map(|bucket| bucket.count as f64).or(Some(0.0))
                        }
                        _ => Some(0.0),
                    },
                };
                match (value(a.1), value(b.1)) {
                    (Some(a), Some(b)) => a.total_cmp(&b),
                    (None, None) => Ordering::Equal,
                    (Some(_), None) => return Ordering::Less,
                    (None, Some(_)) => return Ordering::Greater,
                }
            }
        };
        match (found, order.is_ascending) {
            (Ordering::Equal, _) => {}
            (found, true) => return found,
            (found, false) => return found.reverse(),
        }
    }
    Ordering::Equal
}

/// Addresses are in the order of their bits, IPv4 as it is mapped into IPv6; what is none comes first.
fn address(key: &Key) -> Option<Ipv6Addr> {
    let Key::Text(text) = key else { return None };
    text.parse().ok().map(mapped)
}

fn write_terms(
    writer: &mut Writer<'_>,
    terms: &Terms,
    children: &[Aggregation],
    buckets: &Buckets,
) -> Result<Value, Refusal> {
    let kind = (writer.kind_of)(&terms.field).unwrap_or(FieldKind::Keyword);
    let is_wanted = |key: &Key| {
        if terms.include.is_none() && terms.exclude.is_empty() {
            return true;
        }
        let text = shown(key, kind);
        terms.include.as_ref().is_none_or(|include| include.contains(&text)) && !terms.exclude.contains(&text)
    };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut others = buckets.others;
    entries.extend(buckets.buckets.iter().filter(|(key, _)| is_wanted(key)).map(|(key, bucket)| (key.clone(), bucket)));
    entries.sort_by(|a, b| compare(a, b, &terms.order, children, kind));
    // What a shard of Elasticsearch gives on and is too small then is counted nowhere.
    let given_on = terms.size.saturating_add(terms.size / 2).saturating_add(10);
    let mut place = 0;
    let mut shown_so_far = 0;
    entries.retain(|(_, bucket)| {
        place += 1;
        let is_small = bucket.count < terms.min_doc_count;
        let is_shown = !is_small && shown_so_far < terms.size;
        shown_so_far += usize::from(is_shown);
        if !(is_shown || is_small && place <= given_on) {
            others += bucket.count;
        }
        is_shown
    });
    writer.buckets(entries.len())?;
    let mut list = Vec::with_capacity(entries.len());
    for (key, bucket) in entries {
        let mut head = Map::new();
        match (&key, kind) {
            (Key::Text(text), _) => drop(head.insert("key".to_owned(), json!(text))),
            (key, FieldKind::Boolean) => {
                head.insert("key".to_owned(), json!(key.number().unwrap_or(0.0) as i64));
                head.insert("key_as_string".to_owned(), json!(shown(key, kind)));
            }
            (Key::Long(millis), FieldKind::Date) => {
                let format = terms.format.clone().unwrap_or_default();
                head.insert("key".to_owned(), json!(millis));
                head.insert("key_as_string".to_owned(), json!(format.write(*millis, &TimeZone::UTC)));
            }
            (Key::Long(value), FieldKind::Double) => drop(head.insert("key".to_owned(), json!(*value as f64))),
            (Key::Long(value), _) => drop(head.insert("key".to_owned(), json!(value))),
            (Key::Double(value), _) => drop(head.insert("key".to_owned(), json!(value.value()))),
        }
        list.push(Value::Object(writer.bucket(head, bucket, children)?));
    }
    Ok(json!({
        "doc_count_error_upper_bound": buckets.error,
        "sum_other_doc_count": others,
        "buckets": list,
    }))
}

/// A key as a list of values in a request names it.
fn shown(key: &Key, kind: FieldKind) -> String {
    match (key, kind) {
        (Key::Text(text), _) => text.clone(),
        (Key::Long(value), FieldKind::Boolean) => (*value != 0).to_string(),
        (Key::Long(value), _) => value.to_string(),
        (Key::Double(value), _) => value.value().to_string(),
    }
}

/// Drops small buckets, fills gaps, sorts. `keys` are all that must be there, ascending.
fn filled<'a>(
    writer: &mut Writer<'_>,
    buckets: &'a Buckets,
    min_doc_count: u64,
    bounds: Option<(i64, i64)>,
    next: &dyn Fn(i64) -> i64,
    (order, children): (&Order, &[Aggregation]),
) -> Result<Vec<Entry<'a>>, Refusal> {
    let mut keys: Vec<i64> = buckets
        .buckets
        .keys()
        .filter_map(|key| match key {
            Key::Long(key) => Some(*key),
            _ => None,
        })
        .collect();
    keys.sort_unstable();
    let mut entries: Vec<Entry<'a>> = Vec::new();
    if min_doc_count == 0 {
        let ends =
            [keys.first().copied(), keys.last().copied(), bounds.map(|(first, _)| first), bounds.map(|(_, last)| last)];
        let known = || ends.iter().flatten().copied();
        if let (Some(first), Some(last)) = (known().min(), known().max()) {
            let mut key = first;
            while key <= last {
                writer.buckets(1)?;
                let key_now = Key::Long(key);
                let bucket = buckets.buckets.get(&key_now).unwrap_or(&NOTHING);
                entries.push((key_now, bucket));
                let following = next(key);
                if following <= key {
                    break;
                }
                key = following;
            }
        }
    } else {
        for key in keys {
            let key = Key::Long(key);
            if let Some(bucket) = buckets.buckets.get(&key).filter(|bucket| bucket.count >= min_doc_count) {
                writer.buckets(1)?;
                entries.push((key, bucket));
            }
        }
    }
    let by_key = Order { by: By::Key, is_ascending: true };
    let orders = [order.clone(), by_key];
    entries.sort_by(|a, b| compare(a, b, &orders, children, FieldKind::Long));
    Ok(entries)
}

/// Buckets as an array, or as an object by their keys.
fn arranged(keyed: bool, all: Vec<(String, Map<String, Value>)>) -> Value {
    match keyed {
        true => {
            json!({ "buckets": all.into_iter().map(|(key, one)| (key, Value::Object(one))).collect::<Map<_, _>>() })
        }
        false => json!({ "buckets": all.into_iter().map(|(_, one)| one).collect::<Vec<_>>() }),
    }
}

fn write_histogram(
    writer: &mut Writer<'_>,
    histogram: &Histogram,
    children: &[Aggregation],
    buckets: &Buckets,
) -> Result<Value, Refusal> {
    let step = |value: f64| ((value - histogram.offset) / histogram.interval).floor() as i64;
    let bounds = histogram.extended.filter(|(min, max)| min <= max).map(|(min, max)| (step(min), step(max)));
    let following = |key: i64| key.saturating_add(1);
    let order = (&histogram.order, children);
    let entries = filled(writer, buckets, histogram.min_doc_count, bounds, &following, order)?;
    let mut all = Vec::with_capacity(entries.len());
    for (key, bucket) in entries {
        let value = key.number().unwrap_or(0.0) * histogram.interval + histogram.offset;
        let head = Map::from_iter([("key".to_owned(), json!(value))]);
        all.push((format!("{value:?}"), writer.bucket(head, bucket, children)?));
    }
    Ok(arranged(histogram.keyed, all))
}

fn write_date_histogram(
    writer: &mut Writer<'_>,
    histogram: &DateHistogram,
    children: &[Aggregation],
    buckets: &Buckets,
) -> Result<Value, Refusal> {
    let DateHistogram { interval, zone, format, .. } = histogram;
    let now_millis = writer.now_millis;
    let mut rounding = super::rounding::Rounding::new(*interval, zone.clone());
    let mut bound = |value: &Option<Scalar>| {
        let Some(value) = value else { return Ok(None) };
        let millis = dates::math(&value.to_string(), now_millis, false, zone, format)
            .or_else(|_| dates::math(&value.to_string(), now_millis, false, zone, &DateFormat::default()))?;
        Ok::<_, Refusal>(Some(rounding.floor(millis)))
    };
    let bounds = match &histogram.extended {
        None => None,
        Some((min, max)) => match (bound(min)?, bound(max)?) {
            (Some(min), Some(max)) if min > max => {
                return Err(Refusal::argument("[extended_bounds.min] cannot be greater than [extended_bounds.max]"));
            }
            (min, max) => min.or(max).zip(max.or(min)),
        },
    };
    let following = |key: i64| interval.next(key, zone);
    let order = (&histogram.order, children);
    let entries = filled(writer, buckets, histogram.min_doc_count, bounds, &following, order)?;
    let mut all = Vec::with_capacity(entries.len());
    for (key, bucket) in entries {
        let Key::Long(millis) = key else { continue };
        let text = format.write(millis, zone);
        let head = Map::from_iter([("key_as_string".to_owned(), json!(text)), ("key".to_owned(), json!(millis))]);
        all.push((text, writer.bucket(head, bucket, children)?));
    }
    Ok(arranged(histogram.keyed, all))
}

fn write_ranges(
    writer: &mut Writer<'_>,
    ranges: &Ranges,
    children: &[Aggregation],
    buckets: &Buckets,
) -> Result<Value, Refusal> {
    let mut all = Vec::with_capacity(ranges.ranges.len());
    writer.buckets(ranges.ranges.len())?;
    for (number, range) in ranges.ranges.iter().enumerate() {
        let bucket = buckets.buckets.get(&Key::Long(number as i64)).unwrap_or(&NOTHING);
        let end = |end: Option<f64>| end.map_or_else(|| "*".to_owned(), |end| written(end, ranges));
        let OneRange { key, from, to } = range;
        let key = key.clone().unwrap_or_else(|| format!("{}-{}", end(*from), end(*to)));
        let mut head = Map::new();
        if !ranges.keyed {
            head.insert("key".to_owned(), json!(key));
        }
        for (name, value) in [("from", from), ("to", to)] {
            let Some(value) = value else { continue };
            head.insert(name.to_owned(), json!(value));
            if ranges.format.is_some() {
                head.insert(format!("{name}_as_string"), json!(written(*value, ranges)));
            }
        }
        all.push((key, writer.bucket(head, bucket, children)?));
    }
    Ok(arranged(ranges.keyed, all))
}

/// An end of a range as its key shows it.
fn written(end: f64, ranges: &Ranges) -> String {
    match &ranges.format {
        Some(format) => format.write(end as i64, &ranges.zone),
        None => format!("{end:?}"),
    }
}

fn write_filters(
    writer: &mut Writer<'_>,
    filters: &Filters,
    children: &[Aggregation],
    buckets: &Buckets,
) -> Result<Value, Refusal> {
    let names = filters.filters.iter().map(|(name, _)| name).chain(&filters.other);
    let mut all = Vec::new();
    for (number, name) in names.enumerate() {
        let bucket = buckets.buckets.get(&Key::Long(number as i64)).unwrap_or(&NOTHING);
        all.push((name.clone(), writer.bucket(Map::new(), bucket, children)?));
    }
    writer.buckets(all.len())?;
    Ok(arranged(filters.keyed, all))
}
