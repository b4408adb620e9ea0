//! A row of processors. Those that ask one field for their values lie in a table, so that a long row of conditions
//! costs one look-up and not one evaluation each.

use std::ops::Range;

use super::load_error::Refusal;
use super::loader::Loader;
use super::run::Run;
use super::source::{Kind, Node};
use super::step::Step;
use super::{Failure, ProcessorCount};
use crate::condition::{Found, Table};
use crate::document::{Document, Value};
use crate::processor::{Flow, Reason};

/// Shorter rows of conditions on one field are asked one after the other.
const ROW_MIN: usize = 3;
/// How deep processors may lie in `on_failure` or `foreach`: more is a generated file gone wrong, and each level is a
/// stack frame.
const DEPTH_MAX: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Steps {
    steps: Vec<Step>,
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Each(Range<usize>),
    Row(Range<usize>, Box<Table>),
}

impl Steps {
    /// Reads a list of processors.
    pub fn parse(node: &Node, owner: &str, depth: usize, loader: &Loader<'_>) -> Result<Steps, Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::new(node.line, format!("{owner} is nested deeper than {DEPTH_MAX}")));
        }
        let Kind::List(nodes) = &node.kind else {
            let reason = format!("{owner} must be a list of processors; got {}", node.type_name());
            return Err(Refusal::new(node.line, reason));
        };
        let mut steps = Vec::with_capacity(nodes.len());
        for node in nodes {
            // Elasticsearch takes several in one object, in their order.
            match &node.kind {
                Kind::Map(entries) if entries.len() > 1 => {
                    for entry in entries {
                        let one = Node { line: entry.0.line, kind: Kind::Map(vec![entry.clone()]) };
                        steps.push(Step::parse(&one, depth, loader)?);
                    }
                }
                _ => steps.push(Step::parse(node, depth, loader)?),
            }
        }
        let parts = parts(&steps);
        Ok(Steps { steps, parts })
    }

    /// Reads an `on_failure`, which Elasticsearch refuses when it is empty.
    pub fn parse_handlers(node: &Node, owner: &str, depth: usize, loader: &Loader<'_>) -> Result<Steps, Refusal> {
        if depth > DEPTH_MAX {
            return Err(Refusal::new(node.line, format!("\"on_failure\" is nested deeper than {DEPTH_MAX}")));
        }
        let steps = Steps::parse(node, &format!("option \"on_failure\" of {owner}"), depth, loader)?;
        if steps.is_empty() {
            return Err(Refusal::new(node.line, format!("option \"on_failure\" of {owner} is an empty list")));
        }
        Ok(steps)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }

    /// Whether conditions lie in a table.
    pub fn has_tables(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Row(..)))
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Runs the processors one after the other until one ends the run or fails.
    pub fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Failure> {
        for part in &self.parts {
            let flow = match part {
                // A trace shows the skipped ones too.
                Part::Row(range, table) if run.trace.is_none() => self.run_row(range, table, document, run)?,
                Part::Each(range) | Part::Row(range, _) => self.run_each(range, document, run)?,
            };
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn run_each(&self, range: &Range<usize>, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Failure> {
        for step in &self.steps[range.clone()] {
            let flow = run_one(step, document, run)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn run_row(
        &self,
        range: &Range<usize>,
        table: &Table,
        document: &mut Document,
        run: &mut Run<'_>,
    ) -> Result<Flow, Failure> {
        let mut next = range.start;
        while next < range.end {
            // Looked up again behind each processor that ran, since it may have changed the field.
            let place = match table.look_up(document, &mut run.work) {
                Found::Any => next,
                Found::Only(places) => {
                    let behind = places.partition_point(|place| range.start + (*place as usize) < next);
                    match places.get(behind) {
                        Some(place) => range.start + *place as usize,
                        None => break,
                    }
                }
            };
            let flow = run_one(&self.steps[place], document, run)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
            next = place + 1;
        }
        Ok(Flow::Next)
    }

    /// Runs these processors as handlers while `_ingest.on_failure_*` tells them what failed.
    pub fn handle(&self, failure: Failure, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Failure> {
        const KEYS: [&str; 4] =
            ["on_failure_message", "on_failure_processor_type", "on_failure_processor_tag", "on_failure_pipeline"];
        let tag = failure.processor_tag.as_deref().map_or(Value::Null, Value::from);
        let ingest = document.ingest_mut();
        ingest.insert(KEYS[0], failure.message);
        ingest.insert(KEYS[1], failure.processor_type);
        ingest.insert(KEYS[2], tag);
        if let Some(pipeline) = failure.pipeline {
            ingest.insert(KEYS[3], &*pipeline);
        }
        let result = run.inside_handlers(|run| self.run(document, run));
        for key in KEYS {
            document.ingest_mut().remove(key);
        }
        result
    }

    pub fn count(&self, pipeline: &str, counts: &mut Vec<ProcessorCount>) {
        for step in &self.steps {
            step.count(pipeline, counts);
        }
    }
}

fn run_one(step: &Step, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Failure> {
    step.run(document, run).map_err(|reason| match reason {
        Reason::Within(failure) => *failure,
        Reason::Text(message) => Failure {
            message,
            processor_type: step.outer_kind(),
            processor_tag: step.tag().cloned(),
            pipeline: run.called_pipeline(),
        },
    })
}

/// Cuts a list where rows of conditions on one field begin and end.
fn parts(steps: &[Step]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = 0;
    let mut start = 0;
    while start < steps.len() {
        let mut end = start + 1;
        if let Some(first) = steps[start].selector() {
            while steps.get(end).and_then(Step::selector).is_some_and(|next| next.is_on_same_field(first)) {
                end += 1;
            }
        }
        if end - start >= ROW_MIN
            && let Some(table) = Table::new(steps[start..end].iter().filter_map(Step::selector))
        {
            if plain < start {
                parts.push(Part::Each(plain..start));
            }
            parts.push(Part::Row(start..end, Box::new(table)));
            plain = end;
        }
        start = end;
    }
    if plain < steps.len() {
        parts.push(Part::Each(plain..steps.len()));
    }
    parts
}
