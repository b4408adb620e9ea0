//! `redact`: writes the names of patterns over what they find in a text.

use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::grok::{Compatibility, Definitions, Grok};
use crate::pipeline::{Options, Refusal, Run};

/// Where `trace_redact` says that something was written over.
const IS_REDACTED: &str = "_ingest._redact._is_redacted";

#[derive(Debug)]
struct Redact {
    field: FieldPath,
    patterns: Vec<(String, Grok)>,
    prefix: String,
    suffix: String,
    trace: bool,
    ignore_missing: bool,
}

/// Part of a text, and the name that is written over it.
struct Place<'a> {
    start: usize,
    end: usize,
    name: &'a str,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let texts = options.texts("patterns")?;
    if texts.is_empty() {
        return Err(options.refuse("patterns", "List of patterns must not be empty"));
    }
    let definitions = Definitions::new(options.text_map("pattern_definitions")?, Compatibility::EcsV1);
    let mut patterns = Vec::with_capacity(texts.len());
    for text in &texts {
        let grok = Grok::compile(std::slice::from_ref(text), &definitions)
            .map_err(|error| options.refuse("patterns", error))?;
        let Some(name) = grok.fields().first().map(|field| field.name.clone()) else {
            return Err(options.refuse("patterns", format!("pattern {text:?} names nothing, as %{{IP:client}} does")));
        };
        patterns.push((name, grok));
    }
    let prefix = options.optional_text("prefix")?.unwrap_or_else(|| "<".to_owned());
    let suffix = options.optional_text("suffix")?.unwrap_or_else(|| ">".to_owned());
    let trace = options.flag("trace_redact", false)?;
    let ignore_missing = options.flag("ignore_missing", true)?;
    // There are no licences here.
    options.flag("skip_if_unlicensed", false)?;
    Ok(Box::new(Redact { field, patterns, prefix, suffix, trace, ignore_missing }))
}

impl Processor for Redact {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        if !self.ignore_missing && !document.has_field(&self.field) {
            return Err(Reason::Text(format!("field [{}] is null or missing", self.field.as_str())));
        }
        let Some(text) = text_of(document, &self.field, self.ignore_missing, "cannot process it.")? else {
            return Ok(Flow::Next);
        };
        let places = self.places(text)?;
        if places.is_empty() {
            return Ok(Flow::Next);
        }
        let mut redacted = String::with_capacity(text.len());
        let mut from = 0;
        for place in places {
            redacted.push_str(&text[from..place.start]);
            redacted.push_str(&self.prefix);
            redacted.push_str(place.name);
            redacted.push_str(&self.suffix);
            from = place.end;
        }
        redacted.push_str(&text[from..]);
        document.set_field(&self.field, Value::from(redacted))?;
        if self.trace {
            document.set(IS_REDACTED, true)?;
        }
        Ok(Flow::Next)
    }
}

impl Redact {
    /// What is found, in order; places that touch become one, which has the name of the longest.
    fn places(&self, text: &str) -> Result<Vec<Place<'_>>, Reason> {
        let mut found: Vec<Place<'_>> = Vec::new();
        for (name, grok) in &self.patterns {
            let mut from = 0;
            while from < text.len() {
                let Some(one) = grok.find_from(text, from).map_err(|error| Reason::Text(error.to_string()))? else {
                    break;
                };
                let (start, end) = one.range();
                from = match end > from {
                    true => end,
                    // After an empty match the search goes on one character further.
                    false => from + text[from..].chars().next().map_or(1, char::len_utf8),
                };
                found.push(Place { start, end, name });
            }
        }
        found.sort_by_key(|place| place.start);
        let mut merged: Vec<(Place<'_>, usize)> = Vec::new();
        for place in found {
            let length = place.end - place.start;
            match merged.last_mut() {
                Some((last, longest)) if place.start <= last.end => {
                    last.end = last.end.max(place.end);
                    if length > *longest {
                        *longest = length;
                        last.name = place.name;
                    }
                }
                _ => merged.push((place, length)),
            }
        }
        Ok(merged.into_iter().map(|(place, _)| place).collect())
    }
}
