//! The state machine of a group without network and clock.

use super::member::{Caller, Join, JoinAnswer, Joined, SyncAnswer};
use super::state::{Group, State};
use bytes::Bytes;
use kafka_wire::protocol::ResponseError;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const DELAY: Duration = Duration::from_millis(50);
const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);

/// A group, a clock, and members that are numbered as they come.
struct Scene {
    group: Group,
    now: Instant,
    fresh: usize,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        Self { group: Group::new(DELAY, now), now, fresh: 0 }
    }

    fn join(&mut self, change: impl FnOnce(&mut Join)) -> oneshot::Receiver<JoinAnswer> {
        self.fresh += 1;
        let mut join = Join {
            member_id: String::new(),
            instance_id: None,
            client_id: "c".into(),
            client_host: "/127.0.0.1".into(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".into(),
            protocols: vec![("range".into(), Bytes::from_static(b"sub"))],
            member_id_required: false,
            can_skip_assignment: true,
            fresh_member_id: format!("m{}", self.fresh),
        };
        change(&mut join);
        let (to, answer) = oneshot::channel();
        self.group.join(join, to, self.now);
        self.settle();
        answer
    }

    fn again(&mut self, id: &str) -> oneshot::Receiver<JoinAnswer> {
        self.join(|join| join.member_id = id.into())
    }

    fn instance(&mut self, name: &str) -> oneshot::Receiver<JoinAnswer> {
        self.join(|join| join.instance_id = Some(name.into()))
    }

    fn sync(&mut self, id: &str, assignments: &[(&str, &'static str)]) -> oneshot::Receiver<SyncAnswer> {
        let (to, answer) = oneshot::channel();
        let assignments =
            assignments.iter().map(|(id, bytes)| ((*id).to_owned(), Bytes::from_static(bytes.as_bytes()))).collect();
        let caller = Caller { member_id: id, instance_id: None, generation: self.group.generation };
        self.group.sync(caller, (None, None), assignments, to, self.now);
        self.settle();
        answer
    }

    fn heartbeat(&mut self, id: &str) -> Result<(), ResponseError> {
        let caller = Caller { member_id: id, instance_id: None, generation: self.group.generation };
        let beaten = self.group.heartbeat(caller, self.now);
        self.settle();
        beaten
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.group.expire(self.now);
        self.settle();
    }

    fn settle(&mut self) {
        self.group.take_effects().due.into_iter().for_each(super::member::Due::send);
    }

    /// Members m1 to m`count`, joined and synchronised.
    fn stable(count: usize) -> Self {
        let mut scene = Self::new();
        let answers: Vec<_> = (0..count).map(|_| scene.join(|_| {})).collect();
        scene.pass(DELAY);
        answers.into_iter().for_each(|answer| drop(joined(answer)));
        scene.sync_all();
        scene
    }

    fn sync_all(&mut self) {
        let ids: Vec<String> = self.group.members.keys().cloned().collect();
        let mut answers = Vec::new();
        for id in ids {
            let assignments = [(id.as_str(), "mine")];
            answers.push(self.sync(&id, if self.group.leader.as_ref() == Some(&id) { &assignments } else { &[] }));
        }
        assert_eq!(self.group.state, State::Stable);
        for mut answer in answers {
            answer.try_recv().expect("synchronised").expect("no error");
        }
    }
}

fn joined(mut answer: oneshot::Receiver<JoinAnswer>) -> (String, Joined) {
    let answer = answer.try_recv().expect("an answer");
    (answer.member_id, answer.result.expect("joined"))
}

fn refused(mut answer: oneshot::Receiver<JoinAnswer>) -> ResponseError {
    answer.try_recv().expect("an answer").result.expect_err("a refusal")
}

#[test]
fn the_first_members_share_a_generation_after_the_delay() {
    let mut scene = Scene::new();
    let mut first = scene.join(|_| {});
    let second = scene.join(|_| {});
    assert!(first.try_recv().is_err(), "it waits for others");
    scene.pass(DELAY);
    let (id, leader) = joined(first);
    assert_eq!((id.as_str(), leader.leader.as_str(), leader.generation), ("m1", "m1", 1));
    assert_eq!(leader.members.len(), 2);
    let (_, follower) = joined(second);
    assert_eq!((follower.members.len(), follower.leader.as_str()), (0, "m1"));
    let mut follower = scene.sync("m2", &[]);
    assert!(follower.try_recv().is_err(), "it waits for the leader");
    let mut leader = scene.sync("m1", &[("m1", "a"), ("m2", "b")]);
    assert_eq!(leader.try_recv().expect("answered").expect("no error").assignment, "a");
    assert_eq!(follower.try_recv().expect("answered").expect("no error").assignment, "b");
    assert_eq!(scene.heartbeat("m1"), Ok(()));
}

#[test]
fn a_dynamic_member_is_told_its_id_first() {
    let mut scene = Scene::new();
    let mut answer = scene.join(|join| join.member_id_required = true);
    let answer = answer.try_recv().expect("answered at once");
    assert_eq!(answer.result, Err(ResponseError::MemberIdRequired));
    let answer = scene.again(&answer.member_id);
    scene.pass(DELAY);
    assert_eq!(joined(answer).0, "m1");
}

#[test]
fn a_member_that_never_comes_back_with_its_id_does_not_block() {
    let mut scene = Scene::stable(1);
    drop(scene.join(|join| join.member_id_required = true));
    let answer = scene.again("m1");
    scene.pass(SESSION);
    assert_eq!(joined(answer).1.generation, 2);
}

#[test]
fn a_silent_member_is_out_after_its_session() {
    let mut scene = Scene::stable(2);
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat("m1"), Ok(()));
    scene.pass(SESSION / 2);
    assert_eq!(scene.heartbeat("m2"), Err(ResponseError::UnknownMemberId));
    assert_eq!(scene.heartbeat("m1"), Err(ResponseError::RebalanceInProgress));
    let answer = scene.again("m1");
    assert_eq!(joined(answer).1.generation, 2);
}

#[test]
fn a_member_that_does_not_join_again_is_out_after_the_rebalance_timeout() {
    let mut scene = Scene::stable(2);
    let newcomer = scene.join(|_| {});
    let first = scene.again("m1");
    for _ in 0..REBALANCE.as_secs() / 5 {
        // It lives, but does not join.
        let _ = scene.heartbeat("m2");
        scene.pass(Duration::from_secs(5));
    }
    assert_eq!(joined(first).1.members.len(), 2);
    assert_eq!(joined(newcomer).1.generation, 2);
    assert_eq!(scene.heartbeat("m2"), Err(ResponseError::UnknownMemberId));
}

#[test]
fn leaving_starts_a_rebalance_and_the_last_one_empties_the_group() {
    let mut scene = Scene::stable(2);
    assert_eq!(scene.group.leave("m2", None, scene.now), Ok(()));
    assert_eq!(scene.heartbeat("m1"), Err(ResponseError::RebalanceInProgress));
    assert_eq!(scene.group.leave("m1", None, scene.now), Ok(()));
    assert_eq!(scene.group.state, State::Empty);
    assert_eq!(scene.group.leave("m1", None, scene.now), Err(ResponseError::UnknownMemberId));
    let answer = scene.join(|_| {});
    scene.pass(DELAY);
    assert_eq!(joined(answer).1.generation, 3);
}

#[test]
fn a_restarted_static_member_gets_its_place_without_a_rebalance() {
    let mut scene = Scene::new();
    let first = scene.instance("a");
    let second = scene.instance("b");
    scene.pass(DELAY);
    assert_eq!((joined(first).0, joined(second).0), ("m1".to_owned(), "m2".to_owned()));
    scene.sync_all();

    // A follower: same generation, its assignment is still there.
    let (id, again) = joined(scene.instance("b"));
    assert_eq!((id.as_str(), again.generation), ("m3", 1));
    assert_eq!(scene.group.state, State::Stable);
    let mut synced = scene.sync("m3", &[]);
    assert!(synced.try_recv().expect("answered").is_ok());
    // The leader is told not to assign.
    let (id, again) = joined(scene.instance("a"));
    assert_eq!((id.as_str(), again.leader.as_str(), again.skip_assignment), ("m4", "m4", true));
    // The old ones are fenced.
    let caller = Caller { member_id: "m2", instance_id: Some("b"), generation: 1 };
    assert_eq!(scene.group.heartbeat(caller, scene.now), Err(ResponseError::FencedInstanceId));
    assert_eq!(scene.group.check_commit(caller, scene.now), Err(ResponseError::FencedInstanceId));
    let caller = Caller { member_id: "m3", instance_id: Some("b"), generation: 1 };
    assert_eq!(scene.group.heartbeat(caller, scene.now), Ok(()));
}

#[test]
fn a_static_member_survives_a_rebalance_that_it_misses_until_its_session_is_over() {
    let mut scene = Scene::new();
    let long = |join: &mut Join| {
        join.instance_id = Some("a".into());
        join.session_timeout = REBALANCE * 2;
    };
    let absent = scene.join(long);
    let present = scene.join(|_| {});
    scene.pass(DELAY);
    drop((joined(absent), joined(present)));
    scene.sync_all();
    let newcomer = scene.join(|join| join.session_timeout = REBALANCE * 2);
    let present = scene.again("m2");
    scene.pass(REBALANCE);
    // The absent one led; somebody who is here takes over, and it keeps its place.
    let (_, generation) = joined(present);
    assert_eq!((generation.leader.as_str(), generation.members.len()), ("m2", 3));
    assert_eq!(joined(newcomer).1.generation, 2);
}

#[test]
fn protocols_are_voted_for_among_those_that_all_know() {
    let mut scene = Scene::new();
    let with = |names: &[&str]| {
        let protocols: Vec<_> = names.iter().map(|name| ((*name).to_owned(), Bytes::new())).collect();
        move |join: &mut Join| join.protocols = protocols
    };
    let first = scene.join(with(&["sticky", "range"]));
    let second = scene.join(with(&["range", "sticky"]));
    let third = scene.join(with(&["only-mine", "sticky", "range"]));
    let stranger = scene.join(with(&["other"]));
    assert_eq!(refused(stranger), ResponseError::InconsistentGroupProtocol);
    assert_eq!(refused(scene.join(with(&[]))), ResponseError::InconsistentGroupProtocol);
    scene.pass(DELAY);
    for answer in [first, second, third] {
        assert_eq!(joined(answer).1.protocol, "sticky");
    }
    let other = scene.join(|join| join.protocol_type = "connect".into());
    assert_eq!(refused(other), ResponseError::InconsistentGroupProtocol);
}

#[test]
fn members_of_an_old_generation_are_refused() {
    let mut scene = Scene::stable(1);
    let old = Caller { member_id: "m1", instance_id: None, generation: 0 };
    assert_eq!(scene.group.heartbeat(old, scene.now), Err(ResponseError::IllegalGeneration));
    assert_eq!(scene.group.check_commit(old, scene.now), Err(ResponseError::IllegalGeneration));
    let nobody = Caller { member_id: "", instance_id: None, generation: -1 };
    assert_eq!(scene.group.check_commit(nobody, scene.now), Err(ResponseError::UnknownMemberId));
    assert_eq!(Group::new(DELAY, scene.now).check_commit(nobody, scene.now), Ok(()));
}

#[test]
fn a_leader_that_never_assigns_is_replaced() {
    let mut scene = Scene::new();
    let answers = [scene.join(|_| {}), scene.join(|_| {})];
    scene.pass(DELAY);
    answers.into_iter().for_each(|answer| drop(joined(answer)));
    let mut waiting = scene.sync("m2", &[]);
    for _ in 0..REBALANCE.as_secs() / 5 {
        let _ = scene.heartbeat("m1");
        scene.pass(Duration::from_secs(5));
    }
    assert_eq!(waiting.try_recv().expect("answered"), Err(ResponseError::RebalanceInProgress));
    let (_, generation) = joined(scene.again("m2"));
    assert_eq!((generation.leader.as_str(), generation.members.len()), ("m2", 1));
}

#[test]
fn a_group_is_the_same_after_it_was_written_and_read() {
    let scene = Scene::stable(3);
    let value = scene.group.snapshot(0);
    let mut again = Group::restore(value.clone(), DELAY, scene.now);
    assert_eq!(again.snapshot(0), value);
    assert_eq!(again.state, State::Stable);
    let caller = Caller { member_id: "m2", instance_id: None, generation: 1 };
    assert_eq!(again.heartbeat(caller, scene.now), Ok(()));
}

/// Members join, fall silent, leave and come back at random: whenever it is quiet, the group is stable with exactly
/// those that are alive.
#[test]
fn a_group_settles_after_any_disturbance() {
    for seed in 1..=200u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |below: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let mut scene = Scene::new();
        let mut alive: Vec<String> = Vec::new();
        for _ in 0..40 {
            match draw(4) {
                0 | 1 => {
                    drop(scene.join(|_| {}));
                    alive.push(format!("m{}", scene.fresh));
                }
                2 if !alive.is_empty() => {
                    let gone = alive.swap_remove(draw(alive.len() as u64) as usize);
                    let _ = scene.group.leave(&gone, None, scene.now);
                }
                _ if !alive.is_empty() => drop(alive.swap_remove(draw(alive.len() as u64) as usize)),
                _ => {}
            }
            scene.pass(Duration::from_millis(draw(3000)));
        }
        // Quiet: the living do what clients do.
        for _ in 0..100 {
            for id in &mut alive {
                match scene.heartbeat(id) {
                    Err(ResponseError::RebalanceInProgress) => drop(scene.again(id)),
                    // Its session was over before it was heard of: it begins anew.
                    Err(ResponseError::UnknownMemberId) => {
                        drop(scene.join(|_| {}));
                        *id = format!("m{}", scene.fresh);
                    }
                    Ok(()) if scene.group.state == State::CompletingRebalance => drop(scene.sync(id, &[])),
                    Ok(()) => {}
                    Err(error) => panic!("seed {seed}: {id}: {error:?}"),
                }
            }
            scene.pass(Duration::from_secs(1));
        }
        let members: Vec<&String> = scene.group.members.keys().collect();
        alive.sort();
        assert_eq!(members, alive.iter().collect::<Vec<_>>(), "seed {seed}");
        let want = if alive.is_empty() { State::Empty } else { State::Stable };
        assert_eq!(scene.group.state, want, "seed {seed}");
    }
}
