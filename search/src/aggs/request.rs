//! What a request asks to be counted.

use super::rounding::Interval;
use crate::query::Query;
use crate::query::ast::Scalar;
use crate::query::dates::DateFormat;
use jiff::tz::TimeZone;
use serde_json::Value;

/// An aggregation with those inside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregation {
    pub name: String,
    pub kind: Kind,
    pub children: Vec<Aggregation>,
    /// Given back as it came.
    pub meta: Option<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Terms(Terms),
    Histogram(Histogram),
    DateHistogram(DateHistogram),
    Range(Ranges),
    /// One bucket, with no key.
    Filter(Query),
    Filters(Filters),
    /// Documents without a value.
    Missing {
        field: String,
    },
    Metric(Metric),
}

impl Kind {
    /// The name in a request.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Terms(_) => "terms",
            Self::Histogram(_) => "histogram",
            Self::DateHistogram(_) => "date_histogram",
            Self::Range(ranges) if ranges.format.is_some() => "date_range",
            Self::Range(_) => "range",
            Self::Filter(_) => "filter",
            Self::Filters(_) => "filters",
            Self::Missing { .. } => "missing",
            Self::Metric(metric) => metric.function.name(),
        }
    }

    /// The field whose values count.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Terms(terms) => Some(&terms.field),
            Self::Histogram(histogram) => Some(&histogram.field),
            Self::DateHistogram(histogram) => Some(&histogram.field),
            Self::Range(ranges) => Some(&ranges.field),
            Self::Missing { field } => Some(field),
            Self::Metric(metric) => Some(&metric.field),
            Self::Filter(_) | Self::Filters(_) => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    pub field: String,
    pub size: usize,
    pub min_doc_count: u64,
    pub order: Vec<Order>,
    pub missing: Option<Scalar>,
    /// Only these values.
    pub include: Option<Vec<String>>,
    /// Not these.
    pub exclude: Vec<String>,
    /// How dates among the keys are written.
    pub format: Option<DateFormat>,
}

/// By what buckets are sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub by: By,
    pub is_ascending: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    Count,
    Key,
    /// A metric inside: the number of the child, and which of its numbers.
    Metric {
        child: usize,
        property: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    pub field: String,
    pub interval: f64,
    pub offset: f64,
    pub min_doc_count: u64,
    /// Buckets from here to there, also empty ones.
    pub extended: Option<(f64, f64)>,
    pub missing: Option<f64>,
    pub order: Order,
    pub keyed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DateHistogram {
    pub field: String,
    pub interval: Interval,
    pub zone: TimeZone,
    pub format: DateFormat,
    pub min_doc_count: u64,
    /// First and last millisecond, as the request writes them.
    pub extended: Option<(Option<Scalar>, Option<Scalar>)>,
    pub missing: Option<i64>,
    pub order: Order,
    pub keyed: bool,
}

/// `range`, and `date_range` when there is a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    pub field: String,
    pub ranges: Vec<OneRange>,
    pub keyed: bool,
    /// Of dates.
    pub format: Option<DateFormat>,
    pub zone: TimeZone,
    pub missing: Option<Scalar>,
}

/// The end is not in it.
#[derive(Debug, Clone, PartialEq)]
pub struct OneRange {
    pub key: Option<String>,
    pub from: Option<f64>,
    pub to: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Filters {
    pub filters: Vec<(String, Query)>,
    /// A bucket of what no filter finds.
    pub other: Option<String>,
    /// Without names, the buckets are an array.
    pub keyed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub field: String,
    pub function: Function,
    /// The value of documents that have none.
    pub missing: Option<Scalar>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Function {
    Min,
    Max,
    Avg,
    Sum,
    Stats,
    ValueCount,
    Cardinality,
    Percentiles { percents: Vec<f64>, keyed: bool },
}

impl Function {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Min => "min",
            Self::Max => "max",
            Self::Avg => "avg",
            Self::Sum => "sum",
            Self::Stats => "stats",
            Self::ValueCount => "value_count",
            Self::Cardinality => "cardinality",
            Self::Percentiles { .. } => "percentiles",
        }
    }

    /// Counts values, whatever they are.
    pub fn takes_texts(&self) -> bool {
        matches!(self, Self::ValueCount | Self::Cardinality)
    }
}
