//! The partitions that are ours: how far each is done, what is open in it, and whether it is fetched.
//!
//! ```text
//!  fetched ─▶ waiting ─▶ in making ─▶ made ─▶ delivered to the sink ─▶ done
//!            └──────── stages, in order ─────┘└── in any order ──────────┘
//! ```

use super::lag::Times;
use super::ledger::{Ledger, Span};
use super::memory::Memory;
use super::render::{DOCUMENT_BYTES_MAX, Rendered};
use super::source::{Assignment, Source};
use crate::sink::Charge;
use bytes::Bytes;
use kafka_client::TopicPartition;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use tokio::task::AbortHandle;

/// Documents of a byte that was fetched, before anything is known about a partition: lines compress about fivefold, and
/// a document is some three times its line.
const DOCUMENT_BYTES_PER_FETCHED_BYTE: f64 = 16.0;
/// Weight of the newest figure in the average.
const NEWEST: f64 = 0.25;

/// How far a partition is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Position {
    /// The next offset that is not done.
    pub done: i64,
    /// What the group has stored, as far as we know.
    pub committed: i64,
    pub high_watermark: i64,
    /// When the oldest record was made that is not done; `None`: all is done.
    pub oldest_ms: Option<i64>,
    pub paused: bool,
    /// About what the topic holds of records that are not done.
    pub lag_bytes: u64,
}

impl Position {
    pub fn lag_records(&self) -> u64 {
        u64::try_from(self.high_watermark - self.done).unwrap_or_default()
    }
}

/// Record batches on their way to documents.
pub(crate) struct Stage {
    pub span: Span,
    pub batches: Bytes,
    pub step: Step,
}

pub(crate) enum Step {
    Waiting,
    /// Documents are being made, which will take about so many bytes.
    InMaking(usize),
    Made(Box<Rendered>),
}

/// Documents that the sink has.
struct Delivering {
    fetched_bytes: usize,
    /// What is counted for it: `frame_bytes`, and the documents that were there when it was looked at.
    document_bytes: usize,
    frame_bytes: usize,
    charge: Arc<Charge>,
    task: AbortHandle,
}

/// One partition from its assignment to its end.
pub(crate) struct Assigned {
    pub ledger: Ledger,
    pub times: Times,
    pub committed: i64,
    /// `None` before the broker has told it.
    high_watermark: Option<i64>,
    /// Tells work of an earlier assignment of the same partition from that of this one.
    pub life: u64,
    pub topic_id: Option<[u8; 16]>,
    pub stages: VecDeque<Stage>,
    delivering: HashMap<Span, Delivering>,
    /// What the stages and the sink hold.
    fetched_bytes: usize,
    document_bytes: usize,
    documents_per_byte: f64,
    /// Average of what was fetched; 0 before that.
    record_bytes: f64,
    paused: bool,
}

impl Assigned {
    pub fn new(assignment: &Assignment, life: u64) -> Self {
        let position = assignment.position;
        Self {
            ledger: Ledger::new(position),
            times: Times::default(),
            committed: position,
            high_watermark: None,
            life,
            topic_id: assignment.topic_id,
            stages: VecDeque::new(),
            delivering: HashMap::new(),
            fetched_bytes: 0,
            document_bytes: 0,
            documents_per_byte: DOCUMENT_BYTES_PER_FETCHED_BYTE,
            record_bytes: 0.0,
            paused: false,
        }
    }

    /// Records up to `high_watermark` can be read. Returns how many of them are new since the last time.
    pub fn saw_high_watermark(&mut self, high_watermark: i64) -> u64 {
        let before = self.high_watermark.unwrap_or(high_watermark);
        self.high_watermark = Some(high_watermark.max(before));
        u64::try_from(high_watermark - before).unwrap_or_default()
    }

    /// Whole record batches that end before the offset `next` came in.
    pub fn push(&mut self, next: i64, batches: Bytes, memory: &mut Memory) {
        // Otherwise all of it was read before: a fetch begins with the whole batch that the position is in.
        let Some(span) = self.ledger.open(next) else { return };
        self.fetched_bytes += batches.len();
        memory.fetched += batches.len();
        let record_bytes = batches.len() as f64 / (span.next - span.first).max(1) as f64;
        let weight = if self.record_bytes > 0.0 { NEWEST } else { 1.0 };
        self.record_bytes += (record_bytes - self.record_bytes) * weight;
        self.stages.push_back(Stage { span, batches, step: Step::Waiting });
    }

    /// The stage of which documents are to be made next, and about how many bytes that will be. Making ends where they
    /// are many, so that a guess after a large document does not wait for memory that nobody needs.
    pub fn next_stage(&self) -> Option<(Span, usize)> {
        let stage = self.stages.iter().find(|stage| matches!(stage.step, Step::Waiting))?;
        let bytes = (stage.batches.len() as f64 * self.documents_per_byte) as usize;
        Some((stage.span, bytes.min(DOCUMENT_BYTES_MAX)))
    }

    /// Whether so many bytes of documents more are within what this partition may use.
    pub fn may_make(&self, bytes: usize, memory: &Memory) -> bool {
        memory.may_make(self.document_bytes, bytes)
    }

