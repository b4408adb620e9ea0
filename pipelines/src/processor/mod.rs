//! The processors: one file each, all in the same shape (struct, parse, run), and the table of their names.

mod address;
mod append;
mod bytes;
mod community_id;
mod convert;
mod csv;
mod date;
mod date_index_name;
mod dissect;
mod dot_expander;
mod drop;
mod fail;
mod fingerprint;
mod foreach;
mod geoip;
mod grok;
mod gsub;
mod html_strip;
mod join;
mod json;
mod kv;
mod list;
mod lowercase;
mod network_direction;
mod pipeline;
mod recent;
mod redact;
mod registered_domain;
mod remove;
mod rename;
mod reroute;
mod set;
mod sort;
mod split;
mod terminate;
mod text;
mod trim;
mod uppercase;
mod uri_parts;
mod urldecode;
mod user_agent;

use std::fmt;

use crate::document::{Document, FieldError, FieldPath, Value};
use crate::pipeline::{Context, Failure, Options, Refusal, Run, Stop};
use crate::slots::{Fields, Layout, Place, Step};

/// A checked and compiled processor.
pub(crate) trait Processor: fmt::Debug + Send + Sync {
    /// Changes the document. What was changed before a failure stays changed, as in Elasticsearch.
    fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason>;

    /// How far its patterns came, after it has failed; none where that says nothing.
    fn stop(&self, _: &Document) -> Option<Stop> {
        None
    }

    /// Its places in a layout, when all fields that it uses are known; none when it needs a tree.
    fn plan(&self, _: &mut Layout) -> Option<Vec<Place>> {
        None
    }

    /// As [`run`](Processor::run) over slots, for a processor that has a plan, with the places that it gave.
    fn run_planned(&self, _: &[Place], _: &mut Fields<'_, '_>, _: &Context) -> Step {
        Step::Tree
    }

    /// The pipeline that it calls, when it does nothing else.
    fn called(&self) -> Option<&str> {
        None
    }

    /// Counts documents that matched this of its patterns.
    fn matched(&self, _pattern: usize, _documents: u64) {}

    /// How many documents matched each of its patterns; empty where there are none.
    fn matches(&self) -> Vec<u64> {
        Vec::new()
    }
}

/// What follows a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Next,
    /// The pipeline ends; one that called it goes on.
    End,
    /// All pipelines end: the document has another destination.
    Reroute,
    /// The document is not wanted: nothing runs any more.
    Drop,
}

/// Why a processor failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The text that `_ingest.on_failure_message` gets.
    Text(String),
    /// A processor inside of it failed, and is the one to be named.
    Within(Box<Failure>),
}

impl Reason {
    pub fn message(&self) -> &str {
        match self {
            Reason::Text(message) => message,
            Reason::Within(failure) => &failure.message,
        }
    }
}

impl From<FieldError> for Reason {
    fn from(error: FieldError) -> Reason {
        Reason::Text(error.to_string())
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Reason {
        Reason::Text(text)
    }
}

/// Puts what was found out into its field. With nothing found the processor fails, for this reason, unless that is to be ignored.
fn put_found(
    document: &mut Document,
    target: &FieldPath,
    found: Option<impl Into<Value>>,
    ignore_missing: bool,
    reason: &str,
) -> Result<Flow, Reason> {
    match found {
        Some(found) => document.set_field(target, found.into())?,
        None if ignore_missing => {}
        None => return Err(Reason::Text(reason.to_owned())),
    }
    Ok(Flow::Next)
}

/// Reads a processor's options and checks them.
pub(crate) type Parse = fn(&mut Options<'_>) -> Result<Box<dyn Processor>, Refusal>;

/// Every processor that can be used, in alphabetical order.
const PROCESSORS: &[(&str, Parse)] = &[
    ("append", append::parse),
    ("bytes", bytes::parse),
    ("community_id", community_id::parse),
    ("convert", convert::parse),
    ("csv", csv::parse),
    ("date", date::parse),
    ("date_index_name", date_index_name::parse),
    ("dissect", dissect::parse),
    ("dot_expander", dot_expander::parse),
    ("drop", drop::parse),
    ("fail", fail::parse),
    ("fingerprint", fingerprint::parse),
    ("foreach", foreach::parse),
    ("geoip", geoip::parse),
    ("grok", grok::parse),
    ("gsub", gsub::parse),
    ("html_strip", html_strip::parse),
    ("ip_location", geoip::parse),
    ("join", join::parse),
    ("json", json::parse),
    ("kv", kv::parse),
    ("lowercase", lowercase::parse),
    ("network_direction", network_direction::parse),
    ("pipeline", pipeline::parse),
    ("redact", redact::parse),
    ("registered_domain", registered_domain::parse),
    ("remove", remove::parse),
    ("rename", rename::parse),
    ("reroute", reroute::parse),
    ("set", set::parse),
    ("sort", sort::parse),
    ("split", split::parse),
    ("terminate", terminate::parse),
    ("trim", trim::parse),
    ("uppercase", uppercase::parse),
    ("uri_parts", uri_parts::parse),
    ("urldecode", urldecode::parse),
    ("user_agent", user_agent::parse),
];

/// The processor of that name.
pub(crate) fn named(name: &str) -> Option<(&'static str, Parse)> {
    PROCESSORS.iter().find(|(known, _)| *known == name).copied()
}

/// Why a processor that Elasticsearch has cannot be used here.
pub(crate) fn why_absent(name: &str) -> Option<&'static str> {
    Some(match name {
        "script" => "is not supported yet: conditions are, statements are not",
        "enrich" => "is not supported: there are no indices to enrich from",
        "inference" => "is not supported: there are no models here",
        "attachment" => "is not supported: binary files are not read here",
        "set_security_user" => "is not supported: there are no users here",
        "circle" | "geo_grid" => "is not supported: shapes are not computed here",
        _ => return None,
    })
}

/// The names of all processors.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    PROCESSORS.iter().map(|(name, _)| *name)
}
