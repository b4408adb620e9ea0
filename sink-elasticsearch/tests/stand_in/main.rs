//! The sink against an Elasticsearch stand-in that is strict and fails on purpose.

mod faults;
mod hold;
mod mixture;
mod pace;
mod requests;
mod storm;
mod tls;

use elasticsearch_stand_in::StandIn;
use pipelines::sink::{Charge, DocumentBatch, DocumentId, Item, Op, Outcome, Sink};
use prometheus_client::registry::Registry;
use sink_elasticsearch::{Compression, Config, ElasticsearchSink};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Far more than any test here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(300);

/// A configuration that wastes no time.
fn config(url: String) -> Config {
    Config {
        linger: Duration::from_millis(1),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(10),
        compression: Compression::Gzip,
        ..Config::new([url])
    }
}

fn sink(config: Config) -> Arc<ElasticsearchSink> {
    ElasticsearchSink::new(config, &mut Registry::default()).expect("the configuration is sound")
}

/// Documents `{"n": first}` and so on, with ids `n-first` and so on.
fn batch(index: &str, numbers: std::ops::Range<usize>) -> DocumentBatch {
    let mut batch = DocumentBatch::default();
    for n in numbers {
        push(&mut batch, index, &format!("n-{n}"), &format!(r#"{{"n":{n}}}"#));
    }
    batch
}

fn push(batch: &mut DocumentBatch, index: &str, id: &str, json: &str) {
    let start = batch.json.len();
    batch.json.extend_from_slice(json.as_bytes());
    Arc::make_mut(&mut batch.items).push(Item {
        json: start..batch.json.len(),
        id: Some(DocumentId::Text(id.into())),
        index: index.into(),
        event_ms: 0,
        op: Op::Create,
        routing: None,
        pipeline: None,
    });
}

/// Delivers `batch`; it must be answered before the deadline.
async fn deliver(sink: &ElasticsearchSink, batch: DocumentBatch) -> Vec<Outcome> {
    let items = batch.items.len();
    let answer = tokio::time::timeout(DEADLINE, sink.deliver(batch)).await.expect("outcomes come before the deadline");
    let outcomes = answer.expect("the sink is open");
    assert_eq!(outcomes.len(), items);
    outcomes
}

/// Polls until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}: not before the deadline");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn assert_sound(server: &StandIn) {
    assert_eq!(server.violations(), Vec::<String>::new());
}

/// Status and type of a rejection.
fn rejected(outcome: &Outcome) -> Option<(u16, &str)> {
    match outcome {
        Outcome::Rejected(rejection) => Some((rejection.status, &rejection.kind)),
        _ => None,
    }
}

/// How often a rejected document was sent.
fn attempts(outcome: &Outcome) -> u32 {
    match outcome {
        Outcome::Rejected(rejection) => rejection.attempts,
        _ => 0,
    }
}
