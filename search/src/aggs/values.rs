//! A field's values in a segment, whatever types they have.

use super::{FieldColumn, FieldKind};
use crate::query::ast::Scalar;
use tantivy::columnar::{Cardinality, Column, DynamicColumn, StrColumn};
use tantivy::{DateTime, DocId, SegmentReader};

/// The columns of a field: several, when its type changed.
pub struct Values {
    columns: Vec<Typed>,
    /// Reused for each block.
    buffer: Vec<f64>,
    dates: Vec<DateTime>,
}

/// One column.
pub enum Typed {
    Long(Column<i64>),
    Unsigned(Column<u64>),
    Double(Column<f64>),
    Boolean(Column<bool>),
    Date(Column<DateTime>),
    Text(StrColumn),
}

impl Values {
    /// None for a field that there is not.
    pub fn open(field: Option<&FieldColumn>, segment: &SegmentReader) -> tantivy::Result<Self> {
        let mut columns = Vec::new();
        if let Some(field) = field.filter(|field| field.kind != FieldKind::Text) {
            for handle in segment.fast_fields().dynamic_column_handles(&field.column)? {
                columns.extend(match handle.open()? {
                    DynamicColumn::I64(column) => Some(Typed::Long(column)),
                    DynamicColumn::U64(column) => Some(Typed::Unsigned(column)),
                    DynamicColumn::F64(column) => Some(Typed::Double(column)),
                    DynamicColumn::Bool(column) => Some(Typed::Boolean(column)),
                    DynamicColumn::DateTime(column) => Some(Typed::Date(column)),
                    DynamicColumn::Str(column) => Some(Typed::Text(column)),
                    DynamicColumn::Bytes(_) | DynamicColumn::IpAddr(_) => None,
                });
            }
        }
        Ok(Self { columns, buffer: Vec::new(), dates: Vec::new() })
    }

    pub fn columns(&self) -> &[Typed] {
        &self.columns
    }

    pub fn has_value(&self, doc: DocId) -> bool {
        self.columns.iter().any(|column| column.has_value(doc))
    }

    /// The dates of a block's documents in milliseconds; `false`: not every document has exactly one.
    pub fn dates(&mut self, docs: &[DocId], out: &mut Vec<i64>) -> bool {
        let [Typed::Date(column)] = self.columns.as_slice() else { return false };
        if column.get_cardinality() != Cardinality::Full {
            return false;
        }
        self.dates.resize(docs.len(), DateTime::from_timestamp_millis(0));
        column.values.get_vals(docs, &mut self.dates);
        out.clear();
        out.extend(self.dates.iter().map(|date| date.into_timestamp_millis()));
        true
    }

    /// Numbers of all documents of a block with their place in it; dates are milliseconds, truth is 1. Those of one
    /// document follow each other.
    pub fn numbers(&mut self, docs: &[DocId], missing: Option<f64>, out: &mut Vec<(u32, f64)>) {
        // The common case, one value in each document, is read as a block.
        if let [one] = self.columns.as_slice()
            && one.read_full(docs, &mut self.buffer)
        {
            out.extend(self.buffer.iter().enumerate().map(|(place, value)| (place as u32, *value)));
            return;
        }
        for (place, doc) in docs.iter().enumerate() {
            let before = out.len();
            for column in &self.columns {
                column.each_number(*doc, &mut |value| out.push((place as u32, value)));
            }
            if let Some(missing) = missing.filter(|_| out.len() == before) {
                out.push((place as u32, missing));
            }
        }
    }
}

impl Typed {
    fn has_value(&self, doc: DocId) -> bool {
        match self {
            Self::Long(column) => column.index.has_value(doc),
            Self::Unsigned(column) => column.index.has_value(doc),
            Self::Double(column) => column.index.has_value(doc),
            Self::Boolean(column) => column.index.has_value(doc),
            Self::Date(column) => column.index.has_value(doc),
            Self::Text(column) => column.ords().index.has_value(doc),
        }
    }

