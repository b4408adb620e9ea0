//! Set-up with a lifecycle policy, against a server that keeps what it is given.

mod server;

use pipelines::sink::{Closed, DocumentBatch, Outcome, Sink};
use serde_json::json;
use server::{Lifecycle, Server};
use sink_elasticsearch::setup::{Options, Plan, Retention, SetUpError, SetUpFirst, State};
use sink_elasticsearch::{Connection, ConnectionConfig};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use tokio::time::Instant;

const TEMPLATE: &str = "/_index_template/sluice";

fn policy(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Ilm => "/_ilm/policy/sluice",
        Lifecycle::Ism => "/_plugins/_ism/policies/sluice",
    }
}

fn options() -> Options {
    Options::for_index("sluice-<dataset>-<yyyy.MM>").expect("a pattern")
}

/// Makes a plan, carries it out, and gives the states of policy and template.
async fn set_up(server: &Server, options: &Options) -> [State; 2] {
    let connection = Connection::new(&ConnectionConfig::new([&server.url])).expect("a connection");
    let plan = Plan::make(&connection, options).await.expect("a plan");
    plan.apply(&connection).await.expect("the server takes it");
    let states: Vec<State> = plan.steps.iter().map(|step| step.state).collect();
    states.try_into().expect("a policy and a template")
}

async fn twice_is_once(lifecycle: Lifecycle) {
    let server = Server::start(lifecycle);
    let both = [format!("PUT {}", policy(lifecycle)), format!("PUT {TEMPLATE}")];
    assert_eq!(set_up(&server, &options()).await, [State::Missing; 2]);
    assert_eq!(server.writes(), both);
    assert_eq!(set_up(&server, &options()).await, [State::Same; 2]);
    assert_eq!(server.writes().len(), 2);
    // Another retention is another policy, and the same template.
    let mut longer = options();
    longer.retention = Some(Retention { days: 30 });
    assert_eq!(set_up(&server, &longer).await, [State::Outdated, State::Same]);
    assert_eq!(set_up(&server, &longer).await, [State::Same; 2]);
    let mut stream = longer.clone();
    stream.data_stream = true;
    assert_eq!(set_up(&server, &stream).await, [State::Outdated; 2]);
    assert_eq!(set_up(&server, &stream).await, [State::Same; 2]);
}

#[tokio::test]
async fn twice_is_once_with_ilm() {
    twice_is_once(Lifecycle::Ilm).await;
}

#[tokio::test]
async fn twice_is_once_with_ism() {
    twice_is_once(Lifecycle::Ism).await;
}

async fn changes_are_left_alone(lifecycle: Lifecycle) {
    let server = Server::start(lifecycle);
    set_up(&server, &options()).await;
    server.change(TEMPLATE, |template| {
        template["template"]["mappings"]["properties"]["mine"] = json!({ "type": "long" })
    });
    server.change(policy(lifecycle), |policy| match lifecycle {
        Lifecycle::Ilm => policy["policy"]["phases"]["hot"]["min_age"] = json!("1d"),
        Lifecycle::Ism => policy["policy"]["states"][0]["name"] = json!("warm"),
    });
    let mut wanted = options();
    wanted.retention = Some(Retention { days: 30 });
    assert_eq!(set_up(&server, &wanted).await, [State::Others; 2]);
    assert_eq!(server.writes().len(), 2, "nothing is written over");
    wanted.overwrite = true;
    assert_eq!(set_up(&server, &wanted).await, [State::Overwritten; 2]);
    assert_eq!(set_up(&server, &wanted).await, [State::Same; 2]);
}

#[tokio::test]
async fn changes_are_left_alone_with_ilm() {
    changes_are_left_alone(Lifecycle::Ilm).await;
}

#[tokio::test]
async fn changes_are_left_alone_with_ism() {
    changes_are_left_alone(Lifecycle::Ism).await;
}

#[tokio::test]
async fn a_newer_template_is_left_alone() {
    let server = Server::start(Lifecycle::Ilm);
    set_up(&server, &options()).await;
    server.change(TEMPLATE, |template| template["version"] = json!(1000));
    assert_eq!(set_up(&server, &options()).await, [State::Same, State::Others]);
}

#[tokio::test]
async fn who_may_not_is_told_so() {
    let server = Server::start(Lifecycle::Ilm);
    server.refuse(403);
    let connection = Connection::new(&ConnectionConfig::new([&server.url])).expect("a connection");
    let error = Plan::make(&connection, &options()).await.expect_err("it is forbidden");
    assert!(matches!(error, SetUpError::Forbidden { status: 403, .. }), "{error}");
    server.refuse(418);
    let error = Plan::make(&connection, &options()).await.expect_err("it is something else");
    assert!(matches!(error, SetUpError::NotElasticsearch { status: 418, .. }), "{error}");
}

/// A sink that counts what it is given.
#[derive(Default)]
struct Counting(AtomicUsize);

#[async_trait::async_trait]
impl Sink for Counting {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        self.0.fetch_add(1, SeqCst);
        Ok(vec![Outcome::Done; batch.items.len()])
    }

    async fn flush(&self) {}

    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A sink behind a set-up at `server`, and what is behind it.
fn behind(server: &Server) -> (Arc<SetUpFirst>, Arc<Counting>) {
    let connection = Connection::new(&ConnectionConfig::new([&server.url])).expect("a connection");
    let counting = Arc::new(Counting::default());
    (SetUpFirst::new(counting.clone(), connection, options()), counting)
}

#[tokio::test]
async fn documents_wait_for_the_set_up() {
    let server = Server::start(Lifecycle::Ilm);
    server.refuse(503);
    let (sink, counting) = behind(&server);
    let delivery = tokio::spawn({
        let sink = sink.clone();
        async move { sink.deliver(DocumentBatch::default()).await }
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    while sink.problems().is_empty() {
        assert!(Instant::now() < deadline, "no problem is shown");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(counting.0.load(SeqCst), 0);
    server.refuse(0);
    delivery.await.expect("no panic").expect("it is delivered");
    assert_eq!(server.writes().len(), 2);
    assert!(sink.problems().is_empty());
}

#[tokio::test]
async fn documents_do_not_wait_for_what_is_forbidden() {
    let server = Server::start(Lifecycle::Ilm);
    server.refuse(403);
    let (sink, counting) = behind(&server);
    sink.deliver(DocumentBatch::default()).await.expect("it is delivered");
    assert_eq!(counting.0.load(SeqCst), 1);
    assert!(server.writes().is_empty());
}
