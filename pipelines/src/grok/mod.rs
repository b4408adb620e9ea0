//! Grok: named patterns over a line, with the meaning of Ruby's regular expressions, compiled to a program of our own.
//!
//! ```text
//! pattern ─▶ syntax (definitions written out) ─▶ lower (shape, charset) ─▶ program ─▶ matcher (visits, native)
//! ```

mod charset;
mod class;
mod definitions;
mod fuse;
mod lower;
mod matcher;
mod native;
mod program;
mod ranges;
mod reader;
mod repeats;
mod shape;
mod syntax;
mod visits;

use std::ops::Range;

use smallvec::SmallVec;
use thiserror::Error;

use crate::document::{Text, Value};

pub use definitions::{Compatibility, Definitions};
pub use lower::LowerError;
use program::{Instruction, Program, SubKind};
pub use syntax::SyntaxError;
use syntax::{Node, Parser};

/// Slots of a match that need no memory of their own: two for each capture.
const SLOTS_IN_PLACE: usize = 48;

/// The compiled patterns of one processor.
#[derive(Debug)]
pub struct Grok {
    fields: Vec<Field>,
    program: Program,
    /// All captures of fields, in the order in which a match gives them.
    pieces: Vec<Piece>,
    /// Captures that tell which pattern matched, by their pattern's index.
    alternatives: Vec<usize>,
}

/// One named part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: String,
    pub kind: ValueKind,
    /// Captures with the same full name are one field; when several take part, it is a list.
    captures: SmallVec<[u32; 2]>,
}

/// A capture of a field.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Slot of its start; behind it is that of its end.
    slot: u32,
    /// Index of the field.
    field: u32,
    kind: ValueKind,
    /// The field has no other.
    is_only: bool,
}

/// The type behind a field's name, as in `%{NUMBER:took:int}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    String,
    Integer,
    Long,
    Float,
    Double,
    Boolean,
}

/// Why patterns cannot be compiled.
#[derive(Debug, Error)]
pub enum GrokError {
    #[error("pattern {pattern:?}: {error}")]
    Syntax { pattern: String, error: SyntaxError },
    #[error("pattern cannot be compiled: {0}")]
    Engine(#[from] LowerError),
}

/// The line was given up.
#[derive(Debug, Error)]
#[error("grok pattern matching was interrupted after [{}] steps", matcher::STEPS_MAX)]
pub struct Interrupted;

/// What a pattern found in a line.
#[derive(Debug)]
pub struct Match<'g, 'l> {
    grok: &'g Grok,
    line: &'l str,
    /// Where the whole match lies.
    range: (usize, usize),
    slots: SmallVec<[u32; SLOTS_IN_PLACE]>,
}

/// How far a line was matched that was matched in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Bytes of the line to the place where the longest attempt ended.
    pub matched_bytes: usize,
    /// What was expected there, as the pattern names it.
    pub expected: String,
}

impl Grok {
    /// Compiles patterns of which the first that matches counts. As in Elasticsearch they become one expression, so
    /// that a later pattern wins where it matches further to the left.
    pub fn compile(patterns: &[String], definitions: &Definitions) -> Result<Grok, GrokError> {
        let (nodes, names, alternatives) = parse(patterns, definitions)?;
        let program = lower::lower(&nodes, names.len())?;
        let fields = fields(&names);
        let pieces = fields.iter().enumerate().flat_map(|(index, field)| {
            let piece = move |capture: &u32| Piece {
                slot: 2 * capture,
                field: index as u32,
                kind: field.kind,
                is_only: field.captures.len() == 1,
            };
            field.captures.iter().map(piece)
        });
        Ok(Grok { pieces: pieces.collect(), fields, program, alternatives })
    }

    /// What the patterns name, in the order in which a match gives it.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Whether every line takes linear time. References to captures and looks at more than one character can take
    /// longer; such lines are given up after `matcher::STEPS_MAX` steps.
    pub fn is_linear(&self) -> bool {
        !self.program.has_backreferences
            && self.program.subs.iter().all(|sub| sub.is_short || sub.kind == SubKind::Atomic)
    }

    /// Searches a line.
    pub fn find<'g, 'l>(&'g self, line: &'l str) -> Result<Option<Match<'g, 'l>>, Interrupted> {
        self.find_from(line, 0)
    }

