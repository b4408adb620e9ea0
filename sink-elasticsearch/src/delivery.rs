//! One call of `deliver` on its way: its documents, and the outcomes that have come in.

use crate::rescue::Rescued;
use pipelines::sink::{DocumentBatch, Item, Outcome};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Bytes of an action line without the names in it, and the two newlines; rounded up.
const ACTION_BYTES: usize = 80;

/// A batch whose caller waits. When the last [`Run`] of it goes without an outcome, the caller is told that the sink
/// is closed, since the sender goes too.
pub(crate) struct Delivery {
    batch: DocumentBatch,
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
        let delivery = Arc::new(Self { batch, answers: Mutex::new(answers), given_up: given_up.clone() });
        (Run { delivery, places: 0..open, rescued: None }, Caller { answer, given_up })
    }
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
        &self.delivery.batch.items[self.places.clone()]
    }

    /// The items, each with the JSON that is to be sent for it.
    pub fn documents(&self) -> impl Iterator<Item = (&Item, &[u8])> {
        let rescued = self.rescued.as_deref();
        self.items().iter().map(move |item| match rescued {
            Some(rescued) => (item, rescued.json.as_slice()),
            None => (item, self.delivery.batch.document(item)),
        })
    }

    /// The JSON that is to be sent for the document at `place`.
    pub fn json(&self, place: usize) -> &[u8] {
        match &self.rescued {
            Some(rescued) => &rescued.json,
            None => self.delivery.batch.document(&self.items()[place]),
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

/// What a document adds to a bulk request before compression; at least that.
pub(crate) fn bulk_bytes(item: &Item, json: &[u8]) -> usize {
    let length = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
    let id_bytes = item.id.as_ref().map_or(0, |id| id.as_str().len());
    ACTION_BYTES + json.len() + item.index.len() + id_bytes + length(&item.routing) + length(&item.pipeline)
}
