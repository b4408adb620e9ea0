//! Gathers documents into bulk requests: by size, by count, and by the age of the first one.
//!
//! A request is cut when there is a slot for it, not before: while the server is busy, documents wait here and make fuller
//! requests. How much waits is bounded by the callers.

use crate::carry::{Carrier, spawn};
use crate::delivery::Run;
use crate::part::Part;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How often what callers have given up is dropped while nothing can be sent.
const SWEEP: Duration = Duration::from_secs(5);

/// What the gatherer is told.
pub(crate) enum Command {
    Deliver(Run),
    /// What is there now waits for no more.
    Flush,
    /// What is there now waits for no more while nothing else is sent.
    Hurry,
}

/// When a bulk request is full; its bytes are the pace's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub documents_max: usize,
    pub linger: Duration,
}

/// What waits for a request.
#[derive(Default)]
struct Queue {
    runs: VecDeque<Waiting>,
    documents: usize,
    bytes: usize,
    /// Documents at the front that were flushed.
    flushed: usize,
    /// No more come before some are done.
    hurries: bool,
}

struct Waiting {
    run: Run,
    bytes: usize,
    since: Instant,
}

impl Queue {
    fn push(&mut self, run: Run) {
        let bytes = run.bytes();
        self.hurries = false;
        self.documents += run.len();
        self.bytes += bytes;
        self.runs.push_back(Waiting { run, bytes, since: Instant::now() });
    }

    /// When the first document has waited long enough.
    fn due(&self, linger: Duration) -> Option<Instant> {
        self.runs.front().map(|waiting| waiting.since + linger)
    }

    /// Takes what goes into a request of `bytes_max`: at least one document.
    fn cut(&mut self, bytes_max: usize, documents_max: usize) -> Vec<Run> {
        let mut runs = Vec::new();
        let (mut bytes, mut documents) = (0, 0);
        while let Some(waiting) = self.runs.front_mut() {
            let length = waiting.run.len();
            if bytes + waiting.bytes <= bytes_max && documents + length <= documents_max {
                bytes += waiting.bytes;
                documents += length;
                runs.extend(self.runs.pop_front().map(|waiting| waiting.run));
                continue;
            }
            let room = documents_max - documents;
            let (mut fits, mut fit_bytes) = (0, 0);
            for size in waiting.run.sizes().take(room) {
                // A document that is larger than a request goes alone.
                if bytes + fit_bytes + size > bytes_max && documents + fits > 0 {
                    break;
                }
                fits += 1;
                fit_bytes += size;
            }
            if fits > 0 {
                bytes += fit_bytes;
                documents += fits;
                waiting.bytes -= fit_bytes;
                runs.push(waiting.run.split_front(fits));
                if waiting.run.len() == 0 {
                    self.runs.pop_front();
                }
            }
            break;
        }
        self.documents -= documents;
        self.bytes -= bytes;
        self.flushed = self.flushed.saturating_sub(documents);
        runs
    }

    fn forget_given_up(&mut self) {
        if !self.runs.iter().any(|waiting| waiting.run.is_given_up()) {
            return;
        }
        let mut place = 0;
        let mut flushed = 0;
        let before = self.flushed;
        self.runs.retain(|waiting| {
            let is_flushed = place < before;
            place += waiting.run.len();
            let keep = !waiting.run.is_given_up();
            if keep && is_flushed {
                flushed += waiting.run.len();
            }
            keep
        });
        self.flushed = flushed;
        self.documents = self.runs.iter().map(|waiting| waiting.run.len()).sum();
        self.bytes = self.runs.iter().map(|waiting| waiting.bytes).sum();
    }
}

/// Runs until the commands end.
pub(crate) async fn gather(mut commands: mpsc::UnboundedReceiver<Command>, limits: Limits, carrier: Arc<Carrier>) {
    let mut queue = Queue::default();
    let mut swept = Instant::now();
    loop {
        let now = Instant::now();
        let due = queue.due(limits.linger);
        let is_full = queue.bytes >= carrier.pace.bulk_bytes() || queue.documents >= limits.documents_max;
        let is_due = due.is_some_and(|due| due <= now);
        let hurries = queue.hurries && carrier.pace.is_idle();
        let is_ready = queue.documents > 0 && (is_full || queue.flushed > 0 || is_due || hurries);
        if now.duration_since(swept) >= SWEEP {
            swept = now;
            queue.forget_given_up();
            continue;
        }
        let wake = match due {
            Some(due) if !is_ready => due.min(now + SWEEP),
            _ => now + SWEEP,
        };
        let command = tokio::select! {
            biased;
            command = commands.recv() => command,
            slot = carrier.pace.slot(), if is_ready => {
                let runs = queue.cut(carrier.pace.bulk_bytes(), limits.documents_max);
                spawn(carrier.clone(), Part::new(runs), Some(slot));
                continue;
            }
            () = carrier.pace.idle(), if queue.hurries && queue.documents > 0 => continue,
            () = tokio::time::sleep_until(wake), if queue.documents > 0 => continue,
        };
        match command {
            None => return,
            Some(Command::Deliver(run)) => queue.push(run),
            Some(Command::Flush) => queue.flushed = queue.documents,
            Some(Command::Hurry) => queue.hurries = true,
        }
    }
}
