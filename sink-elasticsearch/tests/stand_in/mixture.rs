//! Every fault in random mixtures: each document ends exactly once in the server or rejected.

use crate::*;
use elasticsearch_stand_in::{BulkItem, ItemFault, mixture};

const DOCUMENTS: usize = 600;
const DOCUMENTS_PER_DELIVERY: usize = 75;

/// The seed of the run: `SLUICE_SEED`, or a fresh one.
fn seed() -> u64 {
    let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("SLUICE_SEED={seed}");
    seed
}

/// Why the server refuses a document for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bad {
    /// Until its field is moved.
    Malformed,
    /// Whatever is done.
    Spoilt,
    StrictMapping,
    FieldLimit,
    FailureStore,
}

fn bad(n: usize) -> Option<Bad> {
    match n % 97 {
        13 => Some(Bad::Malformed),
        29 => Some(Bad::Spoilt),
        41 => Some(Bad::StrictMapping),
        57 => Some(Bad::FieldLimit),
        71 => Some(Bad::FailureStore),
        _ => None,
    }
}

fn refuse(item: &BulkItem) -> Option<ItemFault> {
    let n: usize = item.id.trim_start_matches("n-").parse().ok()?;
    let has_field = item.source.as_ref().is_ok_and(|source| source.get("n").is_some());
    Some(match bad(n)? {
        Bad::Malformed if !has_field => return None,
        Bad::Malformed | Bad::Spoilt => {
            let reason = "[1:7] failed to parse field [n] of type [date] in document with id 'a'";
            ItemFault::error(400, "document_parsing_exception", reason)
        }
        Bad::StrictMapping => ItemFault::error(
            400,
            "strict_dynamic_mapping_exception",
            "mapping set to strict, dynamic introduction of [n] within [_doc] is not allowed",
        ),
        Bad::FieldLimit => {
            ItemFault::error(400, "illegal_argument_exception", "Limit of total fields [3] has been exceeded")
        }
        Bad::FailureStore => ItemFault::FailureStore,
    })
}

fn is_refused(n: usize) -> bool {
    bad(n).is_some_and(|bad| bad != Bad::Malformed)
}

fn index_of(n: usize) -> String {
    format!("i-{}", n / DOCUMENTS_PER_DELIVERY % 3)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_document_ends_exactly_once() {
    let mut random = fastrand::Rng::with_seed(seed());
    let server = StandIn::start().await;
    let other_node = server.another_node();
    server.refuse(Box::new(refuse));
    server.fault_source(mixture(random.fork()));
    // Some are there from an earlier life.
    for n in (0..DOCUMENTS).filter(|n| n % 10 == 3 && bad(*n).is_none()) {
        server.put(&index_of(n), &format!("n-{n}"), serde_json::json!({"n": n}));
    }
    let mut config = config(server.url());
    config.connection.urls.push(other_node.url());
    // Most answers are refusals, so what the sink does to spare the server takes most of the time.
    config.backoff_max = Duration::from_millis(2);
    config.bulk_documents_max = random.usize(20..200);
    let sink = sink(config);
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
        let there = documents.get(&(index_of(n), format!("n-{n}")));
        let rejected = matches!(outcome, Outcome::Rejected(_));
        assert_eq!((there.is_some(), rejected), (!is_refused(n), is_refused(n)), "n-{n} is {outcome:?}");
        assert!(n % 10 != 3 || *outcome != Outcome::Done || bad(n).is_some(), "n-{n} was there before");
        let want = match bad(n) {
            Some(Bad::Malformed) => serde_json::json!({"_malformed": {"n": n.to_string()}}),
            _ => serde_json::json!({"n": n}),
        };
        assert!(there.is_none_or(|document| *document == want), "n-{n} is {there:?}");
    }
    assert_eq!(documents.len(), (0..DOCUMENTS).filter(|n| !is_refused(*n)).count());
    until("no problems", || sink.problems().is_empty()).await;
    assert_sound(&server);
}
