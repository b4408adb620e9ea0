//! Mustache templates as pipelines use them: texts with `{{variable}}`, `{{{variable}}}` and `{{#section}}..{{/section}}`.

mod parse;
mod value;

use std::borrow::Cow;
use std::fmt::Write;

use thiserror::Error;

use crate::document::{Document, FieldError, FieldPath, Value, write_escaped, write_value};
use crate::slots::{Fields, Layout, Place, Slot};

pub(crate) use value::{FieldTemplate, ValueTemplate};

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
        name: Name,
        escaped: bool,
    },
    /// Once for each element of a list, once for a map or another value; an inverted one when there is nothing.
    Section {
        name: Name,
        inverted: bool,
        parts: Vec<Part>,
    },
    Function {
        function: Function,
        name: Name,
    },
}

#[derive(Clone, Debug, PartialEq)]
enum Function {
    /// `{{#toJson}}field{{/toJson}}`
    ToJson,
    /// `{{#join}}field{{/join}}`: the elements with commas, or `{{#join delimiter='|'}}`.
    Join { delimiter: String },
}

/// What a tag names.
#[derive(Clone, Debug, PartialEq)]
enum Name {
    /// `.`: the value of the section around it.
    Here,
    /// Below the innermost section that has the first part, else in the document.
    Path { path: FieldPath, parts: Vec<Box<str>> },
    /// All of `_ingest`.
    Ingest,
}

impl Name {
    fn parse(text: &str) -> Result<Name, TemplateError> {
        Ok(match text {
            "." => Name::Here,
            "_ingest" => Name::Ingest,
            _ => Name::Path { path: FieldPath::parse(text)?, parts: text.split('.').map(Box::from).collect() },
        })
    }
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
    #[error("{tag} is not supported in templates")]
    Unsupported { tag: String },
    #[error("section {{{{#{tag}}}}} has no end")]
    Unended { tag: String },
    #[error("{{{{/{tag}}}}} ends no section")]
    Unopened { tag: String },
    #[error("sections are nested too deep in template {text:?}")]
    TooDeep { text: String },
    #[error("empty variable in template {text:?}")]
    NoName { text: String },
    #[error(transparent)]
    Path(#[from] FieldError),
}

impl Template {
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        parse::parse(text)
    }

    /// Whether there is nothing in it that depends on the document.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Literal(_)))
    }

    /// The text of a template without variables.
    pub fn literal(&self) -> Option<String> {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Literal(text) => Some(text.as_str()),
                _ => None,
            })
            .collect()
    }

    /// The text with the document's values; what is missing or null is empty.
    pub fn render(&self, document: &Document, escape: Escape) -> String {
        let mut text = String::new();
        render(&self.parts, document, &mut Vec::new(), escape, &mut text);
        text
    }

    /// The places of the fields that it names; none when it is more than a text with fields.
    pub fn plan(&self, layout: &mut Layout) -> Option<Vec<Place>> {
        let variables = self.parts.iter().filter(|part| !matches!(part, Part::Literal(_)));
        let place = |part: &Part| match part {
            Part::Variable { name: Name::Path { path, .. }, .. } => layout.leaf(path),
            _ => None,
        };
        variables.map(place).collect()
    }

    /// As [`render`](Template::render), with the places that `plan` gave; none where only a document can tell.
    pub fn render_planned(&self, places: &[Place], fields: &Fields<'_, '_>, escape: Escape) -> Option<String> {
        let mut text = String::new();
        let mut places = places.iter();
        for part in &self.parts {
            let escaped = match part {
                Part::Literal(literal) => {
                    text.push_str(literal);
                    continue;
                }
                Part::Variable { escaped, .. } => *escaped,
                _ => return None,
            };
            let place = *places.next()?;
            match fields.slot(place) {
                Slot::Absent | Slot::Null => {}
                slot => match fields.text(slot) {
                    Some(value) => push(&mut text, value, escaped, escape),
                    None => match fields.value(place)? {
                        Value::List(_) | Value::Map(_) => return None,
                        value => push(&mut text, &value.to_java_string(), escaped, escape),
                    },
                },
            }
        }
        Some(text)
    }
}