    /// Searches a line from a byte position on, which must be that of a character.
    pub fn find_from<'g, 'l>(&'g self, line: &'l str, from: usize) -> Result<Option<Match<'g, 'l>>, Interrupted> {
        let found = matcher::search(&self.program, line, from, |range, slots| {
            range.map(|range| Match { grok: self, line, range, slots: SmallVec::from_slice(slots) })
        });
        found.map_err(|_| Interrupted)
    }

    /// Searches a line, and gives what is found to `then`.
    pub(crate) fn find_pieces<'g, T>(
        &'g self,
        line: &str,
        then: impl FnOnce(Option<Pieces<'g, '_>>) -> T,
    ) -> Result<T, Interrupted> {
        let found =
            matcher::search(&self.program, line, 0, |range, slots| then(range.map(|_| Pieces { grok: self, slots })));
        found.map_err(|_| Interrupted)
    }

    fn pattern(&self, slots: &[u32]) -> usize {
        self.alternatives.iter().position(|capture| capture_of(slots, *capture).is_some()).unwrap_or(0)
    }

    /// Says of a line that does not match how far it can be matched.
    pub fn explain(&self, line: &str) -> Result<Explanation, Interrupted> {
        let furthest = matcher::furthest(&self.program, line).map_err(|_| Interrupted)?;
        let program = &self.program;
        let origin = &program.labels[program.origins[furthest.pc as usize] as usize];
        let expected = match program.instructions[furthest.pc as usize] {
            _ if !origin.is_empty() => origin.clone(),
            Instruction::Byte { byte, .. } => format!("{:?}", char::from(byte)),
            Instruction::Literal { start, length, .. } => {
                let literal = &program.literals[start as usize..][..length as usize];
                format!("{:?}", String::from_utf8_lossy(literal))
            }
            Instruction::Assert { place, .. } => place.name().to_owned(),
            _ => "another character".to_owned(),
        };
        Ok(Explanation { matched_bytes: furthest.position, expected })
    }
}

impl<'g, 'l> Match<'g, 'l> {
    /// The fields that took part: their index in [`Grok::fields`], and their value or why it has none.
    pub fn values(&self) -> impl Iterator<Item = (usize, Result<Value, String>)> {
        let fields = self.grok.fields.iter().enumerate();
        fields.filter_map(|(index, field)| Some((index, self.value(field)?)))
    }

