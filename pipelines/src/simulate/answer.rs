//! What became of one document.

use super::problem::Problem;
use crate::document::{Document, Map, Value};
use crate::pipeline::{Context, Failure, Status, Trace, TracedStep};

/// Metadata in the order in which Elasticsearch writes it.
const METADATA: [&str; 5] = ["_index", "_id", "_routing", "_version", "_version_type"];

/// `{"doc": {..}}`.
pub(super) fn document(document: &Document, context: &Context) -> Value {
    let mut inner = Map::new();
    for name in METADATA {
        match document.get(name) {
            None | Some(Value::Null) => {}
            Some(value) => drop(inner.insert(name, value.to_java_string())),
        }
    }
    inner.insert("_source", document.source().clone());
    let mut ingest = document.ingest().clone();
    ingest.insert("timestamp", context.now.to_string());
    inner.insert("_ingest", ingest);
    let mut answer = Map::new();
    answer.insert("doc", inner);
    answer.into()
}

/// `{"error": {..}}` of a pipeline that failed; the trace of the same run says what it was that failed.
pub(super) fn failure(failure: &Failure, trace: &Trace) -> Value {
    let mut steps = trace.steps.iter().enumerate().rev();
    let failed = steps.find(|(number, step)| matches!(step.status, Status::Failed(_)) && !has_inner(trace, *number));
    let problem = match failed.map(|(_, step)| step) {
        Some(TracedStep { condition: Some((condition, None)), .. }) => condition_problem(condition, &failure.message),
        Some(step) => problem(step.failing.unwrap_or(step.processor_type), &failure.message),
        None => problem(failure.processor_type, &failure.message),
    };
    let mut answer = Map::new();
    answer.insert("error", problem.error());
    answer.into()
}

/// Whether processors of a called pipeline, or handlers, stand behind a pipeline's step.
fn has_inner(trace: &Trace, number: usize) -> bool {
    let step = &trace.steps[number];
    step.processor_type == "pipeline" && trace.steps.get(number + 1).is_some_and(|next| next.depth > step.depth)
}

fn condition_problem(condition: &str, message: &str) -> Problem {
    let kind = match message.starts_with("Cannot invoke ") {
        true => "null_pointer_exception",
        false => "illegal_argument_exception",
    };
    let mut cause = Map::new();
    cause.insert("type", kind);
    cause.insert("reason", message);
    Problem::new("script_exception", "runtime error")
        .with("script", condition)
        .with("lang", "painless")
        .with("caused_by", cause)
}

fn problem(processor_type: &str, message: &str) -> Problem {
    let kind = match processor_type {
        "fail" => "fail_processor_exception",
        "pipeline" => "illegal_state_exception",
        _ => "illegal_argument_exception",
    };
    Problem::new(kind, message)
}

/// `{"processor_results": [..]}`. What ends the whole request in Elasticsearch is an error: a condition that fails, and a
/// pipeline that is not there.
pub(super) fn steps(trace: &Trace, context: &Context) -> Result<Value, Problem> {
    let mut results = Vec::with_capacity(trace.steps.len());
    for (number, step) in trace.steps.iter().enumerate() {
        results.push(result(step, has_inner(trace, number), context)?);
    }
    let mut answer = Map::new();
    answer.insert("processor_results", Value::List(results));
    Ok(answer.into())
}

fn result(step: &TracedStep, has_inner: bool, context: &Context) -> Result<Value, Problem> {
    let is_pipeline = step.processor_type == "pipeline";
    if let (Some((condition, None)), Status::Failed(message)) = (&step.condition, &step.status) {
        return Err(condition_problem(condition, message));
    }
    if let (true, false, Status::Failed(message) | Status::FailureIgnored(message)) =
        (is_pipeline, has_inner, &step.status)
    {
        return Err(Problem::illegal(message));
    }
    let mut result = Map::new();
    result.insert("processor_type", step.processor_type);
    let status = match &step.status {
        Status::Skipped => "skipped",
        // Its processors stand behind it, with what became of them.
        _ if is_pipeline => "success",
        Status::Success => "success",
        Status::Dropped => "dropped",
        Status::Failed(_) => "error",
        Status::FailureIgnored(_) => "error_ignored",
    };
    result.insert("status", status);
    if let Some(description) = &step.description {
        result.insert("description", &**description);
    }
    if let Some(tag) = &step.tag {
        result.insert("tag", &**tag);
    }
    if let Some((condition, Some(held))) = &step.condition {
        let mut asked = Map::new();
        asked.insert("condition", &**condition);
        asked.insert("result", *held);
        result.insert("if", asked);
    }
    if is_pipeline {
        return Ok(result.into());
    }
    let failing = step.failing.unwrap_or(step.processor_type);
    match &step.status {
        Status::Failed(message) => drop(result.insert("error", problem(failing, message).error())),
        Status::FailureIgnored(message) => {
            let mut ignored = Map::new();
            ignored.insert("error", problem(failing, message).error());
            result.insert("ignored_error", ignored);
        }
        Status::Success | Status::Skipped | Status::Dropped => {}
    }
    if let (Some(behind), Status::Success | Status::FailureIgnored(_)) = (&step.document, &step.status) {
        let Value::Map(wrapped) = document(behind, context) else { return Ok(result.into()) };
        for (name, value) in wrapped {
            result.insert(name, value);
        }
    }
    Ok(result.into())
}
