//! A pipeline's way over slots: which places each of its processors uses, and a line's run along it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use super::fields::begin;
use super::tally::{Ran, Tally};
use super::{Fields, Layout, Member, Memory, Place, Step, first_layout};
use crate::condition::Condition;
use crate::document::{Document, FieldPath, Origin};
use crate::pipeline::{Context, Neighbours, Pipeline, Step as PipelineStep, Steps};

/// Pipelines that call each other along a plan: ready-made ones need two.
const CALLS_MAX: usize = 8;
/// What a line that had to begin anew counts as trouble, and one that had not takes back.
const TROUBLE_OF_LINE: u32 = 8;
/// With so much trouble lines go over the tree at once, each of which takes one back: where nearly every line begins anew, one
/// of nine tries.
const TROUBLE_MAX: u32 = 256;

/// How a pipeline runs over slots.
#[derive(Debug)]
pub(crate) struct Plan {
    layout: Layout,
    steps: Vec<Planned>,
    trouble: AtomicU32,
}

/// A processor in a plan; they are in the order of the pipeline's.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The places that its `plan` gave.
    pub places: Vec<Place>,
    /// What its condition reads: names at the top of a document, and what they are.
    roots: Vec<(Box<str>, Option<Member>)>,
    /// Of a processor that calls another pipeline: its id and steps.
    called: Option<(Arc<str>, Vec<Planned>)>,
    /// Whether it has no plan: lines for which its condition holds need a tree.
    pub needs_tree: bool,
}

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came<T> {
    Done(T),
    Dropped,
    /// Nothing: it has to go over a tree.
    Tree,
}

/// Makes a plan.
pub(crate) struct Planner<'p> {
    pub layout: Layout,
    neighbours: &'p Neighbours,
    calls: usize,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

impl Plan {
    /// The plan of a pipeline with these steps; none when it needs a tree.
    pub fn new(steps: &Steps, neighbours: &Neighbours) -> Option<Plan> {
        let mut planner = Planner { layout: first_layout()?, neighbours, calls: 0 };
        let mut planned = planner.steps(steps)?;
        let layout = planner.layout;
        find_roots(&mut planned, &layout);
        Some(Plan { layout, steps: planned, trouble: AtomicU32::new(0) })
    }

    /// Runs the pipeline over a line, which is none where it is no text. What is done with the fields in the end is `done`, which can still ask for a tree by none.
    pub fn run<'p, T>(
        &'p self,
        pipeline: &'p Pipeline,
        line: Option<&str>,
        origin: &Origin<'_>,
        context: &Context,
        tally: &mut Tally<'p>,
        done: impl FnOnce(&Fields<'_, '_>) -> Option<T>,
    ) -> Came<T> {
        let trouble = self.trouble.load(Ordering::Relaxed);
        if trouble >= TROUBLE_MAX {
            self.trouble.store(trouble - 1, Ordering::Relaxed);
            return Came::Tree;
        }
        let came = match line {
            Some(line) if u32::try_from(line.len()).is_ok() => MEMORY.with_borrow_mut(|memory| {
                let mut fields = Fields::new(&self.layout, line, memory);
                let mut run = PlanRun { context, neighbours: pipeline.neighbours(), ran: Ran::new() };
                if begin(&mut fields, origin).is_none() {
                    return Came::Tree;
                }
                let came = match run.steps(pipeline.steps(), &self.steps, &mut fields) {
                    Step::Tree | Step::Failed => Came::Tree,
                    Step::Drop => Came::Dropped,
                    Step::Next | Step::End | Step::Matched(_) => done(&fields).map_or(Came::Tree, Came::Done),
                };
                if !matches!(came, Came::Tree) {
                    tally.count(&run.ran);
                }
                came
            }),
            _ => Came::Tree,
        };
        // What another worker writes meanwhile may get lost: it is a measure, and no count.
        match came {
            Came::Tree => self.trouble.store((trouble + TROUBLE_OF_LINE).min(TROUBLE_MAX), Ordering::Relaxed),
            _ if trouble > 0 => self.trouble.store(trouble - 1, Ordering::Relaxed),
            _ => {}
        }
        came
    }
}

