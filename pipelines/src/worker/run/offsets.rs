//! Committing what is done: one commit at a time, since two could arrive in the wrong order.

use super::Run;
use crate::worker::source::{CommitError, Source};
use kafka_client::TopicPartition;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

/// What a commit at the end may take, however short the drain is.
const COMMIT_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// The commit that is on its way, and what became of the last one.
#[derive(Default)]
pub(super) struct Commits {
    pub tasks: JoinSet<Commit>,
    pub problem: Option<String>,
}

pub(super) struct Commit {
    offsets: Vec<(TopicPartition, i64)>,
    /// Assignments that are younger are not meant.
    life: u64,
    result: Result<(), CommitError>,
}

impl<S: Source> Run<S> {
    /// Starts a commit, if there is something to commit and none is on its way.
    pub(super) fn commit_soon(&mut self) {
        let offsets = self.partitions.to_commit();
        if offsets.is_empty() || !self.commits.tasks.is_empty() {
            return;
        }
        let commit = self.source.commit(offsets.clone());
        let life = self.lives;
        self.commits.tasks.spawn(async move { Commit { offsets, life, result: commit.await } });
    }

    pub(super) async fn commit_now(&mut self, deadline: Instant) {
        let deadline = deadline.max(Instant::now() + COMMIT_TIMEOUT_MIN);
        // The one that is on its way first, and then what has come since.
        for _ in 0..2 {
            self.commit_soon();
            match timeout_at(deadline, self.commits.tasks.join_next()).await {
                Ok(Some(commit)) => self.committed(commit),
                Ok(None) => {}
                Err(_) => {
                    tracing::warn!("offsets were not committed in time; their records will be read again");
                    self.commits.tasks.abort_all();
                    return;
                }
            }
        }
    }

    pub(super) fn committed(&mut self, commit: Result<Commit, JoinError>) {
        let Ok(Commit { offsets, life, result }) = commit else { return };
        match result {
            Ok(()) => {
                self.shop.metrics.commits.inc();
                self.commits.problem = None;
                self.partitions.committed(&offsets, life);
            }
            // A rebalance has begun, or is over: what it gave us and took is told by events.
            Err(CommitError::Stale) => {
                self.shop.metrics.commit_failures.inc();
            }
            Err(CommitError::Failed(reason)) => {
                self.shop.metrics.commit_failures.inc();
                let problem = format!("offsets cannot be committed ({reason}); they are tried again");
                if self.commits.problem.is_none() {
                    tracing::warn!("{problem}");
                }
                self.commits.problem = Some(problem);
            }
        }
    }
}
