//! In which buckets a document is: one source of keys for each kind of aggregation.

use super::request::{Aggregation, Kind, OneRange};
use super::rounding::Rounding;
use super::values::{Key, Typed, Values};
use crate::query::ast::Scalar;
use std::collections::HashSet;
use std::sync::Arc;
use tantivy::{BitSet, DocId, TantivyError};

/// A bucket before its key is looked up: a column and bits of its own.
pub type Raw = (u8, u64);

/// The column of documents that have no value.
const MISSING: u8 = u8::MAX;

/// Finds the buckets of documents.
pub enum Keys {
    Terms {
        values: Values,
        missing: Option<Key>,
        /// Terms of each text column that are asked for; `None`: all.
        wanted: Vec<Option<HashSet<u64>>>,
    },
    Histogram {
        values: Values,
        interval: f64,
        offset: f64,
        missing: Option<f64>,
    },
    Dates {
        values: Values,
        rounding: Box<Rounding>,
        missing: Option<f64>,
    },
    Ranges {
        values: Values,
        ranges: Vec<OneRange>,
        missing: Option<f64>,
    },
    /// A bucket for each set, and one for what is in none.
    Filters {
        found: Vec<Arc<BitSet>>,
        with_other: bool,
    },
    Missing {
        values: Values,
    },
}

impl Keys {
    /// For an aggregation that makes buckets; `found`: what each of its filters finds in the segment.
    pub fn open(
        aggregation: &Aggregation,
        values: Values,
        kind: super::FieldKind,
        found: Vec<Arc<BitSet>>,
    ) -> tantivy::Result<Option<Self>> {
        let number = |missing: &Option<Scalar>| missing.as_ref().and_then(|missing| missing.to_string().parse().ok());
        Ok(Some(match &aggregation.kind {
            Kind::Terms(terms) => {
                let mut wanted = Vec::new();
                for column in values.columns() {
                    wanted.push(wanted_ordinals(column, terms.include.as_deref())?);
                }
                Self::Terms {
                    values,
                    missing: terms.missing.as_ref().map(|missing| Key::of_scalar(missing, kind)),
                    wanted,
                }
            }
            Kind::Histogram(histogram) => Self::Histogram {
                values,
                interval: histogram.interval,
                offset: histogram.offset,
                missing: histogram.missing,
            },
            Kind::DateHistogram(histogram) => Self::Dates {
                values,
                rounding: Box::new(Rounding::new(histogram.interval, histogram.zone.clone())),
                missing: histogram.missing.map(|missing| missing as f64),
            },
            Kind::Range(ranges) => {
                Self::Ranges { values, ranges: ranges.ranges.clone(), missing: number(&ranges.missing) }
            }
            Kind::Filter(_) => Self::Filters { found, with_other: false },
            Kind::Filters(filters) => Self::Filters { found, with_other: filters.other.is_some() },
            Kind::Missing { .. } => Self::Missing { values },
            Kind::Metric(_) => return Ok(None),
        }))
    }

    /// The buckets of a block's documents, each with the document's place in the block. Of one document, each bucket once.
    pub fn find(&mut self, docs: &[DocId], out: &mut Vec<(u32, Raw)>) {
        let begin = out.len();
        let mut numbers = Vec::new();
        match self {
            Self::Terms { values, missing, wanted } => {
                for (place, doc) in docs.iter().enumerate() {
                    let mut has_value = false;
                    for (number, column) in values.columns().iter().enumerate() {
                        let wanted = wanted.get(number).and_then(Option::as_ref);
                        column.each_raw(*doc, &mut |raw| {
                            has_value = true;
                            if wanted.is_none_or(|wanted| wanted.contains(&raw)) {
                                out.push((place as u32, (number as u8, raw)));
                            }
                        });
                    }
                    if !has_value && missing.is_some() {
                        out.push((place as u32, (MISSING, 0)));
                    }
                }
            }
            Self::Histogram { values, interval, offset, missing } => {
                values.numbers(docs, *missing, &mut numbers);
                for (place, value) in numbers {
                    let step = ((value - *offset) / *interval).floor();
                    out.push((place, (0, step as i64 as u64)));
                }
            }
            Self::Dates { values, rounding, missing } => {
                values.numbers(docs, *missing, &mut numbers);
                for (place, value) in numbers {
                    out.push((place, (0, rounding.floor(value as i64) as u64)));
                }
            }
            Self::Ranges { values, ranges, missing } => {
                values.numbers(docs, *missing, &mut numbers);
                for (place, value) in numbers {
                    for (number, range) in ranges.iter().enumerate() {
                        let is_in = range.from.is_none_or(|from| value >= from) && range.to.is_none_or(|to| value < to);
                        if is_in {
                            out.push((place, (0, number as u64)));
                        }
                    }
                }
            }
            Self::Filters { found, with_other } => {
                for (place, doc) in docs.iter().enumerate() {
                    let before = out.len();
                    for (number, found) in found.iter().enumerate() {
                        if found.contains(*doc) {
                            out.push((place as u32, (0, number as u64)));
                        }
                    }
                    if *with_other && out.len() == before {
                        out.push((place as u32, (0, found.len() as u64)));
                    }
                }
            }
            Self::Missing { values } => {
                let without = docs.iter().enumerate().filter(|(_, doc)| !values.has_value(**doc));
                out.extend(without.map(|(place, _)| (place as u32, (0, 0))));
            }
        }
        each_once(out, begin);
    }

