//! The values of a document by their paths, in the form that tantivy takes an object of one level.

use std::borrow::Cow;
use std::ops::Range;
use tantivy::DateTime;
use tantivy::schema::document::{ReferenceValue, ReferenceValueLeaf, Value};

/// A value to be indexed.
#[derive(Debug, Clone)]
pub(super) enum Leaf<'a> {
    Str(Cow<'a, str>),
    Long(i64),
    Unsigned(u64),
    Double(f64),
    Bool(bool),
    /// Milliseconds since 1970, within [`super::times::in_range`].
    Date(i64),
}

/// Values, each with its path as a range of the text that holds all paths.
pub(super) type Entries<'a> = Vec<(Range<usize>, Leaf<'a>)>;

/// [`Entries`] as one value of tantivy.
#[derive(Debug, Clone)]
pub(super) enum EntriesValue<'b> {
    Object { paths: &'b str, entries: &'b [(Range<usize>, Leaf<'b>)] },
    Leaf(&'b Leaf<'b>),
}

impl<'b> Value<'b> for EntriesValue<'b> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = EntriesIter<'b>;

    fn as_value(&self) -> ReferenceValue<'b, Self> {
        ReferenceValue::Leaf(match self {
            Self::Object { paths, entries } => {
                return ReferenceValue::Object(EntriesIter { paths, entries: entries.iter() });
            }
            Self::Leaf(Leaf::Str(text)) => ReferenceValueLeaf::Str(text),
            Self::Leaf(Leaf::Long(value)) => ReferenceValueLeaf::I64(*value),
            Self::Leaf(Leaf::Unsigned(value)) => ReferenceValueLeaf::U64(*value),
            Self::Leaf(Leaf::Double(value)) => ReferenceValueLeaf::F64(*value),
            Self::Leaf(Leaf::Bool(value)) => ReferenceValueLeaf::Bool(*value),
            Self::Leaf(Leaf::Date(millis)) => ReferenceValueLeaf::Date(DateTime::from_timestamp_millis(*millis)),
        })
    }
}

pub(super) struct EntriesIter<'b> {
    paths: &'b str,
    entries: std::slice::Iter<'b, (Range<usize>, Leaf<'b>)>,
}

impl<'b> Iterator for EntriesIter<'b> {
    type Item = (&'b str, EntriesValue<'b>);

    fn next(&mut self) -> Option<Self::Item> {
        let (path, leaf) = self.entries.next()?;
        Some((&self.paths[path.clone()], EntriesValue::Leaf(leaf)))
    }
}
