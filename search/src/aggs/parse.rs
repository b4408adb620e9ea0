//! Reads `aggs`: names, nesting and metrics; [`super::parse_buckets`] reads those that make buckets.

use super::parse_buckets;
use super::request::{Aggregation, By, Function, Kind, Metric, Order};
use crate::query::Refusal;
use crate::query::dsl::{Dsl, Reader};
use serde_json::Value;

/// Aggregations inside each other: each level is a table of buckets, and a call on the stack.
const DEPTH_MAX: usize = 16;
/// Aggregations of a request.
const AGGREGATIONS_MAX: usize = 256;
/// Percentiles of one aggregation.
const PERCENTS_MAX: usize = 100;

/// Reads the value of `aggs`, where `filter` and the like hold queries.
pub fn parse(aggregations: &Value, dsl: &mut Dsl<'_>) -> Result<Vec<Aggregation>, Refusal> {
    let mut count = 0;
    level(aggregations, dsl, 0, &mut count)
}

fn level(all: &Value, dsl: &mut Dsl<'_>, depth: usize, count: &mut usize) -> Result<Vec<Aggregation>, Refusal> {
    if depth >= DEPTH_MAX {
        return Err(Refusal::argument(format!("aggregations are nested deeper than [{DEPTH_MAX}]")));
    }
    let all = all.as_object().ok_or_else(|| Refusal::parsing("[aggs] must be an object"))?;
    *count += all.len();
    if *count > AGGREGATIONS_MAX {
        return Err(Refusal::argument(format!("more than [{AGGREGATIONS_MAX}] aggregations in a request")));
    }
    all.iter().map(|(name, body)| one(name, body, dsl, depth, count)).collect()
}

fn one(name: &str, body: &Value, dsl: &mut Dsl<'_>, depth: usize, count: &mut usize) -> Result<Aggregation, Refusal> {
    if name.is_empty() || name.contains(['[', ']', '>']) {
        return Err(Refusal::parsing(format!(
            "Invalid aggregation name [{name}]. Aggregation names can contain any character except '[', ']', and '>'"
        )));
    }
    let body = body
        .as_object()
        .ok_or_else(|| Refusal::parsing(format!("Aggregation definition for [{name}] must be an object")))?;
    let (mut kind, mut children, mut meta) = (None, Vec::new(), None);
    for (key, value) in body {
        match key.as_str() {
            "aggs" | "aggregations" => children = level(value, dsl, depth + 1, count)?,
            "meta" => meta = Some(value.clone()),
            _ if kind.is_some() => {
                return Err(Refusal::parsing(format!(
                    "Found two aggregation type definitions in [{name}]: [{}] and [{key}]",
                    kind.map_or("", |(first, _)| first)
                )));
            }
            _ => kind = Some((key.as_str(), value)),
        }
    }
    let Some((key, value)) = kind else {
        return Err(Refusal::parsing(format!("Missing definition for aggregation [{name}]")));
    };
    let kind = match key {
        "terms" => parse_buckets::terms(value, &children)?,
        "histogram" => parse_buckets::histogram(value, &children)?,
        "date_histogram" => parse_buckets::date_histogram(value, &children)?,
        "range" => parse_buckets::range(value)?,
        "date_range" => parse_buckets::date_range(value)?,
        "filter" => Kind::Filter(dsl.query(value)?),
        "filters" => parse_buckets::filters(value, dsl)?,
        "missing" => parse_buckets::missing(value)?,
        _ => metric(key, value)?,
    };
    if matches!(kind, Kind::Metric(_)) && !children.is_empty() {
        return Err(Refusal::argument(format!("Aggregator [{name}] of type [{key}] cannot accept sub-aggregations")));
    }
    Ok(Aggregation { name: name.to_owned(), kind, children, meta })
}

