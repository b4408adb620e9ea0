//! One fault at a time.

use crate::*;
use elasticsearch_stand_in::{Answer, Fault, ItemFault};
use std::collections::BTreeMap;
use std::net::TcpListener;

#[tokio::test]
async fn what_is_too_large_is_divided_down_to_the_document() {
    let server = StandIn::start().await;
    server.limit_content(2000);
    let mut documents = batch("a", 0..20);
    push(&mut documents, "a", "huge", &format!(r#"{{"text":"{}"}}"#, "x".repeat(3000)));
    push(&mut documents, "a", "after", "{}");
    let outcomes = deliver(&sink(config(server.url())), documents).await;
    assert_eq!(rejected(&outcomes[20]), Some((413, "content_too_large")));
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count(), 21);
    assert_eq!(server.documents().len(), 21);
    assert_sound(&server);
}

#[tokio::test]
async fn a_document_that_spoils_its_request_is_found() {
    let server = StandIn::start().await;
    let mut documents = batch("a", 0..30);
    push(&mut documents, "a", &"i".repeat(600), "{}");
    Arc::make_mut(&mut documents.items).swap(7, 30);
    let outcomes = deliver(&sink(config(server.url())), documents).await;
    assert_eq!(rejected(&outcomes[7]), Some((400, "action_request_validation_exception")));
    assert_eq!(server.documents().len(), 30);
    assert_sound(&server);
}

#[tokio::test]
async fn rejections_say_what_the_server_said() {
    let server = StandIn::start().await;
    let mut documents = batch("a", 0..1);
    push(&mut documents, "Not-Lower", "x", "{}");
    push(&mut documents, "a", "y", "[]");
    let outcomes = deliver(&sink(config(server.url())), documents).await;
    assert_eq!(outcomes[0], Outcome::Done);
    assert_eq!(rejected(&outcomes[1]), Some((400, "invalid_index_name_exception")));
    assert_eq!(rejected(&outcomes[2]), Some((400, "document_parsing_exception")));
}

#[tokio::test]
async fn only_the_items_that_were_put_off_are_sent_again() {
    let server = StandIn::start().await;
    let busy = ItemFault::error(429, "es_rejected_execution_exception", "queue is full");
    server.script([
        Fault::Items(BTreeMap::from([(1, busy.clone()), (3, ItemFault::NoStatus)])),
        Fault::Items(BTreeMap::from([(0, busy)])),
    ]);
    let outcomes = deliver(&sink(config(server.url())), batch("a", 0..5)).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
    assert_eq!(server.requests().iter().map(|request| request.items).collect::<Vec<_>>(), [5, 2, 1]);
    assert_eq!(server.documents().len(), 5);
}

#[tokio::test]
async fn the_failure_store_is_a_rejection() {
    let server = StandIn::start().await;
    server.script([Fault::Items(BTreeMap::from([(0, ItemFault::FailureStore)]))]);
    let outcomes = deliver(&sink(config(server.url())), batch("a", 0..2)).await;
    assert_eq!(rejected(&outcomes[0]), Some((201, "failure_store")));
    assert_eq!(outcomes[1], Outcome::Done);
}

#[tokio::test]
async fn lost_answers_are_asked_for_again() {
    for fault in [
        Fault::Close,
        Fault::CloseAfter,
        Fault::CutAnswer,
        Fault::Garbage,
        Fault::MissingItems(1),
        Fault::MissingItems(5),
        Fault::ExtraItems(1),
        Fault::Hang,
        Fault::Status(Answer::bare(502)),
        Fault::Status(Answer::error(503, "unavailable_shards_exception", "starting")),
    ] {
        let server = StandIn::start().await;
        server.script([fault.clone(), fault.clone()]);
        let mut impatient = config(server.url());
        // Longer than any answer takes that does come.
        impatient.connection.request_timeout = Duration::from_secs(1);
        let outcomes = deliver(&sink(impatient), batch("a", 0..5)).await;
        assert!(outcomes.iter().all(|outcome| rejected(outcome).is_none()), "{fault:?}: {outcomes:?}");
        assert_eq!((server.documents().len(), server.requests().len()), (5, 3), "{fault:?}");
        assert_sound(&server);
    }
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let server = StandIn::start().await;
    let busy = Answer { retry_after: Some("1".into()), ..Answer::bare(429) };
    server.script([Fault::Status(busy)]);
    let started = Instant::now();
    deliver(&sink(config(server.url())), batch("a", 0..5)).await;
    assert!(started.elapsed() >= Duration::from_secs(1), "asked again after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_request_that_is_refused_for_ever_gets_smaller() {
    let server = StandIn::start().await;
    server.fault_source(Box::new(|_, items| match items.len() > 3 {
        true => Fault::Status(Answer::error(429, "es_rejected_execution_exception", "indexing pressure")),
        false => Fault::None,
    }));
    let outcomes = deliver(&sink(config(server.url())), batch("a", 0..50)).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done));
}

