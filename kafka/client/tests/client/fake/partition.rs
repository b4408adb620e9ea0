//! A partition's log with Kafka's rules for idempotent producers (`ProducerAppendInfo`, `ProducerStateEntry`).

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use kafka_wire::batch::{BatchHeader, wrap_sequence};

const OUT_OF_ORDER: i16 = 45;
const CORRUPT: i16 = 2;
const TOO_LARGE: i16 = 10;
/// Batches that are remembered of each producer.
const REMEMBERED: usize = 5;

#[derive(Default)]
pub struct Partition {
    pub leader: Option<i32>,
    /// Batches as they came.
    pub log: Vec<Bytes>,
    pub end_offset: i64,
    pub batch_bytes_max: Option<usize>,
    producers: HashMap<i64, VecDeque<Appended>>,
    /// What was sent at each place, to compare repetitions with.
    seen: HashMap<(i64, i16, i32), Bytes>,
}

struct Appended {
    epoch: i16,
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

impl Partition {
    pub fn led_by(leader: i32) -> Self {
        Self { leader: Some(leader), ..Self::default() }
    }

    /// Appends a batch as a leader does: error code and base offset.
    pub fn append(&mut self, batch: &Bytes) -> (i16, i64) {
        let Ok(header) = BatchHeader::read(batch) else { return (CORRUPT, -1) };
        if header.verify_crc(batch).is_err() {
            return (CORRUPT, -1);
        }
        if self.batch_bytes_max.is_some_and(|max| batch.len() > max) {
            return (TOO_LARGE, -1);
        }
        let known = self.producers.entry(header.producer_id).or_default();
        let (base_sequence, last_sequence) = (header.base_sequence, header.last_sequence());
        let same = |batch: &&Appended| {
            (batch.epoch, batch.base_sequence, batch.last_sequence)
                == (header.producer_epoch, base_sequence, last_sequence)
        };
        if let Some(duplicate) = known.iter().find(same) {
            return (0, duplicate.base_offset);
        }
        let fits = match known.back() {
            // Without state any sequence is taken, as Kafka 4.1 does.
            None => true,
            Some(last) if last.epoch != header.producer_epoch => base_sequence == 0,
            Some(last) => base_sequence == wrap_sequence(last.last_sequence, 1),
        };
        if !fits {
            return (OUT_OF_ORDER, -1);
        }
        let base_offset = self.end_offset;
        known.push_back(Appended { epoch: header.producer_epoch, base_sequence, last_sequence, base_offset });
        if known.len() > REMEMBERED {
            known.pop_front();
        }
        self.end_offset += i64::from(header.record_count);
        self.log.push(batch.clone());
        (0, base_offset)
    }

    /// Whether an earlier attempt at the same place had the same bytes.
    pub fn is_repetition_identical(&mut self, batch: &Bytes) -> bool {
        let Ok(header) = BatchHeader::read(batch) else { return true };
        let place = (header.producer_id, header.producer_epoch, header.base_sequence);
        self.seen.entry(place).or_insert_with(|| batch.clone()) == batch
    }

    /// The broker has lost what it knew of producers.
    pub fn forget_producers(&mut self) {
        self.producers.clear();
    }

    /// A test sends other bytes under the same sequences, on purpose.
    pub fn allow_other_bytes(&mut self) {
        self.seen.clear();
    }
}
