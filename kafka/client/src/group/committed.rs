//! What a group has committed, for somebody who is no member of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_wire::protocol::ResponseError;

use super::commit::{fetch_offsets_call, is_of_another_topic, offsets};
use crate::client::Client;
use crate::error::ClientError;
use crate::topic_partition::TopicPartition;

impl Client {
    /// The offsets that `group` has committed for `partitions` of `topic`; those without one are left out, and what was
    /// committed for an earlier topic of that name. Waits for a coordinator that is on its way.
    ///
    /// # Errors
    /// The broker refuses this client.
    pub async fn committed(
        &self,
        group: &str,
        topic: &Arc<str>,
        partitions: impl IntoIterator<Item = i32>,
    ) -> Result<BTreeMap<i32, i64>, ClientError> {
        let named = partitions.into_iter().map(|partition| TopicPartition { topic: Arc::clone(topic), partition });
        let named: Vec<TopicPartition> = named.collect();
        let now = self.metadata().topics.get(topic).and_then(|topic| topic.id);
        let committed = self.retry(|| self.committed_once(group, &named)).await?;
        let here = committed.into_iter().filter(|(partition, (_, note))| {
            partition.topic == *topic && !now.is_some_and(|id| is_of_another_topic(note, id))
        });
        Ok(here.map(|(partition, (offset, _))| (partition.partition, offset)).collect())
    }

    /// Offsets, and the notes beside them.
    async fn committed_once(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, (i64, String)>, ClientError> {
        let response = self.call_coordinator(group, fetch_offsets_call(group, partitions)).await?;
        offsets(&response).map_err(|code| {
            if matches!(code.kind(), ResponseError::NotCoordinator | ResponseError::CoordinatorNotAvailable) {
                self.forget_coordinator(group);
            }
            ClientError::refused(format!("fetch the offsets that group {group:?} has committed"), code, None)
        })
    }
}
