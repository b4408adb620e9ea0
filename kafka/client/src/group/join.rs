//! Joining: the member id, JoinGroup, the leader's assignment, SyncGroup.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use kafka_wire::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_wire::protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_wire::protocol::messages::leave_group_request::MemberIdentity;
use kafka_wire::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_wire::protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use kafka_wire::protocol::protocol::StrBytes;
use tokio::time::sleep;

use super::assignor::{Assignor, Member, Shares};
use super::event::GroupError;
use super::membership::Membership;
use super::protocol::{Subscription, decode_assignment, encode_assignment};
use super::verdict::{Interrupt, Verdict};
use crate::call::Call;
use crate::code::ErrorCode;
use crate::error::ClientError;
use crate::metadata::Metadata;
use crate::topic_partition::TopicPartition;
use crate::topics::milliseconds;

const PROTOCOL_TYPE: &str = "consumer";
/// Java's client adds the same to the rebalance timeout, so that the coordinator's answer wins.
const JOIN_TIMEOUT_EXTRA: Duration = Duration::from_secs(5);
/// First version of JoinGroup with static members (KIP-345).
const JOIN_INSTANCE_ID_VERSION: i16 = 5;
/// First version of JoinGroup with a reason (KIP-800).
const JOIN_REASON_VERSION: i16 = 8;
/// First version of SyncGroup and Heartbeat with static members.
const INSTANCE_ID_VERSION: i16 = 3;
/// First version of SyncGroup that repeats the protocol (KIP-559).
const SYNC_PROTOCOL_VERSION: i16 = 5;
/// First version of LeaveGroup for several members.
const LEAVE_MEMBERS_VERSION: i16 = 3;

impl Membership {
    /// Joins the group and returns the partitions that this member has in the new generation.
    pub(super) async fn join(&mut self) -> Result<Vec<TopicPartition>, Interrupt> {
        self.shared_out = None;
        loop {
            let call = self.join_call();
            let response = match self.client.call_coordinator(&self.config.group, call).await {
                Ok(response) => response,
                Err(error) => {
                    self.note(error)?;
                    self.pause().await;
                    continue;
                }
            };
            match ErrorCode::from_wire(response.error_code) {
                None => {
                    self.backoff.reset();
                    return self.sync(response).await;
                }
                // The coordinator wants to see the new id before it counts the member (KIP-394).
                Some(code) if code.kind() == ResponseError::MemberIdRequired => {
                    self.member_id = response.member_id.to_string();
                }
                Some(code) => match self.judge("JoinGroup", code) {
                    Verdict::Again | Verdict::Interrupt(Interrupt::Rejoin) => self.pause().await,
                    Verdict::Interrupt(interrupt) => return Err(interrupt),
                },
            }
        }
    }

    pub(super) async fn pause(&mut self) {
        sleep(self.backoff.next_delay()).await;
    }

