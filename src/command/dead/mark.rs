//! Marks in a dead letter topic: a record without key and value, whose header says which letters are resolved.
//!
//! ```text
//! sluice.dead.resolved: 3 replayed 17-19,25     partition, what was done, offsets
//! ```

use kafka_wire::batch::{Record, RecordHeaders};
use std::collections::BTreeMap;

/// The header of a mark.
const RESOLVED: &str = "sluice.dead.resolved";
/// Ranges in one mark: it stays far below what a topic takes.
const RANGES_MAX: usize = 1000;

/// Why a letter counts no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    Replayed,
    Dropped,
}

impl Resolution {
    pub fn word(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Dropped => "dropped",
        }
    }
}

/// Offsets by partition, as ranges.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// First offset to last one; no two touch.
    ranges: BTreeMap<i32, BTreeMap<i64, i64>>,
}

impl Resolved {
    pub fn insert(&mut self, partition: i32, mut first: i64, mut last: i64) {
        let ranges = self.ranges.entry(partition).or_default();
        // What touches it becomes one with it.
        while let Some((&other, &end)) = ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            ranges.remove(&other);
            (first, last) = (first.min(other), last.max(end));
        }
        ranges.insert(first, last);
    }

    pub fn extend(&mut self, other: &Self) {
        for (partition, ranges) in &other.ranges {
            ranges.iter().for_each(|(first, last)| self.insert(*partition, *first, *last));
        }
    }

    pub fn contains(&self, partition: i32, offset: i64) -> bool {
        let ranges = self.ranges.get(&partition);
        ranges.and_then(|ranges| ranges.range(..=offset).next_back()).is_some_and(|(_, last)| *last >= offset)
    }

    /// Forgets offsets of a partition below `start`: they are gone from its log.
    pub fn forget_before(&mut self, partition: i32, start: i64) {
        let Some(ranges) = self.ranges.get_mut(&partition) else { return };
        let kept = ranges.split_off(&start);
        // The one that reaches over the start begins there now.
        let cut = ranges.last_key_value().map(|(_, last)| *last).filter(|last| *last >= start);
        *ranges = kept;
        ranges.extend(cut.map(|last| (start, last)));
    }

    /// How many offsets of a partition are here and not in `other`.
    pub fn count_outside(&self, other: &Self, partition: i32) -> u64 {
        let mut outside = 0;
        let theirs = other.ranges.get(&partition);
        for (&first, &last) in self.ranges.get(&partition).into_iter().flatten() {
            let mut count = last - first + 1;
            let reaching = theirs.into_iter().flat_map(|theirs| theirs.range(..=last).rev());
            for (&from, &to) in reaching.take_while(|(_, to)| **to >= first) {
                count -= to.min(last) - from.max(first) + 1;
            }
            outside += u64::try_from(count).unwrap_or(0);
        }
        outside
    }

    /// Takes over what a mark says. `false`: the record is no mark.
    pub fn read(&mut self, record: &Record<'_>) -> bool {
        let Some(value) = record.headers.last_value(RESOLVED) else { return false };
        let text = String::from_utf8_lossy(value);
        let mut words = text.split(' ');
        let (Some(partition), Some(_), Some(ranges)) = (words.next(), words.next(), words.next()) else { return true };
        let Ok(partition) = partition.parse() else { return true };
        for range in ranges.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            if let (Ok(first), Ok(last)) = (first.parse(), last.parse()) {
                self.insert(partition, first, last);
            }
        }
        true
    }

    /// The marks that say all this, with the partitions that they are for.
    pub fn marks(&self, resolution: Resolution) -> Vec<(i32, RecordHeaders)> {
        let mut marks = Vec::new();
        for (partition, ranges) in &self.ranges {
            let ranges: Vec<String> = ranges
                .iter()
                .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
                .collect();
            for ranges in ranges.chunks(RANGES_MAX) {
                let mut headers = RecordHeaders::new();
                let text = format!("{partition} {} {}", resolution.word(), ranges.join(","));
                headers.push(RESOLVED, Some(text.as_bytes()));
                marks.push((*partition, headers));
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::{BatchHeader, BatchWriter, PlainRecords, Producer};
    use kafka_wire::compression::Compression;

    #[test]
    fn what_is_open_is_counted() {
        let of = |ranges: &[(i64, i64)]| {
            let mut resolved = Resolved::default();
            ranges.iter().for_each(|(first, last)| resolved.insert(0, *first, *last));
            resolved
        };
        let check = |letters: &[(i64, i64)], resolved: &[(i64, i64)], start: i64, expect: u64| {
            let (mut letters, mut resolved) = (of(letters), of(resolved));
            letters.forget_before(0, start);
            resolved.forget_before(0, start);
            let inside = |offset: &i64| letters.contains(0, *offset) && !resolved.contains(0, *offset);
            assert_eq!((start..200).filter(inside).count() as u64, expect, "{letters:?} {resolved:?}");
            assert_eq!(letters.count_outside(&resolved, 0), expect, "{letters:?} {resolved:?}");
            assert!(!letters.contains(0, start - 1));
        };
        check(&[(0, 9)], &[], 0, 10);
        check(&[(0, 9)], &[(3, 4), (8, 20)], 0, 6);
        check(&[(0, 9), (20, 29), (40, 40)], &[(5, 24), (39, 41)], 0, 10);
        check(&[(0, 9), (20, 29)], &[(5, 24)], 7, 5);
        check(&[(0, 9)], &[(0, 9)], 0, 0);
        check(&[(0, 9)], &[(0, 3)], 9, 1);
        check(&[(0, 9)], &[], 10, 0);
        assert_eq!(of(&[(1, 2)]).count_outside(&of(&[]), 1), 0);
    }

    #[test]
    fn marks_are_read_as_they_were_written() {
        let mut resolved = Resolved::default();
        for (first, last) in [(5, 7), (9, 9), (8, 8), (1, 2), (20, 30), (25, 26)] {
            resolved.insert(3, first, last);
        }
        let marks = resolved.marks(Resolution::Replayed);
        let mut writer = BatchWriter::new(Compression::None);
        writer.push(0, None, None, &marks[0].1, None);
        writer.push(0, None, Some(b"a letter"), &RecordHeaders::new(), None);
        let mut batch = Vec::new();
        writer.seal(Producer::NONE, &mut batch);
        let header = BatchHeader::read(&batch).expect("sound");
        let plain = PlainRecords::read(header, &batch, 1 << 20).expect("sound");
        let mut read = Resolved::default();
        let are_marks: Vec<bool> = plain.iter().map(|record| read.read(&record.expect("sound"))).collect();
        assert_eq!((are_marks, &read), (vec![true, false], &resolved));
        let inside: Vec<i64> = (0..40).filter(|offset| read.contains(3, *offset)).collect();
        assert_eq!(inside, [1, 2].into_iter().chain(5..10).chain(20..31).collect::<Vec<_>>());
        assert!(!read.contains(2, 5));
    }
}
