//! Balance, stickiness and exclusiveness of the strategies, on chosen and on random groups.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::group::protocol::NO_GENERATION;

fn topics(counts: &[(&str, i32)]) -> BTreeMap<Arc<str>, i32> {
    counts.iter().map(|(name, count)| (Arc::from(*name), *count)).collect()
}

fn member(id: &str, topics: &[&str]) -> Member {
    let topics = topics.iter().map(|topic| Arc::from(*topic)).collect();
    let subscription = Subscription { topics, generation: NO_GENERATION, ..Subscription::default() };
    Member { id: id.into(), instance_id: None, subscription }
}

fn check(assignor: Assignor, counts: &[(&str, i32)], members: &[Member], expect: &[(&str, &[(&str, i32)])]) {
    let expect: Shares = expect
        .iter()
        .map(|(id, share)| {
            (Arc::from(*id), share.iter().map(|(topic, number)| TopicPartition::new(*topic, *number)).collect())
        })
        .collect();
    assert_eq!(assignor.assign(&topics(counts), members), expect);
}

/// The members take what they were given and rejoin, until nothing moves; at most two rounds.
fn settle(topics: &BTreeMap<Arc<str>, i32>, members: &mut [Member], generation: &mut i32) -> Shares {
    for _ in 0..3 {
        let shares = Assignor::CooperativeSticky.assign(topics, members);
        assert_no_overlap(&shares, members);
        *generation += 1;
        let mut moved = false;
        for member in members.iter_mut() {
            let share = &shares[&member.id];
            moved |= member.subscription.owned.iter().any(|partition| !share.contains(partition));
            member.subscription.owned = share.clone();
            member.subscription.generation = *generation;
        }
        if !moved {
            return shares;
        }
    }
    panic!("the group does not come to rest");
}

/// No partition is with two members, not even with one that has it and one that gets it.
fn assert_no_overlap(shares: &Shares, members: &[Member]) {
    let mut holders: HashMap<&TopicPartition, BTreeSet<&Arc<str>>> = HashMap::new();
    for (id, share) in shares {
        for partition in share {
            holders.entry(partition).or_default().insert(id);
        }
    }
    assert!(holders.values().all(|ids| ids.len() == 1), "assigned twice: {shares:?}");
    for member in members {
        for partition in &member.subscription.owned {
            holders.entry(partition).or_default().insert(&member.id);
        }
    }
    assert!(holders.values().all(|ids| ids.len() == 1), "given away while owned: {shares:?}");
}

#[test]
fn range_gives_neighbours() {
    let members = [member("b", &["t", "u"]), member("a", &["t"]), member("c", &["u"])];
    check(
        Assignor::Range,
        &[("t", 3), ("u", 2), ("unwanted", 4)],
        &members,
        &[("a", &[("t", 0), ("t", 1)]), ("b", &[("t", 2), ("u", 0)]), ("c", &[("u", 1)])],
    );
    check(Assignor::Range, &[], &members, &[("a", &[]), ("b", &[]), ("c", &[])]);
}

#[test]
fn static_members_go_by_their_instance_id() {
    let mut members = [member("z", &["t"]), member("a", &["t"])];
    members[0].instance_id = Some("1".into());
    members[1].instance_id = Some("2".into());
    check(Assignor::Range, &[("t", 2)], &members, &[("a", &[("t", 1)]), ("z", &[("t", 0)])]);
}

#[test]
fn a_newcomer_gets_what_the_others_gave_up() {
    let topics = topics(&[("t", 6)]);
    let mut generation = 0;
    let mut group = vec![member("a", &["t"]), member("b", &["t"])];
    let before = settle(&topics, &mut group, &mut generation);
    group.push(member("c", &["t"]));

    // First round: the old members lose one each, and nobody has got them yet.
    let first = Assignor::CooperativeSticky.assign(&topics, &group);
    assert_eq!(first.values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 0]);
    assert!(first["a"].iter().all(|partition| before["a"].contains(partition)));

    let after = settle(&topics, &mut group, &mut generation);
    assert_eq!(after.values().map(Vec::len).collect::<Vec<_>>(), [2, 2, 2]);
}

#[test]
fn a_member_from_an_older_generation_does_not_keep_its_claim() {
    let owned = |member: &mut Member, generation, numbers: &[i32]| {
        member.subscription.owned = numbers.iter().map(|number| TopicPartition::new("t", *number)).collect();
        member.subscription.generation = generation;
    };
    let mut members = [member("a", &["t"]), member("b", &["t"])];
    owned(&mut members[0], 4, &[0, 1]);
    owned(&mut members[1], 5, &[0]);
    let shares = Assignor::CooperativeSticky.assign(&topics(&[("t", 2)]), &members);
    assert_eq!(shares["a"], [TopicPartition::new("t", 1)]);
    assert_eq!(shares["b"], [TopicPartition::new("t", 0)]);
}

struct Random(u64);

impl Random {
    /// The seed is `SLUICE_SEED`, or the time; it is printed, and the test harness shows it when the test fails.
    fn from_environment() -> Self {
        let given = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seed = given.unwrap_or_else(|| now.map_or(1, |since| since.as_nanos() as u64));
        println!("SLUICE_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % bound as u64) as usize
    }
}

#[test]
fn random_groups_stay_balanced_and_exclusive() {
    let mut random = Random::from_environment();
    for _ in 0..60 {
        let names = ["t", "u", "v"];
        let mut counts: BTreeMap<Arc<str>, i32> = topics(&names.map(|name| (name, 1 + random.below(20) as i32)));
        let same_topics = random.below(2) == 0;
        let mut group: Vec<Member> = Vec::new();
        let mut generation = 0;
        for step in 0..12 {
            match random.below(4) {
                0 if !group.is_empty() => drop(group.swap_remove(random.below(group.len()))),
                1 => *counts.entry("t".into()).or_default() += 1 + random.below(3) as i32,
                _ => {
                    let wanted = if same_topics { &names[..] } else { &names[random.below(3)..] };
                    group.push(member(&format!("{step}-{}", random.below(1000)), wanted));
                }
            }
            let before: HashMap<TopicPartition, Arc<str>> = group
                .iter()
                .flat_map(|member| {
                    member.subscription.owned.iter().map(|partition| (partition.clone(), Arc::clone(&member.id)))
                })
                .collect();
            let shares = settle(&counts, &mut group, &mut generation);
            for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
                let shares = assignor.assign(&counts, &group);
                let wanted = |topic: &Arc<str>| group.iter().any(|member| member.subscription.topics.contains(topic));
                let want: i32 = counts.iter().filter(|(topic, _)| wanted(topic)).map(|(_, count)| count).sum();
                assert_eq!(shares.values().map(Vec::len).sum::<usize>(), want as usize, "{assignor:?} assigns all");
                for member in &group {
                    let subscribed = |partition: &TopicPartition| member.subscription.topics.contains(&partition.topic);
                    assert!(shares[&member.id].iter().all(subscribed));
                }
            }
            if same_topics && !group.is_empty() {
                let sizes: Vec<usize> = shares.values().map(Vec::len).collect();
                let (least, most) = (sizes.iter().min(), sizes.iter().max());
                assert!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "unbalanced: {sizes:?}");
                // Whoever has no more than the others' least gives nothing away.
                for (partition, owner) in &before {
                    let had = before.values().filter(|id| *id == owner).count();
                    if had <= *least.expect("not empty") {
                        assert!(shares[owner].contains(partition), "{partition} was taken from {owner} without need");
                    }
                }
            }
        }
    }
}
