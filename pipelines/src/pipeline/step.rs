//! One processor in a pipeline with what every processor has: `if`, tag, description, `ignore_failure`, `on_failure`.

use std::sync::Arc;

use super::Failure;
use super::counters::{Counters, ProcessorCount};
use super::load_error::Refusal;
use super::loader::Loader;
use super::options::Options;
use super::run::Run;
use super::source::{Kind, Node};
use super::steps::Steps;
use super::trace::{Place, Status, TracedStep};
use crate::condition::{Condition, Selector};
use crate::document::{Document, Map, Value};
use crate::processor::{self, Flow, Processor, Reason};
use crate::slots::{self, Fields, PlanRun, Planned, Planner};

/// The processor whose inner one runs any number of times.
const LOOP: &str = "foreach";

/// A processor and what surrounds it.
#[derive(Debug)]
pub(crate) struct Step {
    processor: Box<dyn Processor>,
    /// The processor's name in the file, such as `grok`.
    kind: &'static str,
    line: u64,
    tag: Option<Arc<str>>,
    description: Option<Arc<str>>,
    condition: Option<(Condition, Arc<str>)>,
    ignore_failure: bool,
    on_failure: Steps,
    counters: Counters,
}

impl Step {
    /// Reads one entry of a list of processors.
    pub fn parse(node: &Node, depth: usize, loader: &Loader<'_>) -> Result<Step, Refusal> {
        let Kind::Map(entries) = &node.kind else {
            let reason = format!("a processor must be an object such as {{\"set\": {{..}}}}; got {}", node.type_name());
            return Err(Refusal::new(node.line, reason));
        };
        let [(key, node)] = &entries[..] else {
            let reason = format!("a processor must have exactly one name; got {}", entries.len());
            return Err(Refusal::new(node.line, reason));
        };
        if let Some(reason) = processor::why_absent(&key.name) {
            return Err(Refusal::new(key.line, format!("processor {:?} {reason}", key.name)));
        }
        let Some((kind, parse)) = processor::named(&key.name) else {
            return Err(Refusal::new(key.line, format!("unknown processor {:?}", key.name))
                .guessing(&key.name, processor::names()));
        };
        let mut options = Options::new(kind, key.line, node, depth, loader)?;
        let tag = options.optional_text("tag")?.map(Arc::from);
        let description = options.optional_text("description")?.map(Arc::from);
        let condition = condition(&mut options)?;
        let ignore_failure = options.flag("ignore_failure", false)?;
        let on_failure = match options.node("on_failure") {
            None => Steps::default(),
            Some(node) => Steps::parse_handlers(node, kind, depth + 1, loader)?,
        };
        let processor = parse(&mut options)?;
        let line = key.line;
        options.finish()?;
        let counters = Counters::default();
        Ok(Step { processor, kind, line, tag, description, condition, ignore_failure, on_failure, counters })
    }

    pub fn tag(&self) -> Option<&Arc<str>> {
        self.tag.as_ref()
    }

