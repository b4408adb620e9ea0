//! Ending and giving up: what was begun is worked off for a while, the rest is somebody else's.

use super::Run;
use crate::worker::source::Source;
use kafka_client::TopicPartition;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

impl<S: Source> Run<S> {
    /// Works off what is open, commits and leaves. What is not begun is not begun any more.
    pub(super) async fn end(mut self, drain: Duration) {
        let deadline = Instant::now() + drain;
        for assigned in self.partitions.by_name.values_mut() {
            assigned.drop_waiting(&mut self.memory);
        }
        self.drain(None, deadline).await;
        self.commit_now(deadline).await;
        for assigned in self.partitions.by_name.values_mut() {
            assigned.abandon(&mut self.memory);
        }
        self.publish();
        self.source.leave().await;
    }

    /// Gives `revoked` back: the group waits for a third of the session's timeout, part of which is for the commit.
    pub(super) async fn give_up(&mut self, revoked: &[TopicPartition]) {
        let now = Instant::now();
        for name in revoked {
            if let Some(assigned) = self.partitions.by_name.get_mut(name) {
                assigned.drop_waiting(&mut self.memory);
            }
        }
        self.drain(Some(revoked), now + self.limits.session_timeout / 4).await;
        self.commit_now(now + self.limits.session_timeout / 3).await;
        self.forget(revoked);
        self.source.acknowledge_revoked(revoked);
    }

    /// Works off what is open in `names`, or everywhere, without taking anything new, until `deadline`.
    async fn drain(&mut self, names: Option<&[TopicPartition]>, deadline: Instant) {
        self.shop.draining.store(true, Ordering::Relaxed);
        // What the sink has already would wait for more, which does not come.
        let _ = timeout_at(deadline, self.shop.sink.flush()).await;
        while !self.is_idle(names) {
            tokio::select! {
                Some(made) = self.makings.join_next() => self.made(made).await,
                Some(finished) = self.deliveries.join_next() => self.settle(finished),
                () = tokio::time::sleep_until(deadline) => break,
                else => break,
            }
            self.turn_wheels();
        }
        self.shop.draining.store(false, Ordering::Relaxed);
    }

    fn is_idle(&self, names: Option<&[TopicPartition]>) -> bool {
        let mut partitions = self.partitions.by_name.iter();
        partitions.all(|(name, assigned)| assigned.is_idle() || names.is_some_and(|names| !names.contains(name)))
    }
}