    fn join_call(&self) -> Call<JoinGroupRequest> {
        let protocol = |assignor: &Assignor| {
            let subscription = Subscription {
                topics: self.config.topics.iter().map(|topic| Arc::from(topic.as_str())).collect(),
                user_data: assignor.user_data(self.generation),
                owned: self.owned.iter().cloned().collect(),
                generation: self.generation,
            };
            JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str(assignor.name()))
                .with_metadata(Bytes::from(subscription.encode()))
        };
        let request = JoinGroupRequest::default()
            .with_group_id(self.group_id())
            .with_session_timeout_ms(milliseconds(self.config.session_timeout))
            .with_rebalance_timeout_ms(milliseconds(self.config.rebalance_timeout))
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_protocol_type(StrBytes::from_static_str(PROTOCOL_TYPE))
            .with_protocols(self.config.assignors.iter().map(protocol).collect());
        let (instance_id, reason) = (self.instance_id(), self.rejoin_reason);
        let call = Call::build(move |version| {
            let mut request = request;
            if version >= JOIN_INSTANCE_ID_VERSION {
                request.group_instance_id = instance_id;
            }
            if version >= JOIN_REASON_VERSION {
                request.reason = Some(StrBytes::from_static_str(reason));
            }
            request
        });
        call.timeout(self.client.config().request_timeout.max(self.config.rebalance_timeout + JOIN_TIMEOUT_EXTRA))
    }

    /// The second round: the leader shares out, and everybody hears what is theirs.
    async fn sync(&mut self, joined: JoinGroupResponse) -> Result<Vec<TopicPartition>, Interrupt> {
        self.member_id = joined.member_id.to_string();
        self.generation = joined.generation_id;
        let protocol = joined.protocol_name.clone().unwrap_or_default();
        let offered = |assignor: &Assignor| self.config.assignors.contains(assignor);
        let assignor = Assignor::from_name(&protocol).filter(offered);
        let assignor =
            assignor.ok_or_else(|| Interrupt::Failed(GroupError::UnknownAssignor(protocol.as_str().to_owned())))?;

        let is_leader = joined.leader == joined.member_id;
        let shares = if is_leader { self.share_out(assignor, &joined).await? } else { Shares::new() };
        // A static leader that came back keeps the assignment of its group (KIP-814).
        let sent = if joined.skip_assignment { &Shares::new() } else { &shares };
        let assigned = loop {
            match self.client.call_coordinator(&self.config.group, self.sync_call(sent, &protocol)).await {
                Ok(response) => match ErrorCode::from_wire(response.error_code) {
                    None => break response.assignment,
                    Some(code) => match self.judge("SyncGroup", code) {
                        // The coordinator has moved or restarted: what it knows of this round, it tells the next one.
                        Verdict::Again => {
                            self.pause().await;
                            return Err(Interrupt::Rejoin);
                        }
                        Verdict::Interrupt(interrupt) => return Err(interrupt),
                    },
                },
                Err(error) => {
                    self.note(error)?;
                    self.pause().await;
                }
            }
        };
        let assigned = decode_assignment(&assigned).map_err(|_| Interrupt::Failed(GroupError::MalformedAssignment))?;
        if joined.skip_assignment && shares.len() == 1 && shares.values().any(|share| *share != assigned) {
            self.assignment_is_old = true;
        }
        Ok(assigned)
    }

    /// What each member gets, by the leader's view of the topics.
    async fn share_out(&mut self, assignor: Assignor, joined: &JoinGroupResponse) -> Result<Shares, Interrupt> {
        let members: Vec<Member> = joined.members.iter().map(member).collect();
        let topics: BTreeSet<Arc<str>> =
            members.iter().flat_map(|member| member.subscription.topics.iter().cloned()).collect();
        let topics: Vec<_> = topics.into_iter().collect();
        loop {
            match self.client.refresh(&topics, true).await {
                Ok(metadata) => {
                    let counts = partition_counts(&metadata, &topics);
                    let shares = assignor.assign(&counts, &members);
                    self.shared_out = Some(counts);
                    return Ok(shares);
                }
                Err(error) => {
                    self.note(error)?;
                    self.pause().await;
                }
            }
        }
    }

    fn sync_call(&self, shares: &Shares, protocol: &StrBytes) -> Call<SyncGroupRequest> {
        let assignments = shares.iter().map(|(id, share)| {
            SyncGroupRequestAssignment::default()
                .with_member_id(StrBytes::from_string(id.to_string()))
                .with_assignment(Bytes::from(encode_assignment(share)))
        });
        let request = SyncGroupRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(StrBytes::from_string(self.member_id.clone()))
            .with_assignments(assignments.collect());
        let (instance_id, protocol) = (self.instance_id(), protocol.clone());
        let call = Call::build(move |version| {
            let mut request = request;
            if version >= INSTANCE_ID_VERSION {
                request.group_instance_id = instance_id;
            }
            if version >= SYNC_PROTOCOL_VERSION {
                request.protocol_type = Some(StrBytes::from_static_str(PROTOCOL_TYPE));
                request.protocol_name = Some(protocol);
            }
            request
        });
        // The leader may take as long as the group waits for it.
        call.timeout(self.client.config().request_timeout.max(self.config.rebalance_timeout + JOIN_TIMEOUT_EXTRA))
    }

    /// The coordinator's answer to a heartbeat: `None` is all is well.
    pub(super) async fn send_heartbeat(&self) -> Result<Option<ErrorCode>, ClientError> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group_id())
            .with_generation_id(self.generation)
            .with_member_id(StrBytes::from_string(self.member_id.clone()));
        let instance_id = self.instance_id();
        let call = Call::build(move |version| match version {
            INSTANCE_ID_VERSION.. => request.with_group_instance_id(instance_id),
            _ => request,
        });
        let call = call.timeout(self.config.session_timeout);
        let response = self.client.call_coordinator(&self.config.group, call).await?;
        Ok(ErrorCode::from_wire(response.error_code))
    }

    /// Leaves the group; whether the coordinator heard it makes no difference to who leaves.
    pub(super) async fn send_leave(&self) {
        let member_id = StrBytes::from_string(self.member_id.clone());
        let request = LeaveGroupRequest::default().with_group_id(self.group_id());
        let call = Call::build(move |version| match version {
            LEAVE_MEMBERS_VERSION.. => request.with_members(vec![MemberIdentity::default().with_member_id(member_id)]),
            _ => request.with_member_id(member_id),
        });
        if let Err(error) = self.client.call_coordinator(&self.config.group, call).await {
            tracing::debug!("leave group {:?}: {error}", self.config.group);
        }
    }
}

/// Partitions by topic, 0 for what does not exist (yet).
pub(super) fn partition_counts(metadata: &Metadata, topics: &[Arc<str>]) -> BTreeMap<Arc<str>, i32> {
    let count = |topic: &Arc<str>| metadata.topics.get(topic).map_or(0, |topic| topic.partitions.len());
    topics.iter().map(|topic| (Arc::clone(topic), i32::try_from(count(topic)).unwrap_or(i32::MAX))).collect()
}

/// A member as the coordinator passes it on. One whose subscription cannot be read gets nothing, and the others work.
fn member(joined: &JoinGroupResponseMember) -> Member {
    let subscription = Subscription::decode(&joined.metadata).unwrap_or_else(|_| {
        tracing::warn!("group member {:?} sent a subscription that cannot be read", joined.member_id.as_str());
        Subscription::default()
    });
    Member {
        id: Arc::from(joined.member_id.as_str()),
        instance_id: joined.group_instance_id.as_deref().map(Arc::from),
        subscription,
    }
}
