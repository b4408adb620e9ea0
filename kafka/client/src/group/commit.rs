//! Committing offsets with the generation that they belong to, and reading what the group has committed.

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_wire::protocol::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};
use kafka_wire::protocol::protocol::StrBytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::event::CommitError;
use super::membership::Membership;
use super::verdict::{Interrupt, Verdict};
use crate::call::Call;
use crate::code::ErrorCode;
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;

/// There is no committed offset.
const NO_OFFSET: i64 = -1;
/// What the note beside an offset begins with, if it is one of ours.
const NOTE_PREFIX: &str = "topic-id=";
/// From version 8 on one request serves several groups.
const MANY_GROUPS_VERSION: i16 = 8;
/// First version with static members.
const INSTANCE_ID_VERSION: i16 = 7;

/// Offsets to commit, and who waits for that.
pub(super) struct Commit {
    pub offsets: Vec<(TopicPartition, i64)>,
    pub reply: oneshot::Sender<Result<(), CommitError>>,
}

impl Commit {
    fn answer(self, result: Result<(), CommitError>) {
        // Whoever asked may have stopped waiting.
        let _ = self.reply.send(result);
    }
}

impl Membership {
    pub(super) fn reject_pending(&mut self, error: &CommitError) {
        self.pending.drain(..).for_each(|commit| commit.answer(Err(error.clone())));
        self.retry_commits_at = None;
    }

    /// Sends what is to be committed, in one request. What cannot be committed yet stays pending.
    pub(super) async fn commit_pending(&mut self) -> Result<(), Interrupt> {
        self.retry_commits_at = None;
        let mut offsets: BTreeMap<TopicPartition, i64> = BTreeMap::new();
        for (partition, offset) in self.pending.iter().flat_map(|commit| &commit.offsets) {
            if self.owned.contains(partition) {
                // In order: the last one counts, also when it goes back.
                offsets.insert(partition.clone(), *offset);
            }
        }
        if offsets.is_empty() {
            self.answer_pending(&BTreeMap::new());
            return Ok(());
        }
        let result = self.client.call_coordinator(&self.config.group, self.commit_call(offsets)).await;
        let codes = match result {
            Ok(response) => codes(&response),
            Err(error) => {
                self.note(error)?;
                self.retry_commits_at = Some(Instant::now() + self.backoff.next_delay());
                return Ok(());
            }
        };
        // What concerns the whole member comes in every partition; the first such code decides.
        for code in codes.values() {
            match self.judge("OffsetCommit", *code) {
                // The partition does not exist any more; a later commit will not change that.
                _ if code.kind() == ResponseError::UnknownTopicOrPartition => {}
                Verdict::Again => {
                    self.retry_commits_at = Some(Instant::now() + self.backoff.next_delay());
                    return Ok(());
                }
                Verdict::Interrupt(interrupt) if concerns_the_member(*code) => {
                    self.retry_commits_at = Some(Instant::now() + self.backoff.next_delay());
                    return Err(interrupt);
                }
                Verdict::Interrupt(_) => {}
            }
        }
        self.backoff.reset();
        self.table.set_problem(None);
        self.answer_pending(&codes);
        Ok(())
    }

    /// Every pending commit has gone through but for these codes.
    fn answer_pending(&mut self, codes: &BTreeMap<TopicPartition, ErrorCode>) {
        for commit in std::mem::take(&mut self.pending) {
            let partitions = || commit.offsets.iter().map(|(partition, _)| partition);
            let stale = partitions().any(|partition| !self.owned.contains(partition));
            let refused = partitions().find_map(|partition| Some((partition.clone(), *codes.get(partition)?)));
            commit.answer(match refused {
                _ if stale => Err(CommitError::Stale),
                Some((partition, code)) => Err(CommitError::Refused { partition, code }),
                None => Ok(()),
            });
        }
    }

    fn commit_call(&self, offsets: BTreeMap<TopicPartition, i64>) -> Call<OffsetCommitRequest> {
        let mut topics: BTreeMap<Arc<str>, Vec<OffsetCommitRequestPartition>> = BTreeMap::new();
        for (name, offset) in offsets {
            let note = self.table.topic_id(&name).map(note_of).unwrap_or_default();
            let TopicPartition { topic, partition } = name;
            let entry = OffsetCommitRequestPartition::default()
                .with_partition_index(partition)
                .with_committed_offset(offset)
                .with_committed_metadata(Some(StrBytes::from_string(note)));
            topics.entry(topic).or_default().push(entry);
        }
        let topics = topics.into_iter().map(|(topic, partitions)| {
            OffsetCommitRequestTopic::default().with_name(name(&topic)).with_partitions(partitions)
        });
        let request = OffsetCommitRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id_or_member_epoch(self.generation)
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_topics(topics.collect());
        let instance_id = self.instance_id();
        Call::build(move |version| match version {
            INSTANCE_ID_VERSION.. => request.with_group_instance_id(instance_id),
            _ => request,
        })
    }

