//! The bound of the worker's memory.

use crate::dealer::{DeadLetters, Group, deal};
use crate::flow::{fetched, quick};
use crate::records::plain_batch;
use crate::*;
use pipelines::worker::source::Event;
use pipelines::worker::{Settings, Worker};
use prometheus_client::registry::Registry;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_below_its_bound_while_the_sink_takes_nothing() {
    const BOUND: usize = 16 << 20;
    let mut registry = Registry::default();
    let (dealer, hand) = deal(Arc::<Mutex<Group>>::default());
    let sink = GatedSink::new(false);
    let settings = Settings { memory_bytes_max: BOUND, threads: 2, ..quick() };
    let worker = Worker::start_on(hand, Arc::<DeadLetters>::default(), settings, sink.clone(), &mut registry);
    let names: Vec<_> = (0..8).map(|number| (partition(number), 0)).collect();
    dealer.send(Event::Assigned(assigned(&names)));
    let in_use = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("metrics are text");
        let lines = text.lines().filter(|line| line.starts_with("sluice_worker_memory_bytes{"));
        lines
            .map(|line| line.rsplit(' ').next().and_then(|n| n.parse::<usize>().ok()).expect("a number"))
            .sum::<usize>()
    };
    let lines: Vec<String> = (0..500).map(|n| format!("{n} {}", "word ".repeat(20))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut positions = [0i64; 8];
    let mut most = 0;
    // A fetch at a time, of partitions that are not paused, until all are.
    let end = Instant::now() + DEADLINE;
    while !(0..8).all(|number| dealer.is_paused(&partition(number))) {
        assert!(Instant::now() < end, "not every partition is paused");
        for (number, position) in (0..).zip(&mut positions) {
            if !dealer.is_paused(&partition(number)) && *position < 500 * 400 {
                dealer.send(fetched(number, *position, plain_batch(*position, &lines)));
                *position += 500;
            }
        }
        // As a broker that is not asked for more before.
        until("the worker has dealt with what was fetched", || dealer.is_idle()).await;
        most = most.max(in_use());
    }
    // Documents are made of what was fetched, and kept, since nothing takes them.
    until("documents are in memory, too", || in_use() > BOUND / 4).await;
    most = most.max(in_use());
    assert!(most <= BOUND + (2 << 20), "{most} bytes in use; the bound is {BOUND}");
    sink.gate.add_permits(1 << 20);
    until("all is done", || {
        (0..8).zip(positions).all(|(number, position)| dealer.committed(&partition(number)) == Some(position))
    })
    .await;
    until("nothing is in use", || in_use() == 0).await;
    worker.stop(DEADLINE).await;
}

/// A sink that waits for more documents until it is told that none come.
#[derive(Default)]
struct Patient(Mutex<Vec<tokio::sync::oneshot::Sender<()>>>);

#[async_trait]
impl Sink for Patient {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        let (go, goes) = tokio::sync::oneshot::channel();
        self.0.lock().expect("no panic").push(go);
        goes.await.map_err(|_| Closed)?;
        Ok(vec![Outcome::Done; batch.items.len()])
    }

    async fn flush(&self) {
        self.hurry();
    }

    fn hurry(&self) {
        for go in self.0.lock().expect("no panic").drain(..) {
            // Who does not wait any more has given up.
            let _ = go.send(());
        }
    }

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_does_not_wait_for_documents_for_which_there_is_no_memory() {
    let (dealer, hand) = deal(Arc::<Mutex<Group>>::default());
    let settings = Settings { memory_bytes_max: 8 << 20, threads: 2, ..quick() };
    let sink = Arc::<Patient>::default();
    let worker = Worker::start_on(hand, Arc::<DeadLetters>::default(), settings, sink, &mut Registry::default());
    dealer.send(Event::Assigned(assigned(&[(partition(0), 0)])));
    let lines: Vec<String> = (0..500).map(|n| format!("{n} {}", "word ".repeat(40))).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // About 50 MiB of documents.
    let end = 500 * 300;
    for position in (0..end).step_by(500) {
        dealer.send(fetched(0, position, plain_batch(position, &lines)));
    }
    // What is left fits into memory, so that the sink may wait.
    until("nearly all is done", || dealer.committed(&partition(0)).is_some_and(|done| done > end - 500 * 60)).await;
    worker.stop(DEADLINE).await;
}
