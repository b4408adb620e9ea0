//! The state machine of one consumer group (classic protocol, KIP-345, KIP-394, KIP-814): pure, time is passed in.
//!
//! ```text
//! Empty ──join──▶ PreparingRebalance ──all joined or time over──▶ CompletingRebalance ──leader synced──▶ Stable
//!   ▲                 ▲     │                                            │                                │
//!   └──nobody left────┼─────┘◀──────────join, leave, session over────────┴────────────────────────────────┘
//! ```

use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

use super::member::{Caller, Due, Join, JoinAnswer, Joined, Member, SyncAnswer, Synced};
use crate::limits;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Empty,
    /// Waits for the members to join.
    PreparingRebalance,
    /// Waits for the leader's assignments.
    CompletingRebalance,
    Stable,
}

impl State {
    /// Kafka's name, as its tools print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// What has to happen after a step: first the group's metadata is written (where `persist` says so), then the answers go out.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub persist: bool,
    pub rebalanced: bool,
    pub due: Vec<Due>,
}

#[derive(Debug)]
pub struct Group {
    pub(super) state: State,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<String>,
    pub(super) protocol: Option<String>,
    pub(super) leader: Option<String>,
    pub(super) members: BTreeMap<String, Member>,
    /// Instance id to member id.
    pub(super) instances: HashMap<String, String>,
    /// Ids that were handed out and have not joined yet, until when.
    pub(super) pending: HashMap<String, Instant>,
    /// In `PreparingRebalance` and `CompletingRebalance`: until when the missing members may come.
    pub(super) deadline: Instant,
    /// A first generation waits its whole delay even when all known members have joined.
    pub(super) initial: bool,
    pub(super) initial_delay: Duration,
    pub(super) effects: Effects,
}

impl Group {
    pub fn new(initial_delay: Duration, now: Instant) -> Self {
        Self {
            state: State::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            deadline: now,
            initial: false,
            initial_delay,
            effects: Effects::default(),
        }
    }

