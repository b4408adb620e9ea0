//! `append`: adds values to a list, which is made when it is not there.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};
use crate::template::{Escape, FieldTemplate, ValueTemplate};

#[derive(Debug)]
struct Append {
    field: FieldTemplate,
    source: Source,
    allow_duplicates: bool,
    ignore_empty_values: bool,
    escape: Escape,
}

#[derive(Debug)]
enum Source {
    Value(ValueTemplate),
    CopyFrom(FieldTemplate),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.field("field")?;
    let value = options.value("value").filter(|value| *value != Value::Null);
    let copy_from = options.node("copy_from").is_some();
    let source = match (value, copy_from) {
        (Some(_), true) => return Err(options.refuse("copy_from", "cannot be set together with \"value\"")),
        (None, false) => {
            return Err(Refusal::new(options.line, "required option \"value\" or \"copy_from\" of append is missing"));
        }
        (None, true) => Source::CopyFrom(options.field("copy_from")?),
        (Some(value), false) => {
            Source::Value(ValueTemplate::parse(value).map_err(|error| options.refuse("value", error))?)
        }
    };
    let ignore_empty_values = options.flag("ignore_empty_values", false)?;
    let allow_duplicates = options.flag("allow_duplicates", true)?;
    let escape = super::set::parse_media_type(options)?;
    Ok(Box::new(Append { field, source, allow_duplicates, ignore_empty_values, escape }))
}

impl Processor for Append {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let path = self.field.path(document)?.into_owned();
        let value = match &self.source {
            Source::Value(value) => value.render(document, self.escape),
            Source::CopyFrom(from) => document.field(&*from.path(document)?)?.clone(),
        };
        let mut added = match value {
            Value::List(values) => values,
            value => vec![value],
        };
        if self.ignore_empty_values {
            added.retain(|value| !matches!(value, Value::Null) && value.as_str() != Some(""));
            if added.is_empty() {
                return Ok(Flow::Next);
            }
        }
        let new = if document.has_field(&path) {
            // Null is a value like others.
            let mut list = match document.field(&path)?.clone() {
                Value::List(list) => list,
                scalar => vec![scalar],
            };
            let before = list.len();
            for value in added {
                if self.allow_duplicates || !list.contains(&value) {
                    list.push(value);
                }
            }
            // A scalar that no value is added to because it is there stays one.
            if !self.allow_duplicates && list.len() == before {
                return Ok(Flow::Next);
            }
            list
        } else {
            added
        };
        let new = Value::List(new);
        document.set_field(&path, new)?;
        Ok(Flow::Next)
    }
}
