//! `set`: gives a field a value, or a copy of another field.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Context, Options, Refusal, Run};
use crate::slots::{Fields, Layout, Place, Slot, Step};
use crate::template::{Escape, FieldTemplate, ValueTemplate};

#[derive(Debug)]
struct Set {
    field: FieldTemplate,
    source: Source,
    /// Whether a value that is there and not null is replaced.
    override_value: bool,
    ignore_empty_value: bool,
}

#[derive(Debug)]
enum Source {
    Value { value: ValueTemplate, escape: Escape },
    CopyFrom(FieldTemplate),
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.field("field")?;
    // Null is no value, as in Elasticsearch.
    let value = options.value("value").filter(|value| *value != Value::Null);
    let copies = options.node("copy_from").is_some();
    let escape = parse_media_type(options)?;
    let source = match (value, copies) {
        (Some(_), true) => return Err(options.refuse("copy_from", "cannot be set together with \"value\"")),
        (None, false) => {
            return Err(Refusal::new(options.line, "required option \"value\" or \"copy_from\" of set is missing"));
        }
        (None, true) => Source::CopyFrom(options.field("copy_from")?),
        (Some(value), false) => {
            let value = ValueTemplate::parse(value).map_err(|error| options.refuse("value", error))?;
            Source::Value { value, escape }
        }
    };
    let override_value = options.flag("override", true)?;
    let ignore_empty_value = options.flag("ignore_empty_value", false)?;
    Ok(Box::new(Set { field, source, override_value, ignore_empty_value }))
}

/// `media_type`: how variables are escaped.
pub(super) fn parse_media_type(options: &mut Options<'_>) -> Result<Escape, Refusal> {
    const JSON: &str = "application/json";
    const FORM: &str = "application/x-www-form-urlencoded";
    let words = [JSON, "text/plain", FORM];
    Ok(match options.word("media_type", &words, JSON)?.as_str() {
        JSON => Escape::Json,
        FORM => Escape::Form,
        _ => Escape::None,
    })
}

impl Processor for Set {
    fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        let field = layout.leaf(self.field.fixed()?)?;
        match &self.source {
            // What is below an object would have no place.
            Source::Value { value: ValueTemplate::Constant(value), .. } if super::append::holds_object(value) => None,
            Source::Value { value: ValueTemplate::Constant(_), .. } => Some(vec![field]),
            Source::Value { value: ValueTemplate::Text(template), .. } => {
                Some([field].into_iter().chain(template.plan(layout)?).collect())
            }
            Source::Value { .. } => None,
            Source::CopyFrom(from) => Some(vec![field, layout.leaf(from.fixed()?)?]),
        }
    }

    fn run_planned(&self, places: &[Place], fields: &mut Fields<'_, '_>, _: &Context) -> Step {
        let Some(field) = places.first() else { return Step::Tree };
        if !self.override_value && !matches!(fields.slot(*field), Slot::Absent | Slot::Null) {
            return Step::Next;
        }
        match (&self.source, places) {
            (Source::Value { value: ValueTemplate::Constant(value), .. }, _) => {
                if !(self.ignore_empty_value && value.as_str() == Some("")) {
                    fields.set_value(*field, value);
                }
            }
            (Source::Value { value: ValueTemplate::Text(template), escape }, [_, variables @ ..]) => {
                let Some(text) = template.render_planned(variables, fields, *escape) else { return Step::Tree };
                if !(self.ignore_empty_value && text.is_empty()) {
                    fields.set_text(*field, &text);
                }
            }
            (Source::CopyFrom(_), [_, from]) => {
                let slot = fields.slot(*from);
                let is_empty = slot == Slot::Null || fields.text(slot) == Some("");
                match slot {
                    Slot::Absent if !self.ignore_empty_value => return Step::Failed,
                    Slot::Absent => {}
                    _ if self.ignore_empty_value && is_empty => {}
                    slot => fields.set(*field, slot),
                }
            }
            _ => return Step::Tree,
        }
        Step::Next
    }

    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let path = self.field.path(document)?;
        if !self.override_value && matches!(document.field(&path), Ok(value) if *value != Value::Null) {
            return Ok(Flow::Next);
        }
        let value = match &self.source {
            Source::Value { value, escape } => value.render(document, *escape),
            Source::CopyFrom(from) => {
                let from = from.path(document)?;
                if self.ignore_empty_value && !document.has_field(&from) {
                    return Ok(Flow::Next);
                }
                document.field(&from)?.clone()
            }
        };
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if self.ignore_empty_value && empty {
            return Ok(Flow::Next);
        }
        document.set_field(&path, value)?;
        Ok(Flow::Next)
    }
}
