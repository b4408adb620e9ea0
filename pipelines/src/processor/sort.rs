//! `sort`: the values of a list in order.

use std::cmp::Ordering;

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::pipeline::{Options, Refusal, Run};

#[derive(Debug)]
struct Sort {
    field: FieldPath,
    target: FieldPath,
    descending: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let (field, target) = options.path_and_target()?;
    let descending = options.word("order", &["asc", "desc"], "asc")? == "desc";
    Ok(Box::new(Sort { field, target, descending }))
}

impl Processor for Sort {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        let mut values = super::list::list_of(document, &self.field, "cannot sort.")?.to_vec();
        // Java compares values of one class only.
        if let Some((one, other)) =
            values.iter().zip(values.iter().skip(1)).find(|(one, other)| compare(one, other).is_none())
        {
            let (one, other) = if self.descending { (other, one) } else { (one, other) };
            return Err(Reason::Text(mismatch(other, one)));
        }
        values.sort_by(|one, other| {
            let order = compare(one, other).unwrap_or(Ordering::Equal);
            if self.descending { order.reverse() } else { order }
        });
        document.set_field(&self.target, Value::List(values))?;
        Ok(Flow::Next)
    }
}

/// Java's `compareTo` between two values of one class.
fn compare(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.encode_utf16().cmp(other.encode_utf16())),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        (Value::Float(one), Value::Float(other)) => Some(one.total_cmp(other)),
        (Value::Double(one), Value::Double(other)) => Some(one.total_cmp(other)),
        (Value::Integer(left) | Value::Long(left), Value::Integer(right) | Value::Long(right))
            if one.java_class() == other.java_class() =>
        {
            Some(left.cmp(right))
        }
        _ => None,
    }
}

fn mismatch(one: &Value, other: &Value) -> String {
    match (one, other) {
        (Value::Null, _) | (_, Value::Null) => {
            "Cannot invoke \"java.lang.Comparable.compareTo(Object)\" because \"a[runHi]\" is null".to_owned()
        }
        (Value::Map(_) | Value::List(_), _) => format!(
            "class {0} cannot be cast to class java.lang.Comparable ({0} and java.lang.Comparable are in module java.base of loader 'bootstrap')",
            one.java_class()
        ),
        _ => {
            let (one, other) = (one.java_class(), other.java_class());
            format!(
                "class {other} cannot be cast to class {one} ({other} and {one} are in module java.base of loader 'bootstrap')"
            )
        }
    }
}
