//! `foreach`: runs a processor for each value of a list or a map.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Map, Value};
use crate::pipeline::{Options, Refusal, Run, Step};

#[derive(Debug)]
struct Foreach {
    field: FieldPath,
    step: Step,
    ignore_missing: bool,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    /// Each level is some stack frames.
    const DEPTH_MAX: usize = 32;
    let field = options.path("field")?;
    let Some(node) = options.node("processor") else {
        return Err(Refusal::new(options.line, "required option \"processor\" of foreach is missing"));
    };
    if options.depth >= DEPTH_MAX {
        return Err(options.refuse("processor", format!("nested deeper than {DEPTH_MAX}")));
    }
    let step = Step::parse(node, options.depth + 1, options.loader)?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Foreach { field, step, ignore_missing }))
}

impl Processor for Foreach {
    fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let name = self.field.as_str();
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        match document.field(&self.field)?.clone() {
            Value::Null if self.ignore_missing => Ok(Flow::Next),
            Value::Null => Err(Reason::Text(format!("field [{name}] is null, cannot loop over its elements."))),
            Value::List(values) => self.run_list(values, document, run),
            Value::Map(map) => self.run_map(map, document, run),
            other => {
                let class = other.java_class();
                Err(Reason::Text(format!("field [{name}] of type [{class}] cannot be cast to [java.util.List]")))
            }
        }
    }
}

impl Foreach {
    fn run_list(&self, values: Vec<Value>, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let mut new = Vec::with_capacity(values.len());
        for value in values {
            let before = run.set_ingest(document, "_value", value).unwrap_or(Value::Null);
            let flow = self.step.run(document, run);
            // What stood there for a loop around this one comes back.
            let after = run.set_ingest(document, "_value", before).unwrap_or(Value::Null);
            new.push(after);
            match flow {
                Ok(Flow::Next) => {}
                Ok(flow) => return Ok(flow),
                Err(reason) => {
                    self.keep_changes(new, document)?;
                    return Err(reason);
                }
            }
        }
        document.set_field(&self.field, Value::List(new))?;
        Ok(Flow::Next)
    }

    /// After a failure the list stays, but maps and lists in it have been changed in their place.
    fn keep_changes(&self, changed: Vec<Value>, document: &mut Document) -> Result<(), Reason> {
        let Ok(Value::List(there)) = document.field(&self.field) else { return Ok(()) };
        let mut list = there.clone();
        for (place, value) in list.iter_mut().zip(changed) {
            if matches!(value, Value::Map(_) | Value::List(_)) {
                *place = value;
            }
        }
        Ok(document.set_field(&self.field, Value::List(list))?)
    }

    fn run_map(&self, map: Map, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let mut new = Map::new();
        for (key, value) in map {
            let value_before = run.set_ingest(document, "_value", value).unwrap_or(Value::Null);
            let key_before = run.set_ingest(document, "_key", Value::from(&*key)).unwrap_or(Value::Null);
            let flow = self.step.run(document, run);
            let key = run.set_ingest(document, "_key", key_before).unwrap_or(Value::Null);
            let value = run.set_ingest(document, "_value", value_before).unwrap_or(Value::Null);
            match flow? {
                Flow::Next => {
                    // A key that became blank takes its value out.
                    if let Some(key) = key.as_str().filter(|key| !key.trim().is_empty()) {
                        new.insert(key, value);
                    }
                }
                flow => return Ok(flow),
            }
        }
        document.set_field(&self.field, Value::Map(new))?;
        Ok(Flow::Next)
    }
}
