//! The best hits of a segment, by the columns of what they are sorted by.

use super::sort::{By, Found, KEYS_MAX, SortKey, SortValue, compare};
use crate::store::schema::column;
use std::collections::BinaryHeap;
use std::ops::Bound;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, ColumnType, MonotonicallyMappableToU64, StrColumn};
use tantivy::{DateTime, DocAddress, DocId, Score, SegmentOrdinal, SegmentReader};

/// Numbers and times, in the order in which a column of one type is looked for.
const NUMBERS: [ColumnType; 4] = [ColumnType::DateTime, ColumnType::I64, ColumnType::U64, ColumnType::F64];

/// The `limit` best hits behind `after`, and how many there are in all.
pub struct Best<'a> {
    pub keys: &'a [SortKey],
    /// As [`crate::store::Mapping::resolve`] has them, in the order of `keys`; `None` for what is no field.
    pub paths: Vec<Option<String>>,
    pub limit: usize,
    pub after: Option<&'a [SortValue]>,
    pub needs_score: bool,
}

/// Found hits, best first, and the number of all that match.
pub type BestFound = (Vec<Found>, u64);

impl Collector for Best<'_> {
    type Fruit = BestFound;
    type Child = SegmentBest;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentBest> {
        let mut columns = Vec::new();
        for (key, path) in self.keys.iter().zip(&self.paths) {
            let after = self.after.and_then(|after| after.get(columns.len()));
            let (values, after) = Values::open(reader, key, path.as_deref(), after)?;
            let missing = key.missing.and_then(|missing| values.of_missing(missing));
            columns.push(KeyColumn {
                values,
                descending: key.descending,
                missing_first: key.missing_first,
                missing,
                after,
            });
        }
        Ok(SegmentBest {
            ordinal,
            columns,
            sequence: reader.fast_fields().u64("_seq")?,
            has_after: self.after.is_some(),
            limit: self.limit,
            best: BinaryHeap::new(),
            total: 0,
        })
    }

    fn requires_scoring(&self) -> bool {
        self.needs_score
    }

    fn merge_fruits(&self, segments: Vec<BestFound>) -> tantivy::Result<BestFound> {
        let total = segments.iter().map(|(_, total)| total).sum();
        let mut found: Vec<Found> = segments.into_iter().flat_map(|(found, _)| found).collect();
        found.sort_by(|a, b| compare(self.keys, a, b));
        found.truncate(self.limit);
        Ok((found, total))
    }
}

/// Where a key's values are in a segment.
enum Values {
    None,
    Score,
    Number(Column<u64>, ColumnType),
    Text(StrColumn),
}

struct KeyColumn {
    values: Values,
    descending: bool,
    missing_first: bool,
    /// The value of documents without one.
    missing: Option<u64>,
    /// The place of `search_after` among the ranks of this segment.
    after: u128,
}

/// The best hits of a segment.
pub struct SegmentBest {
    ordinal: SegmentOrdinal,
    columns: Vec<KeyColumn>,
    sequence: Column<u64>,
    has_after: bool,
    limit: usize,
    /// The worst one is on top.
    best: BinaryHeap<(Vec<u128>, u64, DocId, u32)>,
    total: u64,
}

/// Ranks of values: twice the value plus one, so that places between values have numbers, too.
const MISSING: u128 = u128::MAX >> 1;
/// Above all places of values, which are below 2^65 + 3.
const ABOVE: u128 = 1 << 66;
/// Of a date, since tantivy keeps nanoseconds in 64 bits.
const MILLIS_MAX: i64 = i64::MAX / 1_000_000;

impl Values {
    fn open(
        reader: &SegmentReader,
        key: &SortKey,
        path: Option<&str>,
        after: Option<&SortValue>,
    ) -> tantivy::Result<(Self, u128)> {
        let fast = reader.fast_fields();
        let values = match (&key.by, path) {
            (By::Score, _) => Self::Score,
            (By::Written, _) => Self::Number(fast.u64("_seq")?, ColumnType::U64),
            (By::Field(_), None) => Self::None,
            (By::Field(_), Some(path)) => {
                let name = column(path);
                match fast.u64_lenient_for_type(Some(&NUMBERS), &name)? {
                    Some((column, kind)) => Self::Number(column, kind),
                    None => fast.str(&name)?.map_or(Self::None, Self::Text),
                }
            }
        };
        let place = match (&values, after) {
            (_, None) => 0,
            (_, Some(SortValue::Missing)) => key.missing(),
            (Self::Text(column), Some(SortValue::Text(text))) => {
                let dictionary = column.dictionary();
                match dictionary.term_ord(text)? {
                    Some(ord) => key.rank(2 * u128::from(ord) + 1),
                    None => {
                        let unbounded: Bound<&String> = Bound::Unbounded;
                        let next = match dictionary.term_bounds_to_ord(Bound::Included(text), unbounded)?.0 {
                            Bound::Included(ord) | Bound::Excluded(ord) => ord,
                            Bound::Unbounded => 0,
                        };
                        key.rank(2 * u128::from(next))
                    }
                }
            }
            (Self::Number(_, kind), Some(value)) if !matches!(value, SortValue::Text(_)) => {
                key.rank(2 * u128::from(as_u64(*kind, value)) + 1)
            }
            (Self::Score, Some(value)) => key.rank(2 * u128::from((value.number() as f32 as f64).to_u64()) + 1),
            (Self::None, Some(value)) if key.missing.is_some() && !matches!(value, SortValue::Text(_)) => {
                key.rank(2 * u128::from(as_u64(ColumnType::I64, value)) + 1)
            }
            // Texts are behind numbers.
            (Self::Number(..) | Self::None, Some(_)) => key.rank(2 * u128::from(u64::MAX) + 2),
            (Self::Text(_), Some(_)) => key.rank(0),
        };
        Ok((values, place))
    }
}

