//! The answer in Elasticsearch's form: metrics and single buckets; [`super::answer_buckets`] writes lists of buckets.

use super::FieldKind;
use super::answer_buckets;
use super::parse_buckets::BUCKETS_MAX;
use super::partial::{Bucket, Measured, Partial};
use super::request::{Aggregation, Function, Kind, Metric};
use super::values::Key;
use crate::query::Refusal;
use crate::query::dates::DateFormat;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

/// What the answer needs beside the counts.
pub struct Writer<'a> {
    /// A field's type; `None`: no index has it.
    pub kind_of: &'a dyn Fn(&str) -> Option<FieldKind>,
    /// Milliseconds since 1970.
    pub now_millis: i64,
    /// Buckets written so far.
    pub written: usize,
}

/// The value of `aggregations`. `partials` may be empty: nothing was searched.
pub fn answer(
    aggregations: &[Aggregation],
    partials: &[Partial],
    now_millis: i64,
    kind_of: &dyn Fn(&str) -> Option<FieldKind>,
) -> Result<Value, Refusal> {
    let mut writer = Writer { kind_of, now_millis, written: 0 };
    writer.level(aggregations, partials).map(Value::Object)
}

impl Writer<'_> {
    /// All aggregations of one bucket; without partials, what they are over no document.
    pub fn level(&mut self, aggregations: &[Aggregation], partials: &[Partial]) -> Result<Map<String, Value>, Refusal> {
        let mut all = Map::new();
        for (number, aggregation) in aggregations.iter().enumerate() {
            let mut value = self.one(aggregation, partials.get(number))?;
            if let (Some(meta), Some(object)) = (&aggregation.meta, value.as_object_mut()) {
                object.insert("meta".to_owned(), meta.clone());
            }
            all.insert(aggregation.name.clone(), value);
        }
        Ok(all)
    }

    /// Counts `count` more buckets.
    pub fn buckets(&mut self, count: usize) -> Result<(), Refusal> {
        self.written += count;
        match self.written > BUCKETS_MAX {
            true => Err(Refusal::new("too_many_buckets_exception", super::collect::too_many(BUCKETS_MAX))),
            false => Ok(()),
        }
    }

    fn one(&mut self, aggregation: &Aggregation, partial: Option<&Partial>) -> Result<Value, Refusal> {
        match &aggregation.kind {
            Kind::Metric(metric) => Ok(self.metric(metric, partial)),
            Kind::Filter(_) | Kind::Missing { .. } => {
                let nothing = Bucket::default();
                let bucket = match partial {
                    Some(Partial::Buckets(buckets)) => buckets.buckets.get(&Key::Long(0)).unwrap_or(&nothing),
                    _ => &nothing,
                };
                self.bucket(Map::new(), bucket, &aggregation.children).map(Value::Object)
            }
            _ => answer_buckets::list(self, aggregation, partial),
        }
    }

    /// `head`, the count, and what is inside.
    pub fn bucket(
        &mut self,
        mut head: Map<String, Value>,
        bucket: &Bucket,
        children: &[Aggregation],
    ) -> Result<Map<String, Value>, Refusal> {
        head.insert("doc_count".to_owned(), json!(bucket.count));
        head.extend(self.level(children, &bucket.children)?);
        Ok(head)
    }

    fn metric(&self, metric: &Metric, partial: Option<&Partial>) -> Value {
        let kind = (self.kind_of)(&metric.field);
        let mut out = Map::new();
        if let Function::Percentiles { percents, keyed } = &metric.function {
            return percentiles(percents, *keyed, partial, kind == Some(FieldKind::Date));
        }
        if metric.function == Function::Stats {
            let nothing = Measured::new(false);
            let measured: &Measured = match partial {
                Some(Partial::Metric(measured)) => measured,
                _ => &nothing,
            };
            out.insert("count".to_owned(), json!(measured.count));
            for property in ["min", "max", "avg", "sum"] {
                let value = property_of(&Function::Stats, measured, Some(property));
                out.insert(property.to_owned(), json!(value));
                self.as_date(&mut out, &format!("{property}_as_string"), kind, value);
            }
            return Value::Object(out);
        }
        let value = number(&metric.function, partial, None);
        match metric.function {
            Function::ValueCount | Function::Cardinality => {
                out.insert("value".to_owned(), json!(value.unwrap_or(0.0) as u64));
            }
            _ => {
                out.insert("value".to_owned(), json!(value));
                self.as_date(&mut out, "value_as_string", kind, value);
            }
        }
        Value::Object(out)
    }

    fn as_date(&self, out: &mut Map<String, Value>, name: &str, kind: Option<FieldKind>, value: Option<f64>) {
        if let (Some(FieldKind::Date), Some(value)) = (kind, value) {
            let text = DateFormat::default().write(value as i64, &TimeZone::UTC);
            out.insert(name.to_owned(), json!(text));
        }
    }
}

/// One number of a metric: what an answer shows, and what buckets are sorted by.
pub fn number(function: &Function, partial: Option<&Partial>, property: Option<&str>) -> Option<f64> {
    match partial {
        Some(Partial::Metric(measured)) => property_of(function, measured, property),
        Some(Partial::Distinct(keys)) => Some(keys.len() as f64),
        _ => property_of(function, &Measured::new(false), property),
    }
}

fn property_of(function: &Function, measured: &Measured, property: Option<&str>) -> Option<f64> {
    let property = match (function, property) {
        (Function::Stats, Some(property)) => property,
        (Function::Percentiles { .. }, Some(percent)) => {
            return measured.digest.as_ref()?.percentile(percent.parse().ok()?);
        }
        (Function::ValueCount, _) => "count",
        (function, _) => function.name(),
    };
    let any = measured.count > 0;
    match property {
        "count" | "cardinality" => Some(measured.count as f64),
        "sum" => Some(measured.sum),
        "min" => any.then_some(measured.min),
        "max" => any.then_some(measured.max),
        "avg" => any.then(|| measured.sum / measured.count as f64),
        _ => None,
    }
}

fn percentiles(percents: &[f64], keyed: bool, partial: Option<&Partial>, is_date: bool) -> Value {
    let digest = match partial {
        Some(Partial::Metric(measured)) => measured.digest.as_ref(),
        _ => None,
    };
    let value = |percent: f64| digest.and_then(|digest| digest.percentile(percent));
    let text = |value: f64| DateFormat::default().write(value as i64, &TimeZone::UTC);
    let mut values = Map::new();
    let mut list = Vec::new();
    for &percent in percents {
        let value = value(percent);
        let mut one = json!({ "key": percent, "value": value });
        values.insert(format!("{percent:?}"), json!(value));
        if let Some(value) = value.filter(|_| is_date) {
            values.insert(format!("{percent:?}_as_string"), json!(text(value)));
            one["value_as_string"] = json!(text(value));
        }
        list.push(one);
    }
    if keyed { json!({ "values": values }) } else { json!({ "values": list }) }
}