    /// Nobody is a member or about to become one.
    pub fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// The next time at which [`Group::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.members.values().filter(|member| !member.is_parked()).map(|member| member.session_deadline);
        let rebalance = matches!(self.state, State::PreparingRebalance | State::CompletingRebalance);
        sessions.chain(self.pending.values().copied()).chain(rebalance.then_some(self.deadline)).min()
    }

    /// Parks the request, or answers it.
    pub fn join(&mut self, join: Join, to: oneshot::Sender<JoinAnswer>, now: Instant) {
        if let Err(error) = self.try_join(&join, to, now) {
            let (to, error, member_id) = error;
            self.effects.due.push(Due::Join(to, JoinAnswer { member_id, result: Err(error) }));
        }
    }

    #[allow(clippy::type_complexity, reason = "the one caller takes the tuple apart at once")]
    fn try_join(
        &mut self,
        join: &Join,
        to: oneshot::Sender<JoinAnswer>,
        now: Instant,
    ) -> Result<(), (oneshot::Sender<JoinAnswer>, ResponseError, String)> {
        if !self.accepts_protocols(join) {
            return Err((to, ResponseError::InconsistentGroupProtocol, join.member_id.clone()));
        }
        let known_instance = join.instance_id.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        if join.member_id.is_empty() {
            if let Some(old_id) = known_instance {
                self.replace_static(&old_id, join, to, now);
                return Ok(());
            }
            if self.members.len() + self.pending.len() >= limits::GROUP_MEMBERS_MAX {
                return Err((to, ResponseError::GroupMaxSizeReached, String::new()));
            }
            let id = join.fresh_member_id.clone();
            if join.member_id_required && join.instance_id.is_none() {
                self.pending.insert(id.clone(), now + join.session_timeout);
                return Err((to, ResponseError::MemberIdRequired, id));
            }
            self.add(id, join, to, now);
            return Ok(());
        }
        let id = join.member_id.clone();
        if self.pending.remove(&id).is_some() {
            self.add(id, join, to, now);
            return Ok(());
        }
        if let Err(error) = self.check_identity(&id, join.instance_id.as_deref()) {
            return Err((to, error, id));
        }
        let unchanged = self.members[&id].protocols == join.protocols;
        let is_leader = self.leader.as_deref() == Some(&id);
        match self.state {
            // The answer was lost on its way: the same once more.
            State::CompletingRebalance if unchanged => self.answer_now(&id, to, now),
            State::Stable if unchanged && !is_leader => self.answer_now(&id, to, now),
            _ => {
                let member = self.members.get_mut(&id).expect("its identity was checked above");
                member.update(join);
                member.joining = Some(to);
                self.rebalance(now);
            }
        }
        Ok(())
    }

    fn add(&mut self, id: String, join: &Join, to: oneshot::Sender<JoinAnswer>, now: Instant) {
        if let Some(instance) = &join.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        if self.members.is_empty() {
            self.protocol_type = Some(join.protocol_type.clone());
        }
        let member = Member {
            instance_id: join.instance_id.clone(),
            client_id: join.client_id.clone(),
            client_host: join.client_host.clone(),
            session_timeout: join.session_timeout,
            rebalance_timeout: join.rebalance_timeout,
            protocols: join.protocols.clone(),
            assignment: Bytes::new(),
            session_deadline: now + join.session_timeout,
            joining: Some(to),
            syncing: None,
        };
        self.members.insert(id, member);
        self.rebalance(now);
    }

    /// A restarted instance takes its predecessor's place; without a rebalance where nothing else changed (KIP-345).
    fn replace_static(&mut self, old_id: &str, join: &Join, to: oneshot::Sender<JoinAnswer>, now: Instant) {
        let mut member = self.members.remove(old_id).expect("instances name members");
        let id = join.fresh_member_id.clone();
        let fenced = ResponseError::FencedInstanceId;
        if let Some(old) = member.joining.take() {
            self.effects.due.push(Due::Join(old, JoinAnswer { member_id: old_id.to_owned(), result: Err(fenced) }));
        }
        if let Some(old) = member.syncing.take() {
            self.effects.due.push(Due::Sync(old, Err(fenced)));
        }
        member.update(join);
        member.heard(now);
        self.members.insert(id.clone(), member);
        self.instances.insert(join.instance_id.clone().expect("only static members are replaced"), id.clone());
        let was_leader = self.leader.as_deref() == Some(old_id);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if self.state == State::Stable && self.protocol == self.vote() {
            self.effects.persist = true;
            let mut joined = self.joined(&id);
            if was_leader && join.can_skip_assignment {
                joined.skip_assignment = true;
            } else if was_leader {
                // Old clients cannot skip: told another leader, they take the assignment that they are given.
                joined.leader = old_id.to_owned();
                joined.members.clear();
            }
            self.effects.due.push(Due::Join(to, JoinAnswer { member_id: id, result: Ok(joined) }));
            return;
        }
        self.members.get_mut(&id).expect("inserted above").joining = Some(to);
        self.rebalance(now);
    }

    fn answer_now(&mut self, id: &str, to: oneshot::Sender<JoinAnswer>, now: Instant) {
        self.members.get_mut(id).expect("callers checked the member").heard(now);
        let answer = JoinAnswer { member_id: id.to_owned(), result: Ok(self.joined(id)) };
        self.effects.due.push(Due::Join(to, answer));
    }

    pub(super) fn joined(&self, id: &str) -> Joined {
        let protocol = self.protocol.clone().unwrap_or_default();
        let is_leader = self.leader.as_deref() == Some(id);
        let members = match is_leader {
            false => Vec::new(),
            true => (self.members.iter())
                .map(|(id, member)| (id.clone(), member.instance_id.clone(), member.metadata(&protocol)))
                .collect(),
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader: self.leader.clone().unwrap_or_default(),
            skip_assignment: false,
            members,
        }
    }

    /// Parks the request, or answers it. `assignments` come from the leader only.
    pub fn sync(
        &mut self,
        caller: Caller<'_>,
        protocol: (Option<&str>, Option<&str>),
        assignments: Vec<(String, Bytes)>,
        to: oneshot::Sender<SyncAnswer>,
        now: Instant,
    ) {
        if let Err(error) = self.check_sync(caller, protocol) {
            self.effects.due.push(Due::Sync(to, Err(error)));
            return;
        }
        let member = self.members.get_mut(caller.member_id).expect("the caller was checked");
        member.heard(now);
        if self.state == State::Stable {
            let answer = self.synced(caller.member_id);
            self.effects.due.push(Due::Sync(to, Ok(answer)));
            return;
        }
        member.syncing = Some(to);
        if self.leader.as_deref() != Some(caller.member_id) {
            return;
        }
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
        }
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = State::Stable;
        self.effects.persist = true;
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.synced(&id);
            let member = self.members.get_mut(&id).expect("a key of this map");
            if let Some(to) = member.syncing.take() {
                member.heard(now);
                self.effects.due.push(Due::Sync(to, Ok(answer)));
            }
        }
    }

    fn check_sync(
        &self,
        caller: Caller<'_>,
        (protocol_type, protocol): (Option<&str>, Option<&str>),
    ) -> Result<(), ResponseError> {
        self.check_caller(caller)?;
        let differs = |given: Option<&str>, ours: &Option<String>| given.is_some() && given != ours.as_deref();
        if differs(protocol_type, &self.protocol_type) || differs(protocol, &self.protocol) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        match self.state {
            State::Empty => Err(ResponseError::UnknownMemberId),
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            State::CompletingRebalance | State::Stable => Ok(()),
        }
    }

    fn synced(&self, id: &str) -> Synced {
        Synced {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: self.members.get(id).map(|member| member.assignment.clone()).unwrap_or_default(),
        }
    }

    pub fn heartbeat(&mut self, caller: Caller<'_>, now: Instant) -> Result<(), ResponseError> {
        self.check_caller(caller)?;
        self.members.get_mut(caller.member_id).expect("the caller was checked").heard(now);
        match self.state {
            State::PreparingRebalance => Err(ResponseError::RebalanceInProgress),
            _ => Ok(()),
        }
    }

    /// A member goes; a static one is named by its instance, and may leave its member id out.
    pub fn leave(&mut self, member_id: &str, instance_id: Option<&str>, now: Instant) -> Result<(), ResponseError> {
        let id = match instance_id {
            Some(instance) => {
                let id = self.instances.get(instance).ok_or(ResponseError::UnknownMemberId)?;
                if !member_id.is_empty() && member_id != id {
                    return Err(ResponseError::FencedInstanceId);
                }
                id.clone()
            }
            None => member_id.to_owned(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join_if_all(now);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ResponseError::UnknownMemberId);
        }
        self.remove(&id);
        self.rebalance(now);
        Ok(())
    }

    /// May this caller commit offsets now? Without a generation only while nobody is a member.
    pub fn check_commit(&mut self, caller: Caller<'_>, now: Instant) -> Result<(), ResponseError> {
        if caller.generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        self.check_caller(caller)?;
        if self.state == State::CompletingRebalance {
            return Err(ResponseError::RebalanceInProgress);
        }
        self.members.get_mut(caller.member_id).expect("the caller was checked").heard(now);
        Ok(())
    }

    fn check_caller(&self, caller: Caller<'_>) -> Result<(), ResponseError> {
        self.check_identity(caller.member_id, caller.instance_id)?;
        if caller.generation != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        Ok(())
    }

    fn check_identity(&self, member_id: &str, instance_id: Option<&str>) -> Result<(), ResponseError> {
        if let Some(instance) = instance_id {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(id) if id != member_id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        if self.members.contains_key(member_id) { Ok(()) } else { Err(ResponseError::UnknownMemberId) }
    }
}

impl Member {
    fn update(&mut self, join: &Join) {
        self.client_id.clone_from(&join.client_id);
        self.client_host.clone_from(&join.client_host);
        self.session_timeout = join.session_timeout;
        self.rebalance_timeout = join.rebalance_timeout;
        self.protocols.clone_from(&join.protocols);
    }
}
