//! A connection to one broker that is made when it is needed, and made again after it was lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::config::ClientConfig;
use crate::connection::Connection;
use crate::counters::Counters;
use crate::error::{ClientError, ConnectionError};
use crate::lock::lock;

/// A connection that lived this long was not one that the broker refuses: the next one needs no delay.
const STABLE: Duration = Duration::from_secs(5);

type Outcome = Option<Result<Connection, ConnectionError>>;

/// The way to one broker. Callers that need it at the same time share one attempt to connect.
pub(crate) struct Link {
    config: Arc<ClientConfig>,
    counters: Arc<Counters>,
    state: Mutex<State>,
}

struct State {
    connection: Option<Connection>,
    attempt: Option<watch::Receiver<Outcome>>,
    backoff: Backoff,
    connected_at: Option<Instant>,
}

impl Link {
    pub fn new(config: Arc<ClientConfig>, counters: Arc<Counters>) -> Self {
        let backoff = Backoff::new(config.retry_backoff_min, config.retry_backoff_max);
        let state = State { connection: None, attempt: None, backoff, connected_at: None };
        Self { config, counters, state: Mutex::new(state) }
    }

    /// The connection, if there is one now.
    pub fn live(&self) -> Option<Connection> {
        lock(&self.state).connection.clone().filter(|connection| !connection.is_ended())
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        lock(&self.state).backoff.failures() > 0
    }

    /// The live connection, or the result of one attempt to make it, delayed after earlier failures.
    pub async fn connect(self: &Arc<Self>, address: &Arc<str>) -> Result<Connection, ClientError> {
        let mut attempt = {
            let mut state = lock(&self.state);
            if let Some(connection) = &state.connection
                && !connection.is_ended()
                && connection.address() == address
            {
                return Ok(connection.clone());
            }
            match &state.attempt {
                // An attempt whose runtime has gone never ends: start another one.
                Some(attempt) if attempt.has_changed().is_ok() => attempt.clone(),
                _ => {
                    let (outcome, attempt) = watch::channel(None);
                    state.attempt = Some(attempt.clone());
                    let delay = state.delay();
                    tokio::spawn(Arc::clone(self).attempt(Arc::clone(address), delay, outcome));
                    attempt
                }
            }
        };
        let outcome = match attempt.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Err(ConnectionError::Closed)),
            Err(_) => Err(ConnectionError::Closed),
        };
        outcome.map_err(|source| ClientError::Unreachable { address: Arc::clone(address), source })
    }

    async fn attempt(self: Arc<Self>, address: Arc<str>, delay: Duration, outcome: watch::Sender<Outcome>) {
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let result = Connection::open(address, &self.config, Arc::clone(&self.counters)).await;
        {
            let mut state = lock(&self.state);
            state.attempt = None;
            if let Ok(connection) = &result {
                if state.connection.replace(connection.clone()).is_some() {
                    self.counters.reconnects.inc();
                }
                state.connected_at = Some(Instant::now());
            }
        }
        outcome.send_replace(Some(result));
    }
}

impl State {
    /// How long the next attempt waits. Every attempt counts as a failure until its connection has lived for a while,
    /// so that a broker that accepts and hangs up is not called in a tight loop.
    fn delay(&mut self) -> Duration {
        let first = self.connected_at.is_none() && self.backoff.failures() == 0;
        if self.connected_at.take().is_some_and(|at| at.elapsed() >= STABLE) {
            self.backoff.reset();
            self.backoff.next_delay();
            return Duration::ZERO;
        }
        let delay = self.backoff.next_delay();
        if first { Duration::ZERO } else { delay }
    }
}
