//! How documents become bulk requests.

use crate::*;
use elasticsearch_stand_in::Fault;

#[tokio::test]
async fn documents_arrive_once_and_repetitions_are_recognised() {
    let server = StandIn::start().await;
    let sink = sink(config(server.url()));
    let first = deliver(&sink, batch("sluice-a-2026.11", 0..100)).await;
    assert!(first.iter().all(|outcome| *outcome == Outcome::Done));
    let second = deliver(&sink, batch("sluice-a-2026.11", 50..150)).await;
    let there = second.iter().take_while(|outcome| **outcome == Outcome::AlreadyThere).count();
    assert_eq!((there, second[50..].iter().all(|outcome| *outcome == Outcome::Done)), (50, true));
    let documents = server.documents();
    assert_eq!(documents.len(), 150);
    assert_eq!(documents[&("sluice-a-2026.11".into(), "n-7".into())], serde_json::json!({"n": 7}));
    assert!(server.requests().iter().all(|request| request.gzip && request.authorization.is_none()));
    assert!(sink.problems().is_empty());
    assert_sound(&server);
}

#[tokio::test]
async fn a_request_is_full_by_count_and_by_bytes() {
    let server = StandIn::start().await;
    let by_count = Config { bulk_documents_max: 10, compression: Compression::None, ..config(server.url()) };
    deliver(&sink(by_count), batch("a", 0..95)).await;
    let counts: Vec<_> = server.requests().iter().map(|request| request.items).collect();
    assert_eq!((counts.len(), counts.iter().sum::<usize>(), counts.iter().max()), (10, 95, Some(&10)));

    let by_bytes = Config { bulk_bytes_max: 1024, ..config(server.url()) };
    deliver(&sink(by_bytes), batch("b", 0..95)).await;
    let requests = server.requests();
    assert!(requests[10..].iter().all(|request| request.plain_bytes <= 1024));
    assert_eq!(requests[10..].iter().map(|request| request.items).sum::<usize>(), 95);
    assert!(requests[..10].iter().all(|request| !request.gzip && request.plain_bytes == request.sent_bytes));
    assert_sound(&server);
}

#[tokio::test]
async fn concurrent_deliveries_share_a_request_and_flush_does_not_wait_for_its_age() {
    let server = StandIn::start().await;
    let sink = sink(Config { linger: Duration::from_secs(3600), ..config(server.url()) });
    let both = async { tokio::join!(deliver(&sink, batch("a", 0..3)), deliver(&sink, batch("a", 3..5))) };
    let flush = async {
        // The deliveries are polled first, so both are on the way when this runs.
        tokio::task::yield_now().await;
        sink.flush().await;
    };
    let ((first, second), ()) = tokio::join!(both, flush);
    assert_eq!((first.len(), second.len()), (3, 2));
    assert_eq!(server.requests().len(), 1);
    assert_sound(&server);
}

#[tokio::test]
async fn who_hurries_is_not_waited_for_by_an_idle_sink() {
    let server = StandIn::start().await;
    let sink = sink(Config { linger: Duration::from_secs(3600), bulk_documents_max: 3, ..config(server.url()) });
    let hurry = async {
        // The delivery is polled first.
        tokio::task::yield_now().await;
        sink.hurry();
    };
    tokio::join!(deliver(&sink, batch("a", 0..2)), hurry);
    assert_eq!(server.requests().len(), 1);
    // While a full request is under way, what is left waits for its answer, and is sent then.
    server.script([Fault::Slow(Duration::from_secs(1))]);
    let rest = async {
        until("the full request is under way", || server.requests().len() == 2).await;
        let (_, ()) = tokio::join!(deliver(&sink, batch("a", 5..6)), async {
            tokio::task::yield_now().await;
            sink.hurry();
        });
    };
    tokio::join!(deliver(&sink, batch("a", 2..5)), rest);
    assert_eq!(server.requests().len(), 3);
    assert_sound(&server);
}

#[tokio::test]
async fn credentials_of_the_url_are_sent() {
    let server = StandIn::start().await;
    let url = format!("http://elastic:secret@{}", server.address());
    deliver(&sink(config(url)), batch("a", 0..1)).await;
    assert_eq!(server.requests()[0].authorization.as_deref(), Some("Basic ZWxhc3RpYzpzZWNyZXQ="));
}

#[tokio::test]
async fn what_the_caller_gives_up_is_not_sent() {
    let server = StandIn::start().await;
    let sink = sink(Config { linger: Duration::from_secs(3600), ..config(server.url()) });
    let given_up = tokio::time::timeout(Duration::ZERO, sink.deliver(batch("a", 0..5))).await;
    assert!(given_up.is_err());
    let (_, ()) = tokio::join!(deliver(&sink, batch("a", 5..6)), async {
        tokio::task::yield_now().await;
        sink.flush().await;
    });
    assert_eq!(server.documents().len(), 1);
}
