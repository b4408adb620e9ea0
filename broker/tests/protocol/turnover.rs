//! Two groups whose members join, leave and die at random: no offset runs backwards, nothing is committed that was not
//! processed, no rebalance hangs, and when it is quiet the group is stable soon. Seconds; minutes with `SLUICE_SOAK=full`.

use crate::client::{Client, Served, config};
use bytes::Bytes;
use kafka_wire::protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_wire::protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_wire::protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_wire::protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_wire::protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_wire::protocol::messages::{
    DescribeGroupsRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, MetadataRequest,
    OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_wire::protocol::protocol::StrBytes;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const GROUPS: [&str; 2] = ["first", "second"];
const MEMBERS: usize = 8;
const PARTITIONS: usize = 4;
const TURNOVER: Duration = Duration::from_secs(6);
const TURNOVER_FULL: Duration = Duration::from_secs(180);
/// A member that is not heard of for so long is dead.
const SESSION_MS: i32 = 1_000;
/// The target is two seconds of quiet.
const STABLE: Duration = Duration::from_secs(60);
/// No answer may take longer, whoever died meanwhile.
const ANSWER: Duration = Duration::from_secs(60);
/// Of each group at least so many commits, and times that a member had to join again; on a slow machine they take longer.
const COMMITS: usize = 20;
const REBALANCES: usize = 5;
const TURNOVER_MAX: Duration = Duration::from_secs(240);

const REBALANCE_IN_PROGRESS: i16 = 27;
const MEMBER_ID_REQUIRED: i16 = 79;

/// Where one group has got to, in each partition.
#[derive(Default)]
struct Progress {
    processed: [AtomicI64; PARTITIONS],
    commits: AtomicUsize,
    generations: AtomicUsize,
    stable: [AtomicBool; MEMBERS],
}

impl Progress {
    fn is_enough(&self) -> bool {
        self.commits.load(Ordering::Relaxed) > COMMITS && self.generations.load(Ordering::Relaxed) > REBALANCES
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn logs() -> TopicName {
    TopicName(StrBytes::from_static_str("logs"))
}

fn id(group: &'static str) -> GroupId {
    GroupId(StrBytes::from_static_str(group))
}

fn committed(client: &mut Client, group: &'static str, partitions: Vec<i32>) -> Vec<i64> {
    let topic = OffsetFetchRequestTopic::default().with_name(logs()).with_partition_indexes(partitions);
    let request = OffsetFetchRequest::default().with_group_id(id(group)).with_topics(Some(vec![topic]));
    let response = client.call(7, &request);
    assert_eq!(response.error_code, 0);
    response.topics[0].partitions.iter().map(|one| one.committed_offset).collect()
}

/// One member: connection, id and generation, and what it has been given.
struct Member {
    client: Client,
    group: &'static str,
    id: StrBytes,
    generation: i32,
    assigned: Vec<i32>,
}

impl Member {
    fn new(address: SocketAddr, group: &'static str) -> Self {
        let client = Client::connect(address);
        client.stream.set_read_timeout(Some(ANSWER)).expect("a socket");
        Self { client, group, id: StrBytes::default(), generation: -1, assigned: Vec::new() }
    }

    /// Joins and syncs until it has its share; the leader deals partitions out in turn.
    fn join(&mut self) {
        let end = Instant::now() + ANSWER;
        loop {
            assert!(Instant::now() < end, "{}: a rebalance hangs", self.group);
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(StrBytes::from_static_str("dealt"))
                .with_metadata(Bytes::from_static(b"logs"));
            let request = JoinGroupRequest::default()
                .with_group_id(id(self.group))
                .with_session_timeout_ms(SESSION_MS)
                .with_rebalance_timeout_ms(2 * SESSION_MS)
                .with_member_id(self.id.clone())
                .with_protocol_type(StrBytes::from_static_str("consumer"))
                .with_protocols(vec![protocol]);
            let joined = self.client.call(9, &request);
            match joined.error_code {
                0 => {}
                MEMBER_ID_REQUIRED => {
                    self.id = joined.member_id;
                    continue;
                }
                _ => {
                    self.id = StrBytes::default();
                    continue;
                }
            }
            (self.id, self.generation) = (joined.member_id, joined.generation_id);
            let members = joined.members.iter().enumerate();
            let assignments = members.map(|(at, member)| {
                let share: Vec<u8> =
                    (0..PARTITIONS as u8).filter(|p| *p as usize % joined.members.len() == at).collect();
                SyncGroupRequestAssignment::default()
                    .with_member_id(member.member_id.clone())
                    .with_assignment(Bytes::from(share))
            });
            let request = SyncGroupRequest::default()
                .with_group_id(id(self.group))
                .with_generation_id(self.generation)
                .with_member_id(self.id.clone())
                .with_assignments(assignments.collect());
            let synced = self.client.call(3, &request);
            if synced.error_code == 0 {
                self.assigned = synced.assignment.iter().map(|partition| i32::from(*partition)).collect();
                return;
            }
            if synced.error_code != REBALANCE_IN_PROGRESS {
                self.id = StrBytes::default();
            }
        }
    }

    /// Processes some offsets of each partition and commits them; an error means that somebody else may have them now.
    fn work(&mut self, progress: &Progress, chance: &mut Chance) -> i16 {
        let request = HeartbeatRequest::default()
            .with_group_id(id(self.group))
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone());
        let error = self.client.call(4, &request).error_code;
        if error != 0 || self.assigned.is_empty() {
            return error;
        }
        let from = committed(&mut self.client, self.group, self.assigned.clone());
        let mut partitions = Vec::new();
        for (&partition, from) in self.assigned.iter().zip(from) {
            let next = from.max(0) + 1 + chance.below(20) as i64;
            // Processed before it is committed.
            progress.processed[partition as usize].fetch_max(next, Ordering::AcqRel);
            let one = OffsetCommitRequestPartition::default().with_partition_index(partition);
            partitions.push(one.with_committed_offset(next));
        }
        let topic = OffsetCommitRequestTopic::default().with_name(logs()).with_partitions(partitions);
        let request = OffsetCommitRequest::default()
            .with_group_id(id(self.group))
            .with_member_id(self.id.clone())
            .with_generation_id_or_member_epoch(self.generation)
            .with_topics(vec![topic]);
        let answer = self.client.call(8, &request);
        let error = answer.topics[0].partitions.iter().map(|one| one.error_code).find(|error| *error != 0).unwrap_or(0);
        if error == 0 {
            progress.commits.fetch_add(1, Ordering::Relaxed);
        }
        error
    }

    fn leave(mut self) {
        let request = LeaveGroupRequest::default().with_group_id(id(self.group)).with_member_id(self.id.clone());
        self.client.call(2, &request);
    }
}

/// Lives, leaves or dies, and comes back, until it is quiet; then stays until the end.
fn lives(
    address: SocketAddr,
    group: &'static str,
    number: usize,
    progress: &Progress,
    seed: u64,
    stop: [&AtomicBool; 2],
) {
    let [quiet, end] = stop.map(|flag| move || flag.load(Ordering::Acquire));
    let mut chance = Chance(seed);
    while !end() {
        let mut member = Member::new(address, group);
        member.join();
        let mut rounds = 3 + chance.below(30);
        while !end() && (quiet() || rounds > 0) {
            rounds = rounds.saturating_sub(1);
            let error = member.work(progress, &mut chance);
            progress.stable[number].store(error == 0, Ordering::Release);
            if error != 0 {
                progress.generations.fetch_add(1, Ordering::Relaxed);
                if error != REBALANCE_IN_PROGRESS {
                    member.id = StrBytes::default();
                }
                member.join();
            }
            thread::sleep(Duration::from_millis(5 + chance.below(20)));
        }
        progress.stable[number].store(false, Ordering::Release);
        // Some say that they go, the others are gone.
        if chance.below(2) == 0 {
            member.leave();
        }
    }
}

fn state(client: &mut Client, group: &'static str) -> (String, usize) {
    let described = client.call(5, &DescribeGroupsRequest::default().with_groups(vec![id(group)]));
    (described.groups[0].group_state.to_string(), described.groups[0].members.len())
}

#[test]
fn members_come_and_go() {
    let seed = match std::env::var("SLUICE_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => RandomState::new().hash_one(0) % 1_000_000,
    };
    println!("SLUICE_SEED={seed}");
    let full = std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut config = config(directory.path());
    config.set("group.min.session.timeout.ms", "500").expect("a config of Kafka's");
    let served = Served::start_with(config);
    let mut client = served.connect();
    let asked = MetadataRequestTopic::default().with_name(Some(logs()));
    let request = MetadataRequest::default().with_topics(Some(vec![asked])).with_allow_auto_topic_creation(true);
    assert_eq!(client.call(12, &request).topics[0].error_code, 0);

    let progress = [(); 2].map(|()| Progress::default());
    let (quiet, end) = (AtomicBool::new(false), AtomicBool::new(false));
    let address = served.address;
    thread::scope(|scope| {
        for (at, group) in GROUPS.into_iter().enumerate() {
            for number in 0..MEMBERS {
                let (progress, stop) = (&progress[at], [&quiet, &end]);
                let seed = seed * 1_000 + (at * MEMBERS + number) as u64;
                scope.spawn(move || lives(address, group, number, progress, seed, stop));
            }
        }
        // A failure here must end the members too.
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut before = [[-1; PARTITIONS]; 2];
            let mut look = |client: &mut Client| {
                for (at, group) in GROUPS.into_iter().enumerate() {
                    let now = committed(client, group, (0..PARTITIONS as i32).collect());
                    for (partition, offset) in now.into_iter().enumerate() {
                        let before = &mut before[at][partition];
                        assert!(offset >= *before, "{group}-{partition} runs back from {before} to {offset}");
                        let processed = progress[at].processed[partition].load(Ordering::Acquire);
                        assert!(
                            offset <= processed,
                            "{group}-{partition}: {offset} is committed, {processed} processed"
                        );
                        *before = offset;
                    }
                }
            };
            let begun = Instant::now();
            let until = begun + if full { TURNOVER_FULL } else { TURNOVER };
            while Instant::now() < until || !progress.iter().all(Progress::is_enough) {
                look(&mut client);
                assert!(begun.elapsed() < TURNOVER_MAX, "too little happens");
            }
            quiet.store(true, Ordering::Release);
            let begun = Instant::now();
            let all_work = || progress.iter().all(|group| group.stable.iter().all(|one| one.load(Ordering::Acquire)));
            let whole = ("Stable".to_owned(), MEMBERS);
            while !all_work() || GROUPS.iter().any(|group| state(&mut client, group) != whole) {
                assert!(begun.elapsed() < STABLE, "{:?}", GROUPS.map(|group| state(&mut client, group)));
                look(&mut client);
            }
            println!("stable {:?} after the last member came or died", begun.elapsed());
        }));
        end.store(true, Ordering::Release);
        watched.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    for (group, progress) in GROUPS.iter().zip(&progress) {
        let (commits, rebalances) =
            (progress.commits.load(Ordering::Relaxed), progress.generations.load(Ordering::Relaxed));
        println!("{group}: {commits} commits, {rebalances} times a member had to join again");
        assert!(progress.is_enough(), "{group}");
    }
    served.stop();
}
