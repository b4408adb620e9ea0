//! `dissect`: fields between fixed separators.

mod pattern;

use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};
use pattern::Pattern;

#[derive(Debug)]
struct Dissect {
    field: FieldPath,
    pattern: Pattern,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let pattern = options.text("pattern")?;
    let separator = options.optional_text("append_separator")?.unwrap_or_default();
    let pattern = Pattern::parse(&pattern, &separator).map_err(|reason| options.refuse("pattern", reason))?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Dissect { field, pattern, ignore_missing }))
}

impl Processor for Dissect {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let Some(text) = text_of(document, &self.field, self.ignore_missing, "cannot process it.")? else {
            return Ok(Flow::Next);
        };
        let Some(found) = self.pattern.find(text) else {
            let pattern = self.pattern.as_str();
            return Err(Reason::Text(format!(
                "Unable to find match for dissect pattern: {pattern} against source: {text}"
            )));
        };
        for (name, value) in found {
            document.set(&name, Value::from(value))?;
        }
        Ok(Flow::Next)
    }
}
