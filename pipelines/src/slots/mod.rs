//! Runs pipelines over slots instead of a tree: one slot for each field that a pipeline names.
//!
//! Most lines take the usual way through their pipeline: its patterns match, its fields are texts of the line and numbers,
//! and nothing fails. Pipelines for which all fields are known when they are loaded have a [`Plan`] for such lines, in which
//! captures are pieces of the line and keys are written from ready-made bytes. Whenever something else happens, the line
//! begins anew over a tree ([`Document`](crate::document::Document)), which alone knows failures and their handlers. So both
//! ways have the same outcome, but for the order of keys.

mod fields;
mod layout;
mod marks;
mod pen;
mod plan;
mod tally;

#[cfg(test)]
mod tests;

pub(crate) use fields::{Field, Fields, Memory, Slot};
pub(crate) use layout::{Layout, Member, Place};
pub(crate) use pen::Page;
pub(crate) use plan::{Came, Plan, PlanRun, Planned, Planner};
pub(crate) use tally::Tally;

use crate::document::FieldPath;

/// What a processor that ran over slots came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Next,
    /// As [`Step::Next`], and which of its patterns matched.
    Matched(usize),
    /// The pipeline ends; one that called it goes on.
    End,
    Drop,
    /// It failed, and has changed nothing.
    Failed,
    /// Only a tree can tell.
    Tree,
}

/// Fields with which a line can begin, in the order in which documents have them. `tags` is not among the filled ones: a line
/// that begins with a tag is not UTF-8.
const FIRST: [&str; 11] = [
    "@timestamp",
    "message",
    "host.name",
    "log.file.path",
    "log.offset",
    "log.source.address",
    "log.flags",
    "stream",
    "labels",
    "event.dataset",
    "ecs.version",
];
const TIMESTAMP: Place = 0;
const MESSAGE: Place = 1;
const HOST_NAME: Place = 2;
const FILE_PATH: Place = 3;
const OFFSET: Place = 4;
const SOURCE_ADDRESS: Place = 5;
const FLAGS: Place = 6;
const STREAM: Place = 7;
const LABELS: Place = 8;
const DATASET: Place = 9;
const ECS: Place = 10;

/// A layout that has the fields with which lines begin.
fn first_layout() -> Option<Layout> {
    let mut layout = Layout::new();
    for (place, path) in FIRST.into_iter().enumerate() {
        let found = layout.leaf(&FieldPath::parse(path).ok()?)?;
        debug_assert_eq!(usize::from(found), place);
    }
    Some(layout)
}
