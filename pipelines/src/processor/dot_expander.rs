//! `dot_expander`: a key with dots becomes maps in each other.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Map, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct DotExpander {
    /// The map in which the key lies; the document's top when there is none.
    path: Option<FieldPath>,
    key: Key,
    override_value: bool,
}

#[derive(Debug)]
enum Key {
    One(String),
    /// `*`: all keys with dots.
    All,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.text("field")?;
    let key = match field.as_str() {
        "*" => Key::All,
        text if !text.contains('.') => {
            return Err(options.refuse("field", "field does not contain a dot and is not a wildcard"));
        }
        text if text.starts_with('.') || text.ends_with('.') => {
            return Err(options.refuse("field", "Field can't start or end with a dot"));
        }
        text if text.contains("..") => return Err(options.refuse("field", "No space between dots")),
        _ => Key::One(field),
    };
    let path = options.optional_path("path")?;
    let override_value = options.flag("override", false)?;
    Ok(Box::new(DotExpander { path, key, override_value }))
}

impl Processor for DotExpander {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let keys = match &self.key {
            Key::One(key) => vec![key.clone()],
            Key::All => {
                // A key can begin with a dot, which nothing can be made of.
                let expandable = |map: &Map| -> Vec<String> {
                    map.iter()
                        .map(|(key, _)| key.to_owned())
                        .filter(|key| key.find('.').is_some_and(|dot| dot > 0))
                        .collect()
                };
                match &self.path {
                    None => expandable(document.source()),
                    Some(path) => expandable(map_at(document, path)?),
                }
            }
        };
        for key in keys {
            self.expand(document, &key)?;
        }
        Ok(Flow::Next)
    }
}

impl DotExpander {
    fn expand(&self, document: &mut Document, key: &str) -> Result<(), Reason> {
        let full = match &self.path {
            Some(path) => format!("{}.{key}", path.as_str()),
            None => key.to_owned(),
        };
        let there = match &self.path {
            Some(path) => map_at(document, path)?.contains_key(key),
            None => document.source().contains_key(key),
        };
        if !there {
            return Ok(());
        }
        let target = FieldPath::parse(&full)?;
        if document.has_field(&target) {
            let value = self.take(document, key)?;
            return match self.override_value {
                true => Ok(document.set_field(&target, value)?),
                false => super::list::append_value(document, &target, value),
            };
        }
        for (dot, _) in full.match_indices('.') {
            let partial = &full[..dot];
            let Ok(path) = FieldPath::parse(partial) else { break };
            match document.field(&path) {
                Ok(Value::Map(_)) => {}
                Ok(_) => {
                    return Err(Reason::Text(format!(
                        "cannot expand [{full}], because [{partial}] is not an object field, but a value field"
                    )));
                }
                Err(_) => break,
            }
        }
        let value = self.take(document, key)?;
        Ok(document.set_field(&target, value)?)
    }

    fn take(&self, document: &mut Document, key: &str) -> Result<Value, Reason> {
        let taken = match &self.path {
            None => document.source_mut().remove(key),
            Some(path) => {
                let mut map = map_at(document, path)?.clone();
                let taken = map.remove(key);
                document.set_field(path, Value::Map(map))?;
                taken
            }
        };
        Ok(taken.unwrap_or(Value::Null))
    }
}

fn map_at<'d>(document: &'d Document, path: &FieldPath) -> Result<&'d Map, Reason> {
    match document.field(path)? {
        Value::Map(map) => Ok(map),
        other => {
            let (name, class) = (path.as_str(), other.java_class());
            Err(Reason::Text(format!("field [{name}] of type [{class}] cannot be cast to [java.util.Map]")))
        }
    }
}
