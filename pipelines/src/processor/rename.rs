//! `rename`: moves a field.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Slot, Step};
use crate::template::FieldTemplate;

#[derive(Debug)]
struct Rename {
    field: FieldTemplate,
    target: FieldTemplate,
    ignore_missing: bool,
    override_target: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.field("field")?;
    let target = options.field("target_field")?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    let override_target = options.flag("override", false)?;
    Ok(Box::new(Rename { field, target, ignore_missing, override_target }))
}

impl Processor for Rename {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        Some(vec![layout.leaf(self.field.fixed()?)?, layout.leaf(self.target.fixed()?)?])
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let [field, target] = places else { return Step::Tree };
        let slot = fields.slot(*field);
        match (slot, fields.slot(*target)) {
            (Slot::Absent, _) if self.ignore_missing => return Step::Next,
            (Slot::Absent, _) => return Step::Failed,
            (_, Slot::Absent) => {}
            _ if self.override_target => {}
            _ => return Step::Failed,
        }
        fields.remove(*field);
        fields.set(*target, slot);
        Step::Next
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let field = match self.field.path(document) {
            Ok(path) => path,
            Err(_) if self.ignore_missing => return Ok(Flow::Next),
            Err(error) => return Err(error.into()),
        };
        if !document.has_field(&field) {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Reason::Text(format!("field [{}] doesn't exist", field.as_str())));
        }
        let target = self.target.path(document)?;
        if document.has_field(&target) && !self.override_target {
            return Err(Reason::Text(format!("field [{}] already exists", target.as_str())));
        }
        let value = document.remove_field(&field)?;
        // The value goes back where it was when its new place cannot be reached.
        if let Err((error, value)) = place(document, &target, value) {
            document.set_field(&field, value)?;
            return Err(error);
        }
        Ok(Flow::Next)
    }
}

fn place(document: &mut Document, target: &FieldPath, value: Value) -> Result<(), (Reason, Value)> {
    // Setting takes the value, and a failure would lose it: a scalar in the way is looked for first.
    let probe = document.set_field(target, Value::Null);
    match probe {
        Ok(()) => document.set_field(target, value).map_err(|error| (error.into(), Value::Null)),
        Err(error) => Err((error.into(), value)),
    }
}
