//! Cooperative sticky assignment (KIP-54, KIP-429): balanced, with as few partitions moved as that takes, and a
//! partition that moves goes to its new owner only after the old one has given it up.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Member, Shares};
use crate::TopicPartition;
use crate::group::protocol::Subscription;

/// Shares out the partitions. One that another member still owns is left out: its owner sees that it is gone, gives it
/// up and rejoins, and that next rebalance assigns it.
pub(super) fn assign(topics: &BTreeMap<Arc<str>, i32>, members: &[&Member]) -> Shares {
    let owners = owners(topics, members);
    let mut target = balance(topics, members, &owners);
    // Claims of any generation count here: the member that makes one may still be reading.
    let mut claimants: HashMap<&TopicPartition, Vec<usize>> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        for partition in &member.subscription.owned {
            claimants.entry(partition).or_default().push(index);
        }
    }
    for (index, share) in target.iter_mut().enumerate() {
        share.retain(|partition| claimants.get(partition).is_none_or(|claimants| claimants.contains(&index)));
    }
    members.iter().zip(target).map(|(member, share)| (Arc::clone(&member.id), share)).collect()
}

/// Who owns what, by index of the member. Of two claims the younger generation is right; two of the same generation
/// contradict each other, and neither counts.
fn owners(topics: &BTreeMap<Arc<str>, i32>, members: &[&Member]) -> HashMap<TopicPartition, usize> {
    let mut claims: HashMap<&TopicPartition, (i32, Option<usize>)> = HashMap::new();
    for (index, member) in members.iter().enumerate() {
        let Subscription { topics: wanted, owned, generation, .. } = &member.subscription;
        let exists = |partition: &TopicPartition| {
            topics.get(&partition.topic).is_some_and(|count| (0..*count).contains(&partition.partition))
        };
        let mut seen = HashSet::new();
        for partition in owned.iter().filter(|partition| exists(partition) && wanted.contains(&partition.topic)) {
            if !seen.insert(partition) {
                continue;
            }
            let claim = claims.entry(partition).or_insert((*generation, Some(index)));
            if claim.0 < *generation {
                *claim = (*generation, Some(index));
            } else if claim.0 == *generation && claim.1 != Some(index) {
                claim.1 = None;
            }
        }
    }
    claims.into_iter().filter_map(|(partition, (_, owner))| Some((partition.clone(), owner?))).collect()
}

/// The shares by index of the member, as they should be in the end.
fn balance(
    topics: &BTreeMap<Arc<str>, i32>,
    members: &[&Member],
    owners: &HashMap<TopicPartition, usize>,
) -> Vec<Vec<TopicPartition>> {
    let mut takers: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    for topic in topics.keys() {
        let wants = |index: &usize| members[*index].subscription.topics.contains(topic);
        takers.insert(topic, (0..members.len()).filter(wants).collect());
    }
    let mut shares: Vec<Vec<TopicPartition>> = vec![Vec::new(); members.len()];
    let mut free = Vec::new();
    for (topic, &count) in topics {
        for partition in (0..count).map(|partition| TopicPartition { topic: Arc::clone(topic), partition }) {
            match owners.get(&partition) {
                Some(&owner) => shares[owner].push(partition),
                None => free.push(partition),
            }
        }
    }
    // Topics that few members want come first, while there is still a choice for the others.
    free.sort_by_key(|partition| takers[&partition.topic].len());
    for partition in free {
        if let Some(lightest) = lightest(&takers[&partition.topic], &shares) {
            shares[lightest].push(partition);
        }
    }
    // Every move makes two shares more equal, so this ends.
    while let Some((from, at, to)) = next_move(&takers, &shares) {
        let partition = shares[from].swap_remove(at);
        shares[to].push(partition);
    }
    shares
}

fn lightest(takers: &[usize], shares: &[Vec<TopicPartition>]) -> Option<usize> {
    takers.iter().copied().min_by_key(|&index| shares[index].len())
}

/// A partition that one member has and another, who has at least two less, could take: from the fullest share first.
fn next_move(
    takers: &BTreeMap<&Arc<str>, Vec<usize>>,
    shares: &[Vec<TopicPartition>],
) -> Option<(usize, usize, usize)> {
    let mut fullest_first: Vec<usize> = (0..shares.len()).collect();
    fullest_first.sort_by_key(|&index| std::cmp::Reverse(shares[index].len()));
    for from in fullest_first {
        let mut seen = HashSet::new();
        // From the end: what came last is moved first, and what was owned stays.
        for (at, partition) in shares[from].iter().enumerate().rev() {
            if !seen.insert(&partition.topic) {
                continue;
            }
            if let Some(to) = lightest(&takers[&partition.topic], shares)
                && shares[to].len() + 1 < shares[from].len()
            {
                return Some((from, at, to));
            }
        }
    }
    None
}
