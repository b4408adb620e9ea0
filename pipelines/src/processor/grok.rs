//! `grok`: takes fields out of a text by patterns.

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldPath, Value};
use crate::grok::{Compatibility, Definitions, Grok as Patterns, GrokError, SyntaxError, ValueKind};
use crate::pipeline::{Context, Options, Refusal};

/// Where `trace_match` says which pattern it was.
const MATCH_INDEX: &str = "_ingest._grok_match_index";

#[derive(Debug)]
struct Grok {
    field: FieldPath,
    patterns: Patterns,
    ignore_missing: bool,
    trace_match: Option<FieldPath>,
}

pub(super) fn parse(options: &mut Options<'_>) -> Result<Box<dyn Processor>, Refusal> {
    let field = options.path("field")?;
    let patterns = options.texts("patterns")?;
    let own = options.text_map("pattern_definitions")?;
    let ignore_missing = options.flag("ignore_missing", false)?;
    let trace_match = match options.flag("trace_match", false)? {
        true => Some(FieldPath::parse(MATCH_INDEX).map_err(|error| options.refuse("trace_match", error))?),
        false => None,
    };
    let compatibility = match options.word("ecs_compatibility", &["disabled", "v1"], "disabled")?.as_str() {
        "v1" => Compatibility::EcsV1,
        _ => Compatibility::Disabled,
    };
    if patterns.is_empty() {
        return Err(options.refuse("patterns", "List of patterns must not be empty"));
    }
    let definitions = Definitions::new(own, compatibility);
    let patterns = Patterns::compile(&patterns, &definitions).map_err(|error| {
        let refusal = options.refuse("patterns", &error);
        match error {
            GrokError::Syntax { error: SyntaxError::UnknownPattern { like: Some(like), .. }, .. } => {
                refusal.with_hint(format!("did you mean {like:?}?"))
            }
            _ => refusal,
        }
    })?;
    Ok(Box::new(Grok { field, patterns, ignore_missing, trace_match }))
}

impl Processor for Grok {
    fn run(&self, document: &mut Document, _: &Context) -> Result<Flow, Reason> {
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let Some(text) = document.field_text(&self.field)? else {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Reason(format!("field [{}] is null, cannot process it.", self.field.as_str())));
        };
        let found = self.patterns.find(text).map_err(|error| Reason(error.to_string()))?;
        let Some(found) = found else {
            return Err(Reason(format!("Provided Grok expressions do not match field value: [{text}]")));
        };
        let index = found.pattern();
        let fields = found
            .fields()
            .map(|(name, kind, text)| Ok((name, value(kind, text)?)))
            .collect::<Result<Vec<_>, Reason>>()?;
        for (name, value) in fields {
            document.set(name, value)?;
        }
        if let Some(path) = &self.trace_match {
            document.set_field(path, Value::from(index.to_string()))?;
        }
        Ok(Flow::Next)
    }
}

fn value(kind: ValueKind, text: &str) -> Result<Value, Reason> {
    let not_a_number = || Reason(format!("For input string: \"{text}\""));
    Ok(match kind {
        ValueKind::String => Value::from(text),
        ValueKind::Integer => Value::Integer(i64::from(text.parse::<i32>().map_err(|_| not_a_number())?)),
        ValueKind::Long => Value::Long(text.parse().map_err(|_| not_a_number())?),
        ValueKind::Float => Value::Float(text.trim().parse().map_err(|_| not_a_number())?),
        ValueKind::Double => Value::Double(text.trim().parse().map_err(|_| not_a_number())?),
        ValueKind::Boolean => Value::Bool(text.eq_ignore_ascii_case("true")),
    })
}