    /// Documents of the first waiting stage are being made, which takes about `bytes`.
    pub fn begin_making(&mut self, bytes: usize, memory: &mut Memory) -> Option<(Span, Bytes)> {
        let stage = self.stages.iter_mut().find(|stage| matches!(stage.step, Step::Waiting))?;
        stage.step = Step::InMaking(bytes);
        self.document_bytes += bytes;
        memory.documents += bytes;
        Some((stage.span, stage.batches.clone()))
    }

    /// The documents of `span` are there, or those of its beginning: the rest of it waits again.
    pub fn made(&mut self, span: Span, rendered: Rendered, memory: &mut Memory) {
        let Some(place) = self.stages.iter().position(|stage| stage.span.first == span.first) else { return };
        let stage = &mut self.stages[place];
        let Step::InMaking(expected) = stage.step else { return };
        let bytes = rendered.bytes();
        self.document_bytes = self.document_bytes + bytes - expected;
        memory.documents = memory.documents + bytes - expected;
        if rendered.next >= span.next {
            // What is reserved beside it is a part of what is expected, and must not make that grow.
            let ratio = rendered.batch.json.len() as f64 / stage.batches.len().max(1) as f64;
            self.documents_per_byte += (ratio - self.documents_per_byte) * NEWEST;
            stage.step = Step::Made(Box::new(rendered));
            return;
        }
        // Both halves look into the same batches, which are counted with the second one.
        let rest = Span { first: rendered.next, next: span.next };
        let batches = stage.batches.clone();
        stage.span.next = rendered.next;
        stage.step = Step::Made(Box::new(rendered));
        let rest = Stage { span: rest, batches, step: Step::Waiting };
        self.stages.insert(place + 1, rest);
    }

    /// The first stage, if its documents are there.
    pub fn take_made(&mut self) -> Option<(Span, Bytes, Box<Rendered>)> {
        if !matches!(self.stages.front()?.step, Step::Made(_)) {
            return None;
        }
        let Stage { span, batches, step } = self.stages.pop_front()?;
        match step {
            Step::Made(rendered) => Some((span, batches, rendered)),
            Step::Waiting | Step::InMaking(_) => None,
        }
    }

    /// The sink has the documents of `span`, which `charge` counts, and there are `frame_bytes` beside them.
    pub fn delivering(
        &mut self,
        span: Span,
        batches: &Bytes,
        frame_bytes: usize,
        charge: (usize, Arc<Charge>),
        task: AbortHandle,
    ) {
        let (document_bytes, charge) = (frame_bytes + charge.0, charge.1);
        // The rest of a divided stage has the same batches.
        let is_divided = self.stages.front().is_some_and(|stage| stage.batches.as_ptr() == batches.as_ptr());
        let fetched_bytes = if is_divided { 0 } else { batches.len() };
        self.delivering.insert(span, Delivering { fetched_bytes, document_bytes, frame_bytes, charge, task });
    }

    /// The sink may have let go of documents, or kept some of them in another place.
    pub fn recount(&mut self, memory: &mut Memory) {
        for delivering in self.delivering.values_mut() {
            let now = delivering.frame_bytes + delivering.charge.bytes();
            let before = std::mem::replace(&mut delivering.document_bytes, now);
            self.document_bytes = self.document_bytes + now - before;
            memory.documents = memory.documents + now - before;
        }
    }

    /// Everything in `span` is done. Returns how many offsets more are done without a gap.
    pub fn finished(&mut self, span: Span, memory: &mut Memory) -> u64 {
        let Some(Delivering { fetched_bytes, document_bytes, .. }) = self.delivering.remove(&span) else { return 0 };
        self.fetched_bytes -= fetched_bytes;
        self.document_bytes -= document_bytes;
        memory.fetched -= fetched_bytes;
        memory.documents -= document_bytes;
        self.finish(span)
    }

    /// Nothing is to be done about `span`.
    pub fn finish(&mut self, span: Span) -> u64 {
        let before = self.ledger.done();
        self.ledger.finish(span);
        self.times.done(self.ledger.done());
        u64::try_from(self.ledger.done() - before).unwrap_or_default()
    }

    /// Nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.stages.is_empty() && self.delivering.is_empty()
    }

    /// Nothing is on its way under the pipelines of now: what waits may pass others.
    pub fn is_between_pipelines(&self) -> bool {
        self.delivering.is_empty() && self.stages.iter().all(|stage| matches!(stage.step, Step::Waiting))
    }

    /// Drops what nobody has begun to work on; it is not done, and never will be.
    pub fn drop_waiting(&mut self, memory: &mut Memory) {
        while let Some(Stage { step: Step::Waiting, .. }) = self.stages.back() {
            let Some(stage) = self.stages.pop_back() else { return };
            // The first half of a divided stage has the same batches, and counts them from now on.
            if self.stages.back().is_none_or(|before| before.batches.as_ptr() != stage.batches.as_ptr()) {
                self.fetched_bytes -= stage.batches.len();
                memory.fetched -= stage.batches.len();
            }
        }
    }

    /// Stops whatever is open; none of it will count as done.
    pub fn abandon(&mut self, memory: &mut Memory) {
        for (_, Delivering { task, .. }) in self.delivering.drain() {
            task.abort();
        }
        self.stages.clear();
        memory.fetched -= std::mem::take(&mut self.fetched_bytes);
        memory.documents -= std::mem::take(&mut self.document_bytes);
    }

    fn position(&self) -> Position {
        let done = self.ledger.done();
        let high_watermark = self.high_watermark.unwrap_or(done).max(done);
        let is_behind = high_watermark > done;
        Position {
            done,
            committed: self.committed,
            high_watermark,
            oldest_ms: if is_behind { self.times.oldest_ms() } else { None },
            paused: self.paused,
            lag_bytes: ((high_watermark - done) as f64 * self.record_bytes) as u64,
        }
    }
}

