//! `sluice pipeline explain FILE 'line'`: what each processor does with a line.

use super::changes::changes;
use crate::command::paint::{Paint, safe};
use jiff::Timestamp;
use pipelines::document::{Document, Origin};
use pipelines::pipeline::{Context, Detail, Outcome, Pipeline, Place, Status, Stop, Trace, TracedStep};
use serde_json::Value;
use std::fmt::Write as _;

/// Characters of a text that are shown before the place where a pattern stopped, and behind it.
const AROUND: usize = 60;

/// What a line becomes, step by step, for people; and whether its pipeline failed.
pub fn explain(pipeline: &Pipeline, line: &str, now: Timestamp, paint: Paint) -> (String, bool) {
    let origin = Origin { timestamp_ms: now.as_millisecond(), ..Origin::default() };
    let mut document = Document::from_line(line.as_bytes(), &origin);
    let start = json(&document);
    let (outcome, trace) =
        pipeline.run_traced(&mut document, &Context::at(origin.timestamp_ms, now), Detail::Everything);
    let mut out = String::new();
    write_steps(&mut out, pipeline, &trace, &start, paint);
    if trace.is_cut {
        let _ = writeln!(out, "{}", paint.changed("… and more, which is not shown"));
    }
    match &outcome {
        Outcome::Done => {
            let document = serde_json::to_string_pretty(&json(&document)).unwrap_or_default();
            // What JSON writes has no control characters but these newlines.
            let _ = writeln!(out, "{}\n{document}", paint.strong("document"));
        }
        Outcome::Dropped => {
            let _ = writeln!(out, "{}", paint.changed("dropped: there is no document"));
        }
        Outcome::Failed(failure) => {
            let _ = writeln!(out, "{}", paint.bad(format!("failed: {}", safe(&failure.to_string()))));
        }
    }
    (out, matches!(outcome, Outcome::Failed(_)))
}