fn metric(name: &str, body: &Value) -> Result<Kind, Refusal> {
    let mut function = match name {
        "min" => Function::Min,
        "max" => Function::Max,
        "avg" => Function::Avg,
        "sum" => Function::Sum,
        "stats" => Function::Stats,
        "value_count" => Function::ValueCount,
        "cardinality" => Function::Cardinality,
        "percentiles" => Function::Percentiles { percents: vec![1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0], keyed: true },
        _ => return Err(Refusal::parsing(format!("Unknown aggregation type [{name}]"))),
    };
    let reader = Reader { name };
    let (mut field, mut missing) = (None, None);
    for (key, value) in reader.object(body)? {
        match (key.as_str(), &mut function) {
            ("field", _) => field = Some(reader.text(key, value)?),
            ("missing", _) => missing = Some(reader.scalar(key, value)?),
            ("percents", Function::Percentiles { percents, .. }) => {
                *percents =
                    reader.array(key, value)?.iter().map(|one| percent(reader, one)).collect::<Result<_, _>>()?;
                if percents.is_empty() || percents.len() > PERCENTS_MAX {
                    return Err(Refusal::argument(format!("[percents] must have from 1 to {PERCENTS_MAX} numbers")));
                }
                percents.sort_unstable_by(f64::total_cmp);
            }
            ("keyed", Function::Percentiles { keyed, .. }) => *keyed = reader.boolean(key, value)?,
            // How exact an estimate must be: this one is exact where theirs is.
            ("precision_threshold", Function::Cardinality) => drop(reader.count(key, value, u64::MAX)?),
            _ => return Err(unknown(name, key)),
        }
    }
    let field = field.ok_or_else(|| no_field(name))?;
    Ok(Kind::Metric(Metric { field, function, missing }))
}

fn percent(reader: Reader<'_>, value: &Value) -> Result<f64, Refusal> {
    let percent = reader.number("percents", value)?;
    match (0.0..=100.0).contains(&percent) {
        true => Ok(percent),
        false => Err(Refusal::argument(format!("percent must be in [0,100], got [{percent}]"))),
    }
}

/// A member that the aggregation does not have.
pub(super) fn unknown(name: &str, key: &str) -> Refusal {
    Refusal::new("x_content_parse_exception", format!("[{name}] unknown field [{key}]"))
}

pub(super) fn no_field(name: &str) -> Refusal {
    Refusal::argument(format!("Required one of fields [field, script], but none were specified. [{name}]"))
}

/// `{"_count": "desc"}`, or an array of such; a metric inside by its name, and `name.avg` of one with several numbers.
pub(super) fn orders(reader: Reader<'_>, value: &Value, children: &[Aggregation]) -> Result<Vec<Order>, Refusal> {
    let one = |value: &Value| {
        let (key, direction) = reader.field(value)?;
        let direction = reader.text("order", direction)?;
        let is_ascending = match direction.to_lowercase().as_str() {
            "asc" => true,
            "desc" => false,
            _ => return Err(Refusal::parsing(format!("Unknown order direction [{direction}]"))),
        };
        let by = match key {
            "_count" => By::Count,
            "_key" => By::Key,
            path => metric_of(path, children)?,
        };
        Ok(Order { by, is_ascending })
    };
    match value {
        Value::Array(several) => several.iter().map(one).collect(),
        value => Ok(vec![one(value)?]),
    }
}

fn metric_of(path: &str, children: &[Aggregation]) -> Result<By, Refusal> {
    let (name, property) = match path.rsplit_once('.') {
        Some((name, property)) if children.iter().all(|child| child.name != path) => (name, Some(property.to_owned())),
        _ => (path, None),
    };
    let child = children.iter().position(|child| child.name == name).ok_or_else(|| {
        Refusal::argument(format!(
            "Invalid aggregation order path [{path}]. The provided aggregation [{name}] either does not exist, or is a \
             pipeline aggregation and cannot be used to sort the buckets."
        ))
    })?;
    match (&children[child].kind, property.as_deref()) {
        (Kind::Metric(metric), property) => match (&metric.function, property) {
            (Function::Stats, Some("count" | "min" | "max" | "avg" | "sum")) => {}
            (Function::Percentiles { .. }, Some(percent)) if percent.parse::<f64>().is_ok() => {}
            (Function::Stats | Function::Percentiles { .. }, _) => {
                return Err(Refusal::argument(format!(
                    "Invalid aggregation order path [{path}]: a metric with several numbers needs the name of one"
                )));
            }
            (_, None | Some("value")) => {}
            (_, Some(other)) => {
                return Err(Refusal::argument(format!("Invalid aggregation order path [{path}]: unknown [{other}]")));
            }
        },
        (Kind::Filter(_) | Kind::Missing { .. }, None | Some("doc_count" | "_count")) => {}
        _ => return Err(Refusal::argument(format!("Invalid aggregation order path [{path}]: not a metric"))),
    }
    Ok(By::Metric { child, property })
}
