//! One call of `deliver` on its way: its documents, and the outcomes that have come in.

use pipelines::sink::{DocumentBatch, Item, Outcome};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

/// Bytes of an action line without the names in it, and the two newlines; rounded up.
const ACTION_BYTES: usize = 80;

/// A batch whose caller waits. When the last [`Entry`] of it goes without an outcome, the caller is told that the sink
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
    /// The delivery, and what its caller keeps: it must not keep the delivery itself, which has the other end of
    /// `answer`.
    pub fn new(batch: DocumentBatch) -> (Arc<Self>, Caller) {
        let (caller, answer) = oneshot::channel();
        let given_up = Arc::new(AtomicBool::new(false));
        let open = batch.items.len();
        let answers = Answers { outcomes: vec![None; open], open, caller: Some(caller) };
        let delivery = Self { batch, answers: Mutex::new(answers), given_up: given_up.clone() };
        (Arc::new(delivery), Caller { answer, given_up })
    }

    /// The batch's documents, each to be resolved once.
    pub fn entries(self: &Arc<Self>) -> impl Iterator<Item = Entry> {
        (0..self.batch.items.len()).map(|place| Entry { delivery: self.clone(), place })
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

/// One document of a delivery.
pub(crate) struct Entry {
    delivery: Arc<Delivery>,
    place: usize,
}

impl Entry {
    pub fn item(&self) -> &Item {
        &self.delivery.batch.items[self.place]
    }

    pub fn json(&self) -> &[u8] {
        self.delivery.batch.document(self.item())
    }

    /// What the document adds to a bulk request before compression; at least that.
    pub fn bulk_bytes(&self) -> usize {
        let item = self.item();
        let length = |text: &Option<Arc<str>>| text.as_ref().map_or(0, |text| text.len());
        let id_bytes = item.id.as_ref().map_or(0, |id| id.as_str().len());
        ACTION_BYTES + item.json.len() + item.index.len() + id_bytes + length(&item.routing) + length(&item.pipeline)
    }

    pub fn is_given_up(&self) -> bool {
        self.delivery.given_up.load(Ordering::Relaxed)
    }

    /// Says what became of the document; the last one of its delivery wakes the caller.
    pub fn resolve(self, outcome: Outcome) {
        let mut answers = self.delivery.answers.lock().expect("nothing panics while it holds the answers");
        answers.outcomes[self.place] = Some(outcome);
        answers.open -= 1;
        if answers.open == 0 {
            let outcomes = std::mem::take(&mut answers.outcomes).into_iter().flatten().collect();
            if let Some(caller) = answers.caller.take() {
                // A caller that is gone has given up.
                let _ = caller.send(outcomes);
            }
        }
    }
}
