//! What becomes of the items of a request that the server has worked on.

use crate::alarm::Condition;
use crate::carry::{Carrier, FAILURES_BEFORE_ALARM, spawn};
use crate::delivery::Run;
use crate::hold::{Cause, Patience};
use crate::offender::offender;
use crate::pace::Answered;
use crate::part::{Part, Trouble};
use crate::rescue::{Rescued, move_field};
use crate::response::{ErrorAnswer, ItemAnswer};
use crate::verdict::{Verdict, judge};
use pipelines::sink::{Outcome, Rejection};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Documents by what is to be done with them.
#[derive(Default)]
struct Sorted {
    /// Documents of the request.
    whole: usize,
    /// The server was too busy for them.
    again: Vec<Run>,
    /// What it said about the first of them.
    busy: Option<ErrorAnswer>,
    /// Together they are more than the server ever takes.
    too_much: Vec<Run>,
    /// The server could not cope with them.
    stumbled: Vec<Run>,
    held: BTreeMap<Cause, Vec<Run>>,
    rescued: Vec<Run>,
    taken: Vec<Arc<str>>,
}

impl Carrier {
    /// Takes the items' answers: what is left to be sent in the same slot.
    pub fn settle(self: &Arc<Self>, mut part: Part, answers: Vec<ItemAnswer>, answered: Answered) -> Vec<Part> {
        let now = answered.now;
        let whole = part.len();
        let runs = std::mem::take(&mut part.runs);
        part.body = None;
        let mut sorted = Sorted { whole, ..Sorted::default() };
        let mut answers = answers.into_iter();
        for run in runs {
            let mut outcomes = Vec::new();
            // `answers` has one for each item.
            for (place, answer) in (0..run.len()).zip(answers.by_ref()) {
                if let Some(outcome) = self.sort(&run, place, answer, &part, &mut sorted, now) {
                    outcomes.push((place, outcome));
                }
            }
            run.resolve(outcomes);
        }
        self.holds.passed(part.held_by.as_ref(), sorted.taken.iter());
        match (sorted.again.is_empty(), sorted.taken.is_empty()) {
            (false, _) => self.pace.refused(answered, false),
            (true, false) => self.pace.good(answered),
            (true, true) => self.pace.asked(answered),
        }
        let length = |runs: &[Run]| runs.iter().map(Run::len).sum::<usize>();
        let held = sorted.held.values().map(|runs| length(runs)).sum();
        let postponed = length(&sorted.again) + length(&sorted.too_much) + length(&sorted.stumbled);
        self.metrics.postponed(postponed, held);
        // Some of the request was done: what was not was refused for a reason of its own, as often as before.
        let failures = |runs: &[Run]| if length(runs) == whole { part.failures + 1 } else { 1 };

        // What waits for something of its own waits outside, so that others can go on.
        for (cause, runs) in sorted.held {
            let failures = failures(&runs);
            let due = Some(now + self.pause(failures));
            let mut held = Part { held_by: Some(cause), ..part.rest(runs, failures, due) };
            held.fail(Trouble::Other, now);
            spawn(self.clone(), held, None);
        }
        if !sorted.stumbled.is_empty() {
            let failures = failures(&sorted.stumbled);
            let due = Some(now + self.pause(failures));
            let mut stumbled = part.rest(sorted.stumbled, failures, due);
            stumbled.fail(Trouble::Stumbled, now);
            let cause = "Elasticsearch answers documents with a fault of its own (500); they are sent again";
            self.alarm_about(&mut stumbled, cause, cause.into());
            spawn(self.clone(), stumbled, None);
        }
        let mut parts = Vec::new();
        if !sorted.again.is_empty() {
            let failures = failures(&sorted.again);
            let is_whole = length(&sorted.again) == whole;
            let mut again = part.rest(sorted.again, failures, Some(now + self.pause(failures)));
            again.fail(Trouble::Refused, now);
            let cause = "Elasticsearch is overloaded and puts documents off";
            self.alarm_about(&mut again, cause, busy_text(cause, &sorted.busy.unwrap_or_default()));
            // A server that is too busy for all of it gets nothing else in this slot meanwhile.
            match is_whole {
                true => parts.push(again),
                false => spawn(self.clone(), again, None),
            }
        }
        if !sorted.too_much.is_empty() {
            parts.extend(part.rest(sorted.too_much, part.failures + 1, None).divide());
        }
        if !sorted.rescued.is_empty() {
            parts.push(part.rest(sorted.rescued, 0, None));
        }
        // Alarms end with what they were raised for; those that still hold were raised before they are let go here.
        drop(part);
        parts
    }