#[tokio::test]
async fn an_elasticsearch_that_is_not_there_is_waited_for() {
    let address = {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
        taken.local_addr().expect("its address")
    };
    let sink = sink(config(format!("http://user:secret@{address}")));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("a", 0..5)).await }
    });
    until("a problem", || !sink.problems().is_empty()).await;
    let problem = sink.problems().remove(0);
    assert!(problem.contains(&address.to_string()) && problem.contains("cannot be reached"), "{problem}");
    assert!(!problem.contains("secret"), "{problem}");
    let server = StandIn::start_at(address);
    assert_eq!(waiting.await.expect("delivered").len(), 5);
    assert_eq!((server.documents().len(), sink.problems()), (5, Vec::new()));
}

#[tokio::test]
async fn what_is_held_does_not_stop_the_rest() {
    let server = StandIn::start().await;
    let blocked = Arc::new(std::sync::atomic::AtomicBool::new(true));
    server.refuse(Box::new({
        let blocked = blocked.clone();
        move |item| {
            let hold = item.index == "blocked" && blocked.load(std::sync::atomic::Ordering::Relaxed);
            hold.then(|| {
                ItemFault::error(
                    403,
                    "cluster_block_exception",
                    "index [blocked] blocked by: [FORBIDDEN/8/index write (api)]",
                )
            })
        }
    }));
    // One place for requests: were it kept by what is held, nothing else would go.
    let sink = sink(Config { requests_in_flight_max: 1, ..config(server.url()) });
    let held = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("blocked", 0..5)).await }
    });
    until("a problem", || !sink.problems().is_empty()).await;
    assert!(sink.problems()[0].contains("index is blocked for blocked"), "{:?}", sink.problems());
    assert_eq!(deliver(&sink, batch("a", 0..5)).await.len(), 5);
    blocked.store(false, std::sync::atomic::Ordering::Relaxed);
    assert!(held.await.expect("delivered").iter().all(|outcome| *outcome == Outcome::Done));
    until("no problem", || sink.problems().is_empty()).await;
}

#[tokio::test]
async fn refused_credentials_are_a_problem_and_no_dead_letters() {
    let server = StandIn::start().await;
    let refused = Fault::Status(Answer::error(401, "security_exception", "missing authentication credentials"));
    let open = Arc::new(std::sync::atomic::AtomicBool::new(false));
    server.fault_source(Box::new({
        let open = open.clone();
        move |_, _| if open.load(std::sync::atomic::Ordering::Relaxed) { Fault::None } else { refused.clone() }
    }));
    let sink = sink(config(server.url()));
    let waiting = tokio::spawn({
        let sink = sink.clone();
        async move { deliver(&sink, batch("a", 0..5)).await }
    });
    until("a problem", || !sink.problems().is_empty()).await;
    assert!(sink.problems()[0].starts_with("credentials are refused"), "{:?}", sink.problems());
    open.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(waiting.await.expect("delivered").iter().all(|outcome| *outcome == Outcome::Done));
}

#[tokio::test]
async fn slow_answers_are_waited_for() {
    let server = StandIn::start().await;
    server.script([Fault::Slow(Duration::from_millis(200))]);
    deliver(&sink(config(server.url())), batch("a", 0..5)).await;
    assert_eq!((server.documents().len(), server.requests().len()), (5, 1));
}

#[tokio::test]
async fn a_field_that_is_refused_moves_once() {
    let server = StandIn::start().await;
    server.refuse(Box::new(|item| {
        let source = item.source.as_ref().ok()?;
        let field =
            ["n", "m"].into_iter().find(|field| source.get("user").is_some_and(|user| user.get(field).is_some()))?;
        let reason = format!("[1:7] failed to parse field [user.{field}] of type [long] in document with id 'a'");
        Some(ItemFault::error(400, "document_parsing_exception", &reason))
    }));
    let mut documents = DocumentBatch::default();
    push(&mut documents, "a", "good", r#"{"user":{"k":1}}"#);
    push(&mut documents, "a", "one", r#"{"user":{"n":"many","k":1.50}}"#);
    push(&mut documents, "a", "two", r#"{"user":{"n":"many","m":"few"}}"#);
    let outcomes = deliver(&sink(config(server.url())), documents).await;
    assert_eq!(outcomes[..2], [Outcome::Done, Outcome::Done]);
    let stored = &server.documents()[&("a".into(), "one".into())];
    assert_eq!(*stored, serde_json::json!({"user": {"k": 1.5}, "_malformed": {"user.n": "many"}}));
    let Outcome::Rejected(rejection) = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
    assert!(rejection.reason.contains("[user.m]") && rejection.reason.contains("[user.n]"), "{}", rejection.reason);
    assert_eq!((rejection.attempts, server.requests().len()), (2, 2));
    assert_sound(&server);
}
