//! `append`: adds values to a list, which is made when it is not there.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Slot, Step};
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
        let old = match document.has_field(&path) {
            // Null is a value like others.
            true => Some(document.field(&path)?.clone()),
            false => None,
        };
        if let Some(new) = self.joined(old, value) {
            document.set_field(&path, new)?;
        }
        Ok(Flow::Next)
    }

    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        let mut places = vec![layout.leaf(self.field.fixed()?)?];
        match &self.source {
            // What is below an object would have no place.
            Source::Value(ValueTemplate::Constant(value)) if !holds_object(value) => {}
            Source::Value(ValueTemplate::Text(template)) => places.extend(template.plan(layout)?),
            Source::Value(_) => return None,
            Source::CopyFrom(from) => places.push(layout.leaf(from.fixed()?)?),
        }
        Some(places)
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let [field, others @ ..] = places else { return Step::Tree };
        let value = match (&self.source, others) {
            (Source::Value(ValueTemplate::Constant(value)), _) => Some(value.clone()),
            (Source::Value(ValueTemplate::Text(template)), variables) => {
                template.render_planned(variables, fields, self.escape).map(Value::from)
            }
            (Source::CopyFrom(_), [from]) if fields.slot(*from) == Slot::Absent => return Step::Failed,
            (Source::CopyFrom(_), [from]) => fields.value(*from),
            _ => None,
        };
        let Some(value) = value else { return Step::Tree };
        let old = match fields.slot(*field) {
            Slot::Absent => None,
            _ => match fields.value(*field) {
                Some(old) => Some(old),
                None => return Step::Tree,
            },
        };
        if let Some(new) = self.joined(old, value) {
            fields.set_value(*field, &new);
        }
        Step::Next
    }
}

impl Append {
    /// The list that there is then; none when nothing changes.
    fn joined(&self, old: Option<Value>, value: Value) -> Option<Value> {
        let mut added = match value {
            Value::List(values) => values,
            value => vec![value],
        };
        if self.ignore_empty_values {
            added.retain(|value| !matches!(value, Value::Null) && value.as_str() != Some(""));
            if added.is_empty() {
                return None;
            }
        }
        let Some(old) = old else { return Some(Value::List(added)) };
        let mut list = match old {
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
        if !self.allow_duplicates && list.len() == before { None } else { Some(Value::List(list)) }
    }
}

/// Whether an object is in a value.
pub(super) fn holds_object(value: &Value) -> bool {
    match value {
        Value::Map(_) => true,
        Value::List(values) => values.iter().any(holds_object),
        _ => false,
    }
}
