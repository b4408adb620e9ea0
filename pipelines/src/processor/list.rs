//! What the processors share that read lists or add to them.

use super::Reason;
use crate::document::{Document, FieldPath, Value};

/// The values of a list; `purpose` ends the message for null.
pub(super) fn list_of<'d>(document: &'d Document, field: &FieldPath, purpose: &str) -> Result<&'d [Value], Reason> {
    let name = field.as_str();
    match document.field(field)? {
        Value::List(values) => Ok(values),
        Value::Null => Err(Reason::Text(format!("field [{name}] is null, {purpose}"))),
        other => {
            let class = other.java_class();
            Err(Reason::Text(format!("field [{name}] of type [{class}] cannot be cast to [java.util.List]")))
        }
    }
}

/// Adds a value to a list; what is there and no list becomes the first element of one.
pub(super) fn append_value(document: &mut Document, path: &FieldPath, value: Value) -> Result<(), Reason> {
    let there = if document.has_field(path) { document.remove_field(path)? } else { Value::List(Vec::new()) };
    let mut list = match there {
        Value::List(list) => list,
        Value::Null => Vec::new(),
        scalar => vec![scalar],
    };
    match value {
        Value::List(values) => list.extend(values),
        value => list.push(value),
    }
    Ok(document.set_field(path, Value::List(list))?)
}

/// Sets a field, or adds to what is there.
pub(super) fn add_value(document: &mut Document, name: &str, value: Value) -> Result<(), Reason> {
    let value = match document.put_new(name, value) {
        Ok(()) => return Ok(()),
        Err(value) => value,
    };
    let path = FieldPath::parse(name)?;
    match document.has_field(&path) {
        true => append_value(document, &path, value),
        false => Ok(document.set_field(&path, value)?),
    }
}
