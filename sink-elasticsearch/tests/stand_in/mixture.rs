//! Every fault in random mixtures: each document ends exactly once in the server or rejected.

use crate::*;
use elasticsearch_stand_in::{Answer, BulkItem, Fault, ItemFault};
use std::collections::BTreeMap;

const DOCUMENTS: usize = 3_000;
const DOCUMENTS_PER_DELIVERY: usize = 75;

/// The seed of the run: `SLUICE_SEED`, or a fresh one.
fn seed() -> u64 {
    let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    seed
}

fn fault(random: &mut fastrand::Rng, items: &[BulkItem]) -> Fault {
    match random.u32(0..15) {
        0 => Fault::Close,
        1 => Fault::CloseAfter,
        2 => Fault::CutAnswer,
        3 => Fault::Garbage,
        4 => Fault::MissingItems(random.usize(1..4)),
        5 => Fault::Status(Answer::bare(random.choice([408, 500, 502, 503, 504]).unwrap_or(500))),
        6 => Fault::Status(Answer { retry_after: Some("0".into()), ..Answer::bare(429) }),
        7 => Fault::Status(Answer::error(429, "circuit_breaking_exception", "too much")),
        8 if items.len() > 1 => Fault::Status(Answer::error(400, "illegal_argument_exception", "something in it")),
        9 => Fault::Status(Answer::error(401, "security_exception", "who are you")),
        10 | 11 => {
            let faults = (0..items.len()).filter(|_| random.bool()).collect::<Vec<_>>();
            let faults = faults.into_iter().map(|place| (place, item_fault(random)));
            Fault::Items(faults.collect::<BTreeMap<_, _>>())
        }
        // Alone, a document would be rejected for good by such an answer, which is another test's subject.
        12 if items.len() > 1 => Fault::Status(Answer::bare(413)),
        _ => Fault::None,
    }
}

fn item_fault(random: &mut fastrand::Rng) -> ItemFault {
    match random.u32(0..8) {
        0 => ItemFault::error(429, "rejected_execution_exception", "busy"),
        1 => ItemFault::error(429, "es_rejected_execution_exception", "busy"),
        2 => ItemFault::error(503, "unavailable_shards_exception", "not yet"),
        3 => ItemFault::error(500, "", ""),
        4 => ItemFault::NoStatus,
        5 => ItemFault::error(404, "index_not_found_exception", "no such index"),
        6 => ItemFault::error(400, "index_closed_exception", "closed"),
        _ => ItemFault::error(403, "cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)]"),
    }
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
    server.fault_source(Box::new({
        let mut random = random.fork();
        move |_, items| fault(&mut random, items)
    }));
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