    /// What the group has committed for these, `None` where it has not, or for another topic of the same name.
    pub(super) async fn committed_offsets(
        &mut self,
        partitions: &[TopicPartition],
        metadata: &Metadata,
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, Interrupt> {
        loop {
            let call = fetch_offsets_call(&self.config.group, partitions);
            match self.client.call_coordinator(&self.config.group, call).await {
                Ok(response) => match offsets(&response) {
                    Ok(committed) => {
                        self.backoff.reset();
                        let offset = |partition: &TopicPartition| {
                            let (offset, note) = committed.get(partition)?;
                            let now = metadata.topics.get(&partition.topic).and_then(|topic| topic.id);
                            let is_another = now.is_some_and(|id| is_of_another_topic(note, id));
                            if is_another {
                                tracing::warn!(
                                    "{partition}: offset {offset} was committed before the topic was deleted and made \
                                     again; it is read anew"
                                );
                            }
                            (!is_another).then_some(*offset)
                        };
                        return Ok(partitions.iter().map(|partition| (partition.clone(), offset(partition))).collect());
                    }
                    Err(code) => {
                        if let Verdict::Interrupt(interrupt) = self.judge("OffsetFetch", code) {
                            return Err(interrupt);
                        }
                    }
                },
                Err(error) => self.note(error)?,
            }
            sleep(self.backoff.next_delay()).await;
            self.heartbeat_if_due().await?;
        }
    }

    pub(super) fn group_id(&self) -> GroupId {
        GroupId(StrBytes::from_string(self.config.group.clone()))
    }

    pub(super) fn instance_id(&self) -> Option<StrBytes> {
        self.config.instance_id.clone().map(StrBytes::from_string)
    }
}

/// What a group has committed for these.
pub(super) fn fetch_offsets_call(group: &str, partitions: &[TopicPartition]) -> Call<OffsetFetchRequest> {
    let mut topics: BTreeMap<Arc<str>, Vec<i32>> = BTreeMap::new();
    for TopicPartition { topic, partition } in partitions {
        topics.entry(Arc::clone(topic)).or_default().push(*partition);
    }
    let group_id = GroupId(StrBytes::from_string(group.to_owned()));
    Call::build(move |version| {
        if version >= MANY_GROUPS_VERSION {
            let topics = topics.into_iter().map(|(topic, numbers)| {
                OffsetFetchRequestTopics::default().with_name(name(&topic)).with_partition_indexes(numbers)
            });
            let group = OffsetFetchRequestGroup::default().with_group_id(group_id).with_topics(Some(topics.collect()));
            return OffsetFetchRequest::default().with_groups(vec![group]);
        }
        let topics = topics.into_iter().map(|(topic, numbers)| {
            OffsetFetchRequestTopic::default().with_name(name(&topic)).with_partition_indexes(numbers)
        });
        OffsetFetchRequest::default().with_group_id(group_id).with_topics(Some(topics.collect()))
    })
}

/// What is committed beside an offset: the id of its topic. A coordinator keeps offsets for a while that a topic had
/// which was deleted.
fn note_of(topic_id: [u8; 16]) -> String {
    let digits: String = topic_id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{NOTE_PREFIX}{digits}")
}

pub(super) fn is_of_another_topic(note: &str, topic_id: [u8; 16]) -> bool {
    note.starts_with(NOTE_PREFIX) && note != note_of(topic_id)
}

fn name(topic: &Arc<str>) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_string()))
}

/// Whether a code speaks of the member and not of one partition.
fn concerns_the_member(code: ErrorCode) -> bool {
    matches!(
        code.kind(),
        ResponseError::RebalanceInProgress
            | ResponseError::IllegalGeneration
            | ResponseError::UnknownMemberId
            | ResponseError::FencedInstanceId
            | ResponseError::GroupAuthorizationFailed
    )
}

/// The error codes of a response, by partition.
fn codes(response: &OffsetCommitResponse) -> BTreeMap<TopicPartition, ErrorCode> {
    let mut codes = BTreeMap::new();
    for topic in &response.topics {
        for partition in &topic.partitions {
            if let Some(code) = ErrorCode::from_wire(partition.error_code) {
                codes.insert(TopicPartition::new(topic.name.as_str(), partition.partition_index), code);
            }
        }
    }
    codes
}

/// The committed offsets of a response of any version, or its first error code.
pub(super) fn offsets(response: &OffsetFetchResponse) -> Result<BTreeMap<TopicPartition, (i64, String)>, ErrorCode> {
    ErrorCode::check(response.error_code)?;
    let mut offsets = BTreeMap::new();
    let mut take = |topic: &TopicName, number: i32, offset: i64, note: &Option<StrBytes>, code: i16| {
        ErrorCode::check(code)?;
        if offset != NO_OFFSET {
            let note = note.as_deref().unwrap_or_default().to_owned();
            offsets.insert(TopicPartition::new(topic.as_str(), number), (offset, note));
        }
        Ok::<(), ErrorCode>(())
    };
    for topic in &response.topics {
        for partition in &topic.partitions {
            let (offset, note) = (partition.committed_offset, &partition.metadata);
            take(&topic.name, partition.partition_index, offset, note, partition.error_code)?;
        }
    }
    for group in &response.groups {
        ErrorCode::check(group.error_code)?;
        for topic in &group.topics {
            for partition in &topic.partitions {
                let (offset, note) = (partition.committed_offset, &partition.metadata);
                take(&topic.name, partition.partition_index, offset, note, partition.error_code)?;
            }
        }
    }
    Ok(offsets)
}
