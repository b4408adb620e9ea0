//! A document in the form that tantivy indexes: its values by their paths, its words, its source, its id and its number.

use super::schema::FIELDS;
use std::collections::HashMap;
use tantivy::DateTime;
use tantivy::schema::Field;
use tantivy::schema::document::{Document, ReferenceValue, ReferenceValueLeaf, Value};

/// Bytes for the paths of a document's values, and for texts with escapes, behind its source.
const PATHS_BYTES: usize = 512;

/// Bytes of paths and texts behind the source from which on each path is looked for before it is written: an array of objects
/// with long names would be a hundred times as large otherwise.
const PATHS_ONCE_BYTES: usize = 8 << 10;

/// A document to be indexed. Everything that its values say lies in one text, so that it costs a few allocations, however
/// many values it has.
#[derive(Debug, Default)]
pub struct Indexed {
    /// The JSON as it came; then paths, and texts that the JSON has in another form, one after the other.
    text: String,
    source_bytes: usize,
    columns: Vec<Entry>,
    words: Vec<Entry>,
    /// Paths of what has no column.
    names: Vec<Place>,
    /// The path that was written last: elements of an array share it.
    last: Place,
    /// Where paths lie, behind [`PATHS_ONCE_BYTES`].
    paths: HashMap<Box<str>, Place>,
    pub id: Box<str>,
    /// The number of the write in the store.
    pub sequence: u64,
}

/// A range of the text of a document; the source's places are the same in it. Documents wait by the ten thousand, with some
/// places for each value.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    start: u32,
    end: u32,
}

impl Place {
    pub fn new(start: usize, end: usize) -> Self {
        let short = |place| u32::try_from(place).expect("a document and its paths are a few times as large as a body");
        Self { start: short(start), end: short(end) }
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// A value with the place of its path.
#[derive(Debug)]
pub struct Entry {
    path: Place,
    leaf: Leaf,
}

/// A value as it lies in a document.
#[derive(Debug)]
pub enum Leaf {
    Text(Place),
    Plain(Plain),
}

/// A value that is no text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain {
    Long(i64),
    Unsigned(u64),
    Double(f64),
    Bool(bool),
    /// Milliseconds since 1970, within [`super::times::in_range`].
    Date(i64),
}

impl Indexed {
    /// Without any values.
    pub fn with_source(source: &str) -> Self {
        let mut text = String::with_capacity(source.len() + PATHS_BYTES);
        text.push_str(source);
        Self { text, source_bytes: source.len(), columns: Vec::with_capacity(24), ..Self::default() }
    }

    /// The JSON as it came.
    pub fn source(&self) -> &str {
        &self.text[..self.source_bytes]
    }

    /// A value in the column of `path`.
    pub fn plain(&mut self, path: &str, value: Plain) {
        let path = self.path(path);
        self.columns.push(Entry { path, leaf: Leaf::Plain(value) });
    }

    /// A keyword in the column of `path`; `text` is a place of this document.
    pub fn keyword(&mut self, path: &str, text: Place) {
        let path = self.path(path);
        self.columns.push(Entry { path, leaf: Leaf::Text(text) });
    }

    /// A text whose words are searched for in `path`; `text` is a place of this document.
    pub fn words(&mut self, path: &str, text: Place) {
        let path = self.path(path);
        self.names.push(path);
        self.words.push(Entry { path, leaf: Leaf::Text(text) });
    }

    /// Something in `path` that has no column.
    pub fn name(&mut self, path: &str) {
        let path = self.path(path);
        self.names.push(path);
    }

    fn path(&mut self, path: &str) -> Place {
        if self.last.is_empty() || self.last.of(&self.text) != path {
            self.last = match self.paths.get(path) {
                Some(place) => *place,
                None => {
                    let place = self.push(path);
                    if place.end as usize > self.source_bytes + PATHS_ONCE_BYTES {
                        self.paths.insert(path.into(), place);
                    }
                    place
                }
            };
        }
        self.last
    }

