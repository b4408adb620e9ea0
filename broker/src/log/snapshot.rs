//! Producer state on disk, as it was before an offset: Kafka's snapshot file, and one of ours that remembers more.
//!
//! ```text
//! .snapshot (Kafka's ProducerStateManager, version 1)      .producers (ours, version 1)
//! version i16, crc u32 (CRC-32C of all that follows),      the same three fields, then entries of
//! entry count i32, entries of                                producer id i64, epoch i16, used ms i64,
//!   producer id i64, epoch i16, last sequence i32,            batch count u8, batches oldest first of
//!   last offset i64, offset delta i32, timestamp i64,           last sequence i32, last offset i64,
//!   coordinator epoch i32, first transaction offset i64         offset delta i32, timestamp i64
//! ```
//! Kafka's form has the last batch of each producer only. A producer that had five batches in flight when the broker
//! was stopped repeats all five, and all five must be recognised: hence the second file.

use super::disk::{Disk, read_file, replace_file};
use super::names::{self, PRODUCERS_ENDING, SNAPSHOT_ENDING};
use super::producers::{BATCHES_MAX, ProducerEntry, Producers, StoredBatch};
use super::segment::Segment;
use bytes::{Buf, BufMut};
use std::io;
use std::path::Path;
use std::sync::Arc;

const VERSION: i16 = 1;
const ENTRIES_AT: usize = 6;

/// Writes both files; durable on return. Without producers there is nothing to remember, but an older file at this
/// offset would tell something else.
pub(super) fn write(disk: &dyn Disk, directory: &Path, offset: i64, producers: &Producers) -> io::Result<()> {
    for (ending, contents) in
        [(PRODUCERS_ENDING, encode(producers, put_full_entry)), (SNAPSHOT_ENDING, encode(producers, put_kafka_entry))]
    {
        replace_file(disk, &directory.join(names::offset_file(offset, ending)), &contents)?;
    }
    Ok(())
}

/// The newest sound state at or before `offset`, and the offset that it stands for. Kafka's form counts only in a folder
/// that Kafka wrote: in ours it may be what a crash left of a pair, and it would forget four of five batches.
pub(super) fn read(disk: &dyn Disk, directory: &Path, offset: i64) -> io::Result<Option<(i64, Producers)>> {
    let ours = list(disk, directory, &[PRODUCERS_ENDING])?;
    let (offsets, ending, take) = match ours.is_empty() {
        false => (ours, PRODUCERS_ENDING, take_full_entry as TakeEntry),
        true => (list(disk, directory, &[SNAPSHOT_ENDING])?, SNAPSHOT_ENDING, take_kafka_entry as TakeEntry),
    };
    for at in offsets.into_iter().rev().filter(|&at| at <= offset) {
        if let Some(contents) = read_file(disk, &directory.join(names::offset_file(at, ending)))?
            && let Some(producers) = decode(&contents, take)
        {
            return Ok(Some((at, producers)));
        }
        tracing::warn!(directory = %directory.display(), offset = at, "producer state is unreadable: trying an older one");
    }
    Ok(None)
}

/// Is there a sound state for exactly this offset, in both forms?
pub(super) fn is_at(disk: &dyn Disk, directory: &Path, offset: i64) -> io::Result<bool> {
    let sound = |ending, take| -> io::Result<bool> {
        let contents = read_file(disk, &directory.join(names::offset_file(offset, ending)))?;
        Ok(contents.is_some_and(|contents| decode(&contents, take).is_some()))
    };
    Ok(sound(PRODUCERS_ENDING, take_full_entry as TakeEntry)? && sound(SNAPSHOT_ENDING, take_kafka_entry as TakeEntry)?)
}

