//! Numbers over the documents of a bucket: sums, extremes, percentiles, distinct values.

use super::FieldKind;
use super::partial::{Measured, Partial};
use super::request::{Function, Metric};
use super::values::{Key, Values};
use std::collections::HashSet;
use tantivy::DocId;

/// A metric of each bucket around it, by the bucket's number.
pub enum MetricOfSegment {
    Numbers {
        values: Values,
        missing: Option<f64>,
        with_digest: bool,
        measured: Vec<Measured>,
    },
    /// Counts values of any type.
    Values {
        values: Values,
        has_missing: bool,
        counts: Vec<u64>,
    },
    Distinct {
        values: Values,
        missing: Option<Key>,
        distinct: Vec<HashSet<(u8, u64)>>,
    },
}

impl MetricOfSegment {
    pub fn open(metric: &Metric, values: Values, kind: FieldKind) -> Self {
        match metric.function {
            Function::Cardinality => {
                let missing = metric.missing.as_ref().map(|missing| Key::of_scalar(missing, kind));
                Self::Distinct { values, missing, distinct: Vec::new() }
            }
            Function::ValueCount => Self::Values { values, has_missing: metric.missing.is_some(), counts: Vec::new() },
            _ => Self::Numbers {
                values,
                missing: metric.missing.as_ref().and_then(|missing| missing.to_string().parse().ok()),
                with_digest: matches!(metric.function, Function::Percentiles { .. }),
                measured: Vec::new(),
            },
        }
    }

    /// Adds documents, each with the number of the bucket that it is in. Returns how many values were new to keep.
    pub fn collect(&mut self, docs: &[DocId], buckets: &[u32]) -> usize {
        let count = buckets.iter().max().map_or(0, |last| *last as usize + 1);
        match self {
            Self::Numbers { values, missing, with_digest, measured } => {
                if measured.len() < count {
                    measured.resize_with(count, || Measured::new(*with_digest));
                }
                let mut numbers = Vec::new();
                values.numbers(docs, *missing, &mut numbers);
                for (place, value) in numbers {
                    measured[buckets[place as usize] as usize].add(value);
                }
                0
            }
            Self::Values { values, has_missing, counts } => {
                if counts.len() < count {
                    counts.resize(count, 0);
                }
                for (doc, bucket) in docs.iter().zip(buckets) {
                    let mut found = 0;
                    values.columns().iter().for_each(|column| column.each_raw(*doc, &mut |_| found += 1));
                    counts[*bucket as usize] += if found == 0 { u64::from(*has_missing) } else { found };
                }
                0
            }
            Self::Distinct { values, missing, distinct } => {
                if distinct.len() < count {
                    distinct.resize_with(count, HashSet::new);
                }
                let mut new = 0;
                for (doc, bucket) in docs.iter().zip(buckets) {
                    let distinct = &mut distinct[*bucket as usize];
                    let mut has_value = false;
                    for (number, column) in values.columns().iter().enumerate() {
                        column.each_raw(*doc, &mut |raw| {
                            has_value = true;
                            new += usize::from(distinct.insert((number as u8, raw)));
                        });
                    }
                    if !has_value && missing.is_some() {
                        new += usize::from(distinct.insert((u8::MAX, 0)));
                    }
                }
                new
            }
        }
    }

    /// The results of buckets 0 to `count`.
    pub fn finish(self, count: usize) -> tantivy::Result<Vec<Partial>> {
        match self {
            Self::Numbers { mut measured, with_digest, .. } => {
                measured.resize_with(count, || Measured::new(with_digest));
                Ok(measured.into_iter().map(|measured| Partial::Metric(Box::new(measured))).collect())
            }
            Self::Values { mut counts, .. } => {
                counts.resize(count, 0);
                let measured = counts.into_iter().map(|count| Measured { count, ..Measured::new(false) });
                Ok(measured.map(|measured| Partial::Metric(Box::new(measured))).collect())
            }
            Self::Distinct { values, missing, mut distinct } => {
                distinct.resize_with(count, HashSet::new);
                let mut all = Vec::with_capacity(count);
                for raw in distinct {
                    let mut keys = HashSet::with_capacity(raw.len());
                    for (column, bits) in raw {
                        match values.columns().get(usize::from(column)) {
                            Some(column) => drop(keys.insert(column.key(bits)?)),
                            None => keys.extend(missing.clone()),
                        }
                    }
                    all.push(Partial::Distinct(keys));
                }
                Ok(all)
            }
        }
    }
}
