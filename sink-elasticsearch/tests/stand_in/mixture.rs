//! Every fault in random mixtures: each document ends exactly once in the server or rejected.

use crate::*;
use elasticsearch_stand_in::{ItemFault, mixture};

const DOCUMENTS: usize = 3_000;
const DOCUMENTS_PER_DELIVERY: usize = 75;

/// The seed of the run: `SLUICE_SEED`, or a fresh one.
fn seed() -> u64 {
    let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    seed
}

/// Documents that the server will never take.
fn is_bad(n: usize) -> bool {
    n % 97 == 13
}

fn index_of(n: usize) -> String {
    format!("i-{}", n / DOCUMENTS_PER_DELIVERY % 3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_document_ends_exactly_once() {
    let mut random = fastrand::Rng::with_seed(seed());
    let server = StandIn::start().await;
    server.refuse(Box::new(move |item| {
        let n: usize = item.id.trim_start_matches("n-").parse().ok()?;
        is_bad(n).then(|| ItemFault::error(400, "document_parsing_exception", "failed to parse field [n]"))
    }));
    server.fault_source(mixture(random.fork()));
    // Some are there from an earlier life.
    for n in (0..DOCUMENTS).filter(|n| n % 10 == 3 && !is_bad(*n)) {
        server.put(&index_of(n), &format!("n-{n}"), serde_json::json!({"n": n}));
    }
    let sink = sink(Config { bulk_documents_max: random.usize(20..200), ..config(server.url()) });
    let mut deliveries = Vec::new();
    for first in (0..DOCUMENTS).step_by(DOCUMENTS_PER_DELIVERY) {
        let sink = sink.clone();
        deliveries.push(tokio::spawn(async move {
            deliver(&sink, batch(&index_of(first), first..first + DOCUMENTS_PER_DELIVERY)).await
        }));
    }
    let mut outcomes = Vec::new();
    for delivery in deliveries {
        outcomes.extend(delivery.await.expect("delivered"));
    }

    let documents = server.documents();
    for (n, outcome) in outcomes.iter().enumerate() {
        let there = documents.contains_key(&(index_of(n), format!("n-{n}")));
        let rejected = matches!(outcome, Outcome::Rejected(_));
        assert_eq!((there, rejected), (!is_bad(n), is_bad(n)), "n-{n} is {outcome:?}");
        assert!(n % 10 != 3 || *outcome != Outcome::Done, "n-{n} was there before");
    }
    assert_eq!(documents.len(), (0..DOCUMENTS).filter(|n| !is_bad(*n)).count());
    until("no problems", || sink.problems().is_empty()).await;
    assert_sound(&server);
}
