//! Rejected documents become dead letters: the record as it was, and in headers what was wrong.

use super::ledger::Span;
use super::render::PLAIN_BYTES_MAX;
use super::source::DeadLetter;
use crate::sink::Rejection;
use bytes::Bytes;
use kafka_client::TopicPartition;
use kafka_wire::batch::{Batches, PlainRecords, Record, RecordHeaders};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A rejected document: where it should have gone, and why it did not.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub index: Arc<str>,
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
        for record in plain.iter().flatten().filter(|record| record.offset >= span.first) {
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
        headers.push(&String::from_utf8_lossy(header.key), header.value);
    }
    let Rejection { status, kind, reason, attempts } = &rejected.rejection;
    let mut push = |key: &str, value: &str| headers.push(key, Some(value.as_bytes()));
    push("sluice.dead.status", &status.to_string());
    push("sluice.dead.type", kind);
    push("sluice.dead.reason", reason);
    push("sluice.dead.index", &rejected.index);
    push("sluice.dead.attempts", &attempts.to_string());
    push("sluice.dead.topic", &partition.topic);
    push("sluice.dead.partition", &partition.partition.to_string());
    push("sluice.dead.offset", &record.offset.to_string());
    push("sluice.dead.timestamp", &record.timestamp.to_string());
    DeadLetter { key: record.key.map(Bytes::copy_from_slice), value: record.value.map(Bytes::copy_from_slice), headers }
}