    /// An alarm, once the part has failed often enough.
    fn alarm_about(&self, part: &mut Part, cause: &'static str, text: String) {
        if part.failures >= FAILURES_BEFORE_ALARM {
            let condition = Condition { cause: (cause, "Elasticsearch".into()), text };
            part.raise(condition, |condition| self.alarms.raise(condition));
        }
    }

    /// The outcome of a document, or `None` when it is not final: then it is in `sorted`.
    fn sort(
        &self,
        run: &Run,
        place: usize,
        answer: ItemAnswer,
        part: &Part,
        sorted: &mut Sorted,
        now: Instant,
    ) -> Option<Outcome> {
        let item = &run.items()[place];
        self.metrics.item(&answer);
        match judge(item, answer) {
            Verdict::Done => {
                push_index(&mut sorted.taken, &item.index);
                if run.rescued().is_some() {
                    self.metrics.rescued();
                }
                self.metrics.done(1);
                Some(Outcome::Done)
            }
            Verdict::AlreadyThere => {
                push_index(&mut sorted.taken, &item.index);
                self.metrics.already_there();
                Some(Outcome::AlreadyThere)
            }
            Verdict::Again(error) => {
                sorted.busy.get_or_insert(error);
                append(&mut sorted.again, run.pick(place..place + 1));
                None
            }
            // Nothing was beside it.
            Verdict::TooMuch(rejection) if sorted.whole == 1 => self.rejected(run, part, rejection),
            Verdict::TooMuch(_) => {
                append(&mut sorted.too_much, run.pick(place..place + 1));
                None
            }
            Verdict::Stumbled(rejection) if has_stumbled(part) && self.is_hopeless(part) => {
                self.rejected(run, part, rejection)
            }
            Verdict::Stumbled(_) => {
                append(&mut sorted.stumbled, run.pick(place..place + 1));
                None
            }
            Verdict::Hold(condition, scope, rejection) => {
                let cause = condition.cause.clone();
                match self.holds.meet(condition, scope, now) {
                    Patience::Wait => {
                        append(sorted.held.entry(cause).or_default(), run.pick(place..place + 1));
                        None
                    }
                    Patience::Over => self.rejected(run, part, rejection),
                }
            }
            Verdict::Reject(status, error) => match rescue(run, place, status, &error) {
                Some(rescued) => {
                    sorted.rescued.push(rescued);
                    None
                }
                None => self.rejected(run, part, error.rejection(status)),
            },
        }
    }

    fn rejected(&self, run: &Run, part: &Part, mut rejection: Rejection) -> Option<Outcome> {
        rejection.attempts = part.attempts;
        if let Some(Rescued { field, reason, .. }) = run.rescued() {
            rejection.reason += &format!("; before field {field:?} was moved to _malformed: {reason}");
        }
        self.metrics.rejected();
        Some(Outcome::Rejected(rejection.into()))
    }
}

fn busy_text(cause: &str, error: &ErrorAnswer) -> String {
    let ErrorAnswer { kind, reason } = error;
    let way_out = match kind.as_str() {
        "cluster_block_exception" => "free disk space there, or add some; it unlocks the index by itself",
        _ => "it gets less and slower; it needs more nodes when that lasts",
    };
    format!("{cause} ({kind}: {reason}): {way_out}")
}

fn has_stumbled(part: &Part) -> bool {
    matches!(part.trouble, Some((Trouble::Stumbled, _)))
}

fn append(runs: &mut Vec<Run>, run: Run) {
    if !runs.last_mut().is_some_and(|last| last.join(&run)) {
        runs.push(run);
    }
}

/// Neighbours have the same index in most cases.
fn push_index(indices: &mut Vec<Arc<str>>, index: &Arc<str>) {
    if !indices.last().is_some_and(|last| Arc::ptr_eq(last, index)) {
        indices.push(index.clone());
    }
}

/// The document in the form in which the server may take it. There is one rescue.
fn rescue(run: &Run, place: usize, status: u16, error: &ErrorAnswer) -> Option<Run> {
    if status != 400 || run.rescued().is_some() {
        return None;
    }
    let field = offender(error)?;
    let json = move_field(run.json(place), &field)?;
    Some(run.pick(place..place + 1).rescue(Rescued { json, field, reason: error.reason.clone() }))
}