impl Values {
    /// The number that a request gives to documents without a value; in a segment without the field it is all there is.
    fn of_missing(&self, missing: i64) -> Option<u64> {
        match self {
            Self::None => Some(as_u64(ColumnType::I64, &SortValue::Long(missing))),
            Self::Number(_, kind) => Some(as_u64(*kind, &SortValue::Long(missing))),
            Self::Score | Self::Text(_) => None,
        }
    }
}

impl SortKey {
    /// Less is better.
    fn rank(&self, place: u128) -> u128 {
        if self.descending { ABOVE - place } else { place + 1 }
    }

    fn missing(&self) -> u128 {
        if self.missing_first { 0 } else { MISSING }
    }
}

impl KeyColumn {
    fn rank(&self, document: DocId, score: Score) -> u128 {
        let value = match &self.values {
            Values::None => None,
            Values::Score => Some(f64::from(score).to_u64()),
            Values::Number(column, _) => self.of_many(column, document),
            Values::Text(column) => self.of_many(column.ords(), document),
        };
        match value.or(self.missing) {
            None if self.missing_first => 0,
            None => MISSING,
            Some(value) if self.descending => ABOVE - (2 * u128::from(value) + 1),
            Some(value) => 2 * u128::from(value) + 2,
        }
    }

    /// Of several values the least counts ascending, the greatest descending.
    fn of_many(&self, column: &Column<u64>, document: DocId) -> Option<u64> {
        let values = column.values_for_doc(document);
        if self.descending { values.max() } else { values.min() }
    }

    fn value(&self, rank: u128) -> SortValue {
        if rank == MISSING || (rank == 0 && self.missing_first) {
            return SortValue::Missing;
        }
        let place = if self.descending { ABOVE - rank } else { rank - 1 };
        let value = u64::try_from(place / 2).unwrap_or(u64::MAX);
        match &self.values {
            Values::None if self.missing.is_some() => SortValue::Long(i64::from_u64(value)),
            Values::None => SortValue::Missing,
            Values::Score => SortValue::Double(f64::from_u64(value)),
            Values::Number(_, ColumnType::DateTime) => {
                SortValue::Long(DateTime::from_u64(value).into_timestamp_millis())
            }
            Values::Number(_, ColumnType::I64) => SortValue::Long(i64::from_u64(value)),
            Values::Number(_, ColumnType::F64) => SortValue::Double(f64::from_u64(value)),
            Values::Number(..) => i64::try_from(value).map_or(SortValue::Double(value as f64), SortValue::Long),
            Values::Text(column) => {
                let mut text = String::new();
                match column.ord_to_str(value, &mut text) {
                    Ok(true) => SortValue::Text(text),
                    _ => SortValue::Missing,
                }
            }
        }
    }
}

impl SegmentCollector for SegmentBest {
    type Fruit = BestFound;

    fn collect(&mut self, document: DocId, score: Score) {
        self.total += 1;
        if self.limit == 0 {
            return;
        }
        let mut ranks = [0; KEYS_MAX];
        let ranks = &mut ranks[..self.columns.len()];
        let worst = if self.best.len() == self.limit { self.best.peek() } else { None };
        for (place, column) in self.columns.iter().enumerate() {
            ranks[place] = column.rank(document, score);
            // Most documents are worse than the worst by their first key already.
            if place == 0 && worst.is_some_and(|(worst, ..)| ranks[0] > worst[0]) {
                return;
            }
        }
        if self.has_after && !ranks.iter().copied().gt(self.columns.iter().map(|column| column.after)) {
            return;
        }
        let sequence = self.sequence.first(document).unwrap_or(0);
        if worst.is_some_and(|(worst, last, ..)| (&*ranks, sequence) >= (&worst[..], *last)) {
            return;
        }
        if worst.is_some() {
            self.best.pop();
        }
        self.best.push((ranks.to_vec(), sequence, document, score.to_bits()));
    }

    fn harvest(self) -> BestFound {
        let Self { ordinal, columns, best, total, .. } = self;
        let found = best.into_iter().map(|(ranks, sequence, document, score)| Found {
            address: DocAddress::new(ordinal, document),
            score: Score::from_bits(score),
            values: columns.iter().zip(&ranks).map(|(column, rank)| column.value(*rank)).collect(),
            sequence,
        });
        (found.collect(), total)
    }
}

/// A value of `search_after` as a column of this type holds it.
fn as_u64(kind: ColumnType, value: &SortValue) -> u64 {
    let long = match value {
        SortValue::Long(value) => *value,
        value => value.number() as i64,
    };
    match kind {
        ColumnType::DateTime => DateTime::from_timestamp_millis(long.clamp(-MILLIS_MAX, MILLIS_MAX)).to_u64(),
        ColumnType::I64 => long.to_u64(),
        ColumnType::F64 => value.number().to_u64(),
        _ => u64::try_from(long).unwrap_or(0),
    }
}
