//! The fields of one line in their slots: pieces of the line, numbers, and texts that were made on the way.

mod begun;

pub(super) use begun::begin;

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use super::layout::{DOCUMENT, GroupPlace, Layout, Member, Opening, Place};
use super::marks::Marks;
use super::pen::{PIECE, Page, Pen, SHORT};
use crate::condition::{Path, Root};
use crate::date;
use crate::document::{ECS_VERSION, Map, Text, Value};
use begun::Begun;

/// Bytes of texts, of JSON, and of a line whose bytes are marked, for which memory is kept from line to line.
pub(super) const KEPT_MAX: usize = 1 << 18;

/// What is at a place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Slot {
    #[default]
    Absent,
    Null,
    Bool(bool),
    Integer(i64),
    Long(i64),
    /// A text: a piece of the line.
    Line {
        start: u32,
        end: u32,
    },
    /// A text of [`Memory::texts`].
    Made {
        start: u32,
        end: u32,
    },
    /// The text [`ECS_VERSION`], with which nearly all documents begin.
    EcsVersion,
    /// A time in milliseconds since 1970, a text in the form in which times are written by default.
    Time(i64),
    /// JSON of an object or a list, in [`Memory::texts`].
    Json {
        start: u32,
        end: u32,
    },
    /// One of [`Memory::values`].
    Value(u32),
}

/// What a processor reads at a place.
#[derive(Debug)]
pub(crate) enum Field<'f> {
    Absent,
    Null,
    Text(&'f str),
    /// Whatever else.
    Other,
}

/// Memory that is used for one line after the other.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    slots: Vec<Slot>,
    /// Those with which lines of one source begin, and behind them those of a line.
    texts: String,
    begun: Begun,
    values: Vec<Value>,
    /// Where the line has bytes that JSON escapes.
    marks: Marks,
    /// In which JSON is written.
    json: RefCell<Page>,
}

/// The fields of a line.
#[derive(Debug)]
pub(crate) struct Fields<'l, 'm> {
    layout: &'m Layout,
    line: &'l str,
    memory: &'m mut Memory,
    /// Which objects are there, a bit each: one that has lost its last field stays.
    groups: u64,
    /// Which objects are as ready-made JSON has them, a bit each.
    ready: u64,
}

impl<'l, 'm> Fields<'l, 'm> {
    /// No fields. The line must be shorter than 4 GiB.
    pub(super) fn new(layout: &'m Layout, line: &'l str, memory: &'m mut Memory) -> Self {
        memory.slots.clear();
        memory.slots.resize(layout.leaves(), Slot::Absent);
        memory.texts.truncate(memory.begun.texts());
        memory.values.clear();
        // What one long line took is not kept for ever.
        memory.texts.shrink_to(KEPT_MAX);
        memory.marks.shrink_to(KEPT_MAX);
        memory.marks.mark(line.as_bytes());
        Fields { layout, line, memory, groups: 0, ready: 0 }
    }

    #[inline]
    pub fn slot(&self, place: Place) -> Slot {
        self.memory.slots[usize::from(place)]
    }

    #[inline]
    pub fn set(&mut self, place: Place, slot: Slot) {
        self.add_groups(self.layout.around(place));
        self.memory.slots[usize::from(place)] = slot;
    }

    /// As [`set`](Self::set), but for the objects around the field, which are given back for
    /// [`add_groups`](Self::add_groups).
    #[inline]
    pub fn put(&mut self, place: Place, slot: Slot) -> u64 {
        self.memory.slots[usize::from(place)] = slot;
        self.layout.around(place)
    }

    /// Notes objects that are there, and have other fields now.
    #[inline]
    pub fn add_groups(&mut self, groups: u64) {
        self.groups |= groups;
        self.ready &= !groups;
    }

