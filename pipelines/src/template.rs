//! Mustache templates as far as pipelines use them: texts with `{{variable}}` and `{{{variable}}}`.

use thiserror::Error;

use crate::document::{Document, FieldError, FieldPath, Value, write_escaped};

/// A text with variables.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(String),
    /// Written as it is, or escaped for the template's media type.
    Variable {
        path: FieldPath,
        escaped: bool,
    },
}

/// How `{{variable}}` is escaped: `media_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Escape {
    #[default]
    Json,
    None,
    /// `application/x-www-form-urlencoded`.
    Form,
}

/// Why a text is not a template that can be used here.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum TemplateError {
    #[error("unclosed {open} in template {text:?}")]
    Unclosed { open: &'static str, text: String },
    #[error("template sections such as {tag:?} are not supported yet")]
    Section { tag: String },
    #[error("empty variable in template {text:?}")]
    NoName { text: String },
    #[error(transparent)]
    Path(#[from] FieldError),
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("{{") {
            if start > 0 {
                parts.push(Part::Literal(rest[..start].to_owned()));
            }
            let raw = rest[start..].starts_with("{{{");
            let (open, close) = if raw { ("{{{", "}}}") } else { ("{{", "}}") };
            let inside = &rest[start + open.len()..];
            let end = inside.find(close).ok_or_else(|| TemplateError::Unclosed { open, text: text.to_owned() })?;
            rest = &inside[end + close.len()..];
            let tag = inside[..end].trim();
            let (name, escaped) = match tag.as_bytes().first() {
                None => return Err(TemplateError::NoName { text: text.to_owned() }),
                Some(b'!') => continue,
                Some(b'&') => (tag[1..].trim(), false),
                Some(b'#' | b'^' | b'/' | b'>' | b'=' | b'$' | b'<') => {
                    return Err(TemplateError::Section { tag: format!("{open}{tag}{close}") });
                }
                Some(_) => (tag, !raw),
            };
            parts.push(Part::Variable { path: FieldPath::parse(name)?, escaped });
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Template { parts })
    }

    /// Whether there are no variables in it.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// The text of a template without variables.
    pub fn literal(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.as_str()),
                Part::Variable { .. } => None,
            })
            .collect()
    }

    /// The text with the document's values; what is missing or null is empty.
    pub fn render(&self, document: &Document, escape: Escape) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Variable { path, escaped } => match document.field(path) {
                    Err(_) | Ok(Value::Null) => {}
                    Ok(Value::String(value)) => push(&mut text, value, *escaped, escape),
                    Ok(value) => push(&mut text, &value.to_java_string(), *escaped, escape),
                },
            }
        }
        text
    }
}

fn push(text: &mut String, value: &str, escaped: bool, escape: Escape) {
    match escape {
        _ if !escaped => text.push_str(value),
        Escape::None => text.push_str(value),
        Escape::Json => {
            let mut bytes = Vec::with_capacity(value.len() + 8);
            write_escaped(&mut bytes, value);
            // Escaping puts ASCII between characters, so this never replaces anything.
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
        Escape::Form => {
            for byte in value.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => text.push(char::from(byte)),
                    b' ' => text.push('+'),
                    _ => text.push_str(&format!("%{byte:02X}")),
                }
            }
        }
    }
}

/// A field's path, or a template that gives one for each document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum FieldTemplate {
    Path(FieldPath),
    Template(Template),
}

impl FieldTemplate {
    pub fn parse(text: &str) -> Result<FieldTemplate, TemplateError> {
        let template = Template::parse(text)?;
        if template.is_literal() {
            return Ok(FieldTemplate::Path(FieldPath::parse(text)?));
        }
        Ok(FieldTemplate::Template(template))
    }

    /// The path for this document.
    pub fn path(&self, document: &Document) -> Result<std::borrow::Cow<'_, FieldPath>, FieldError> {
        match self {
            FieldTemplate::Path(path) => Ok(std::borrow::Cow::Borrowed(path)),
            FieldTemplate::Template(template) => {
                FieldPath::parse(&template.render(document, Escape::Json)).map(std::borrow::Cow::Owned)
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
                if template.is_literal() {
                    ValueTemplate::Constant(Value::String(text))
                } else {
                    ValueTemplate::Text(template)
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
