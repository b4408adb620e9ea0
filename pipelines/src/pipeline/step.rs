//! One processor in a pipeline with what every processor has: tag, `ignore_failure` and `on_failure`.

use std::sync::Arc;

use super::load_error::Refusal;
use super::options::Options;
use super::source::{Kind, Node};
use super::{Context, Failure};
use crate::document::{Document, Value};
use crate::processor::{self, Flow, Processor};

/// How deep `on_failure` may lie in `on_failure`: more is a generated file gone wrong, and each level is a stack frame.
const HANDLER_DEPTH_MAX: usize = 32;

/// A processor and what surrounds it.
#[derive(Debug)]
pub(crate) struct Step {
    processor: Box<dyn Processor>,
    /// The processor's name in the file, such as `grok`.
    kind: &'static str,
    tag: Option<Arc<str>>,
    ignore_failure: bool,
    on_failure: Vec<Step>,
}

impl Step {
    /// Reads one entry of a list of processors.
    fn parse(node: &Node, depth: usize) -> Result<Step, Refusal> {
        let Kind::Map(entries) = &node.kind else {
            let reason = format!("a processor must be an object such as {{\"set\": {{..}}}}; got {}", node.type_name());
            return Err(Refusal::new(node.line, reason));
        };
        let [(key, node)] = &entries[..] else {
            let reason = format!("a processor must have exactly one name; got {}", entries.len());
            return Err(Refusal::new(node.line, reason));
        };
        let Some((kind, parse)) = processor::named(&key.name) else {
            return Err(Refusal::new(key.line, format!("unknown processor {:?}", key.name))
                .guessing(&key.name, processor::names()));
        };
        let mut options = Options::new(kind, key.line, node)?;
        let tag = options.optional_text("tag")?.map(Arc::from);
        options.optional_text("description")?;
        if let Some(condition) = options.node("if") {
            return Err(Refusal::new(
                condition.line,
                format!("option \"if\" of {kind}: conditions are not supported yet"),
            ));
        }
        let ignore_failure = options.flag("ignore_failure", false)?;
        let on_failure = match options.node("on_failure") {
            None => Vec::new(),
            Some(node) => parse_handlers(node, kind, depth + 1)?,
        };
        let processor = parse(&mut options)?;
        options.finish()?;
        Ok(Step { processor, kind, tag, ignore_failure, on_failure })
    }

    fn run(&self, document: &mut Document, context: &Context) -> Result<Flow, Failure> {
        let reason = match self.processor.run(document, context) {
            Ok(flow) => return Ok(flow),
            Err(reason) => reason,
        };
        // As in Elasticsearch, whose handlers do not run either when a failure is to be ignored.
        if self.ignore_failure {
            return Ok(Flow::Next);
        }
        let failure = Failure { message: reason.0, processor_type: self.kind, processor_tag: self.tag.clone() };
        if self.on_failure.is_empty() {
            return Err(failure);
        }
        handle(&self.on_failure, failure, document, context)
    }
}

/// Reads a list of processors.
pub(crate) fn parse_steps(node: &Node, owner: &str, depth: usize) -> Result<Vec<Step>, Refusal> {
    match &node.kind {
        Kind::List(nodes) => nodes.iter().map(|node| Step::parse(node, depth)).collect(),
        _ => Err(Refusal::new(node.line, format!("{owner} must be a list of processors; got {}", node.type_name()))),
    }
}

/// Reads an `on_failure`, which Elasticsearch refuses when it is empty.
pub(crate) fn parse_handlers(node: &Node, owner: &str, depth: usize) -> Result<Vec<Step>, Refusal> {
    if depth > HANDLER_DEPTH_MAX {
        return Err(Refusal::new(node.line, format!("\"on_failure\" is nested deeper than {HANDLER_DEPTH_MAX}")));
    }
    let steps = parse_steps(node, &format!("option \"on_failure\" of {owner}"), depth)?;
    if steps.is_empty() {
        return Err(Refusal::new(node.line, format!("option \"on_failure\" of {owner} is an empty list")));
    }
    Ok(steps)
}

/// Runs processors one after the other until one drops the document or fails.
pub(crate) fn run(steps: &[Step], document: &mut Document, context: &Context) -> Result<Flow, Failure> {
    for step in steps {
        if let Flow::Drop = step.run(document, context)? {
            return Ok(Flow::Drop);
        }
    }
    Ok(Flow::Next)
}

/// Runs handlers while `_ingest.on_failure_*` tells them what failed.
pub(crate) fn handle(
    steps: &[Step],
    failure: Failure,
    document: &mut Document,
    context: &Context,
) -> Result<Flow, Failure> {
    const KEYS: [&str; 3] = ["on_failure_message", "on_failure_processor_type", "on_failure_processor_tag"];
    let tag = failure.processor_tag.as_deref().map_or(Value::Null, Value::from);
    let ingest = document.ingest_mut();
    ingest.insert(KEYS[0], failure.message);
    ingest.insert(KEYS[1], failure.processor_type);
    ingest.insert(KEYS[2], tag);
    let result = run(steps, document, context);
    for key in KEYS {
        document.ingest_mut().remove(key);
    }
    result
}