    /// Writes a text behind the source and what else was written there.
    pub fn push(&mut self, text: &str) -> Place {
        let start = self.text.len();
        self.text.push_str(text);
        Place::new(start, self.text.len())
    }
}

impl Document for Indexed {
    type Value<'a> = FieldValue<'a>;
    type FieldsValuesIter<'a> = FieldValues<'a>;

    fn iter_fields_and_values(&self) -> FieldValues<'_> {
        FieldValues { document: self, next: 0 }
    }
}

/// The fields of the schema that a document has.
pub struct FieldValues<'a> {
    document: &'a Indexed,
    next: usize,
}

impl<'a> Iterator for FieldValues<'a> {
    type Item = (Field, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.document;
        let entries = |entries: &'a [Entry]| {
            (!entries.is_empty()).then_some(FieldValue::Entries { text: &document.text, entries })
        };
        loop {
            let number = self.next;
            self.next += 1;
            let found = match number {
                0 => entries(&document.columns).map(|value| (FIELDS.fast, value)),
                1 => entries(&document.words).map(|value| (FIELDS.words, value)),
                2 => Some((FIELDS.id, FieldValue::Text(&document.id))),
                3 => Some((FIELDS.sequence, FieldValue::Plain(Plain::Unsigned(document.sequence)))),
                4 => Some((FIELDS.source, FieldValue::Text(document.source()))),
                number => {
                    let name = document.names.get(number - 5)?;
                    Some((FIELDS.names, FieldValue::Text(name.of(&document.text))))
                }
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// A value of a field, or within one.
#[derive(Debug, Clone, Copy)]
pub enum FieldValue<'a> {
    Entries { text: &'a str, entries: &'a [Entry] },
    Text(&'a str),
    Plain(Plain),
}

impl<'a> Value<'a> for FieldValue<'a> {
    type ArrayIter = std::iter::Empty<Self>;
    type ObjectIter = EntriesIter<'a>;

    fn as_value(&self) -> ReferenceValue<'a, Self> {
        ReferenceValue::Leaf(match *self {
            Self::Entries { text, entries } => {
                return ReferenceValue::Object(EntriesIter { text, entries: entries.iter() });
            }
            Self::Text(text) => ReferenceValueLeaf::Str(text),
            Self::Plain(Plain::Long(value)) => ReferenceValueLeaf::I64(value),
            Self::Plain(Plain::Unsigned(value)) => ReferenceValueLeaf::U64(value),
            Self::Plain(Plain::Double(value)) => ReferenceValueLeaf::F64(value),
            Self::Plain(Plain::Bool(value)) => ReferenceValueLeaf::Bool(value),
            Self::Plain(Plain::Date(millis)) => ReferenceValueLeaf::Date(DateTime::from_timestamp_millis(millis)),
        })
    }
}

/// Values by their paths: an object of one level, in which dots part the names.
pub struct EntriesIter<'a> {
    text: &'a str,
    entries: std::slice::Iter<'a, Entry>,
}

impl<'a> Iterator for EntriesIter<'a> {
    type Item = (&'a str, FieldValue<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let Entry { path, leaf } = self.entries.next()?;
        let value = match leaf {
            Leaf::Text(place) => FieldValue::Text(place.of(self.text)),
            Leaf::Plain(value) => FieldValue::Plain(*value),
        };
        Some((path.of(self.text), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_take_turns_are_written_a_few_times() {
        let mut document = Indexed::with_source("{}");
        let paths = ["a".repeat(500), "b".repeat(500), "c".to_owned()];
        let values = || (0..10_000).zip(paths.iter().cycle());
        values().for_each(|(number, path)| document.plain(path, Plain::Long(number)));
        assert!(document.text.len() < 2 * PATHS_ONCE_BYTES, "{} bytes", document.text.len());
        let entries = EntriesIter { text: &document.text, entries: document.columns.iter() };
        for ((path, value), (number, expect)) in entries.zip(values()) {
            assert!(path == expect && matches!(value, FieldValue::Plain(Plain::Long(found)) if found == number));
        }
    }
}
