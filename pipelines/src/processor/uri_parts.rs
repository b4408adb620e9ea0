//! `uri_parts`: the parts of an address on the web.

mod parse;

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Map, Value};
use crate::pipeline::{Options, Refusal, Run};
use parse::Uri;

#[derive(Debug)]
struct UriParts {
    field: FieldPath,
    target: FieldPath,
    remove_if_successful: bool,
    keep_original: bool,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let target = match options.optional_path("target_field")? {
        Some(target) => target,
        None => FieldPath::parse("url").map_err(|error| options.refuse("target_field", error))?,
    };
    let remove_if_successful = options.flag("remove_if_successful", false)?;
    let keep_original = options.flag("keep_original", true)?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(UriParts { field, target, remove_if_successful, keep_original, ignore_missing }))
}

impl Processor for UriParts {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let text = match document.field_text(&self.field)? {
            Some(text) => text.to_owned(),
            None if self.ignore_missing => return Ok(Flow::Next),
            None => {
                return Err(Reason::Text(
                    "Cannot invoke \"String.length()\" because \"this.input\" is null".to_owned(),
                ));
            }
        };
        let uri = Uri::parse(&text).ok_or_else(|| Reason::Text(format!("unable to parse URI [{text}]")))?;
        let mut parts = parts(&uri);
        if self.keep_original {
            parts.insert("original", text);
        }
        if self.remove_if_successful && self.target != self.field {
            document.remove_field(&self.field)?;
        }
        document.set_field(&self.target, Value::Map(parts))?;
        Ok(Flow::Next)
    }
}

fn parts(uri: &Uri) -> Map {
    let mut parts = Map::new();
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::from);
    // These two are there in any case.
    parts.insert("scheme", text(&uri.scheme));
    parts.insert("domain", text(&uri.host));
    if let Some(port) = uri.port {
        parts.insert("port", Value::Integer(port.into()));
    }
    if let Some(path) = &uri.path {
        parts.insert("path", path.as_str());
        let last = path.rfind('/').map(|slash| &path[slash..]);
        if let Some((_, extension)) = last.and_then(|last| last.rsplit_once('.')) {
            parts.insert("extension", extension);
        }
    }
    for (name, value) in [("query", &uri.query), ("fragment", &uri.fragment)] {
        if let Some(value) = value {
            parts.insert(name, value.as_str());
        }
    }
    if let Some(user) = &uri.user_info {
        parts.insert("user_info", user.as_str());
        if let Some((name, password)) = user.split_once(':') {
            parts.insert("username", name);
            parts.insert("password", password);
        }
    }
    parts
}
