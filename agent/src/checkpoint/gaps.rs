//! Ranges of files that were reported as lost, with the files that they were in, also when those are forgotten otherwise.

use crate::fingerprint::FileId;
use crate::journal::FileRecord;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Gaps of one file that are remembered: a file that loses more has a trouble that the newest ones tell as well.
const GAPS_OF_FILE_MAX: usize = 32;
/// Gaps of all files: with the records of their files some hundred kilobytes of a checkpoint.
const GAPS_MAX: usize = 512;
/// Bytes of a reason: a sentence with a path in it.
const REASON_BYTES_MAX: usize = 256;

/// A range of a file that was reported as lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub start: u64,
    /// The same as `start` where nobody knows how many bytes are missing: all that stands behind it then.
    pub end: u64,
    pub reason: String,
}

impl Gap {
    pub fn covers(&self, position: u64) -> bool {
        self.start <= position && (position < self.end || self.is_open())
    }

    /// Whether its end is not known.
    pub fn is_open(&self) -> bool {
        self.start == self.end
    }
}

/// The newest gaps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// The oldest first.
    all: VecDeque<(FileId, Gap)>,
    /// Files with gaps that nothing else is known of any more: a copy of one is told by its content.
    forgotten: BTreeMap<FileId, FileRecord>,
}

impl Gaps {
    /// Adds a gap as the newest one. It takes in those of the file that it touches; the oldest go where there are too many.
    pub fn add(&mut self, file: FileId, mut gap: Gap) {
        let whole = (0..=gap.reason.len().min(REASON_BYTES_MAX)).rev().find(|&end| gap.reason.is_char_boundary(end));
        gap.reason.truncate(whole.unwrap_or_default());
        self.all.retain(|(of, known)| {
            let is_same = *of == file && known.is_open() == gap.is_open();
            let touches = is_same && known.start <= gap.end && gap.start <= known.end;
            if touches {
                (gap.start, gap.end) = (gap.start.min(known.start), gap.end.max(known.end));
            }
            !touches
        });
        self.all.push_back((file, gap));
        let of_file = self.all.iter().filter(|(of, _)| *of == file).count();
        let oldest = match () {
            () if of_file > GAPS_OF_FILE_MAX => self.all.iter().position(|(of, _)| *of == file),
            () if self.all.len() > GAPS_MAX => Some(0),
            () => None,
        };
        if let Some(oldest) = oldest {
            self.all.remove(oldest);
        }
        self.drop_files();
    }

    /// Lines between `start` and `end` are sent after all: what was lost was found again, or other bytes stand there now. Where
    /// nobody knew how many are missing, reading goes on behind it.
    pub fn sent(&mut self, file: FileId, start: u64, end: u64) {
        if !self.all.iter().any(|(of, gap)| *of == file && gap.start < end && (gap.end > start || gap.is_open())) {
            return;
        }
        let mut left = VecDeque::new();
        for (of, gap) in self.all.drain(..) {
            if of != file || (gap.is_open() && gap.start >= end) {
                left.push_back((of, gap));
            } else if !gap.is_open() {
                let parts = [(gap.start, gap.end.min(start)), (gap.start.max(end), gap.end)];
                let parts = parts.into_iter().filter(|(start, end)| start < end);
                left.extend(parts.map(|(start, end)| (of, Gap { start, end, reason: gap.reason.clone() })));
            }
        }
        self.all = left;
        self.drop_files();
    }

    /// Keeps the record of a file that is forgotten, if it has gaps.
    pub fn forget(&mut self, record: FileRecord) {
        if self.of(record.id).next().is_some() {
            self.forgotten.insert(record.id, record);
        }
    }

    pub fn of(&self, file: FileId) -> impl Iterator<Item = &Gap> {
        self.all.iter().filter(move |(of, _)| *of == file).map(|(_, gap)| gap)
    }

    /// The files that only their gaps are known of.
    pub fn forgotten(&self) -> impl Iterator<Item = &FileRecord> {
        self.forgotten.values()
    }

    fn drop_files(&mut self) {
        let all = &self.all;
        self.forgotten.retain(|id, _| all.iter().any(|(of, _)| of == id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::records::tests::record;

    fn gap(start: u64, end: u64) -> Gap {
        Gap { start, end, reason: "gone".to_owned() }
    }

    fn ranges(gaps: &Gaps, file: u64) -> Vec<(u64, u64)> {
        gaps.of(FileId(file)).map(|gap| (gap.start, gap.end)).collect()
    }

    #[test]
    fn gaps_that_touch_become_one_and_what_is_sent_after_all_is_none() {
        let mut gaps = Gaps::default();
        for (start, end) in [(10, 20), (40, 50), (20, 30), (60, 60)] {
            gaps.add(FileId(1), gap(start, end));
        }
        gaps.add(FileId(2), gap(10, 20));
        assert_eq!(ranges(&gaps, 1), [(40, 50), (10, 30), (60, 60)]);
        gaps.add(FileId(1), gap(25, 45));
        assert_eq!(ranges(&gaps, 1), [(60, 60), (10, 50)]);
        gaps.sent(FileId(1), 20, 30);
        assert_eq!(ranges(&gaps, 1), [(60, 60), (10, 20), (30, 50)]);
        gaps.sent(FileId(1), 0, 61);
        assert_eq!((ranges(&gaps, 1), ranges(&gaps, 2)), (vec![], vec![(10, 20)]));
        let covered: Vec<u64> = (9..=20).filter(|position| gap(10, 20).covers(*position)).collect();
        assert_eq!(covered, (10..20).collect::<Vec<_>>());
        assert!(gap(60, 60).covers(60) && gap(60, 60).covers(1000) && !gap(60, 60).covers(59));
    }

    #[test]
    fn there_is_a_bound_on_gaps_and_so_on_files() {
        let mut gaps = Gaps::default();
        for file in 0..100 {
            for at in 0..2 * GAPS_OF_FILE_MAX as u64 {
                gaps.add(FileId(file), Gap { reason: "ä".repeat(REASON_BYTES_MAX), ..gap(at * 10, at * 10 + 5) });
            }
            gaps.forget(record(file, b"head"));
        }
        gaps.forget(record(1000, b"head"));
        assert_eq!(gaps.all.len(), GAPS_MAX);
        assert_eq!(ranges(&gaps, 99).first(), Some(&(GAPS_OF_FILE_MAX as u64 * 10, GAPS_OF_FILE_MAX as u64 * 10 + 5)));
        assert_eq!(gaps.forgotten().count(), GAPS_MAX / GAPS_OF_FILE_MAX);
        assert!(gaps.all.iter().all(|(_, gap)| gap.reason.len() <= REASON_BYTES_MAX));
    }
}