/// Deeper than this JSON is not read back; such a document is shown as nothing.
fn json(document: &Document) -> Value {
    let mut bytes = Vec::new();
    document.write_json(&mut bytes);
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn write_steps(out: &mut String, pipeline: &Pipeline, trace: &Trace, start: &Value, paint: Paint) {
    // The steps stand in the order in which they began, and a document is that of a step's end: what lies inside of a step
    // has changed it before.
    let mut before = start.clone();
    for (number, step) in trace.steps.iter().enumerate() {
        let indent = "  ".repeat(step.depth);
        let _ = writeln!(out, "{indent}{}", head(pipeline, step, paint));
        let inner = format!("{indent}    ");
        if let Some((condition, held)) = &step.condition {
            let result = match held {
                Some(true) => paint.good("holds"),
                Some(false) => paint.faint("does not hold"),
                None => paint.bad("fails"),
            };
            let _ = writeln!(out, "{inner}if {}: {result}", safe(condition));
        }
        let has_inner =
            trace.steps.get(number + 1).is_some_and(|next| next.depth > step.depth && next.place != Place::OnFailure);
        if let (Some(document), false) = (&step.document, has_inner) {
            let after = json(document);
            changes(&before, &after).iter().for_each(|change| change.write(out, &inner, paint));
            before = after;
        }
        match &step.status {
            Status::Failed(message) => {
                let _ = writeln!(out, "{inner}{}", paint.bad(format!("failed: {}", safe(message))));
            }
            Status::FailureIgnored(message) => {
                let _ =
                    writeln!(out, "{inner}{}", paint.changed(format!("failed, which is ignored: {}", safe(message))));
            }
            Status::Dropped => {
                let _ = writeln!(out, "{inner}{}", paint.changed("drops the document"));
            }
            Status::Success | Status::Skipped => {}
        }
        if let Some(stop) = &step.stop {
            write_stop(out, stop, &inner, paint);
        }
        // What a loop has changed is there when it is over.
        let ends_here =
            |place: usize| trace.steps.get(number + 1).is_none_or(|next| next.depth <= trace.steps[place].depth);
        let mut place = number;
        while let Some(around) = enclosing(trace, place) {
            if !ends_here(around) {
                break;
            }
            if let Some(document) = &trace.steps[around].document {
                let after = json(document);
                let indent = "  ".repeat(trace.steps[around].depth);
                let changes = changes(&before, &after);
                if !changes.is_empty() {
                    let _ = writeln!(
                        out,
                        "{indent}  {}",
                        paint.faint(format!("after {}", trace.steps[around].processor_type))
                    );
                }
                changes.iter().for_each(|change| change.write(out, &format!("{indent}    "), paint));
                before = after;
            }
            place = around;
        }
    }
}

/// The step that a step is inside of, unless it handles that one's failure.
fn enclosing(trace: &Trace, number: usize) -> Option<usize> {
    let step = &trace.steps[number];
    let place = trace.steps[..number].iter().rposition(|one| one.depth < step.depth)?;
    (step.place != Place::OnFailure).then_some(place)
}

fn head(pipeline: &Pipeline, step: &TracedStep, paint: Paint) -> String {
    let mut text = match step.place {
        Place::OnFailure => paint.changed("on_failure ").to_string(),
        Place::Processors | Place::Loop => String::new(),
    };
    let name = match step.status {
        Status::Skipped => paint.faint(step.processor_type),
        Status::Failed(_) => paint.bad(step.processor_type),
        Status::FailureIgnored(_) | Status::Dropped => paint.changed(step.processor_type),
        Status::Success => paint.strong(step.processor_type),
    };
    let _ = write!(text, "{name}");
    if let Some(tag) = &step.tag {
        let _ = write!(text, " [{}]", safe(tag));
    }
    let place = match *step.pipeline == *pipeline.id() {
        true => format!("line {}", step.line),
        false => format!("{} line {}", safe(&step.pipeline), step.line),
    };
    let _ = write!(text, " {}", paint.faint(place));
    if let Some(description) = &step.description {
        let _ = write!(text, " {}", paint.faint(safe(description)));
    }
    if step.status == Status::Skipped {
        let _ = write!(text, " {}", paint.faint("skipped"));
    }
    text
}

/// The longest part of a text that patterns matched, and what was expected behind it.
fn write_stop(out: &mut String, stop: &Stop, indent: &str, paint: Paint) {
    let Stop { field, text, matched_bytes, expected } = stop;
    let (matched, rest) = text.split_at_checked(*matched_bytes).unwrap_or((text, ""));
    let from = matched.char_indices().rev().nth(AROUND - 1).map_or(0, |(place, _)| place);
    let cut = if from > 0 { "…" } else { "" };
    let behind: String = rest.chars().take(AROUND).collect();
    let more = if behind.len() < rest.len() { "…" } else { "" };
    let (shown_matched, behind) = (safe(&matched[from..]), safe(&behind));
    let _ = writeln!(out, "{indent}{}: {cut}{}{}{more}", safe(field), paint.good(&shown_matched), paint.bad(&behind));
    // Under the first character that did not match.
    let width = unicode_width::UnicodeWidthStr::width(format!("{}: {cut}{shown_matched}", safe(field)).as_str());
    let _ = writeln!(
        out,
        "{indent}{}{} {} of {} bytes match; here {} is expected",
        " ".repeat(width),
        paint.bad("^"),
        matched_bytes,
        text.len(),
        // A literal has its quotes already.
        safe(expected)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPELINE: &str = r#"
processors:
  - set: {field: list, value: [a, b], tag: first}
  - foreach: {field: list, processor: {uppercase: {field: _ingest._value}}}
  - set: {if: ctx.list == null, field: never, value: 1}
  - grok:
      field: message
      patterns: ['^%{WORD:verb} %{INT:n:int} ms$', '^%{INT:n} none']
      on_failure:
        - set: {field: why, value: no match}
  - remove: {field: nope, ignore_failure: true}
  - drop: {if: ctx.message == 'gone'}
"#;

    fn check(line: &str, expect: &[&str]) -> bool {
        let pipeline = Pipeline::parse("p.yml", PIPELINE).expect("a pipeline");
        let (text, failed) = explain(&pipeline, line, "2026-03-01T00:30:00Z".parse().expect("a time"), Paint::PLAIN);
        let mut rest = text.as_str();
        for part in expect {
            let Some(place) = rest.find(part) else { panic!("{part:?} does not follow in\n{text}") };
            rest = &rest[place + part.len()..];
        }
        failed
    }

    #[test]
    fn each_processor_shows_what_it_changed() {
        let failed = check(
            "GET 12 ms",
            &[
                "set [first] line 3\n    + list: [\"a\",\"b\"]\n",
                "foreach line 4\n  uppercase line 4\n  uppercase line 4\n",
                "  after foreach\n    - list.0: \"a\"\n    + list.0: \"A\"\n",
                "set line 5 skipped\n    if ctx.list == null: does not hold\n",
                "grok line 6\n    + verb: \"GET\"\n    + n: 12\n",
                "remove line 11\n    failed, which is ignored: field [nope]",
                "document\n{",
            ],
        );
        assert!(!failed);
    }

    #[test]
    fn a_failed_grok_shows_where_it_stopped() {
        check(
            "GET 12 s",
            &[
                "grok line 6\n    failed: Provided Grok expressions do not match field value: [GET 12 s]\n",
                "    message: GET 12 s\n    ",
                "^ 7 of 8 bytes match; here \" ms\" is expected\n",
                "  on_failure set line 10\n      + why: \"no match\"\n",
            ],
        );
        check(
            "gone",
            &[
                "drop line 12\n    if ctx.message == 'gone': holds\n    drops the document\n",
                "dropped: there is no document",
            ],
        );
    }
}
