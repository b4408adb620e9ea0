//! `grok`: takes fields out of a text by patterns.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldError, FieldPath, Text, Value};
use crate::grok::{Compatibility, Definitions, Grok as Patterns, GrokError, SyntaxError, ValueKind};
use crate::pipeline::{Context, Options, Refusal, Run, Stop};
use crate::slots::{Fields, Layout, Place, Slot, Step};

/// Where `trace_match` says which pattern it was.
const MATCH_INDEX: &str = "_ingest._grok_match_index";

#[derive(Debug)]
struct Grok {
    field: FieldPath,
    patterns: Patterns,
    /// Where each of the patterns' fields goes.
    targets: Vec<Result<FieldPath, FieldError>>,
    /// Whether a value can be of a type that its text is not.
    is_typed: bool,
    /// Whether a target may be the text's field, or above or below it.
    overlaps: bool,
    ignore_missing: bool,
    trace_match: Option<FieldPath>,
    /// Documents that matched each pattern.
    matches: Box<[AtomicU64]>,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let patterns = options.texts("patterns")?;
    let own = options.text_map("pattern_definitions")?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    let trace_match = match options.flag("trace_match", false)? {
        true => Some(FieldPath::parse(MATCH_INDEX).map_err(|error| options.refuse("trace_match", error))?),
        false => None,
    };
    let compatibility = match options.word("ecs_compatibility", &["disabled", "v1"], "disabled")?.as_str() {
        "v1" => Compatibility::EcsV1,
        _ => Compatibility::Disabled,
    };
    if patterns.is_empty() {
        return Err(options.refuse("patterns", "List of patterns must not be empty"));
    }
    let matches = patterns.iter().map(|_| AtomicU64::new(0)).collect();
    let definitions = Definitions::new(own, compatibility);
    let patterns = Patterns::compile(&patterns, &definitions).map_err(|error| {
        let refusal = options.refuse("patterns", &error);
        match error {
            GrokError::Syntax { error: SyntaxError::UnknownPattern { like: Some(like), .. }, .. } => {
                refusal.with_hint(format!("did you mean {like:?}?"))
            }
            _ => refusal,
        }
    })?;
    let targets: Vec<_> = patterns.fields().iter().map(|field| FieldPath::parse(&field.name)).collect();
    let is_typed = patterns.fields().iter().any(|field| field.kind != ValueKind::String);
    let all = targets.iter().flatten().chain(&trace_match);
    let overlaps = all.into_iter().any(|target| target.begins_as(&field));
    Ok(Box::new(Grok { field, patterns, targets, is_typed, overlaps, ignore_missing, trace_match, matches }))
}

impl Processor for Grok {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let Some(text) = document.field_text(&self.field)? else {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Reason::Text(format!("field [{}] is null, cannot process it.", self.field.as_str())));
        };
        if self.overlaps {
            let text = Text::from(text);
            return self.take_out(&text, document);
        }
        // The document lends the text meanwhile, instead of making another one.
        let Some(lent) = document.field_text_mut(&self.field) else { return Ok(Flow::Next) };
        let text = std::mem::take(lent);
        let flow = self.take_out(&text, document);
        if let Some(lent) = document.field_text_mut(&self.field) {
            *lent = text;
        }
        flow
    }

    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        if self.trace_match.is_some() {
            return None;
        }
        let targets = self.targets.iter().map(|target| layout.leaf(target.as_ref().ok()?));
        let targets: Vec<Place> = targets.collect::<Option<_>>()?;
        Some([layout.leaf(&self.field)?].into_iter().chain(targets).collect())
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let [field, targets @ ..] = places else { return Step::Tree };
        let slot = fields.slot(*field);
        if fields.text(slot).is_none() {
            return match slot {
                Slot::Absent | Slot::Null if self.ignore_missing => Step::Next,
                Slot::Absent | Slot::Null => Step::Failed,
                _ => Step::Tree,
            };
        }
        let found = fields.with_text(slot, |text, fields| {
            self.patterns.find_pieces(text, |found| {
                let Some(found) = found else { return Step::Failed };
                let mut groups = 0;
                let put = |field: usize, kind: ValueKind, piece: Range<usize>| {
                    let value = match kind {
                        ValueKind::String => Fields::piece(slot, piece)?,
                        kind => match kind.read(&text[piece]).ok()? {
                            Value::Long(number) => Slot::Long(number),
                            Value::Integer(number) => Slot::Integer(number),
                            Value::Bool(truth) => Slot::Bool(truth),
                            _ => return None,
                        },
                    };
                    groups |= fields.put(targets[field], value);
                    Some(())
                };
                let given = found.give(put);
                fields.add_groups(groups);
                // Several texts of one field are a list.
                given.map_or(Step::Tree, |()| Step::Matched(found.pattern()))
            })
        });
        found.unwrap_or(Step::Tree)
    }

    fn matched(&self, pattern: usize, times: u64) {
        if let Some(count) = self.matches.get(pattern) {
            count.fetch_add(times, Ordering::Relaxed);
        }
    }

    fn matches(&self) -> Vec<u64> {
        self.matches.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    fn stop(&self, document: &Document) -> Option<Stop> {
        let text = document.field_text(&self.field).ok().flatten()?;
        // A value that cannot be made is another failure.
        if self.patterns.find(text).ok()?.is_some() {
            return None;
        }
        let explanation = self.patterns.explain(text).ok()?;
        Some(Stop {
            field: self.field.as_str().to_owned(),
            text: text.to_owned(),
            matched_bytes: explanation.matched_bytes,
            expected: explanation.expected,
        })
    }
}

impl Grok {
    /// Puts what the patterns name in the text into the document.
    fn take_out(&self, text: &str, document: &mut Document) -> Result<Flow, Reason> {
        let found = self.patterns.find(text).map_err(|error| Reason::Text(error.to_string()))?;
        let Some(found) = found else {
            return Err(Reason::Text(format!("Provided Grok expressions do not match field value: [{text}]")));
        };
        let index = found.pattern();
        if let Some(count) = self.matches.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // One value that cannot be made changes nothing.
        if self.is_typed {
            for (_, value) in found.values() {
                value?;
            }
        }
        found.give(|field, value| match &self.targets[field] {
            Ok(target) => Ok(document.set_field(target, value)?),
            Err(error) => Err(Reason::from(error.clone())),
        })?;
        if let Some(path) = &self.trace_match {
            document.set_field(path, Value::from(index.to_string()))?;
        }
        Ok(Flow::Next)
    }
}
