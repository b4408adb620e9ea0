//! `lowercase`: a text, or each text of a list, in lower case.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Context, Options, Refusal};

#[derive(Debug)]
struct Lowercase {
    field: FieldPath,
    target: FieldPath,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = options.optional_path("target_field")?.unwrap_or_else(|| field.clone());
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Lowercase { field, target, ignore_missing }))
}

impl Processor for Lowercase {
    fn run(&self, document: &mut Document, _: &Context) -> Result<Flow, Reason> {
        let name = self.field.as_str();
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let new = match document.field(&self.field)? {
            Value::Null if self.ignore_missing => return Ok(Flow::Next),
            Value::Null => return Err(Reason(format!("field [{name}] is null, cannot process it."))),
            Value::String(text) => Value::from(text.to_lowercase()),
            Value::List(values) => Value::List(
                values
                    .iter()
                    .map(|value| match value {
                        Value::String(text) => Ok(Value::from(text.to_lowercase())),
                        other => Err(Reason(format!(
                            "value [{}] of type [{}] in list field [{name}] cannot be cast to [java.lang.String]",
                            other.to_java_string(),
                            other.java_class()
                        ))),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            other => {
                let class = other.java_class();
                let text = format!("field [{name}] of type [{class}] cannot be cast to [java.lang.String]");
                return Err(Reason(text));
            }
        };
        document.set_field(&self.target, new)?;
        Ok(Flow::Next)
    }
}
