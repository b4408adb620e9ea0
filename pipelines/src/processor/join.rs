//! `join`: the values of a list as one text.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Join {
    field: FieldPath,
    target: FieldPath,
    separator: String,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let (field, target) = options.path_and_target()?;
    let separator = options.text("separator")?;
    Ok(Box::new(Join { field, target, separator }))
}

impl Processor for Join {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let values = super::list::list_of(document, &self.field, "cannot join.")?;
        let texts = values
            .iter()
            .map(|value| match value {
                Value::Null => {
                    Err(Reason::Text("Cannot invoke \"Object.toString()\" because \"value\" is null".to_owned()))
                }
                value => Ok(value.to_java_string()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        let joined = texts.join(&self.separator);
        document.set_field(&self.target, Value::from(joined))?;
        Ok(Flow::Next)
    }
}
