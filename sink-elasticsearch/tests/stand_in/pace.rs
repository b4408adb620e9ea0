//! How large requests are, how many are under way, and which node they go to.

use crate::*;
use elasticsearch_stand_in::{Answer, Fault};
use prometheus_client::encoding::text::encode;

/// Documents of 1 kB each.
fn large(index: &str, numbers: std::ops::Range<usize>) -> DocumentBatch {
    let mut batch = DocumentBatch::default();
    for n in numbers {
        push(&mut batch, index, &format!("n-{n}"), &format!(r#"{{"text":"{}"}}"#, "x".repeat(1000)));
    }
    batch
}

/// A gauge or counter of the sink.
fn metric(registry: &Registry, name: &str) -> u64 {
    let mut text = String::new();
    encode(&mut text, registry).expect("metrics can be written");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

#[tokio::test]
async fn limits_that_the_server_tells_are_kept() {
    let server = StandIn::start().await;
    server.limit_content(60_000);
    server.limit_pressure(80_000);
    server.tell_limits();
    let mut registry = Registry::default();
    let sink = ElasticsearchSink::new(config(server.url()), &mut registry).expect("the configuration is sound");
    // A quarter of the memory for writes.
    until("the limits are known", || metric(&registry, "sluice_sink_bulk_limit_bytes") == 20_000).await;
    deliver(&sink, large("a", 0..200)).await;
    let largest = server.requests().iter().map(|request| request.plain_bytes).max();
    assert!(largest.is_some_and(|bytes| (18_000..=20_000).contains(&bytes)), "{largest:?}");
    assert_sound(&server);
}

#[tokio::test]
async fn a_limit_that_the_server_does_not_tell_is_learnt_once() {
    let server = StandIn::start().await;
    server.limit_content(60_000);
    let sink = sink(config(server.url()));
    deliver(&sink, large("a", 0..200)).await;
    let before = server.requests().len();
    deliver(&sink, large("b", 0..200)).await;
    let requests = server.requests();
    assert!(requests[before..].iter().all(|request| request.plain_bytes <= 60_000), "{:?}", &requests[before..]);
    assert_eq!(server.documents().len(), 400);
}

#[tokio::test]
async fn a_request_above_the_memory_for_writes_is_divided_at_once() {
    let server = StandIn::start().await;
    server.limit_pressure(60_000);
    let sink = sink(config(server.url()));
    let mut documents = large("a", 0..200);
    push(&mut documents, "a", "huge", &format!(r#"{{"text":"{}"}}"#, "x".repeat(100_000)));
    let outcomes = deliver(&sink, documents).await;
    assert_eq!(rejected(&outcomes[200]), Some((429, "es_rejected_execution_exception")));
    assert_eq!(server.documents().len(), 200);
    let before = server.requests().len();
    deliver(&sink, large("b", 0..200)).await;
    assert!(server.requests()[before..].iter().all(|request| request.plain_bytes <= 60_000));
}

#[tokio::test]
async fn a_refusal_halves_what_is_under_way() {
    let server = StandIn::start().await;
    let mut registry = Registry::default();
    let config = Config { bulk_documents_max: 10, ..config(server.url()) };
    let sink = ElasticsearchSink::new(config, &mut registry).expect("the configuration is sound");
    let limit = || metric(&registry, "sluice_sink_requests_in_flight_limit");
    assert_eq!(limit(), 2);
    server.script([Fault::Status(Answer::error(429, "es_rejected_execution_exception", "queue is full"))]);
    deliver(&sink, batch("a", 0..10)).await;
    assert_eq!(limit(), 1);
    assert_eq!(server.documents().len(), 10);
}

#[tokio::test]
async fn requests_go_round_and_a_dead_node_is_left_out_until_it_is_back() {
    let server = StandIn::start().await;
    let second = server.another_node();
    let address = second.address();
    let mut config = Config { bulk_documents_max: 1, ..config(server.url()) };
    config.connection.urls.push(second.url());
    let sink = sink(config);
    deliver(&sink, batch("a", 0..20)).await;
    let counts = || (server.requests_here(), second_requests(&server));
    fn second_requests(server: &StandIn) -> usize {
        server.requests().len() - server.requests_here()
    }
    let (first_count, second_count) = counts();
    assert_eq!(first_count + second_count, 20);
    assert!(first_count.abs_diff(second_count) <= 1, "{first_count} and {second_count}");

    drop(second);
    deliver(&sink, batch("b", 0..20)).await;
    assert_eq!(server.documents().len(), 40);
    let problem = sink.problems().remove(0);
    assert!(problem.contains(&address.to_string()) && problem.contains("cannot be reached"), "{problem}");

    let _second = server.another_node_at(address);
    until("the node is back", || sink.problems().is_empty()).await;
    let before = second_requests(&server);
    deliver(&sink, batch("c", 0..20)).await;
    assert!(second_requests(&server) > before);
    assert_sound(&server);
}
