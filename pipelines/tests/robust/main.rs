//! Whatever stands in a line or in a pipeline: nothing panics, nothing hangs, nothing grows without bound.
//!
//! `SEED=…` repeats a random run, `FUZZ_MS=…` sets how long each target runs.

mod explosive;
mod fuzz;
mod long;
mod nested;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use pipelines::document::Document;
use pipelines::pipeline::{Context, Outcome, Pipeline};
use serde_json::{Value, json};

/// One document may take as long: ten times what the slowest needs in a debug build on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn context() -> Context {
    Context::at(i64::MIN, "2026-03-01T00:30:00Z".parse().unwrap())
}

/// A pipeline of one processor; none when it is refused, which is an answer too.
fn of_one(processor: &Value) -> Option<Pipeline> {
    let text = json!({"processors": [processor]}).to_string();
    watched(&format!("load {}", shown(&text)), || Pipeline::parse("p.json", &text).ok())
}

/// Runs a pipeline over a message; the document that comes out is JSON whatever happened.
fn run(pipeline: &Pipeline, message: &str, what: &str) -> Outcome {
    watched(&format!("{what} on {}", shown(message)), || {
        let mut document = Document::new();
        document.set("message", message).unwrap();
        let outcome = pipeline.run(&mut document, &context());
        let mut out = Vec::new();
        document.write_json(&mut out);
        serde_json::from_slice::<serde::de::IgnoredAny>(&out).expect("a document is JSON");
        outcome
    })
}

/// Says what was done when it panics or takes too long.
fn watched<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(work));
    let took = start.elapsed();
    assert!(took < DEADLINE, "took {took:?}: {what}");
    done.unwrap_or_else(|_| panic!("panicked: {what}"))
}

/// The beginning of a text, and how long it is.
fn shown(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{:?}… ({} bytes)", &text[..end], text.len()),
        None => format!("{text:?}"),
    }
}