/// Removes the files for which `goes` holds.
pub(super) fn remove(disk: &dyn Disk, directory: &Path, goes: impl Fn(i64) -> bool) -> io::Result<()> {
    let both = [PRODUCERS_ENDING, SNAPSHOT_ENDING];
    for offset in list(disk, directory, &both)?.into_iter().filter(|&offset| goes(offset)) {
        for ending in both {
            match disk.remove_file(&directory.join(names::offset_file(offset, ending))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Keeps those at `needed` and behind, and at the beginning of a segment, as Kafka does.
pub(super) fn remove_superseded(
    disk: &dyn Disk,
    directory: &Path,
    segments: &[Arc<Segment>],
    needed: i64,
) -> io::Result<()> {
    remove(disk, directory, |offset| {
        offset < needed && segments.binary_search_by_key(&offset, |segment| segment.base_offset).is_err()
    })
}

/// Offsets in the names of files with these endings, sorted.
fn list(disk: &dyn Disk, directory: &Path, endings: &[&str]) -> io::Result<Vec<i64>> {
    let offset_of = |name: &str| endings.iter().find_map(|ending| names::parse_offset_file(name, ending));
    let entries = disk.entries(directory)?;
    let mut offsets: Vec<i64> = entries.iter().filter_map(|entry| offset_of(&entry.name)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    Ok(offsets)
}

fn encode(producers: &Producers, put: impl Fn(&mut Vec<u8>, i64, &ProducerEntry)) -> Vec<u8> {
    let entries = producers.sorted();
    let mut contents = Vec::new();
    contents.put_i16(VERSION);
    contents.put_u32(0);
    contents.put_i32(entries.len() as i32);
    for (id, entry) in entries {
        put(&mut contents, id, entry);
    }
    let crc = crc32c::crc32c(&contents[ENTRIES_AT..]);
    contents[2..ENTRIES_AT].copy_from_slice(&crc.to_be_bytes());
    contents
}

fn put_kafka_entry(out: &mut Vec<u8>, id: i64, entry: &ProducerEntry) {
    let Some(last) = entry.batches.last() else { return };
    out.put_i64(id);
    out.put_i16(entry.epoch);
    out.put_i32(last.last_sequence);
    out.put_i64(last.last_offset);
    out.put_i32(last.offset_delta);
    out.put_i64(last.timestamp);
    out.put_i32(-1); // no transaction coordinator
    out.put_i64(-1); // no open transaction
}

fn put_full_entry(out: &mut Vec<u8>, id: i64, entry: &ProducerEntry) {
    out.put_i64(id);
    out.put_i16(entry.epoch);
    out.put_i64(entry.used_ms);
    out.put_u8(entry.batches.len() as u8);
    for batch in &entry.batches {
        out.put_i32(batch.last_sequence);
        out.put_i64(batch.last_offset);
        out.put_i32(batch.offset_delta);
        out.put_i64(batch.timestamp);
    }
}

type TakeEntry = fn(&mut &[u8]) -> Option<(i64, ProducerEntry)>;

/// `None` when version, checksum or length are wrong.
fn decode(contents: &[u8], take: TakeEntry) -> Option<Producers> {
    let mut bytes = contents;
    let sound = bytes.try_get_i16().ok()? == VERSION
        && bytes.try_get_u32().ok()? == crc32c::crc32c(contents.get(ENTRIES_AT..)?);
    let count = bytes.try_get_i32().ok().filter(|_| sound)?;
    let producers = (0..count).map(|_| take(&mut bytes)).collect::<Option<Producers>>()?;
    bytes.is_empty().then_some(producers)
}

fn take_kafka_entry(bytes: &mut &[u8]) -> Option<(i64, ProducerEntry)> {
    let id = bytes.try_get_i64().ok()?;
    let epoch = bytes.try_get_i16().ok()?;
    let batch = take_batch(bytes)?;
    bytes.try_get_i32().ok()?;
    bytes.try_get_i64().ok()?;
    Some((id, ProducerEntry { epoch, used_ms: batch.timestamp, batches: vec![batch] }))
}

fn take_full_entry(bytes: &mut &[u8]) -> Option<(i64, ProducerEntry)> {
    let id = bytes.try_get_i64().ok()?;
    let epoch = bytes.try_get_i16().ok()?;
    let used_ms = bytes.try_get_i64().ok()?;
    let count = usize::from(bytes.try_get_u8().ok()?);
    let batches: Vec<_> = (0..count.min(BATCHES_MAX)).map(|_| take_batch(bytes)).collect::<Option<_>>()?;
    (count <= BATCHES_MAX && count > 0).then_some((id, ProducerEntry { epoch, used_ms, batches }))
}

fn take_batch(bytes: &mut &[u8]) -> Option<StoredBatch> {
    Some(StoredBatch {
        last_sequence: bytes.try_get_i32().ok()?,
        last_offset: bytes.try_get_i64().ok()?,
        offset_delta: bytes.try_get_i32().ok()?,
        timestamp: bytes.try_get_i64().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(offset: i64) -> StoredBatch {
        StoredBatch { last_sequence: offset as i32, last_offset: offset, offset_delta: 0, timestamp: 1000 + offset }
    }

    #[test]
    fn both_forms_round_trip() {
        let five = ProducerEntry { epoch: 3, batches: (10..15).map(batch).collect(), used_ms: 1014 };
        let producers: Producers = [(7, five.clone())].into_iter().collect();
        let ours = encode(&producers, put_full_entry);
        assert_eq!(decode(&ours, take_full_entry), Some(producers.clone()));
        let kafkas = encode(&producers, put_kafka_entry);
        let last = ProducerEntry { batches: vec![batch(14)], ..five };
        assert_eq!(decode(&kafkas, take_kafka_entry), Some([(7, last)].into_iter().collect()));
        for cut in 0..ours.len() {
            assert_eq!(decode(&ours[..cut], take_full_entry), None, "cut at {cut}");
            let mut garbled = ours.clone();
            garbled[cut] ^= 1;
            assert_eq!(decode(&garbled, take_full_entry), None, "garbled at {cut}");
        }
    }
}
