//! Questions to the cluster: who it is, how many partitions a topic has, and identities to number batches under.

use super::{Answer, Delivery, Event, Later, Numbering};
use crate::fingerprint::FileId;
use crate::journal::Entry;
use std::sync::Arc;

impl Delivery {
    /// Asks the cluster who it is.
    pub fn start(&self) {
        self.ask(self.broker.cluster_id(), Answer::Cluster, "the cluster's id");
    }

    fn ask<T: Send + 'static>(
        &self,
        question: Later<Result<T, String>>,
        answer: impl FnOnce(T) -> Answer + Send + 'static,
        what: &'static str,
    ) {
        let tell = Arc::clone(&self.tell);
        self.runtime.spawn(async move {
            match question.await {
                Ok(value) => tell(answer(value)),
                Err(reason) => tell(Answer::Failed { what: format!("cannot learn {what}: {reason}") }),
            }
        });
    }

    /// The partition of a new file of this topic, once the number of partitions is known.
    pub fn partition_of(&mut self, topic: &str, file: FileId) -> Option<i32> {
        if let Some(count) = self.partitions.get(topic) {
            return count.map(|count| (file.0 % count.max(1) as u64) as i32);
        }
        let topic: Arc<str> = topic.into();
        self.partitions.insert(Arc::clone(&topic), None);
        let question = self.broker.partitions(&topic);
        self.ask(question, move |count| Answer::Partitions { topic, count }, "the partitions of a topic");
        None
    }

    /// Asks for an identity under which everything in the lane is numbered anew.
    pub(super) fn renumber(&mut self, lane: usize) {
        self.lanes[lane].numbering = Numbering::Asked;
        let question = self.broker.obtain_identity();
        self.ask(question, move |identity| Answer::Identity { lane, identity }, "a producer id");
    }

    pub(super) fn cluster_is(&mut self, id: Option<String>, events: &mut Vec<Event>) {
        self.cluster_known = true;
        let before = self.state().cluster.clone();
        if id.is_some() && id != before {
            if let Some(before) = before {
                tracing::warn!(before, now = id, "another cluster answers; batches in flight get a new producer id");
                for lane in 0..self.lanes.len() {
                    self.lanes[lane].start_over();
                    self.renumber(lane);
                }
            }
            // Without it on disk the next start asks again: nothing depends on the write.
            let _ = self.record(Entry::Cluster { id: id.unwrap_or_default() });
        }
        (0..self.lanes.len()).for_each(|lane| self.pump(lane));
        events.push(Event::Ready);
    }
}
