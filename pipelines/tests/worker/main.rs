//! The worker on a source that deals the worst hands.

mod dealer;
mod flow;
mod leaving;
mod memory;
mod mixture;
mod records;

use async_trait::async_trait;
use kafka_client::TopicPartition;
use pipelines::sink::{Closed, DocumentBatch, Outcome, Rejection, Sink};
use pipelines::worker::source::Assignment;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Far more than any test here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn partition(number: i32) -> TopicPartition {
    TopicPartition { topic: "logs".into(), partition: number }
}

/// Partitions with the offset at which reading begins.
fn assigned(places: &[(TopicPartition, i64)]) -> Vec<Assignment> {
    let place = |(partition, position): &(TopicPartition, i64)| Assignment {
        partition: partition.clone(),
        position: *position,
        topic_id: Some([7; 16]),
    };
    places.iter().map(place).collect()
}

/// Polls until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not before the deadline");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A sink that keeps documents and takes a batch only when the test lets it.
struct GatedSink {
    documents: Mutex<Vec<serde_json::Value>>,
    ids: Mutex<Vec<(String, String)>>,
    /// Messages of documents whose batch waits.
    waiting: Mutex<Vec<String>>,
    /// A permit for each batch that may pass, unless its first message is in `first`.
    gate: Semaphore,
    /// First messages of batches that pass without a permit.
    free: Mutex<Vec<String>>,
}

impl GatedSink {
    fn new(open: bool) -> Arc<Self> {
        Arc::new(Self {
            documents: Mutex::default(),
            ids: Mutex::default(),
            waiting: Mutex::default(),
            gate: Semaphore::new(if open { 1 << 20 } else { 0 }),
            free: Mutex::default(),
        })
    }

    fn documents(&self) -> Vec<serde_json::Value> {
        self.documents.lock().expect("no panic").clone()
    }

    fn waiting(&self) -> usize {
        self.waiting.lock().expect("no panic").len()
    }
}

#[async_trait]
impl Sink for GatedSink {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        let documents: Vec<serde_json::Value> = batch
            .items
            .iter()
            .map(|item| serde_json::from_slice(batch.document(item)).expect("documents are JSON"))
            .collect();
        let first = documents.first().map(|document| document["message"].to_string()).unwrap_or_default();
        self.waiting.lock().expect("no panic").push(first.clone());
        if !self.free.lock().expect("no panic").contains(&first) {
            // Without waiting where it is open: a task that has done much is made to wait for anything, and others pass it.
            match self.gate.try_acquire() {
                Ok(permit) => permit.forget(),
                Err(_) => self.gate.acquire().await.expect("the gate is never closed").forget(),
            }
        }
        let outcomes = documents
            .iter()
            .map(|document| match document["message"].as_str().is_some_and(|text| text.contains("bad")) {
                true => Outcome::Rejected(Box::new(Rejection {
                    status: 400,
                    kind: "k".into(),
                    reason: "r".into(),
                    attempts: 1,
                })),
                false => Outcome::Done,
            })
            .collect();
        let ids = batch.items.iter().map(|item| {
            let id = item.id.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default();
            (item.index.to_string(), id)
        });
        self.ids.lock().expect("no panic").extend(ids);
        self.documents.lock().expect("no panic").extend(documents);
        Ok(outcomes)
    }

    async fn flush(&self) {}

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}