    /// Fills `out` when every document has exactly one number; `false`: it is not so.
    fn read_full(&self, docs: &[DocId], out: &mut Vec<f64>) -> bool {
        out.clear();
        match self {
            Self::Long(column) if column.get_cardinality() == Cardinality::Full => {
                out.extend(docs.iter().map(|doc| column.values.get_val(*doc) as f64));
            }
            Self::Double(column) if column.get_cardinality() == Cardinality::Full => {
                out.extend(docs.iter().map(|doc| column.values.get_val(*doc)));
            }
            Self::Date(column) if column.get_cardinality() == Cardinality::Full => {
                out.extend(docs.iter().map(|doc| column.values.get_val(*doc).into_timestamp_millis() as f64));
            }
            _ => return false,
        }
        true
    }

    fn each_number(&self, doc: DocId, take: &mut dyn FnMut(f64)) {
        match self {
            Self::Long(column) => column.values_for_doc(doc).for_each(|value| take(value as f64)),
            Self::Unsigned(column) => column.values_for_doc(doc).for_each(|value| take(value as f64)),
            Self::Double(column) => column.values_for_doc(doc).for_each(take),
            Self::Boolean(column) => column.values_for_doc(doc).for_each(|value| take(f64::from(u8::from(value)))),
            Self::Date(column) => {
                column.values_for_doc(doc).for_each(|value| take(value.into_timestamp_millis() as f64));
            }
            Self::Text(_) => {}
        }
    }

    /// Every value as bits that are equal only for equal values of this column.
    pub fn each_raw(&self, doc: DocId, take: &mut dyn FnMut(u64)) {
        match self {
            Self::Long(column) => column.values_for_doc(doc).for_each(|value| take(value as u64)),
            Self::Unsigned(column) => column.values_for_doc(doc).for_each(take),
            Self::Double(column) => column.values_for_doc(doc).for_each(|value| take(value.to_bits())),
            Self::Boolean(column) => column.values_for_doc(doc).for_each(|value| take(u64::from(value))),
            Self::Date(column) => {
                column.values_for_doc(doc).for_each(|value| take(value.into_timestamp_millis() as u64));
            }
            Self::Text(column) => column.term_ords(doc).for_each(take),
        }
    }

    /// The value of bits that [`Typed::each_raw`] gave.
    pub fn key(&self, raw: u64) -> tantivy::Result<Key> {
        Ok(match self {
            Self::Long(_) | Self::Date(_) => Key::Long(raw as i64),
            Self::Unsigned(_) => i64::try_from(raw).map_or(Key::Double(Bits::of(raw as f64)), Key::Long),
            Self::Double(_) => Key::of_number(f64::from_bits(raw)),
            Self::Boolean(_) => Key::Long(raw as i64),
            Self::Text(column) => {
                let mut text = String::new();
                column.ord_to_str(raw, &mut text)?;
                Key::Text(text)
            }
        })
    }
}

/// A bucket's key. Numbers come before texts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    Long(i64),
    Double(Bits),
    Text(String),
}

/// A float that can be compared and hashed: its bits in an order that is that of the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bits(u64);

impl Bits {
    pub fn of(value: f64) -> Self {
        let bits = value.to_bits();
        Self(if bits >> 63 == 0 { bits | 1 << 63 } else { !bits })
    }

    pub fn value(self) -> f64 {
        f64::from_bits(if self.0 >> 63 == 1 { self.0 & !(1 << 63) } else { !self.0 })
    }
}

impl Key {
    /// The same key for the same number, whichever column it comes from.
    pub fn of_number(value: f64) -> Self {
        /// Whole numbers up to here are exact in both types.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match value.fract() == 0.0 && value.abs() <= EXACT {
            true => Self::Long(value as i64),
            false => Self::Double(Bits::of(value)),
        }
    }

    /// The key of documents without a value.
    pub fn of_scalar(value: &Scalar, kind: FieldKind) -> Self {
        let text = value.to_string();
        match kind {
            FieldKind::Boolean if text == "true" => Self::Long(1),
            FieldKind::Boolean if text == "false" => Self::Long(0),
            FieldKind::Keyword | FieldKind::Ip | FieldKind::Text => Self::Text(text),
            _ => text.parse().map_or(Self::Text(text), Self::of_number),
        }
    }

    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Long(value) => Some(*value as f64),
            Self::Double(value) => Some(value.value()),
            Self::Text(_) => None,
        }
    }
}
