//! Waiting for what may succeed later.

use std::sync::Arc;

use crate::backoff::Backoff;
use crate::client::Client;
use crate::error::{ClientError, chain};
use crate::outage::Place;

impl Client {
    /// Repeats `attempt` while its error is retriable, for ever, with growing delays. Drop the future to give up.
    ///
    /// # Errors
    /// The first error that is not retriable.
    pub async fn retry<T, F>(&self, mut attempt: impl FnMut() -> F) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let mut backoff = self.backoff();
        loop {
            match attempt().await {
                Err(error) if error.is_retriable() => {
                    tracing::debug!("{}; trying again", chain(&error));
                    self.counters().retries.inc();
                    tokio::time::sleep(backoff.next_delay()).await;
                }
                result => return result,
            }
        }
    }

    /// The same for something about a topic, which is reported as a problem while it lasts.
    pub(crate) async fn retry_topic<T, F>(
        &self,
        topic: &Arc<str>,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, ClientError>
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let place = Place::Topic(Arc::clone(topic));
        let result = self
            .retry(|| {
                let attempt = attempt();
                async {
                    let result = attempt.await;
                    match &result {
                        // An unreachable broker has its own report.
                        Err(error) if error.is_retriable() && !matches!(error, ClientError::Unreachable { .. }) => {
                            self.outages().begin(place.clone(), || chain(error));
                        }
                        _ => {}
                    }
                    result
                }
            })
            .await;
        self.outages().end(&place);
        result
    }

    /// Delays as this client is configured.
    pub fn backoff(&self) -> Backoff {
        Backoff::new(self.config().retry_backoff_min, self.config().retry_backoff_max)
    }
}
