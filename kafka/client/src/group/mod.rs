//! A member of a classic consumer group: who reads which partition, from where, and what was done.
//!
//! `membership` lives on a thread of its own: it joins (`join`), sends heartbeats and commits (`commit`), and gives
//! partitions up. The `fetcher` reads the partitions in the `table` from their leaders. The owner takes events from
//! [`GroupConsumer::next`].

mod assignor;
mod commit;
mod committed;
mod config;
mod event;
mod fetcher;
mod join;
mod membership;
mod protocol;
mod sound;
mod table;
mod verdict;

use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::topic_partition::TopicPartition;

pub use assignor::Assignor;
pub use config::{GroupConfig, OffsetReset, Skip, SkipError};
pub use event::{Assignment, CommitError, Event, GroupError};

use commit::Commit;
use fetcher::Fetcher;
use membership::{Command, Membership};
use table::{Queued, Table};

/// A consumer in a group. Dropped, it leaves like with [`GroupConsumer::leave`], but nobody waits for that.
pub struct GroupConsumer {
    table: Arc<Table>,
    control: mpsc::UnboundedReceiver<Event>,
    fetched: mpsc::UnboundedReceiver<Queued>,
    commands: mpsc::UnboundedSender<Command>,
    stop: CancellationToken,
    ended: oneshot::Receiver<()>,
}

impl GroupConsumer {
    /// Starts to join. Fetches run on the current runtime, the membership on a thread of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime, or when the system has no thread left.
    pub fn start(client: Client, config: GroupConfig) -> Self {
        let config = Arc::new(config);
        let stop = CancellationToken::new();
        let (control_sender, control) = mpsc::unbounded_channel();
        let (queue, fetched) = mpsc::unbounded_channel();
        let (commands, commands_receiver) = mpsc::unbounded_channel();
        let (ended_sender, ended) = oneshot::channel();
        let table = Arc::new(Table::new(control_sender, queue, config.fetched_bytes_max));
        let fetcher = Fetcher::new(client.clone(), Arc::clone(&config), Arc::clone(&table), stop.clone());
        tokio::spawn(fetcher.run());
        let membership =
            Membership::new(client.separate(), config, Arc::clone(&table), commands_receiver, stop.clone());
        thread::Builder::new()
            .name("group-member".to_owned())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(membership.run()),
                    Err(error) => tracing::error!("cannot start the runtime of a group member: {error}"),
                }
                let _ = ended_sender.send(());
            })
            .expect("a process that starts can have one more thread");
        Self { table, control, fetched, commands, stop, ended }
    }

    /// The next thing that happened. Can be dropped while it waits, without loss.
    pub async fn next(&mut self) -> Event {
        loop {
            // What concerns the partitions themselves comes before what was read from them.
            let queued = tokio::select! {
                biased;
                Some(event) = self.control.recv() => return event,
                Some(queued) = self.fetched.recv() => queued,
            };
            if let Some(event) = self.table.taken(queued) {
                return event;
            }
        }
    }

    /// Commits the next offset to read of each partition. The call takes effect when it is made; the future waits for
    /// the coordinator, also through a rebalance.
    pub fn commit(
        &self,
        offsets: Vec<(TopicPartition, i64)>,
    ) -> impl Future<Output = Result<(), CommitError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        // A member that has ended drops the command, and the answer says so.
        let _ = self.commands.send(Command::Commit(Commit { offsets, reply }));
        async move { answer.await.unwrap_or(Err(CommitError::Closed)) }
    }

    /// Stops to fetch from a partition, until [`GroupConsumer::resume`] or until it is assigned anew. What was fetched
    /// before still comes.
    pub fn pause(&self, partition: &TopicPartition) {
        self.table.set_paused(partition, true);
    }

    pub fn resume(&self, partition: &TopicPartition) {
        self.table.set_paused(partition, false);
    }

    /// Says that nothing more will be committed for these revoked partitions. After [`Event::Revoked`] the group waits
    /// for this, at most a third of the session timeout.
    pub fn acknowledge_revoked(&self, partitions: &[TopicPartition]) {
        let _ = self.commands.send(Command::Acknowledge(partitions.to_vec()));
    }

    /// Why this consumer is not a working member of its group now, and which partitions it cannot read.
    pub fn problems(&self) -> Vec<String> {
        self.table.problems()
    }

    /// Leaves the group, after the commits that were asked for. A static member stays in it until the session timeout,
    /// so that it can come back at once.
    pub async fn leave(mut self) {
        self.stop.cancel();
        // An error means that the thread has ended already.
        let _ = (&mut self.ended).await;
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