fn render<'d>(
    parts: &[Part],
    document: &'d Document,
    sections: &mut Vec<&'d Value>,
    escape: Escape,
    text: &mut String,
) {
    for part in parts {
        match part {
            Part::Literal(literal) => text.push_str(literal),
            Part::Variable { name: Name::Ingest, escaped } => {
                push(text, &Value::Map(document.ingest().clone()).to_java_string(), *escaped, escape);
            }
            Part::Variable { name, escaped } => match find(name, document, sections) {
                None => {}
                Some(Found::Size(size)) => {
                    let _ = write!(text, "{size}");
                }
                Some(Found::Value(value)) => match value {
                    Value::Null => {}
                    Value::String(value) => push(text, value, *escaped, escape),
                    // Mustache sees a list as a map of its places.
                    Value::List(values) => push(text, &places(values), *escaped, escape),
                    value => push(text, &value.to_java_string(), *escaped, escape),
                },
            },
            Part::Section { name, inverted, parts } => {
                let found = match find(name, document, sections) {
                    Some(Found::Value(value)) => Some(value),
                    _ => None,
                };
                let empty = match found {
                    None | Some(Value::Null | Value::Bool(false)) => true,
                    Some(Value::String(value)) => value.is_empty(),
                    Some(Value::List(values)) => values.is_empty(),
                    Some(_) => false,
                };
                match found {
                    _ if empty != *inverted => {}
                    Some(Value::List(values)) if !inverted => {
                        for value in values {
                            sections.push(value);
                            render(parts, document, sections, escape, text);
                            sections.pop();
                        }
                    }
                    Some(value) if !inverted => {
                        sections.push(value);
                        render(parts, document, sections, escape, text);
                        sections.pop();
                    }
                    _ => render(parts, document, sections, escape, text),
                }
            }
            Part::Function { function, name } => {
                let value = match find(name, document, sections) {
                    Some(Found::Value(value)) => value,
                    _ => &Value::Null,
                };
                match (function, value) {
                    (Function::ToJson, Value::Null) => {}
                    (Function::ToJson, value) => {
                        let mut json = Vec::new();
                        write_value(&mut json, value);
                        text.push_str(&String::from_utf8_lossy(&json));
                    }
                    (Function::Join { delimiter }, Value::List(values)) => {
                        let joined: Vec<String> = values.iter().map(Value::to_java_string).collect();
                        text.push_str(&joined.join(delimiter));
                    }
                    // What is no list is written as its name, odd as that is.
                    (Function::Join { .. }, _) => {
                        if let Name::Path { path, .. } = name {
                            text.push_str(path.as_str());
                        }
                    }
                }
            }
        }
    }
}

enum Found<'d> {
    Value(&'d Value),
    /// `list.size`
    Size(usize),
}

fn find<'d>(name: &Name, document: &'d Document, sections: &[&'d Value]) -> Option<Found<'d>> {
    let (path, parts) = match name {
        Name::Here => return sections.last().map(|value| Found::Value(value)),
        Name::Ingest => return None,
        Name::Path { path, parts } => (path, parts),
    };
    for section in sections.iter().rev() {
        if let Value::Map(map) = section
            && let Some(value) = map.get(&parts[0])
        {
            return below(value, &parts[1..]);
        }
    }
    match document.field(path) {
        Ok(value) => Some(Found::Value(value)),
        Err(_) => {
            let [parents @ .., last] = &parts[..] else { return None };
            if &**last != "size" || parents.is_empty() {
                return None;
            }
            match document.get(&parents.join("."))? {
                Value::List(values) => Some(Found::Size(values.len())),
                _ => None,
            }
        }
    }
}

fn below<'d>(mut value: &'d Value, parts: &[Box<str>]) -> Option<Found<'d>> {
    for (index, part) in parts.iter().enumerate() {
        value = match value {
            Value::Map(map) => map.get(part)?,
            Value::List(values) => match part.parse::<usize>() {
                Ok(place) => values.get(place)?,
                Err(_) if &**part == "size" && index + 1 == parts.len() => return Some(Found::Size(values.len())),
                Err(_) => return None,
            },
            _ => return None,
        };
    }
    Some(Found::Value(value))
}

fn places(values: &[Value]) -> String {
    let mut text = String::from("{");
    for (index, value) in values.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(text, "{comma}{index}={}", value.to_java_string());
    }
    text.push('}');
    text
}

fn push(text: &mut String, value: &str, escaped: bool, escape: Escape) {
    match escape {
        _ if !escaped => text.push_str(value),
        Escape::None => text.push_str(value),
        Escape::Json => {
            let mut bytes = Vec::with_capacity(value.len() + 8);
            write_escaped(&mut bytes, value);
            // Escaping puts ASCII between characters, so this never replaces anything.
            match String::from_utf8_lossy(&bytes) {
                Cow::Borrowed(plain) => text.push_str(plain),
                Cow::Owned(plain) => text.push_str(&plain),
            }
        }
        Escape::Form => {
            for byte in value.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => text.push(char::from(byte)),
                    b' ' => text.push('+'),
                    _ => {
                        let _ = write!(text, "%{byte:02X}");
                    }
                }
            }
        }
    }
}
