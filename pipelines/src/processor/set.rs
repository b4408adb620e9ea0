//! `set`: gives a field a value, or a copy of another field.

use super::{Flow, Processor, Reason};
use crate::document::{Document, Value};
use crate::pipeline::{Options, Refusal, Run};
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
