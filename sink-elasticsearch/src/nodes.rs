//! Which node the next request goes to: round robin over those that work, with a breaker for each.
//!
//! ```text
//! up ── no connection, or three failures in a row ──▶ down: nothing is sent there
//!  ▲                                                    │ asked `GET /` after a pause that doubles
//!  └──────────────── it answers ◀───────────────────────┘
//! ```
//!
//! A node that is down is asked by requests that carry nothing, so that no document waits for a dead machine's time-out.

use crate::alarm::{Alarm, Alarms, Condition};
use crate::backoff::Backoff;
use crate::connection::Connection;
use crate::limits;
use crate::node::Node;
use crate::pace::Pace;
use reqwest::Method;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Failures in a row after which a node that can be reached is left alone for a while.
const FAILURES_MAX: u32 = 3;
/// A node that is down is asked at least so often.
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// What a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The nodes of a cluster, and how they are.
pub(crate) struct Nodes {
    connection: Connection,
    health: Mutex<Vec<Health>>,
    turn: AtomicUsize,
    came_up: Notify,
    backoff: Backoff,
    alarms: Arc<Alarms>,
    pace: Arc<Pace>,
    closed: CancellationToken,
}

#[derive(Default)]
struct Health {
    /// In a row.
    failures: u32,
    /// Raised while the node is down.
    down: Option<Alarm>,
}

/// How a node failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is no connection.
    Unreachable,
    /// No answer, or one that says that it cannot.
    Stumbled,
}

impl Nodes {
    pub fn new(
        connection: Connection,
        backoff: Backoff,
        alarms: Arc<Alarms>,
        pace: Arc<Pace>,
        closed: CancellationToken,
    ) -> Arc<Self> {
        let health = connection.nodes.iter().map(|_| Health::default()).collect();
        let backoff = Backoff { min: backoff.min, max: backoff.max.min(PROBE_PAUSE_MAX) };
        Arc::new(Self {
            connection,
            health: Mutex::new(health),
            turn: AtomicUsize::new(0),
            came_up: Notify::new(),
            backoff,
            alarms,
            pace,
            closed,
        })
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    pub fn node(&self, place: usize) -> &Node {
        &self.connection.nodes[place]
    }

    /// The place of the next node that is up. Waits for one, but no longer than `patience`.
    pub async fn pick(&self, patience: Duration) -> Option<usize> {
        let wait = async {
            loop {
                let came_up = self.came_up.notified();
                tokio::pin!(came_up);
                came_up.as_mut().enable();
                if let Some(place) = self.next_up() {
                    return place;
                }
                came_up.await;
            }
        };
        tokio::time::timeout(patience, wait).await.ok()
    }

    fn next_up(&self) -> Option<usize> {
        let health = self.health();
        let count = health.len();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        (0..count).map(|step| first.wrapping_add(step) % count).find(|place| health[*place].down.is_none())
    }

    /// Whether a request that failed here can go elsewhere at once.
    pub fn has_other(&self, failed: usize) -> bool {
        let health = self.health();
        health.iter().enumerate().any(|(place, health)| place != failed && health.down.is_none())
    }

    /// A node answered as it should.
    pub fn works(&self, place: usize) {
        let mut health = self.health();
        if health[place].failures > 0 && health[place].down.is_none() {
            health[place].failures = 0;
        }
    }

    /// A node failed, for the reason in `condition`.
    pub fn fails(self: &Arc<Self>, place: usize, failure: Failure, condition: Condition) {
        let mut health = self.health();
        let node = &mut health[place];
        node.failures += 1;
        if node.down.is_some() || failure == Failure::Stumbled && node.failures < FAILURES_MAX {
            return;
        }
        node.down = Some(self.alarms.raise(condition));
        // What it failed before counts until it has worked again.
        node.failures = node.failures.max(FAILURES_MAX);
        let failures = node.failures;
        drop(health);
        let nodes = self.clone();
        tokio::spawn(async move {
            let closed = nodes.closed.clone();
            closed.run_until_cancelled(nodes.probe(place, failures + 1 - FAILURES_MAX)).await;
        });
    }

    /// Asks a node that is down until it answers.
    async fn probe(&self, place: usize, mut failures: u32) {
        loop {
            tokio::time::sleep(self.backoff.pause(failures, fastrand::f64())).await;
            let answer = self.connection.ask_node(place, Method::GET, "/", None, Some(PROBE_TIMEOUT)).await;
            // Servers without a root page (405) and those that do not know us (401) are there as well.
            if answer.is_ok_and(|(status, _)| !status.is_server_error()) {
                break;
            }
            failures = failures.saturating_add(1);
        }
        // It may be another server, or another version with other limits.
        limits::ask(&self.connection, place, &self.pace).await;
        self.health()[place].down = None;
        self.came_up.notify_waiters();
    }

    fn health(&self) -> MutexGuard<'_, Vec<Health>> {
        self.health.lock().expect("nothing panics while it holds the nodes' health")
    }
}
