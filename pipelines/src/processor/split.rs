//! `split`: a text as a list, cut by a regular expression.

use super::text::text_of;
use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::java_regex::JavaRegex;
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Split {
    field: FieldPath,
    target: FieldPath,
    separator: JavaRegex,
    ignore_missing: bool,
    preserve_trailing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let (field, target) = options.path_and_target()?;
    let separator = options.regex("separator")?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    let preserve_trailing = options.flag("preserve_trailing", false)?;
    Ok(Box::new(Split { field, target, separator, ignore_missing, preserve_trailing }))
}

impl Processor for Split {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let Some(text) = text_of(document, &self.field, self.ignore_missing, "cannot split.")? else {
            return Ok(Flow::Next);
        };
        let limit = if self.preserve_trailing { -1 } else { 0 };
        let pieces = self.separator.split(text, limit)?.into_iter().map(Value::from).collect();
        document.set_field(&self.target, Value::List(pieces))?;
        Ok(Flow::Next)
    }
}
