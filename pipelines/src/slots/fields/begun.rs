//! With what a line begins: what is known about its source, most of which is the same for the lines of a file, and made once for
//! them.

use super::{Fields, KEPT_MAX, Memory, Slot};
use crate::document::{Map, Origin, Value, write_value};
use crate::slots::layout::{GroupPlace, Place};
use crate::slots::pen::{PIECE, Page, Pen};
use crate::slots::{
    DATASET, ECS, FILE_PATH, FIRST, FLAGS, HOST_NAME, LABELS, MESSAGE, OFFSET, SOURCE_ADDRESS, STREAM, TIMESTAMP,
};
use std::ops::Range;

/// Objects of every layout in which a source has nothing that differs from line to line.
const CONSTANT: [(Place, GroupPlace); 4] = [(HOST_NAME, 1), (FILE_PATH, 3), (DATASET, 5), (ECS, 6)];
/// Numbers of objects up to the last one of [`CONSTANT`].
const CONSTANT_MAX: usize = 7;

/// What the lines of one source have in common.
#[derive(Debug, Default)]
pub(super) struct Begun {
    /// Bytes of the texts of all lines that are theirs. None: nothing is known.
    texts: usize,
    slots: [Slot; FIRST.len()],
    groups: u64,
    /// Which objects have ready-made JSON, a bit each, and where among the texts it is, with its key.
    ready: u64,
    places: [(u32, u32); CONSTANT_MAX],
    /// Where the last origin that was not kept had its texts: only what comes twice in a row is worth keeping.
    seen: usize,
}

impl Begun {
    /// Bytes of the texts that stay from line to line.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// Whether a line of this origin begins so; `texts` are those of all lines.
    fn is_of(&self, origin: &Origin<'_>, texts: &str) -> bool {
        let same = |place: Place, text: Option<&str>| match (self.slots[usize::from(place)], text) {
            (Slot::Absent, None) => true,
            (Slot::Made { start, end }, Some(text)) => texts.get(start as usize..end as usize) == Some(text),
            _ => false,
        };
        self.texts > 0
            && is_simple(origin)
            && same(FILE_PATH, origin.file_path)
            && same(DATASET, origin.dataset)
            && same(HOST_NAME, origin.host_name)
    }
}

impl Fields<'_, '_> {
    /// Begins as the line before, if that was of the same origin; says whether it was. If not, nothing is left of it.
    fn begin_again(&mut self, origin: &Origin<'_>) -> bool {
        let Memory { slots, texts, begun, .. } = &mut *self.memory;
        let again = begun.is_of(origin, texts);
        if again {
            slots[..begun.slots.len()].copy_from_slice(&begun.slots);
            (self.groups, self.ready) = (begun.groups, begun.ready);
        } else {
            *begun = Begun { seen: begun.seen, ..Begun::default() };
            texts.clear();
        }
        again
    }

    /// Keeps what this line begins with for the next ones.
    fn keep_begun(&mut self) {
        let mut begun = Begun { groups: self.groups, ..Begun::default() };
        let first = begun.slots.len();
        begun.slots.copy_from_slice(&self.memory.slots[..first]);
        for (place, group) in CONSTANT {
            if self.slot(place) != Slot::Absent {
                begun.places[usize::from(group)] = self.keep_json(group);
                begun.ready |= 1 << group;
            }
        }
        // So much at least is behind every text, so that it can be copied in pieces.
        self.memory.texts.push_str(std::str::from_utf8(&[b' '; PIECE]).expect("spaces are text"));
        begun.texts = self.memory.texts.len();
        self.ready = begun.ready;
        self.memory.begun = begun;
    }

    /// Keeps the JSON of an object with its key; gives where it is among the texts.
    fn keep_json(&mut self, group: GroupPlace) -> (u32, u32) {
        let mut page = Page::default();
        page.write(|pen| self.layout.write_group(group, self, pen));
        let Range { start, end } =
            self.keep(|texts| texts.push_str(std::str::from_utf8(page.written()).expect("JSON is text")));
        (start, end)
    }

    /// Writes the ready-made JSON of an object with its key, if the object is as that has it; says whether it did.
    #[inline]
    pub(in crate::slots) fn write_ready(&self, group: GroupPlace, pen: &mut Pen<'_>) -> bool {
        let is_ready = self.ready >> group & 1 == 1;
        if is_ready {
            let (start, end) = self.memory.begun.places[usize::from(group)];
            pen.slice(self.memory.texts.as_bytes(), start as usize, end as usize);
        }
        is_ready
    }
}

/// Whether nothing is known of a line but its host, file and dataset, as it is for nearly all lines.
fn is_simple(origin: &Origin<'_>) -> bool {
    origin.source_address.is_none() && origin.stream.is_none() && origin.labels.is_empty() && !origin.truncated
}

/// Fills in the fields of a line as [`Document::from_line`](crate::document::Document::from_line) has them; none where a slot
/// cannot hold one.
pub(in crate::slots) fn begin(fields: &mut Fields<'_, '_>, origin: &Origin<'_>) -> Option<()> {
    if !fields.begin_again(origin) {
        begin_anew(fields, origin)?;
    }
    fields.set(TIMESTAMP, Slot::Time(origin.begin_ms()));
    fields.set(MESSAGE, fields.whole_line());
    if let Some(position) = origin.position {
        fields.set(OFFSET, Slot::Integer(i64::try_from(position).ok()?));
    }
    Some(())
}

/// Fills in what does not differ from line to line, and keeps it for the next line where that is worth it.
fn begin_anew(fields: &mut Fields<'_, '_>, origin: &Origin<'_>) -> Option<()> {
    fields.set(ECS, Slot::EcsVersion);
    let texts = [
        (HOST_NAME, origin.host_name),
        (FILE_PATH, origin.file_path),
        (SOURCE_ADDRESS, origin.source_address),
        (STREAM, origin.stream),
        (DATASET, origin.dataset),
    ];
    for (place, text) in texts {
        if let Some(text) = text {
            fields.set_text(place, text);
        }
    }
    if origin.truncated {
        fields.set_value(FLAGS, &Value::List(vec![Value::from("truncated")]));
    }
    if !origin.labels.is_empty() {
        let labels: Map =
            origin.labels.iter().map(|(name, value)| (name.as_ref().into(), value.as_ref().into())).collect();
        let mut json = Vec::new();
        write_value(&mut json, &Value::Map(labels));
        fields.set_json(LABELS, std::str::from_utf8(&json).ok()?);
    }
    let place = origin.file_path.or(origin.host_name).map_or(0, |text| text.as_ptr().addr());
    let comes_again = std::mem::replace(&mut fields.memory.begun.seen, place) == place;
    if comes_again && is_simple(origin) && fields.memory.texts.len() <= KEPT_MAX {
        fields.keep_begun();
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slots::first_layout;

    #[test]
    fn objects_have_the_numbers_that_are_counted_on() {
        let layout = first_layout().expect("a layout");
        for (place, group) in CONSTANT {
            assert_eq!(layout.around(place) & (1 << group), 1 << group);
            assert_eq!(layout.around(place) & layout.around(OFFSET), layout.around(place) & !(1 << group));
            assert!(usize::from(group) < CONSTANT_MAX);
        }
    }
}
