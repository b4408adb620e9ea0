//! One call of `deliver` on its way: its documents, and the outcomes that have come in.

use crate::bulk::{ActionLine, NEWLINE_BYTES};
use crate::rescue::Rescued;
use bytes::Bytes;
use pipelines::sink::{DocumentBatch, Framing, Item, Outcome, Spares};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A batch whose caller waits. When the last [`Run`] of it goes without an outcome, the caller is told that the sink
/// is closed, since the sender goes too.
pub(crate) struct Delivery {
    /// All documents as they stand in a bulk request, one after the other, each behind its action line.
    lines: Bytes,
    items: Vec<Item>,
    answers: Mutex<Answers>,
    given_up: Arc<AtomicBool>,
}

struct Answers {
    outcomes: Vec<Option<Outcome>>,
    open: usize,
    caller: Option<oneshot::Sender<Vec<Outcome>>>,
}

impl Delivery {
    /// All documents of `batch`, and what its caller keeps: it must not keep the delivery itself, which has the other
    /// end of `answer`.
    pub fn begin(batch: DocumentBatch) -> (Run, Caller) {
        let (caller, answer) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let open = batch.items.len();
        let answers = Answers { outcomes: vec![None; open], open, caller: Some(caller) };
        let DocumentBatch { json, items, spares, .. } = if batch.is_framed { batch } else { frame(batch) };
        let lines = Bytes::from_owner(Lines { bytes: json, spares });
        let delivery = Arc::new(Self { lines, items, answers: Mutex::new(answers), given_up: given_up.clone() });
        (Run { delivery, places: 0..open, rescued: None }, Caller { answer, given_up })
    }
}

/// The bytes of a batch, which go back when nothing points into them any more.
struct Lines {
    bytes: Vec<u8>,
    spares: Option<Arc<Spares>>,
}

impl AsRef<[u8]> for Lines {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Some(spares) = &self.spares {
            spares.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

/// The batch with an action line before each document.
fn frame(batch: DocumentBatch) -> DocumentBatch {
    let mut framed = DocumentBatch { is_framed: true, ..batch };
    let documents = std::mem::take(&mut framed.json);
    for item in &mut framed.items {
        ActionLine.write_line(item, &mut framed.json);
        let start = framed.json.len();
        framed.json.extend_from_slice(&documents[item.json.clone()]);
        item.json = start..framed.json.len();
        framed.json.push(b'\n');
    }
    framed
}

/// The caller's end. Dropping it gives the documents up: nothing of them is sent from then on.
pub(crate) struct Caller {
    /// All outcomes in order; an error when they will never be known.
    pub answer: oneshot::Receiver<Vec<Outcome>>,
    given_up: Arc<AtomicBool>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// Some documents of a delivery that stand beside each other, each to be resolved once. Documents travel in runs, since
/// nearly all of them have the same fate as their neighbours: nothing is counted or locked for each of them.
pub(crate) struct Run {
    delivery: Arc<Delivery>,
    places: Range<usize>,
    /// What is sent in place of the document; only in a run of one.
    rescued: Option<Arc<Rescued>>,
}

impl Run {
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn items(&self) -> &[Item] {
        &self.delivery.items[self.places.clone()]
    }

    /// Its part of a bulk request.
    pub fn lines(&self) -> Bytes {
        match &self.rescued {
            Some(rescued) => {
                let mut lines = Vec::new();
                ActionLine.write_line(&self.items()[0], &mut lines);
                lines.extend_from_slice(&rescued.json);
                lines.push(b'\n');
                lines.into()
            }
            None => self.delivery.lines.slice(self.line_start(self.places.start)..self.line_start(self.places.end)),
        }
    }

    /// What [`Run::lines`] has.
    pub fn bytes(&self) -> usize {
        let whole = self.line_start(self.places.end) - self.line_start(self.places.start);
        match &self.rescued {
            Some(rescued) => whole - self.items()[0].json.len() + rescued.json.len(),
            None => whole,
        }
    }

    /// What each document adds to a bulk request.
    pub fn sizes(&self) -> impl Iterator<Item = usize> {
        let is_rescued = self.rescued.is_some();
        self.places.clone().map(move |place| match is_rescued {
            true => self.bytes(),
            false => self.line_start(place + 1) - self.line_start(place),
        })
    }

    /// Where the lines of the document at `place` of the delivery begin: behind those of the one before.
    fn line_start(&self, place: usize) -> usize {
        match place.checked_sub(1) {
            Some(before) => self.delivery.items[before].json.end + NEWLINE_BYTES,
            None => 0,
        }
    }

    /// The JSON that is to be sent for the document at `place`.
    pub fn json(&self, place: usize) -> &[u8] {
        match &self.rescued {
            Some(rescued) => &rescued.json,
            None => &self.delivery.lines[self.items()[place].json.clone()],
        }
    }

    pub fn rescued(&self) -> Option<&Rescued> {
        self.rescued.as_deref()
    }

    /// The document of a run of one in another form.
    pub fn rescue(self, rescued: Rescued) -> Self {
        debug_assert_eq!(self.len(), 1, "a run of several documents has no other form");
        Self { rescued: Some(Arc::new(rescued)), ..self }
    }

    pub fn is_given_up(&self) -> bool {
        self.delivery.given_up.load(Ordering::Relaxed)
    }

    /// Takes the first `count` documents away.
    pub fn split_front(&mut self, count: usize) -> Self {
        let middle = (self.places.start + count).min(self.places.end);
        let front = Self { delivery: self.delivery.clone(), places: self.places.start..middle, rescued: None };
        self.places.start = middle;
        match self.places.is_empty() {
            true => Self { rescued: self.rescued.clone(), ..front },
            false => front,
        }
    }

    /// The documents at these places of the run, in a run of their own.
    pub fn pick(&self, places: Range<usize>) -> Self {
        let places = self.places.start + places.start..self.places.start + places.end;
        Self { delivery: self.delivery.clone(), places, rescued: self.rescued.clone() }
    }

    /// Takes the documents of `next` in, if they stand behind these.
    pub fn join(&mut self, next: &Self) -> bool {
        let follows = Arc::ptr_eq(&self.delivery, &next.delivery) && self.places.end == next.places.start;
        let joins = follows && self.rescued.is_none() && next.rescued.is_none();
        if joins {
            self.places.end = next.places.end;
        }
        joins
    }

    /// All documents are done.
    pub fn done(self) {
        let mut answers = self.delivery.answers.lock().expect(LOCK);
        for outcome in &mut answers.outcomes[self.places.clone()] {
            *outcome = Some(Outcome::Done);
        }
        answers.close(self.places.len());
    }

    /// Says what became of documents, by their place in the run. The others of the run are resolved elsewhere.
    pub fn resolve(&self, outcomes: Vec<(usize, Outcome)>) {
        if outcomes.is_empty() {
            return;
        }
        let mut answers = self.delivery.answers.lock().expect(LOCK);
        let count = outcomes.len();
        for (place, outcome) in outcomes {
            answers.outcomes[self.places.start + place] = Some(outcome);
        }
        answers.close(count);
    }
}

const LOCK: &str = "nothing panics while it holds the answers";

impl Answers {
    /// The last ones wake the caller.
    fn close(&mut self, count: usize) {
        self.open -= count;
        if self.open == 0 {
            let outcomes = std::mem::take(&mut self.outcomes).into_iter().flatten().collect();
            if let Some(caller) = self.caller.take() {
                // A caller that is gone has given up.
                let _ = caller.send(outcomes);
            }
        }
    }
}
