//! `append`: adds values to a list, which is made when it is not there.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Context, Options, Refusal};
use crate::template::{Escape, FieldTemplate, ValueTemplate};

#[derive(Debug)]
struct Append {
    field: FieldTemplate,
    value: ValueTemplate,
    allow_duplicates: bool,
    escape: Escape,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.field("field")?;
    let Some(value) = options.value("value") else {
        return Err(Refusal::new(options.line, "required option \"value\" of append is missing"));
    };
    let value = ValueTemplate::parse(value).map_err(|error| options.refuse("value", error))?;
    let allow_duplicates = options.flag("allow_duplicates", true)?;
    let escape = super::set::parse_media_type(options)?;
    Ok(Box::new(Append { field, value, allow_duplicates, escape }))
}

impl Processor for Append {
    fn run(&self, document: &mut Document, _: &Context) -> Result<Flow, Reason> {
        let path = self.field.path(document)?.into_owned();
        let added = match self.value.render(document, self.escape) {
            Value::List(values) => values,
            value => vec![value],
        };
        // Null counts as nothing there.
        let there = if document.has_field(&path) { document.field(&path)?.clone() } else { Value::Null };
        let new = match there {
            Value::List(mut list) => {
                for value in added {
                    if self.allow_duplicates || !list.contains(&value) {
                        list.push(value);
                    }
                }
                Value::List(list)
            }
            Value::Null if self.allow_duplicates => Value::List(added),
            Value::Null => {
                let mut list = Vec::new();
                for value in added {
                    if !list.contains(&value) {
                        list.push(value);
                    }
                }
                Value::List(list)
            }
            scalar => {
                let mut list = vec![scalar];
                let before = list.len();
                for value in added {
                    if self.allow_duplicates || !list.contains(&value) {
                        list.push(value);
                    }
                }
                // A scalar that nothing is added to stays one.
                if list.len() == before {
                    return Ok(Flow::Next);
                }
                Value::List(list)
            }
        };
        document.set_field(&path, new)?;
        Ok(Flow::Next)
    }
}
