//! Rejected documents become dead letters: the record as it was, and in headers what was wrong.
//!
//! ```text
//! key, value, headers     those of the record
//! sluice.dead.status      HTTP status of the rejection; 0 for a record batch that cannot be read
//! sluice.dead.type        the far end's error type
//! sluice.dead.reason      in its words
//! sluice.dead.index       where the document should have gone
//! sluice.dead.id          its _id, if it was made from the record's identity
//! sluice.dead.attempts    how often the document was sent
//! sluice.dead.topic, .partition, .offset, .timestamp    of the record
//! sluice.dead.last_offset only of a record batch that cannot be read: its last record
//! ```

use super::ledger::Span;
use super::render::{PLAIN_BYTES_MAX, Unreadable};
use super::source::DeadLetter;
use crate::sink::{DocumentId, Rejection};
use bytes::Bytes;
use kafka_client::TopicPartition;
use kafka_wire::batch::{BatchHeader, Batches, PlainRecords, Record, RecordHeaders};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the keys of a dead letter's own headers begin with.
pub const DEAD_HEADER: &str = "sluice.dead.";
/// `sluice.dead.type` of a record batch that cannot be read: the value is the whole batch.
pub const UNREADABLE_BATCH: &str = "unreadable_batch";

/// A rejected document: where it should have gone, and why it did not.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub index: Arc<str>,
    pub id: Option<DocumentId>,
    pub rejection: Rejection,
}

/// Reads the records of `rejected`, by offset, once more from the batches that they came in. Nothing is kept of a
/// record while its document is delivered, since nearly none is rejected.
pub(crate) fn letters(
    partition: &TopicPartition,
    batches: &[u8],
    span: Span,
    rejected: &BTreeMap<i64, Rejected>,
) -> Vec<DeadLetter> {
    let mut letters = Vec::with_capacity(rejected.len());
    for (header, batch) in Batches::new(batches).flatten() {
        if rejected.range(header.base_offset..=header.last_offset()).next().is_none() {
            continue;
        }
        // It was readable when the documents were made from it.
        let Ok(plain) = PlainRecords::read(header, batch, PLAIN_BYTES_MAX) else { continue };
        for record in plain.iter().flatten().filter(|record| (span.first..span.next).contains(&record.offset)) {
            if let Some(rejected) = rejected.get(&record.offset) {
                letters.push(letter(partition, &record, rejected));
            }
        }
    }
    letters
}

fn letter(partition: &TopicPartition, record: &Record<'_>, rejected: &Rejected) -> DeadLetter {
    let mut headers = RecordHeaders::new();
    for header in record.headers.clone() {
        // Those of an earlier rejection that somebody has sent back with the record would be taken for ours.
        if !header.key.starts_with(DEAD_HEADER.as_bytes()) {
            headers.push(&String::from_utf8_lossy(header.key), header.value);
        }
    }
    let Rejected { index, id, rejection: Rejection { status, kind, reason, attempts } } = rejected;
    let mut push = |name: &str, value: &str| headers.push(&format!("{DEAD_HEADER}{name}"), Some(value.as_bytes()));
    push("status", &status.to_string());
    push("type", kind);
    push("reason", reason);
    push("index", index);
    if let Some(id @ DocumentId::Record(_)) = id {
        push("id", id.as_str());
    }
    push("attempts", &attempts.to_string());
    push("topic", &partition.topic);
    push("partition", &partition.partition.to_string());
    push("offset", &record.offset.to_string());
    push("timestamp", &record.timestamp.to_string());
    DeadLetter { key: record.key.map(Bytes::copy_from_slice), value: record.value.map(Bytes::copy_from_slice), headers }
}

/// The letter of a batch that cannot be read: all of it, since nobody knows what in it is right.
pub(crate) fn of_batch(partition: &TopicPartition, unreadable: &Unreadable, batches: &[u8]) -> DeadLetter {
    let is_it = |header: &BatchHeader| (header.base_offset..=header.last_offset()).contains(&unreadable.first);
    let batch = Batches::new(batches).flatten().find(|(header, _)| is_it(header)).map(|(_, batch)| batch);
    let mut headers = RecordHeaders::new();
    let mut push = |name: &str, value: &str| headers.push(&format!("{DEAD_HEADER}{name}"), Some(value.as_bytes()));
    push("status", "0");
    push("type", UNREADABLE_BATCH);
    push("reason", &unreadable.reason);
    push("topic", &partition.topic);
    push("partition", &partition.partition.to_string());
    push("offset", &unreadable.first.to_string());
    push("last_offset", &unreadable.last.to_string());
    DeadLetter { key: None, value: batch.map(Bytes::copy_from_slice), headers }
}