    /// What a failure without own handlers is reported as: with a condition Elasticsearch names the condition's wrapper.
    pub fn outer_kind(&self) -> &'static str {
        if self.condition.is_some() { "conditional" } else { self.kind }
    }

    pub fn selector(&self) -> Option<&Selector> {
        self.condition.as_ref().and_then(|(condition, _)| condition.selector())
    }

    /// Asks the condition and runs the processor. A failing condition is none of the processor's own failures: its
    /// `ignore_failure` and `on_failure` do not apply, as in Elasticsearch.
    pub fn run(&self, document: &mut Document, run: &mut Run<'_>) -> Result<Flow, Reason> {
        let place = self.begin(run);
        if let Some((condition, _)) = &self.condition {
            match condition.holds(document, &mut run.work) {
                Ok(true) => {}
                Ok(false) => {
                    self.end(place, run, Status::Skipped, Some(false), None);
                    return Ok(Flow::Next);
                }
                Err(message) => {
                    self.counters.failed(1);
                    self.end(place, run, Status::Failed(message.clone()), None, None);
                    return Err(Reason::Text(message));
                }
            }
        }
        self.counters.ran(1);
        let result = match run.trace {
            None => self.processor.run(document, run),
            Some(_) => run.inside(self.kind == LOOP, |run| self.processor.run(document, run)),
        };
        let reason = match result {
            Ok(flow) => {
                match flow {
                    Flow::Drop => self.end(place, run, Status::Dropped, Some(true), None),
                    _ => self.end(place, run, Status::Success, Some(true), Some(document)),
                }
                return Ok(flow);
            }
            Err(reason) => reason,
        };
        self.counters.failed(1);
        // As in Elasticsearch, whose handlers do not run either when a failure is to be ignored.
        if self.ignore_failure {
            let status = Status::FailureIgnored(reason.message().to_owned());
            self.end(place, run, status, Some(true), Some(document));
            self.name_failing(place, run, &reason);
            return Ok(Flow::Next);
        }
        self.end(place, run, Status::Failed(reason.message().to_owned()), Some(true), Some(document));
        self.name_failing(place, run, &reason);
        if self.on_failure.is_empty() {
            return Err(reason);
        }
        let failure = match reason {
            Reason::Within(failure) => *failure,
            Reason::Text(message) => Failure {
                message,
                processor_type: self.kind,
                processor_tag: self.tag.clone(),
                pipeline: run.called_pipeline(),
            },
        };
        self.on_failure.handle(failure, document, run).map_err(|failure| Reason::Within(Box::new(failure)))
    }

    /// What a plan needs to know of it; none when it needs a tree.
    pub fn plan(&self, planner: &mut Planner<'_>) -> Option<Planned> {
        let condition = self.condition.as_ref().map(|(condition, _)| condition);
        let before = condition.map(|_| planner.layout.clone());
        let planned = match self.processor.called() {
            Some(id) => planner.call(id, condition),
            None => self.processor.plan(&mut planner.layout).and_then(|places| Planner::planned(places, condition)),
        };
        planned.or_else(|| {
            let passed = Planner::passed(condition?)?;
            // It must not keep others from what it named itself.
            planner.layout = before?;
            Some(passed)
        })
    }

    /// As [`run`](Step::run), along a plan.
    pub fn run_planned<'p>(
        &'p self,
        planned: &Planned,
        fields: &mut Fields<'_, '_>,
        run: &mut PlanRun<'p, '_>,
    ) -> slots::Step {
        if let Some((condition, _)) = &self.condition {
            match run.holds(condition, planned, fields) {
                Some(true) => {}
                Some(false) => return slots::Step::Next,
                None => return slots::Step::Tree,
            }
        }
        if planned.needs_tree {
            return slots::Step::Tree;
        }
        let came = match run.call(planned, fields) {
            Some(came) => came,
            None => self.processor.run_planned(&planned.places, fields, run.context),
        };
        match came {
            slots::Step::Tree => return came,
            // Handlers are for a tree.
            slots::Step::Failed if !self.ignore_failure => return slots::Step::Tree,
            _ => run.note(self, came),
        }
        match came {
            slots::Step::Matched(_) | slots::Step::Failed => slots::Step::Next,
            came => came,
        }
    }

    /// Counts that it ran along a plan for so many lines, and what came of it.
    pub fn count_planned(&self, came: slots::Step, lines: u64) {
        self.counters.ran(lines);
        match came {
            slots::Step::Failed => self.counters.failed(lines),
            slots::Step::Matched(pattern) => self.processor.matched(pattern, lines),
            _ => {}
        }
    }

    /// Takes down that it begins; none without a trace.
    fn begin(&self, run: &mut Run<'_>) -> Option<usize> {
        let pipeline = run.pipeline_id();
        let handles = run.handles();
        let step = || TracedStep {
            pipeline: pipeline.unwrap_or_default(),
            line: self.line,
            depth: 0,
            place: Place::Processors,
            processor_type: self.kind,
            tag: self.tag.clone(),
            description: self.description.clone(),
            condition: self.condition.as_ref().map(|(_, text)| (Arc::clone(text), None)),
            status: Status::Success,
            document: None,
            failing: None,
            stop: None,
        };
        run.trace.as_mut()?.begin(step, handles)
    }

    /// Takes down which processor it was that failed.
    fn name_failing(&self, place: Option<usize>, run: &mut Run<'_>, reason: &Reason) {
        let Some(trace) = &mut run.trace else { return };
        let inner = match reason {
            Reason::Within(failure) => Some(failure.processor_type),
            Reason::Text(_) if self.kind == LOOP => trace.failed_in_loop,
            Reason::Text(_) => None,
        };
        match place {
            Some(place) => trace.steps[place].failing = inner,
            None => drop(trace.failed_in_loop.get_or_insert(inner.unwrap_or(self.kind))),
        }
    }

    /// Takes down what came of it.
    fn end(
        &self,
        place: Option<usize>,
        run: &mut Run<'_>,
        status: Status,
        held: Option<bool>,
        document: Option<&Document>,
    ) {
        let (Some(place), Some(trace)) = (place, &mut run.trace) else { return };
        let has_failed = matches!(status, Status::Failed(_) | Status::FailureIgnored(_));
        if let Some(document) = document {
            trace.keep(place, document);
            if has_failed && trace.wants_stops() {
                trace.steps[place].stop = self.processor.stop(document);
            }
        }
        let step = &mut trace.steps[place];
        step.status = status;
        if let Some((_, asked)) = &mut step.condition {
            *asked = held;
        }
    }

    pub fn count(&self, pipeline: &str, counts: &mut Vec<ProcessorCount>) {
        let (runs, failures) = self.counters.read();
        counts.push(ProcessorCount {
            pipeline: pipeline.to_owned(),
            processor_type: self.kind,
            tag: self.tag.as_deref().map(str::to_owned),
            line: self.line,
            runs,
            failures,
            matches: self.processor.matches(),
        });
        self.on_failure.count(pipeline, counts);
    }
}

/// Reads `if`: a text, or an object with `source` and `params`.
fn condition(options: &mut Options<'_>) -> Result<Option<(Condition, Arc<str>)>, Refusal> {
    let Some(node) = options.node("if") else { return Ok(None) };
    let (line, text, params) = match &node.kind {
        Kind::Null => return Ok(None),
        Kind::String(text) => (node.line, text.clone(), Map::new()),
        Kind::Bool(truth) => (node.line, truth.to_string(), Map::new()),
        Kind::Map(_) => {
            let owner = format!("option \"if\" of {}", options.owner);
            let mut inner = Options::new(&owner, node.line, node, 0, options.loader)?;
            if inner.node("id").is_some() {
                return Err(inner.refuse("id", "stored scripts are not there; write the condition here"));
            }
            inner.word("lang", &["painless"], "painless")?;
            let line = inner.line_of("source");
            let text = inner.text("source")?;
            let params = match inner.value("params") {
                Some(Value::Map(params)) => params,
                Some(Value::Null) | None => Map::new(),
                Some(_) => return Err(inner.refuse("params", "must be an object")),
            };
            inner.finish()?;
            (line, text, params)
        }
        _ => return Err(options.refuse("if", format!("must be a string; got {}", node.type_name()))),
    };
    match Condition::parse(&text, params) {
        Ok(condition) => Ok(Some((condition, Arc::from(text)))),
        Err(error) => {
            let reason = format!("option \"if\" of {}: {error}", options.owner);
            Err(Refusal::new(line + error.line, reason))
        }
    }
}
