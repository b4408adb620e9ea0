//! Rebalances of a group: who is in the next generation, who leads it, and whose time is over.

use kafka_wire::protocol::ResponseError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::member::{Due, Join, JoinAnswer, Member};
use super::state::{Group, State};

impl Group {
    /// Starts a rebalance, or goes on with the one that runs.
    pub(super) fn rebalance(&mut self, now: Instant) {
        if self.state != State::PreparingRebalance {
            self.initial = self.state == State::Empty;
            if self.state == State::CompletingRebalance {
                for member in self.members.values_mut() {
                    if let Some(to) = member.syncing.take() {
                        self.effects.due.push(Due::Sync(to, Err(ResponseError::RebalanceInProgress)));
                        member.heard(now);
                    }
                }
            }
            self.state = State::PreparingRebalance;
            self.deadline = now + if self.initial { self.initial_delay } else { self.rebalance_timeout() };
        }
        self.complete_join_if_all(now);
    }

    /// The slowest member's.
    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }

    pub(super) fn complete_join_if_all(&mut self, now: Instant) {
        let all = self.pending.is_empty() && self.members.values().all(|member| member.joining.is_some());
        if self.state == State::PreparingRebalance && ((all && !self.initial) || self.members.is_empty()) {
            self.complete_join(now);
        }
    }

    fn complete_join(&mut self, now: Instant) {
        self.initial = false;
        // Dynamic members that did not come are out; static ones stay until their session is over.
        self.members.retain(|_, member| member.joining.is_some() || member.instance_id.is_some());
        if !self.members.is_empty() && self.members.values().all(|member| member.joining.is_none()) {
            self.deadline = now + self.rebalance_timeout();
            return;
        }
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        self.effects.rebalanced = true;
        if self.members.is_empty() {
            self.state = State::Empty;
            self.protocol = None;
            self.leader = None;
            self.effects.persist = true;
            return;
        }
        self.protocol = self.vote();
        let leads = |id: &String| self.members.get(id).is_some_and(|member| member.joining.is_some());
        if !self.leader.as_ref().is_some_and(leads) {
            self.leader = self.members.iter().find(|(_, member)| member.joining.is_some()).map(|(id, _)| id.clone());
        }
        self.state = State::CompletingRebalance;
        self.deadline = now + self.rebalance_timeout();
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = JoinAnswer { member_id: id.clone(), result: Ok(self.joined(&id)) };
            let member = self.members.get_mut(&id).expect("a key of this map");
            if let Some(to) = member.joining.take() {
                member.heard(now);
                self.effects.due.push(Due::Join(to, answer));
            }
        }
    }

    /// Each member votes for its first protocol that all know; the most votes win, then the name.
    pub(super) fn vote(&self) -> Option<String> {
        let common =
            |name: &str| self.members.values().all(|member| member.protocols.iter().any(|(theirs, _)| theirs == name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some((name, _)) = member.protocols.iter().find(|(name, _)| common(name)) {
                *votes.entry(name).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, count)| *count).map(|(name, _)| name.to_owned())
    }

    /// A common protocol type, and one protocol that every member knows.
    pub(super) fn accepts_protocols(&self, join: &Join) -> bool {
        if join.protocols.is_empty() || join.protocol_type.is_empty() {
            return false;
        }
        if self.members.is_empty() {
            return true;
        }
        let others: Vec<&Member> =
            self.members.iter().filter(|(id, _)| **id != join.member_id).map(|(_, member)| member).collect();
        self.protocol_type.as_deref() == Some(join.protocol_type.as_str())
            && (others.is_empty()
                || join.protocols.iter().any(|(name, _)| {
                    others.iter().all(|other| other.protocols.iter().any(|(theirs, _)| theirs == name))
                }))
    }

    /// Does what is due at `now`: sessions that are over, rebalances that waited long enough.
    pub fn expire(&mut self, now: Instant) {
        self.pending.retain(|_, until| *until > now);
        let gone: Vec<String> = (self.members.iter())
            .filter(|(_, member)| !member.is_parked() && member.session_deadline <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            self.remove(id);
        }
        if !gone.is_empty() {
            self.rebalance(now);
        }
        match self.state {
            State::PreparingRebalance if self.deadline <= now => self.complete_join(now),
            State::PreparingRebalance => self.complete_join_if_all(now),
            State::CompletingRebalance if self.deadline <= now => {
                // The leader never sent assignments: who did not ask for one is out, the others start again.
                let silent: Vec<String> = (self.members.iter())
                    .filter(|(_, member)| member.syncing.is_none())
                    .map(|(id, _)| id.clone())
                    .collect();
                for id in &silent {
                    self.remove(id);
                }
                self.rebalance(now);
            }
            _ => {}
        }
    }

    pub(super) fn remove(&mut self, id: &str) {
        let Some(mut member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if self.leader.as_deref() == Some(id) {
            self.leader = None;
        }
        let unknown = ResponseError::UnknownMemberId;
        if let Some(to) = member.joining.take() {
            self.effects.due.push(Due::Join(to, JoinAnswer { member_id: id.to_owned(), result: Err(unknown) }));
        }
        if let Some(to) = member.syncing.take() {
            self.effects.due.push(Due::Sync(to, Err(unknown)));
        }
    }
}
