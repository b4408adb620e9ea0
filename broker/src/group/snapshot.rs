//! A group as it is written to `__consumer_offsets`, and made again from there at the start.

use std::time::{Duration, Instant};

use super::member::Member;
use super::records::{GroupValue, MemberValue};
use super::state::{Group, State};

/// A group for DescribeGroups and ListGroups.
#[derive(Debug, Clone)]
pub struct Described {
    pub id: String,
    pub state: &'static str,
    pub protocol_type: String,
    pub protocol: String,
    pub members: Vec<MemberValue>,
}

impl Group {
    /// `state_timestamp` in milliseconds since the epoch.
    pub(super) fn snapshot(&self, state_timestamp: i64) -> GroupValue {
        GroupValue {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            generation: self.generation,
            protocol: self.protocol.clone(),
            leader: self.leader.clone(),
            state_timestamp,
            members: self.member_values(),
        }
    }

    pub(super) fn describe(&self, id: &str) -> Described {
        let mut members = self.member_values();
        if self.state != State::Stable {
            // Until the leader has assigned, what a member had is not what it has.
            for member in &mut members {
                member.subscription.clear();
                member.assignment.clear();
            }
        }
        Described {
            id: id.to_owned(),
            state: self.state.name(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: (self.state == State::Stable).then(|| self.protocol.clone()).flatten().unwrap_or_default(),
            members,
        }
    }

    fn member_values(&self) -> Vec<MemberValue> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        (self.members.iter())
            .map(|(id, member)| MemberValue {
                id: id.clone(),
                instance_id: member.instance_id.clone(),
                client_id: member.client_id.clone(),
                client_host: member.client_host.clone(),
                rebalance_timeout_ms: milliseconds(member.rebalance_timeout),
                session_timeout_ms: milliseconds(member.session_timeout),
                subscription: member.metadata(protocol),
                assignment: member.assignment.clone(),
            })
            .collect()
    }

    /// A group as it was before the restart: its members get a whole session timeout to be heard of again.
    pub(super) fn restore(value: GroupValue, initial_delay: Duration, now: Instant) -> Self {
        let mut group = Self::new(initial_delay, now);
        group.generation = value.generation;
        group.protocol_type = Some(value.protocol_type).filter(|name| !name.is_empty());
        group.leader = value.leader;
        for member in value.members {
            let session_timeout = duration(member.session_timeout_ms);
            if let Some(instance) = &member.instance_id {
                group.instances.insert(instance.clone(), member.id.clone());
            }
            let protocols = value.protocol.iter().map(|name| (name.clone(), member.subscription.clone())).collect();
            let restored = Member {
                instance_id: member.instance_id,
                client_id: member.client_id,
                client_host: member.client_host,
                session_timeout,
                rebalance_timeout: duration(member.rebalance_timeout_ms),
                protocols,
                assignment: member.assignment,
                session_deadline: now + session_timeout,
                joining: None,
                syncing: None,
            };
            group.members.insert(member.id, restored);
        }
        group.protocol = value.protocol;
        if !group.members.is_empty() {
            group.state = State::Stable;
        }
        group
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

fn duration(milliseconds: i32) -> Duration {
    Duration::from_millis(u64::try_from(milliseconds).unwrap_or(0))
}
