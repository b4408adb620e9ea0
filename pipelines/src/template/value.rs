//! Values and names of fields that may be templates.

use std::borrow::Cow;

use super::{Escape, Template, TemplateError};
use crate::document::{Document, FieldError, FieldPath, Value};

/// A field's path, or a template that gives one for each document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldTemplate {
    Path(FieldPath),
    Template(Template),
}

impl FieldTemplate {
    pub fn parse(text: &str) -> Result<FieldTemplate, TemplateError> {
        let template = Template::parse(text)?;
        if let Some(literal) = template.literal() {
            return Ok(FieldTemplate::Path(FieldPath::parse(&literal)?));
        }
        Ok(FieldTemplate::Template(template))
    }

    /// The path that is the same for all documents.
    pub fn fixed(&self) -> Option<&FieldPath> {
        match self {
            FieldTemplate::Path(path) => Some(path),
            FieldTemplate::Template(_) => None,
        }
    }

    /// The path for this document.
    pub fn path(&self, document: &Document) -> Result<Cow<'_, FieldPath>, FieldError> {
        match self {
            FieldTemplate::Path(path) => Ok(Cow::Borrowed(path)),
            FieldTemplate::Template(template) => {
                FieldPath::parse(&template.render(document, Escape::Json)).map(Cow::Owned)
            }
        }
    }
}

/// A value in which every text, at any depth, may be a template.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueTemplate {
    Constant(Value),
    Text(Template),
    List(Vec<ValueTemplate>),
    Map(Vec<(Template, ValueTemplate)>),
}

impl ValueTemplate {
    pub fn parse(value: Value) -> Result<ValueTemplate, TemplateError> {
        Ok(match value {
            Value::String(text) => {
                let template = Template::parse(&text)?;
                match template.literal() {
                    Some(literal) => ValueTemplate::Constant(Value::from(literal)),
                    None => ValueTemplate::Text(template),
                }
            }
            Value::List(values) => {
                ValueTemplate::List(values.into_iter().map(ValueTemplate::parse).collect::<Result<_, _>>()?)
            }
            Value::Map(map) => ValueTemplate::Map(
                map.into_iter()
                    .map(|(key, value)| Ok((Template::parse(&key)?, ValueTemplate::parse(value)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
            other => ValueTemplate::Constant(other),
        })
    }

    /// The value for this document.
    pub fn render(&self, document: &Document, escape: Escape) -> Value {
        match self {
            ValueTemplate::Constant(value) => value.clone(),
            ValueTemplate::Text(template) => Value::from(template.render(document, escape)),
            ValueTemplate::List(values) => {
                Value::List(values.iter().map(|value| value.render(document, escape)).collect())
            }
            ValueTemplate::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|(key, value)| (key.render(document, escape).into(), value.render(document, escape)))
                    .collect(),
            ),
        }
    }
}
