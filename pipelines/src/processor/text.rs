//! What the processors share that change a text, or each text of a list.

use super::{Flow, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal};
use crate::slots::{Field, Fields, Layout, Place, Step};

#[derive(Debug)]
pub(super) struct TextField {
    pub field: FieldPath,
    target: FieldPath,
    ignore_missing: bool,
}

impl TextField {
    /// Reads `field`, `target_field` and `ignore_missing`.
    pub fn parse(options: &mut Options<'_>) -> Result<TextField, Refusal> {
        let (field, target) = options.path_and_target()?;
        let ignore_missing = options.flag("ignore_missing", false)?;
        Ok(TextField { field, target, ignore_missing })
    }

    /// The places of both fields.
    pub fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        Some(vec![layout.leaf(&self.field)?, layout.leaf(&self.target)?])
    }

    /// As [`change`](TextField::change), over slots.
    pub fn change_planned(
        &self,
        places: &[Place],
        fields: &mut Fields<'_, '_>,
        change: impl Fn(&str) -> Result<Value, Reason>,
    ) -> Step {
        let [field, target] = places else { return Step::Tree };
        let new = match fields.read(*field) {
            Field::Text(text) => change(text),
            Field::Absent | Field::Null if self.ignore_missing => return Step::Next,
            Field::Absent | Field::Null => return Step::Failed,
            Field::Other => return Step::Tree,
        };
        match new {
            // What is below an object would have no place.
            Ok(Value::Map(_)) => Step::Tree,
            Ok(new) => {
                fields.set_value(*target, &new);
                Step::Next
            }
            Err(_) => Step::Failed,
        }
    }

    /// Puts what `change` makes of the text, or of each text of a list, into the target.
    pub fn change(
        &self,
        document: &mut Document,
        change: impl Fn(&str) -> Result<Value, Reason>,
    ) -> Result<Flow, Reason> {
        let name = self.field.as_str();
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let new = match document.field(&self.field)? {
            Value::Null if self.ignore_missing => return Ok(Flow::Next),
            Value::Null => return Err(Reason::Text(format!("field [{name}] is null, cannot process it."))),
            Value::String(text) => change(text)?,
            Value::List(values) => Value::List(
                values
                    .iter()
                    .map(|value| match value {
                        Value::String(text) => change(text),
                        other => Err(Reason::Text(format!(
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
                return Err(Reason::Text(text));
            }
        };
        document.set_field(&self.target, new)?;
        Ok(Flow::Next)
    }
}

/// The text of a field, or none when it is missing or null and that is to be ignored. `purpose` ends the message for
/// null.
pub(super) fn text_of<'d>(
    document: &'d Document,
    field: &FieldPath,
    ignore_missing: bool,
    purpose: &str,
) -> Result<Option<&'d str>, Reason> {
    if ignore_missing && !document.has_field(field) {
        return Ok(None);
    }
    match document.field_text(field)? {
        Some(text) => Ok(Some(text)),
        None if ignore_missing => Ok(None),
        None => Err(Reason::Text(format!("field [{}] is null, {purpose}", field.as_str()))),
    }
}