    pub fn read(&self, place: Place) -> Field<'_> {
        match self.slot(place) {
            Slot::Absent => Field::Absent,
            Slot::Null => Field::Null,
            slot => self.text(slot).map_or(Field::Other, Field::Text),
        }
    }

    /// The text in a slot; none of another type, and of a time, which is not written out yet.
    #[inline]
    pub fn text(&self, slot: Slot) -> Option<&str> {
        match slot {
            Slot::Line { start, end } => Some(&self.line[start as usize..end as usize]),
            Slot::Made { start, end } => Some(&self.memory.texts[start as usize..end as usize]),
            Slot::EcsVersion => Some(ECS_VERSION),
            Slot::Value(index) => self.memory.values[index as usize].as_str(),
            _ => None,
        }
    }

    /// The bytes of a piece of the line.
    #[inline]
    pub fn line_bytes(&self, slot: Slot) -> Option<&[u8]> {
        match slot {
            Slot::Line { start, end } => self.line.as_bytes().get(start as usize..end as usize),
            _ => None,
        }
    }

    /// Gives a text that is in a slot to `use_it`, beside the fields.
    pub fn with_text<T>(&mut self, slot: Slot, use_it: impl FnOnce(&str, &mut Self) -> T) -> T {
        match slot {
            Slot::Line { start, end } => {
                let line = self.line;
                use_it(&line[start as usize..end as usize], self)
            }
            _ => {
                let text = self.text(slot).unwrap_or_default().to_owned();
                use_it(&text, self)
            }
        }
    }

    /// The slot of a piece of a text that is in a slot itself.
    #[inline]
    pub fn piece(of: Slot, piece: Range<usize>) -> Option<Slot> {
        match of {
            Slot::Line { start, .. } => {
                Some(Slot::Line { start: start + piece.start as u32, end: start + piece.end as u32 })
            }
            Slot::Made { start, .. } => {
                Some(Slot::Made { start: start + piece.start as u32, end: start + piece.end as u32 })
            }
            _ => None,
        }
    }

    /// All of the line.
    pub(super) fn whole_line(&self) -> Slot {
        Slot::Line { start: 0, end: self.line.len() as u32 }
    }

    pub fn set_text(&mut self, place: Place, text: &str) {
        let Range { start, end } = self.keep(|texts| texts.push_str(text));
        self.set(place, Slot::Made { start, end });
    }

    /// Puts the JSON of an object or a list.
    pub fn set_json(&mut self, place: Place, json: &str) {
        let Range { start, end } = self.keep(|texts| texts.push_str(json));
        self.set(place, Slot::Json { start, end });
    }

    fn keep(&mut self, write: impl FnOnce(&mut String)) -> Range<u32> {
        let start = self.memory.texts.len() as u32;
        write(&mut self.memory.texts);
        start..self.memory.texts.len() as u32
    }

    pub fn set_value(&mut self, place: Place, value: &Value) {
        match value {
            Value::Null => self.set(place, Slot::Null),
            Value::Bool(truth) => self.set(place, Slot::Bool(*truth)),
            Value::Integer(number) => self.set(place, Slot::Integer(*number)),
            Value::Long(number) => self.set(place, Slot::Long(*number)),
            Value::String(text) => self.set_text(place, text),
            _ => {
                let index = self.memory.values.len() as u32;
                self.memory.values.push(value.clone());
                self.set(place, Slot::Value(index));
            }
        }
    }

    /// Takes a field out. The objects around it stay.
    pub fn remove(&mut self, place: Place) {
        self.ready &= !self.layout.around(place);
        self.memory.slots[usize::from(place)] = Slot::Absent;
    }

    pub fn has_group(&self, group: GroupPlace) -> bool {
        self.groups >> group & 1 == 1
    }

    /// Takes an object out with all that is below it.
    pub fn remove_group(&mut self, group: GroupPlace) {
        for named in self.layout.members(group) {
            match named.member {
                Member::Leaf(place) => self.remove(place),
                Member::Group(below) => self.remove_group(below),
            }
        }
        self.groups &= !(1 << group);
    }

    /// Puts an empty object in place of what is there.
    pub fn renew_group(&mut self, group: GroupPlace) {
        self.remove_group(group);
        self.add_groups(self.layout.around_group(group));
    }

    /// The value at a place as it is in a tree; none where there is nothing, or what only JSON is left of.
    pub fn value(&self, place: Place) -> Option<Value> {
        Some(match self.slot(place) {
            Slot::Absent | Slot::Json { .. } => return None,
            Slot::Null => Value::Null,
            Slot::Bool(truth) => Value::Bool(truth),
            Slot::Integer(number) => Value::Integer(number),
            Slot::Long(number) => Value::Long(number),
            Slot::Time(ms) => Value::String(date::utc(ms)),
            Slot::Value(index) => self.memory.values[index as usize].clone(),
            slot @ (Slot::Line { .. } | Slot::Made { .. } | Slot::EcsVersion) => {
                Value::String(Text::from(self.text(slot)?))
            }
        })
    }

    /// The value that a condition reads under a path; none where that is an object, or the condition fails there.
    pub(super) fn look(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let Root::Source(name) = &path.root else { return None };
        let mut found = self.present(DOCUMENT, name);
        for hop in &path.hops {
            found = match found {
                Some(Member::Group(group)) => self.present(group, &hop.name),
                Some(Member::Leaf(place)) if self.slot(place) != Slot::Null => return None,
                _ if hop.safe => None,
                _ => return None,
            };
        }
        Some(match found {
            None => Cow::Owned(Value::Null),
            Some(Member::Group(_)) => return None,
            Some(Member::Leaf(place)) => match self.slot(place) {
                // What a list is of matters to conditions.
                Slot::Value(index) => Cow::Borrowed(&self.memory.values[index as usize]),
                _ => Cow::Owned(self.value(place)?),
            },
        })
    }

    /// A field of an object, if it is there.
    fn present(&self, group: GroupPlace, key: &str) -> Option<Member> {
        self.layout.member(group, key).filter(|member| match member {
            Member::Leaf(place) => self.slot(*place) != Slot::Absent,
            Member::Group(group) => self.has_group(*group),
        })
    }

    /// A field at the top with all that is below it; none where it is not there. `None` around it where it cannot be told.
    pub(super) fn tree(&self, member: Member) -> Option<Option<Value>> {
        match member {
            Member::Leaf(place) => match self.slot(place) {
                Slot::Absent => Some(None),
                _ => self.value(place).map(Some),
            },
            Member::Group(group) if !self.has_group(group) => Some(None),
            Member::Group(group) => {
                let mut map = Map::new();
                for named in self.layout.members(group) {
                    if let Some(value) = self.tree(named.member)? {
                        map.insert(&*named.key, value);
                    }
                }
                Some(Some(Value::Map(map)))
            }
        }
    }

    /// Writes a field with its key, if it is there.
    #[inline]
    pub(super) fn write_with(&self, opening: &Opening, place: Place, pen: &mut Pen<'_>) {
        // Not copied: what is written in two halves is not read in one.
        match self.memory.slots[usize::from(place)] {
            Slot::Absent => {}
            Slot::Line { start, end } => {
                let (line, marks) = (self.line.as_bytes(), &self.memory.marks);
                let (start, end) = (start as usize, end as usize);
                if end - start <= SHORT
                    && let Some(opening) = opening.short()
                    && marks.is_plain(start, end)
                    && pen.short(opening, line, start, end)
                {
                    return;
                }
                opening.write_quoted(pen);
                pen.marked(line, start, end, marks);
                pen.byte(b'"');
            }
            Slot::Made { start, end } => {
                opening.write_quoted(pen);
                pen.escaped(&self.memory.texts, start as usize, end as usize);
                pen.byte(b'"');
            }
            Slot::EcsVersion => {
                const LENGTH: usize = ECS_VERSION.len();
                const PIECE_OF_IT: [u8; PIECE] = {
                    let mut piece = [b'"'; PIECE];
                    piece.split_at_mut(LENGTH).0.copy_from_slice(ECS_VERSION.as_bytes());
                    piece
                };
                opening.write_quoted(pen);
                pen.piece(&PIECE_OF_IT, LENGTH + 1);
            }
            ref slot => {
                opening.write(pen);
                self.write_other(*slot, pen);
            }
        }
    }

    fn write_other(&self, slot: Slot, pen: &mut Pen<'_>) {
        match slot {
            Slot::Absent | Slot::Line { .. } | Slot::Made { .. } | Slot::EcsVersion => {}
            Slot::Null => pen.bytes(b"null"),
            Slot::Bool(truth) => pen.value(&Value::Bool(truth)),
            Slot::Integer(number) | Slot::Long(number) => pen.integer(number),
            Slot::Time(ms) => pen.time(ms),
            Slot::Json { start, end } => {
                pen.bytes(&self.memory.texts.as_bytes()[start as usize..end as usize]);
            }
            Slot::Value(index) => pen.value(&self.memory.values[index as usize]),
        }
    }

    /// Appends the fields as one JSON object on one line, without a newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let mut page = self.memory.json.borrow_mut();
        page.write(|pen| self.write(pen));
        out.extend_from_slice(page.written());
        page.clear();
    }

    /// As [`write_json`](Self::write_json), with a newline.
    pub fn write_line(&self, page: &mut Page) {
        page.write(|pen| {
            self.write(pen);
            pen.byte(b'\n');
        });
    }

    #[inline]
    fn write(&self, pen: &mut Pen<'_>) {
        let start = pen.at();
        self.layout.write(DOCUMENT, self, pen);
        pen.close_object(start);
    }

    /// `@timestamp` in milliseconds since 1970, as [`Document::timestamp_ms`](crate::document::Document::timestamp_ms).
    pub fn timestamp_ms(&self) -> Option<i64> {
        match self.slot(super::TIMESTAMP) {
            Slot::Time(ms) | Slot::Integer(ms) | Slot::Long(ms) => Some(ms),
            slot => date::iso8601_ms(self.text(slot)?),
        }
    }
}
