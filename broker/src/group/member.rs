//! A member of a consumer group, and what it asks and is answered.

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// A request to join, checked for its limits.
#[derive(Debug, Clone)]
pub struct Join {
    /// Empty: not a member yet.
    pub member_id: String,
    /// Static membership (KIP-345): who carries this name takes over the partitions of its predecessor.
    pub instance_id: Option<String>,
    pub client_id: String,
    /// `/address` as Kafka shows it.
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocol_type: String,
    /// Name and metadata, preferred first.
    pub protocols: Vec<(String, Bytes)>,
    /// Version 4 and later: a new member is first told its id and joins again with it (KIP-394), so that a client that
    /// gave up waiting leaves no ghost.
    pub member_id_required: bool,
    /// Version 9 and later: a returning static leader can be told not to assign (KIP-814).
    pub can_skip_assignment: bool,
    /// Id for a new member. Randomness is passed in.
    pub fresh_member_id: String,
}

/// Answer to [`Join`].
#[derive(Debug, Clone, PartialEq)]
pub struct JoinAnswer {
    pub member_id: String,
    pub result: Result<Joined, ResponseError>,
}

/// A member's place in a new generation.
#[derive(Debug, Clone, PartialEq)]
pub struct Joined {
    pub generation: i32,
    pub protocol_type: String,
    pub protocol: String,
    pub leader: String,
    pub skip_assignment: bool,
    /// Member id, instance id, metadata of the chosen protocol; only for the leader.
    pub members: Vec<(String, Option<String>, Bytes)>,
}

/// Answer to a request to synchronise: the member's assignment.
pub type SyncAnswer = Result<Synced, ResponseError>;

#[derive(Debug, Clone, PartialEq)]
pub struct Synced {
    pub protocol_type: String,
    pub protocol: String,
    pub assignment: Bytes,
}

/// Who asks, in which generation.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub member_id: &'a str,
    pub instance_id: Option<&'a str>,
    pub generation: i32,
}

#[derive(Debug)]
pub(super) struct Member {
    pub instance_id: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocols: Vec<(String, Bytes)>,
    pub assignment: Bytes,
    /// Heard of until here; not looked at while a join or sync is parked, since such a member cannot send anything.
    pub session_deadline: Instant,
    pub joining: Option<oneshot::Sender<JoinAnswer>>,
    pub syncing: Option<oneshot::Sender<SyncAnswer>>,
}

impl Member {
    pub fn is_parked(&self) -> bool {
        self.joining.is_some() || self.syncing.is_some()
    }

    pub fn heard(&mut self, now: Instant) {
        self.session_deadline = now + self.session_timeout;
    }

    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, bytes)| bytes.clone()).unwrap_or_default()
    }
}

/// An answer that is due, after what it claims has been flushed.
#[derive(Debug)]
pub(super) enum Due {
    Join(oneshot::Sender<JoinAnswer>, JoinAnswer),
    Sync(oneshot::Sender<SyncAnswer>, SyncAnswer),
}

impl Due {
    /// A receiver that is gone belongs to a connection that was closed: its member is missed by its session timeout.
    pub fn send(self) {
        match self {
            Self::Join(to, answer) => drop(to.send(answer)),
            Self::Sync(to, answer) => drop(to.send(answer)),
        }
    }
}