/// All that are ours.
#[derive(Default)]
pub(crate) struct Partitions {
    pub by_name: BTreeMap<TopicPartition, Assigned>,
}

impl Partitions {
    /// Pauses the partitions that have used up what they may, and resumes those that have worked off half of it.
    pub fn balance(&mut self, memory: &Memory, open_offsets_max: i64, source: &impl Source) {
        for (name, assigned) in &mut self.by_name {
            let open_offsets = assigned.ledger.open_offsets();
            if !assigned.paused {
                if !memory.may_fetch(assigned.fetched_bytes) || open_offsets >= open_offsets_max {
                    source.pause(name);
                    assigned.paused = true;
                }
            } else if memory.may_fetch(assigned.fetched_bytes.saturating_mul(2)) && open_offsets <= open_offsets_max / 2
            {
                source.resume(name);
                assigned.paused = false;
            }
        }
    }

    /// What can be committed and is not.
    pub fn to_commit(&self) -> Vec<(TopicPartition, i64)> {
        let behind = self.by_name.iter().filter(|(_, assigned)| assigned.ledger.done() > assigned.committed);
        behind.map(|(name, assigned)| (name.clone(), assigned.ledger.done())).collect()
    }

    /// The group has stored `offsets` of assignments up to `life`.
    pub fn committed(&mut self, offsets: &[(TopicPartition, i64)], life: u64) {
        for (name, offset) in offsets {
            if let Some(assigned) = self.by_name.get_mut(name).filter(|assigned| assigned.life <= life) {
                assigned.committed = assigned.committed.max(*offset);
            }
        }
    }

    pub fn positions(&self) -> BTreeMap<TopicPartition, Position> {
        self.by_name.iter().map(|(name, assigned)| (name.clone(), assigned.position())).collect()
    }

    pub fn paused(&self) -> usize {
        self.by_name.values().filter(|assigned| assigned.paused).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    #[tokio::test]
    async fn what_a_sink_lets_go_of_is_free_for_others() {
        let (mut memory, let_go) = (Memory::new(1 << 20, 1 << 20), Arc::default());
        let partition = TopicPartition { topic: "logs".into(), partition: 0 };
        let mut assigned = Assigned::new(&Assignment { partition, position: 0, topic_id: None }, 1);
        assigned.push(10, Bytes::from_static(b"batch"), &mut memory);
        let (_, bytes) = assigned.next_stage().expect("a stage");
        let (span, batches) = assigned.begin_making(bytes, &mut memory).expect("a stage");
        let mut rendered = Rendered { next: span.next, ..Rendered::default() };
        rendered.batch.json = Vec::with_capacity(100_000);
        assigned.made(span, rendered, &mut memory);
        let (.., rendered) = assigned.take_made().expect("documents");
        let charge = Arc::new(Charge::new(rendered.batch.json.capacity(), let_go));
        let task = tokio::spawn(ready(())).abort_handle();
        assigned.delivering(span, &batches, rendered.frame_bytes(), (100_000, charge.clone()), task);
        assert_eq!((memory.documents, assigned.document_bytes), (100_000, 100_000));
        // One is kept, the others are done.
        charge.add(500);
        charge.remove(100_000);
        assigned.recount(&mut memory);
        assert_eq!((memory.documents, assigned.document_bytes), (500, 500));
        assigned.finished(span, &mut memory);
        assert_eq!((memory.documents, assigned.document_bytes), (0, 0));
    }

    #[test]
    fn no_more_is_expected_of_a_stage_than_is_made_at_once() {
        let mut memory = Memory::new(1 << 20, 9 * DOCUMENT_BYTES_MAX);
        let partition = TopicPartition { topic: "logs".into(), partition: 0 };
        let mut assigned = Assigned::new(&Assignment { partition, position: 0, topic_id: None }, 1);
        // A document of 20 MB came of a line that compressed well, and other documents are held.
        assigned.documents_per_byte = 5_000.0;
        memory.documents = DOCUMENT_BYTES_MAX;
        assigned.push(10, Bytes::from(vec![0; 64 << 10]), &mut memory);
        let (_, bytes) = assigned.next_stage().expect("a stage");
        assert_eq!(bytes, DOCUMENT_BYTES_MAX);
        assert!(assigned.may_make(bytes, &memory));
    }
}