    /// Gives each field that took part to `put`: its index in [`Grok::fields`] and its value. An error, of `put` or why
    /// there is no value, ends it.
    #[inline]
    pub fn give<E: From<String>>(&self, mut put: impl FnMut(usize, Value) -> Result<(), E>) -> Result<(), E> {
        for (index, field) in self.grok.fields.iter().enumerate() {
            match (&field.captures[..], field.kind) {
                ([capture], ValueKind::String) => {
                    if let Some((start, end)) = self.capture(*capture as usize) {
                        put(index, Value::String(Text::from(&self.line[start..end])))?;
                    }
                }
                _ => {
                    if let Some(value) = self.value(field) {
                        put(index, value?)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The fields that took part and the text of each; of a field with several the first.
    pub fn texts(&self) -> impl Iterator<Item = (&'g str, &'l str)> {
        self.grok.fields.iter().filter_map(|field| {
            let (start, end) = field.captures.iter().find_map(|capture| self.capture(*capture as usize))?;
            Some((field.name.as_str(), &self.line[start..end]))
        })
    }

    fn value(&self, field: &Field) -> Option<Result<Value, String>> {
        let mut places = field.captures.iter().filter_map(|capture| self.capture(*capture as usize));
        let read = |(start, end): (usize, usize)| field.kind.read(&self.line[start..end]);
        let first = places.next()?;
        match places.next() {
            None => Some(read(first)),
            Some(second) => {
                Some([first, second].into_iter().chain(places).map(read).collect::<Result<_, _>>().map(Value::List))
            }
        }
    }

    /// Where the whole match lies in the line.
    pub fn range(&self) -> (usize, usize) {
        self.range
    }

    /// Which pattern matched, from zero.
    pub fn pattern(&self) -> usize {
        self.grok.pattern(&self.slots)
    }

    #[inline]
    fn capture(&self, capture: usize) -> Option<(usize, usize)> {
        capture_of(&self.slots, capture)
    }
}

/// Where a match's fields lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pieces<'g, 's> {
    grok: &'g Grok,
    slots: &'s [u32],
}

impl Pieces<'_, '_> {
    /// Gives each text of a field that took part to `put`: the field's index in [`Grok::fields`], its type and where it lies.
    /// None when `put` gives none, and when several texts are of one field.
    #[inline]
    pub fn give(&self, mut put: impl FnMut(usize, ValueKind, Range<usize>) -> Option<()>) -> Option<()> {
        let mut last = None;
        for piece in &self.grok.pieces {
            let [start, end] = *self.slots.get(piece.slot as usize..)?.first_chunk()?;
            if !took_part(start, end) {
                continue;
            }
            if !piece.is_only && last.replace(piece.field) == Some(piece.field) {
                return None;
            }
            put(piece.field as usize, piece.kind, start as usize..end as usize)?;
        }
        Some(())
    }

    /// Which pattern matched, from zero.
    pub fn pattern(&self) -> usize {
        self.grok.pattern(self.slots)
    }
}

/// Where a capture lies that took part.
#[inline]
fn capture_of(slots: &[u32], capture: usize) -> Option<(usize, usize)> {
    let (start, end) = (slots[2 * capture], slots[2 * capture + 1]);
    took_part(start, end).then_some((start as usize, end as usize))
}

/// A group that was entered and left again by another way has a start without an end.
#[inline]
fn took_part(start: u32, end: u32) -> bool {
    // What is unset is larger than any place.
    start <= end && end != matcher::UNSET
}

/// Trees of the patterns, the names of all captures, and for each pattern the capture around it.
type Parsed = (Vec<Node>, Vec<String>, Vec<usize>);

/// Reads patterns, of which each becomes a capture.
fn parse(patterns: &[String], definitions: &Definitions) -> Result<Parsed, GrokError> {
    let mut parser = Parser::new(definitions);
    let mut nodes = Vec::new();
    let mut alternatives = Vec::new();
    for pattern in patterns {
        // The group around each pattern comes first, since captures count in the order of their opening.
        let index = parser.captures.len();
        parser.captures.push(String::new());
        let node = parser.parse(pattern).map_err(|error| GrokError::Syntax { pattern: pattern.clone(), error })?;
        nodes.push(Node::Capture(index, Box::new(node)));
        alternatives.push(index);
    }
    Ok((nodes, parser.captures, alternatives))
}

/// Turns full names (`NAME:field:type`, `NAME:field` or `field`) into fields.
fn fields(names: &[String]) -> Vec<Field> {
    let mut fields: Vec<(&String, Field)> = Vec::new();
    for (capture, full) in names.iter().enumerate() {
        if full.is_empty() {
            continue;
        }
        if let Some((_, field)) = fields.iter_mut().find(|(known, _)| *known == full) {
            field.captures.push(capture as u32);
            continue;
        }
        let parts: Vec<&str> = full.split(':').collect();
        let (name, kind) = match parts[..] {
            [_, name, kind] => (name, ValueKind::named(kind)),
            [_, name, ..] => (name, ValueKind::String),
            _ => (full.as_str(), ValueKind::String),
        };
        fields.push((full, Field { name: name.to_owned(), kind, captures: SmallVec::from_slice(&[capture as u32]) }));
    }
    fields.into_iter().map(|(_, field)| field).collect()
}

impl ValueKind {
    /// The value that a text is of this type; the error is Java's.
    pub fn read(self, text: &str) -> Result<Value, String> {
        let not_a_number = || format!("For input string: \"{text}\"");
        Ok(match self {
            ValueKind::String => Value::from(text),
            ValueKind::Integer => Value::Integer(i64::from(text.parse::<i32>().map_err(|_| not_a_number())?)),
            ValueKind::Long => Value::Long(text.parse().map_err(|_| not_a_number())?),
            ValueKind::Float => Value::Float(text.trim().parse().map_err(|_| not_a_number())?),
            ValueKind::Double => Value::Double(text.trim().parse().map_err(|_| not_a_number())?),
            ValueKind::Boolean => Value::Bool(text.eq_ignore_ascii_case("true")),
        })
    }

    /// A type that Elasticsearch does not know leaves the text as it is there.
    fn named(name: &str) -> ValueKind {
        match name {
            "int" => ValueKind::Integer,
            "long" => ValueKind::Long,
            "float" => ValueKind::Float,
            "double" => ValueKind::Double,
            "boolean" => ValueKind::Boolean,
            _ => ValueKind::String,
        }
    }
}

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;
