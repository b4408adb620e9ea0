//! What a partition remembers of idempotent producers, so that a batch that is sent twice is stored once (KIP-98).

use kafka_wire::batch::{BatchHeader, NO_PRODUCER_ID};
use std::collections::HashMap;

/// Batches whose repetition is recognised: as many as an idempotent producer may have in flight.
pub(super) const BATCHES_MAX: usize = 5;
/// Producers that one partition remembers, so that strangers with ever new ids cannot eat memory (about 1 MiB). The
/// least recently used ones go first.
const PRODUCERS_MAX: usize = 4096;
/// Kafka's `producer.id.expiration.ms`.
const EXPIRATION_MS: i64 = 24 * 60 * 60 * 1000;

/// One stored batch of a producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StoredBatch {
    pub last_sequence: i32,
    pub last_offset: i64,
    /// Last offset less base offset.
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl StoredBatch {
    pub fn of(header: &BatchHeader) -> Self {
        Self {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    pub fn base_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProducerEntry {
    pub epoch: i16,
    /// Oldest first, at least one, at most [`BATCHES_MAX`], all of this epoch.
    pub batches: Vec<StoredBatch>,
    /// Wall clock of the last append.
    pub used_ms: i64,
}

/// What to do with a batch of an idempotent producer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Append,
    Duplicate(StoredBatch),
    OutOfOrder { want: i32 },
    OldEpoch { current: i16 },
}

/// Producer state of one partition. It changes only by [`Producers::record`], together with the append.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Producers {
    entries: HashMap<i64, ProducerEntry>,
}

impl Producers {
    /// Judges a batch whose offset is not assigned yet. Without state any first sequence is accepted, as in Kafka 4.1.
    pub fn judge(&self, header: &BatchHeader, now_ms: i64) -> Verdict {
        let Some(entry) = self.entries.get(&header.producer_id) else { return Verdict::Append };
        let Some(last) = entry.batches.last() else { return Verdict::Append };
        if header.producer_epoch < entry.epoch {
            return Verdict::OldEpoch { current: entry.epoch };
        }
        if header.producer_epoch > entry.epoch {
            return match header.base_sequence {
                0 => Verdict::Append,
                _ => Verdict::OutOfOrder { want: 0 },
            };
        }
        let same = |batch: &&StoredBatch| {
            batch.last_sequence == header.last_sequence() && batch.offset_delta == header.last_offset_delta
        };
        if let Some(stored) = entry.batches.iter().find(same) {
            return Verdict::Duplicate(*stored);
        }
        let want = if last.last_sequence == i32::MAX { 0 } else { last.last_sequence + 1 };
        if header.base_sequence == want || now_ms.saturating_sub(entry.used_ms) > EXPIRATION_MS {
            return Verdict::Append;
        }
        Verdict::OutOfOrder { want }
    }

    /// Remembers a batch that has been appended.
    pub fn record(&mut self, header: &BatchHeader, now_ms: i64) {
        if header.producer_id == NO_PRODUCER_ID || header.is_control() {
            return;
        }
        if self.entries.len() >= PRODUCERS_MAX && !self.entries.contains_key(&header.producer_id) {
            self.forget_oldest(now_ms);
        }
        let entry = self.entries.entry(header.producer_id).or_insert_with(|| ProducerEntry {
            epoch: header.producer_epoch,
            batches: Vec::with_capacity(1),
            used_ms: now_ms,
        });
        if entry.epoch != header.producer_epoch {
            entry.epoch = header.producer_epoch;
            entry.batches.clear();
        }
        if entry.batches.len() == BATCHES_MAX {
            entry.batches.remove(0);
        }
        entry.batches.push(StoredBatch::of(header));
        entry.used_ms = now_ms;
    }

    /// Makes room for many at once, so that the search for the oldest is not paid for every newcomer.
    fn forget_oldest(&mut self, now_ms: i64) {
        self.expire(now_ms);
        if self.entries.len() < PRODUCERS_MAX {
            return;
        }
        let mut times: Vec<i64> = self.entries.values().map(|entry| entry.used_ms).collect();
        let (_, &mut limit, _) = times.select_nth_unstable(PRODUCERS_MAX / 8);
        let mut surplus = PRODUCERS_MAX / 8;
        self.entries.retain(|_, entry| {
            let goes = surplus > 0 && entry.used_ms <= limit;
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Forgets producers that have been silent for a day.
    pub fn expire(&mut self, now_ms: i64) {
        self.entries.retain(|_, entry| now_ms.saturating_sub(entry.used_ms) <= EXPIRATION_MS);
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// By producer id.
    pub fn sorted(&self) -> Vec<(i64, &ProducerEntry)> {
        let mut entries: Vec<_> = self.entries.iter().map(|(&id, entry)| (id, entry)).collect();
        entries.sort_unstable_by_key(|&(id, _)| id);
        entries
    }
}

impl FromIterator<(i64, ProducerEntry)> for Producers {
    fn from_iter<I: IntoIterator<Item = (i64, ProducerEntry)>>(entries: I) -> Self {
        Self { entries: entries.into_iter().take(PRODUCERS_MAX).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_wire::batch::{BatchWriter, Producer, RecordHeaders};
    use kafka_wire::compression::Compression;

    fn header(id: i64, epoch: i16, base_sequence: i32, records: i32, base_offset: i64) -> BatchHeader {
        let mut writer = BatchWriter::new(Compression::None);
        for _ in 0..records {
            writer.push(1, None, Some(b"x"), &RecordHeaders::new(), None);
        }
        let mut bytes = Vec::new();
        writer.seal(Producer { id, epoch, base_sequence }, &mut bytes);
        BatchHeader { base_offset, ..BatchHeader::read(&bytes).expect("own batch") }
    }

    #[test]
    fn sequences() {
        let mut producers = Producers::default();
        // A producer that is not known may begin anywhere.
        assert_eq!(producers.judge(&header(1, 0, 7, 2, 0), 0), Verdict::Append);
        for batch in 0..7 {
            producers.record(&header(1, 0, batch * 2, 2, i64::from(batch) * 2 + 100), 0);
        }
        let judge = |epoch, sequence, records| producers.judge(&header(1, epoch, sequence, records, 0), 0);
        assert_eq!(judge(0, 14, 3), Verdict::Append);
        assert!(matches!(judge(0, 12, 2), Verdict::Duplicate(stored) if stored.base_offset() == 112));
        assert!(matches!(judge(0, 4, 2), Verdict::Duplicate(stored) if stored.base_offset() == 104));
        assert_eq!(judge(0, 2, 2), Verdict::OutOfOrder { want: 14 }, "older than the last five");
        assert_eq!(judge(0, 12, 1), Verdict::OutOfOrder { want: 14 }, "a part of a duplicate");
        assert_eq!(judge(0, 15, 1), Verdict::OutOfOrder { want: 14 }, "a gap");
        assert_eq!(judge(1, 14, 1), Verdict::OutOfOrder { want: 0 }, "a new epoch begins at 0");
        assert_eq!(judge(1, 0, 1), Verdict::Append);
        producers.record(&header(1, 1, 0, 1, 114), 0);
        assert_eq!(producers.judge(&header(1, 0, 14, 1, 0), 0), Verdict::OldEpoch { current: 1 });
    }

    #[test]
    fn sequences_wrap() {
        let mut producers = Producers::default();
        producers.record(&header(1, 0, i32::MAX - 1, 2, 0), 0);
        assert_eq!(producers.judge(&header(1, 0, 0, 1, 0), 0), Verdict::Append);
        producers.record(&header(1, 0, 0, 1, 2), 0);
        producers.record(&header(1, 0, 1, 1, 3), 0);
        let across = header(2, 0, i32::MAX, 3, 10);
        producers.record(&across, 0);
        assert!(matches!(producers.judge(&across, 0), Verdict::Duplicate(stored) if stored.base_offset() == 10));
        assert_eq!(producers.judge(&header(2, 0, 2, 1, 0), 0), Verdict::Append);
    }

    #[test]
    fn strangers_are_bounded() {
        let mut producers = Producers::default();
        for id in 0..3 * PRODUCERS_MAX as i64 {
            producers.record(&header(id, 0, 0, 1, id), id);
            assert!(producers.entries.len() <= PRODUCERS_MAX);
        }
        assert!(producers.entries.contains_key(&(3 * PRODUCERS_MAX as i64 - 1)));
        assert!(!producers.entries.contains_key(&0));
        producers.expire(EXPIRATION_MS * 2);
        assert!(producers.is_empty());
    }
}