    /// The beginning of each document's bucket, where every document has exactly one date; `false`: it is not so.
    pub fn dates(&mut self, docs: &[DocId], begins: &mut Vec<i64>) -> bool {
        let Self::Dates { values, rounding, .. } = self else { return false };
        if !values.dates(docs, begins) {
            return false;
        }
        begins.iter_mut().for_each(|date| *date = rounding.floor(*date));
        true
    }

    /// How many texts there are, if the buckets are those of one column of texts, by their numbers in its dictionary.
    pub fn ordinals(&self) -> Option<usize> {
        let Self::Terms { values, missing: None, .. } = self else { return None };
        let [Typed::Text(texts)] = values.columns() else { return None };
        Some(texts.num_terms())
    }

    /// The key of a bucket, the same in every segment.
    pub fn key(&self, (column, raw): Raw) -> tantivy::Result<Key> {
        match self {
            Self::Terms { missing, .. } if column == MISSING => Ok(missing.clone().unwrap_or(Key::Long(0))),
            Self::Terms { values, .. } => match values.columns().get(usize::from(column)) {
                Some(typed) => typed.key(raw),
                None => Ok(Key::Long(raw as i64)),
            },
            _ => Ok(Key::Long(raw as i64)),
        }
    }
}

impl Keys {
    /// The keys of buckets that ascend. Texts are read from their dictionary in one go: to look up one of them is to unpack a
    /// block of it.
    pub fn keys(&self, buckets: &[(Raw, u32)]) -> tantivy::Result<Vec<Key>> {
        let mut keys = Vec::with_capacity(buckets.len());
        for same in buckets.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
            let column = same[0].0.0;
            let texts = match self {
                Self::Terms { values, .. } if column != MISSING => match values.columns().get(usize::from(column)) {
                    Some(Typed::Text(texts)) => Some(texts),
                    _ => None,
                },
                _ => None,
            };
            let Some(texts) = texts else {
                for (raw, _) in same {
                    keys.push(self.key(*raw)?);
                }
                continue;
            };
            let ords: Vec<u64> = same.iter().map(|((_, ord), _)| *ord).collect();
            let add = |text: &[u8]| keys.push(Key::Text(String::from_utf8_lossy(text).into_owned()));
            if !texts.dictionary().sorted_ords_to_term_cb(&ords, add)? {
                return Err(TantivyError::InternalError(
                    "a column names a text that its dictionary does not have".to_owned(),
                ));
            }
        }
        Ok(keys)
    }
}

/// Leaves each bucket of a document once. Sorted, since a document may have any number of values.
fn each_once(out: &mut Vec<(u32, Raw)>, begin: usize) {
    if out[begin..].windows(2).any(|pair| pair[0].0 == pair[1].0) {
        let mut found = out.split_off(begin);
        found.sort_unstable();
        found.dedup();
        out.append(&mut found);
    }
}

/// The ordinals of the texts that are asked for.
fn wanted_ordinals(column: &Typed, include: Option<&[String]>) -> tantivy::Result<Option<HashSet<u64>>> {
    let (Typed::Text(texts), Some(include)) = (column, include) else { return Ok(None) };
    let mut wanted = HashSet::new();
    for text in include {
        wanted.extend(texts.dictionary().term_ord(text.as_bytes())?);
    }
    Ok(Some(wanted))
}
