//! Set-up at the start of a worker: documents wait until the template is there, or until it is known that it will not be.

use super::{Options, Plan, SetUpError, State};
use crate::backoff::Backoff;
use crate::connection::Connection;
use async_trait::async_trait;
use pipelines::sink::{Closed, DocumentBatch, Framing, Outcome, Sink};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Between two tries while nothing answers.
const BACKOFF: Backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(15) };

/// A sink behind a set-up. Without an index template the first documents would make their indices with the server's own guesses,
/// which no later template mends.
pub struct SetUpFirst {
    inner: Arc<dyn Sink>,
    /// True when documents may pass.
    settled: watch::Receiver<bool>,
    problem: Arc<Mutex<Option<String>>>,
    _end: DropGuard,
}

impl SetUpFirst {
    /// Begins to set up, and gives the sink that waits for it.
    ///
    /// # Panics
    /// There is no tokio runtime here.
    pub fn new(inner: Arc<dyn Sink>, connection: Connection, options: Options) -> Arc<Self> {
        let (settle, settled) = watch::channel(false);
        let problem = Arc::<Mutex<Option<String>>>::default();
        let end = CancellationToken::new();
        let work = try_until_settled(connection, options, problem.clone());
        tokio::spawn(end.clone().run_until_cancelled_owned(async move {
            work.await;
            settle.send_replace(true);
        }));
        Arc::new(Self { inner, settled, problem, _end: end.drop_guard() })
    }
}

/// Returns when it is done, or when it cannot be done: then documents go as they went without it.
async fn try_until_settled(connection: Connection, options: Options, problem: Arc<Mutex<Option<String>>>) {
    let say = |text: Option<String>| *problem.lock().expect("nothing panics while it holds the text") = text;
    for failures in 1.. {
        let error = match set_up(&connection, &options).await {
            Ok(()) => return say(None),
            Err(error) => error,
        };
        if !error.may_pass() {
            tracing::warn!("no set-up at the start: {error}; documents are delivered without it");
            return say(None);
        }
        if failures == 1 {
            tracing::warn!("set-up waits: {error}");
        }
        say(Some(format!("documents wait for the set-up of Elasticsearch (worker.elasticsearch.setup): {error}")));
        tokio::time::sleep(BACKOFF.pause(failures, fastrand::f64())).await;
    }
}

async fn set_up(connection: &Connection, options: &Options) -> Result<(), SetUpError> {
    let mut plan = Plan::make(connection, options).await?;
    // What is there may have been made for a retention or for data streams, which nobody tells a worker.
    plan.steps.retain(|step| step.state == State::Missing);
    plan.apply(connection).await?;
    for step in &plan.steps {
        tracing::info!("{}: made the {}", plan.server, step.what);
    }
    Ok(())
}

#[async_trait]
impl Sink for SetUpFirst {
    async fn deliver(&self, batch: DocumentBatch) -> Result<Vec<Outcome>, Closed> {
        // An error is a task that has ended without settling: only the end of the runtime does that.
        self.settled.clone().wait_for(|settled| *settled).await.map_err(|_| Closed)?;
        self.inner.deliver(batch).await
    }

    async fn flush(&self) {
        self.inner.flush().await;
    }

    fn hurry(&self) {
        self.inner.hurry();
    }

    fn framing(&self) -> Option<Arc<dyn Framing>> {
        self.inner.framing()
    }

    fn problems(&self) -> Vec<String> {
        let problem = self.problem.lock().expect("nothing panics while it holds the text").clone();
        problem.into_iter().chain(self.inner.problems()).collect()
    }
}