impl Planner<'_> {
    fn steps(&mut self, steps: &Steps) -> Option<Vec<Planned>> {
        // A long row of conditions on one field has a table, with which it is faster than asked one after the other.
        if steps.has_tables() {
            return None;
        }
        steps.iter().map(|step| step.plan(self)).collect()
    }

    /// Plans a processor that has these places and asks this condition.
    pub fn planned(places: Vec<Place>, condition: Option<&Condition>) -> Option<Planned> {
        let roots = match condition {
            None => Vec::new(),
            Some(condition) => condition.roots()?.into_iter().map(|name| (name.into(), None)).collect(),
        };
        Some(Planned { places, roots, called: None, needs_tree: false })
    }

    /// Plans a processor that has no plan for the lines for which it does not run.
    pub fn passed(condition: &Condition) -> Option<Planned> {
        Some(Planned { needs_tree: true, ..Planner::planned(Vec::new(), Some(condition))? })
    }

    /// Plans a processor that calls another pipeline.
    pub fn call(&mut self, id: &str, condition: Option<&Condition>) -> Option<Planned> {
        let (id, called) = self.neighbours.get_key_value(id)?;
        // A cycle comes to an end here too.
        self.calls += 1;
        if self.calls > CALLS_MAX {
            return None;
        }
        let steps = self.steps(called.steps())?;
        Some(Planned { called: Some((Arc::clone(id), steps)), ..Planner::planned(Vec::new(), condition)? })
    }
}

/// Looks up what conditions read once all fields are known.
fn find_roots(planned: &mut [Planned], layout: &Layout) {
    for step in planned {
        for (name, member) in &mut step.roots {
            *member = FieldPath::parse(name).ok().and_then(|path| layout.find(&path));
        }
        if let Some((_, steps)) = &mut step.called {
            find_roots(steps, layout);
        }
    }
}

/// One line's run.
pub(crate) struct PlanRun<'p, 'c> {
    pub context: &'c Context,
    neighbours: &'p Neighbours,
    /// The processors that ran, to be counted when it is sure that nothing begins anew.
    ran: Ran<'p>,
}

impl<'p> PlanRun<'p, '_> {
    fn steps(&mut self, steps: &'p Steps, planned: &[Planned], fields: &mut Fields<'_, '_>) -> Step {
        for (step, planned) in steps.iter().zip(planned) {
            match step.run_planned(planned, fields, self) {
                Step::Next => {}
                end => return end,
            }
        }
        Step::Next
    }

    /// Runs the pipeline that a processor calls; none where it calls none.
    pub fn call(&mut self, planned: &Planned, fields: &mut Fields<'_, '_>) -> Option<Step> {
        let (id, steps) = planned.called.as_ref()?;
        let Some(called) = self.neighbours.get(id) else { return Some(Step::Tree) };
        Some(match self.steps(called.steps(), steps, fields) {
            Step::End => Step::Next,
            // Its own handlers run then.
            Step::Failed => Step::Tree,
            came => came,
        })
    }

    /// Whether a condition holds; none when only a tree can tell, or when it fails.
    pub fn holds(&self, condition: &Condition, planned: &Planned, fields: &Fields<'_, '_>) -> Option<bool> {
        static NOTHING: LazyLock<Document> = LazyLock::new(Document::new);
        // Most ask for texts and numbers.
        if let Some(holds) = condition.holds_over(&NOTHING, &|path| fields.look(path)) {
            return Some(holds);
        }
        let mut document = Document::new();
        for (name, member) in &planned.roots {
            if let Some(member) = member
                && let Some(value) = fields.tree(*member)?
            {
                document.source_mut().insert(&**name, value);
            }
        }
        condition.holds(&document, &mut 0).ok()
    }

    /// Notes that a processor ran, and what came of it.
    pub fn note(&mut self, step: &'p PipelineStep, came: Step) {
        self.ran.push((step, came));
    }
}
