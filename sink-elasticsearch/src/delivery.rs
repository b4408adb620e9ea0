//! One call of `deliver` on its way: its documents, and the outcomes that have come in.

use crate::bulk::{ActionLine, NEWLINE_BYTES};
use crate::rescue::Rescued;
use bytes::Bytes;
use pipelines::sink::{Charge, DocumentBatch, Framing, Item, Outcome, Spares};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// A batch whose caller waits. When the last [`Run`] of it goes without an outcome, the caller is told that the sink
/// is closed, since the sender goes too.
pub(crate) struct Delivery {
    items: Arc<Vec<Item>>,
    charge: Option<Arc<Charge>>,
    answers: Mutex<Answers>,
    given_up: Arc<AtomicBool>,
}

struct Answers {
    /// Those of documents that are open are [`Outcome::Done`] ahead of time; nobody sees them before none is open.
    outcomes: Vec<Outcome>,
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
        let answers = Answers { outcomes: vec![Outcome::Done; open], open, caller: Some(caller) };
        let counted = batch.json.capacity();
        let DocumentBatch { json, items, spares, charge, .. } = if batch.is_framed { batch } else { frame(batch) };
        let charged = json.capacity();
        if let Some(charge) = charge.as_ref().filter(|_| charged != counted) {
            charge.add(charged);
            charge.remove(counted);
        }
        let lines =
            Lines { bytes: Bytes::from_owner(Buffer { json, spares, charge: charge.clone(), charged }), start: 0 };
        let delivery = Arc::new(Self { items, charge, answers: Mutex::new(answers), given_up: given_up.clone() });
        (Run { delivery, lines, places: 0..open, rescued: None }, Caller { answer, given_up })
    }
}

/// Documents as they stand in a bulk request, one after the other, each behind its action line: all of a delivery, or those
/// that are kept.
#[derive(Clone)]
struct Lines {
    bytes: Bytes,
    /// Where they begin in all of the delivery.
    start: usize,
}

/// Documents in memory, which count until nothing points into them any more; a batch's buffer goes back then.
struct Buffer {
    json: Vec<u8>,
    spares: Option<Arc<Spares>>,
    charge: Option<Arc<Charge>>,
    charged: usize,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.json
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(charge) = &self.charge {
            charge.remove(self.charged);
        }
        if let Some(spares) = &self.spares {
            spares.give_back(std::mem::take(&mut self.json));
        }
    }
}

/// The batch with an action line before each document.
fn frame(batch: DocumentBatch) -> DocumentBatch {
    let mut framed = DocumentBatch { is_framed: true, ..batch };
    let documents = std::mem::take(&mut framed.json);
    for item in Arc::make_mut(&mut framed.items) {
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
    lines: Lines,
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
            None => {
                let [start, end] = [self.places.start, self.places.end].map(|place| self.line_start(place));
                self.lines.bytes.slice(start - self.lines.start..end - self.lines.start)
            }
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
            None => {
                let Range { start, end } = self.items()[place].json;
                &self.lines.bytes[start - self.lines.start..end - self.lines.start]
            }
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

    /// Lets go of the documents beside these, which may be done long before these are.
    pub fn keep(&mut self) {
        let start = self.line_start(self.places.start);
        let bytes = self.line_start(self.places.end) - start;
        if bytes > self.lines.bytes.len() / KEPT_PART {
            return;
        }
        let json = match self.rescued {
            // Only the other form is ever sent.
            Some(_) => Vec::new(),
            None => self.lines().to_vec(),
        };
        let charge = self.delivery.charge.clone();
        let charged = json.capacity();
        charge.iter().for_each(|charge| charge.add(charged));
        self.lines = Lines { bytes: Bytes::from_owner(Buffer { json, spares: None, charge, charged }), start };
    }

    pub fn is_given_up(&self) -> bool {
        self.delivery.given_up.load(Ordering::Relaxed)
    }

    /// Takes the first `count` documents away.
    pub fn split_front(&mut self, count: usize) -> Self {
        let middle = (self.places.start + count).min(self.places.end);
        let places = self.places.start..middle;
        let front = Self { delivery: self.delivery.clone(), lines: self.lines.clone(), places, rescued: None };
        self.places.start = middle;
        match self.places.is_empty() {
            true => Self { rescued: self.rescued.clone(), ..front },
            false => front,
        }
    }

    /// The documents at these places of the run, in a run of their own.
    pub fn pick(&self, places: Range<usize>) -> Self {
        let places = self.places.start + places.start..self.places.start + places.end;
        let (delivery, lines) = (self.delivery.clone(), self.lines.clone());
        Self { delivery, lines, places, rescued: self.rescued.clone() }
    }

    /// Takes the documents of `next` in, if they stand behind these.
    pub fn join(&mut self, next: &Self) -> bool {
        let follows = Arc::ptr_eq(&self.delivery, &next.delivery) && self.places.end == next.places.start;
        let is_beside = self.lines.bytes.as_ptr() == next.lines.bytes.as_ptr();
        let joins = follows && is_beside && self.rescued.is_none() && next.rescued.is_none();
        if joins {
            self.places.end = next.places.end;
        }
        joins
    }

    /// All documents are done.
    pub fn done(self) {
        let mut answers = self.delivery.answers.lock().expect(LOCK);
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
            answers.outcomes[self.places.start + place] = outcome;
        }
        answers.close(count);
    }
}

/// Documents are copied out of the bytes that they stand in when they are at most this part of them.
const KEPT_PART: usize = 2;
const LOCK: &str = "nothing panics while it holds the answers";

impl Answers {
    /// The last ones wake the caller.
    fn close(&mut self, count: usize) {
        self.open -= count;
        if self.open == 0 {
            let outcomes = std::mem::take(&mut self.outcomes);
            if let Some(caller) = self.caller.take() {
                // A caller that is gone has given up.
                let _ = caller.send(outcomes);
            }
        }
    }
}
