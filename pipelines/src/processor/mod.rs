//! The processors: one file each, all in the same shape (struct, parse, run), and the table of their names.

mod append;
mod convert;
mod date;
mod drop;
mod fail;
mod grok;
mod json;
mod lowercase;
mod remove;
mod rename;
mod set;

use std::fmt;

use crate::document::{Document, FieldError};
use crate::pipeline::{Context, Options, Refusal};

/// A checked and compiled processor.
pub(crate) trait Processor: fmt::Debug + Send + Sync {
    /// Changes the document. What was changed before a failure stays changed, as in Elasticsearch.
    fn run(&self, document: &mut Document, context: &Context) -> Result<Flow, Reason>;
}

/// What follows a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// The document is not wanted: nothing runs any more.
    Drop,
}

/// Why a processor failed: the text that `_ingest.on_failure_message` gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reason(pub String);

impl From<FieldError> for Reason {
    fn from(error: FieldError) -> Reason {
        Reason(error.to_string())
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Reason {
        Reason(text)
    }
}

/// Reads a processor's options and checks them.
pub(crate) type Parse = fn(&mut Options<'_>) -> Result<Box<dyn Processor>, Refusal>;

/// Every processor that can be used, in alphabetical order.
const PROCESSORS: &[(&str, Parse)] = &[
    ("append", append::parse),
    ("convert", convert::parse),
    ("date", date::parse),
    ("drop", drop::parse),
    ("fail", fail::parse),
    ("grok", grok::parse),
    ("json", json::parse),
    ("lowercase", lowercase::parse),
    ("remove", remove::parse),
    ("rename", rename::parse),
    ("set", set::parse),
];

/// The processor of that name.
pub(crate) fn named(name: &str) -> Option<(&'static str, Parse)> {
    PROCESSORS.iter().find(|(known, _)| *known == name).copied()
}

/// The names of all processors.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROCESSORS.iter().map(|(name, _)| *name)
}
