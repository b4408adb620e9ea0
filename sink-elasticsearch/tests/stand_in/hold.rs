//! What is held, until when, and what it holds up.

use crate::*;
use elasticsearch_stand_in::{Answer, BulkItem, Fault, ItemFault};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Long enough to see that something waits, short enough for a test.
const HOLD: Duration = Duration::from_millis(300);

fn impatient(url: String) -> Config {
    Config { index_hold: HOLD, ..config(url) }
}

/// Refuses the documents of `index` while the flag stands.
fn refuse(server: &StandIn, index: &'static str, fault: ItemFault) -> Arc<AtomicBool> {
    let refuses = Arc::new(AtomicBool::new(true));
    let flag = refuses.clone();
    server.refuse(Box::new(move |item: &BulkItem| (item.index == index && flag.load(Relaxed)).then(|| fault.clone())));
    refuses
}

fn closed() -> ItemFault {
    ItemFault::error(400, "index_closed_exception", "closed")
}

#[tokio::test]
async fn an_index_that_stays_closed_gives_dead_letters() {
    let server = StandIn::start().await;
    let closed = refuse(&server, "old", closed());
    let sink = sink(impatient(server.url()));
    let mut documents = batch("new", 0..10);
    push(&mut documents, "old", "late", "{}");
    let started = Instant::now();
    let outcomes = deliver(&sink, documents).await;
    assert!(started.elapsed() >= HOLD, "rejected after {:?}", started.elapsed());
    assert_eq!(rejected(&outcomes[10]), Some((400, "index_closed_exception")));
    assert!(attempts(&outcomes[10]) > 1);
    assert_eq!(server.documents().len(), 10);
    // Its time is over: what comes later does not wait.
    let mut later = batch("new", 10..20);
    push(&mut later, "old", "later", "{}");
    let outcomes = deliver(&sink, later).await;
    assert_eq!((rejected(&outcomes[10]), attempts(&outcomes[10])), (Some((400, "index_closed_exception")), 1));
    assert!(sink.problems()[0].contains("index is closed for old"), "{:?}", sink.problems());
    // It is opened: all is well.
    closed.store(false, Relaxed);
    assert_eq!(deliver(&sink, batch("old", 0..1)).await, [Outcome::Done]);
    assert!(sink.problems().is_empty());
}

#[tokio::test]
async fn only_what_is_held_stays_in_memory() {
    let server = StandIn::start().await;
    let closed = refuse(&server, "old", closed());
    let sink = sink(config(server.url()));
    let mut documents = batch("new", 0..1000);
    push(&mut documents, "old", "late", r#"{"message":"one that waits"}"#);
    let charge = Arc::new(Charge::new(documents.json.capacity(), Arc::default()));
    documents.charge = Some(charge.clone());
    let whole = charge.bytes();
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, documents).await }
    });
    until("the others are done", || server.documents().len() == 1000).await;
    // Its action line is with it.
    until("one is left", || charge.bytes() < 200).await;
    assert!(charge.bytes() > 0 && whole > 10_000, "{} of {whole}", charge.bytes());
    closed.store(false, Relaxed);
    assert!(waiting.await.expect("no panic").iter().all(|outcome| *outcome == Outcome::Done));
    assert_eq!(server.documents()[&("old".to_owned(), "late".to_owned())]["message"], "one that waits");
    assert_eq!(charge.bytes(), 0);
}

#[tokio::test]
async fn what_may_not_be_written_anywhere_is_held_and_what_may_not_be_written_to_one_index_is_not() {
    let server = StandIn::start().await;
    let forbidden = ItemFault::error(403, "security_exception", "action [indices:data/write/bulk] is unauthorized");
    let refuses = refuse(&server, "secret", forbidden);
    let sink = sink(impatient(server.url()));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("secret", 0..3)).await }
    });
    // Nothing else passes: it waits beyond its time.
    tokio::time::timeout(3 * HOLD, async { server_requests(&server, usize::MAX).await }).await.expect_err("no end");
    assert!(!waiting.is_finished());
    assert!(sink.problems()[0].contains("writing is forbidden"), "{:?}", sink.problems());
    // Documents of another index pass: it is about this one.
    deliver(&sink, batch("open", 0..3)).await;
    let outcomes = waiting.await.expect("delivered");
    assert!(outcomes.iter().all(|outcome| rejected(outcome) == Some((403, "security_exception"))), "{outcomes:?}");
    refuses.store(false, Relaxed);
}

async fn server_requests(server: &StandIn, count: usize) {
    until("requests", || server.requests().len() >= count).await;
}

#[tokio::test]
async fn causes_of_the_whole_server_are_waited_for_without_an_end() {
    for fault in [
        ItemFault::error(401, "security_exception", "token expired"),
        ItemFault::error(400, "illegal_argument_exception", "pipeline with id [p] does not exist"),
        ItemFault::error(
            400,
            "validation_exception",
            "this cluster currently has [10]/[10] maximum normal shards open;",
        ),
    ] {
        let server = StandIn::start().await;
        let refuses = refuse(&server, "a", fault.clone());
        let sink = sink(Config { index_hold: Duration::from_millis(20), ..config(server.url()) });
        let waiting = tokio::spawn({
            let sink = sink.clone();
            async move { deliver(&sink, batch("a", 0..3)).await }
        });
        until("a problem", || !sink.problems().is_empty()).await;
        for n in 0..5 {
            deliver(&sink, batch("b", n..n + 1)).await;
            let seen = server.requests().len();
            server_requests(&server, seen + 3).await;
        }
        assert!(!waiting.is_finished(), "{fault:?}");
        assert_eq!(sink.problems().len(), 1, "{:?}", sink.problems());
        refuses.store(false, Relaxed);
        assert!(waiting.await.expect("delivered").iter().all(|outcome| *outcome == Outcome::Done));
        assert!(sink.problems().is_empty(), "{fault:?}: {:?}", sink.problems());
    }
}

#[tokio::test]
async fn a_document_that_the_server_stumbles_over_for_ever_is_rejected_when_others_pass() {
    let server = StandIn::start().await;
    server
        .refuse(Box::new(|item| (item.id == "n-3").then(|| ItemFault::error(500, "null_pointer_exception", "a bug"))));
    let sink = sink(impatient(server.url()));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("a", 0..10)).await }
    });
    let end = Instant::now() + DEADLINE;
    let mut n = 100;
    while !waiting.is_finished() && Instant::now() < end {
        deliver(&sink, batch("a", n..n + 1)).await;
        n += 1;
    }
    let outcomes = waiting.await.expect("delivered");
    assert_eq!(rejected(&outcomes[3]), Some((500, "null_pointer_exception")));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count(), 9);
}

#[tokio::test]
async fn a_server_that_refuses_every_request_as_malformed_gets_no_dead_letters() {
    let server = StandIn::start().await;
    let breaks = Arc::new(AtomicBool::new(true));
    server.fault_source(Box::new({
        let breaks = breaks.clone();
        move |_, _| match breaks.load(Relaxed) {
            true => Fault::Status(Answer::error(400, "parse_exception", "request body is required")),
            false => Fault::None,
        }
    }));
    let sink = sink(config(server.url()));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("a", 0..4)).await }
    });
    until("a problem", || !sink.problems().is_empty()).await;
    assert!(sink.problems()[0].contains("refuses every bulk request"), "{:?}", sink.problems());
    breaks.store(false, Relaxed);
    assert!(waiting.await.expect("delivered").iter().all(|outcome| *outcome == Outcome::Done));
}
