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
        most = most.max(in_use());
        tokio::time::sleep(Duration::from_millis(1)).await;
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
