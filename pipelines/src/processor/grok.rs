//! `grok`: takes fields out of a text by patterns.

use smallvec::SmallVec;

use super::{Flow, Processor, Reason};
use crate::document::{Document, FieldError, FieldPath, Value};
use crate::grok::{Compatibility, Definitions, Grok as Patterns, GrokError, SyntaxError};
use crate::pipeline::{Options, Refusal, Run};

/// Where `trace_match` says which pattern it was.
const MATCH_INDEX: &str = "_ingest._grok_match_index";

/// Values of a match that need no memory of their own.
const FIELDS_IN_PLACE: usize = 16;

#[derive(Debug)]
struct Grok {
    field: FieldPath,
    patterns: Patterns,
    /// Where each of the patterns' fields goes.
    targets: Vec<Result<FieldPath, FieldError>>,
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
    let targets = patterns.fields().iter().map(|field| FieldPath::parse(&field.name)).collect();
    Ok(Box::new(Grok { field, patterns, targets, ignore_missing, trace_match }))
}

impl Processor for Grok {
    fn run(&self, document: &mut Document, _: &mut Run<'_>) -> Result<Flow, Reason> {
        if self.ignore_missing && !document.has_field(&self.field) {
            return Ok(Flow::Next);
        }
        let Some(text) = document.field_text(&self.field)? else {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Reason::Text(format!("field [{}] is null, cannot process it.", self.field.as_str())));
        };
        let found = self.patterns.find(text).map_err(|error| Reason::Text(error.to_string()))?;
        let Some(found) = found else {
            return Err(Reason::Text(format!("Provided Grok expressions do not match field value: [{text}]")));
        };
        let index = self.trace_match.is_some().then(|| found.pattern());
        // All values are made before the first is set, so that one that cannot be made changes nothing.
        let mut values: SmallVec<[(usize, Value); FIELDS_IN_PLACE]> = SmallVec::new();
        for (field, value) in found.values() {
            values.push((field, value?));
        }
        for (field, value) in values {
            let target = self.targets[field].as_ref().map_err(FieldError::clone)?;
            document.set_field(target, value)?;
        }
        if let (Some(path), Some(index)) = (&self.trace_match, index) {
            document.set_field(path, Value::from(index.to_string()))?;
        }
        Ok(Flow::Next)
    }
}
