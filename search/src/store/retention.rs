//! Which partitions go: by age, and the oldest ones beyond the bytes that may be kept.

use super::index::Index;
use super::partition::Day;
use std::sync::Arc;
use std::time::Duration;

/// What is kept; nothing is deleted where nothing is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Since the end of a document's day.
    pub age_max: Option<Duration>,
    /// Of all partitions on disk. The newest one stays, whatever it takes.
    pub bytes_max: Option<u64>,
}

/// The partitions that go at `now` (milliseconds since 1970).
pub(super) fn outdated(indices: &[Arc<Index>], retention: &Retention, now: i64) -> Vec<(Arc<Index>, Day)> {
    if *retention == Retention::default() {
        return Vec::new();
    }
    let mut all: Vec<(Day, u64, &Arc<Index>)> = indices
        .iter()
        .flat_map(|index| {
            index.partitions().into_iter().map(move |partition| (partition.day, partition.bytes(), index))
        })
        .collect();
    all.sort_by_key(|(day, ..)| *day);
    let age_max = retention.age_max.map(|age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let is_old = |day: Day| match (day.end(), age_max) {
        (Some(end), Some(age)) => end.saturating_add(age) <= now,
        _ => false,
    };
    let mut bytes: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
    let newest = all.last().map(|(day, ..)| *day);
    let mut gone = Vec::new();
    for (day, size, index) in &all {
        let is_too_much = retention.bytes_max.is_some_and(|most| bytes > most) && Some(*day) != newest;
        if is_old(*day) || is_too_much {
            bytes -= size;
            gone.push(((*index).clone(), *day));
        }
    }
    gone
}
