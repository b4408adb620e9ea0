//! The log as its users see it, on a real disk: append, flush, read, roll, reopen.

use super::*;
use kafka_wire::batch::{BatchHeader, BatchWriter, Batches, PlainRecords, Producer, RecordHeaders};
use kafka_wire::compression::Compression;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const NOW: i64 = 1_700_000_000_000;

fn config(entries: &[(&str, &str)]) -> TopicConfig {
    let overrides = entries.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    TopicConfig::new(overrides).expect("sound configs")
}

fn batch_at(values: &[&str], producer: Producer, timestamp: i64) -> Vec<u8> {
    let mut writer = BatchWriter::new(Compression::None);
    for (index, value) in values.iter().enumerate() {
        writer.push(timestamp + index as i64, None, Some(value.as_bytes()), &RecordHeaders::new(), None);
    }
    let mut batch = Vec::new();
    writer.seal(producer, &mut batch);
    batch
}

fn batch(values: &[&str]) -> Vec<u8> {
    batch_at(values, Producer::NONE, NOW)
}

fn sequenced(id: i64, epoch: i16, base_sequence: i32, values: &[&str]) -> Vec<u8> {
    batch_at(values, Producer { id, epoch, base_sequence }, NOW)
}

fn open(path: &Path) -> Arc<DataDirectory> {
    DataDirectory::open(path, DirectoryConfig::new(0)).expect("opens")
}

fn flush(partition: &Arc<Partition>) {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime")
        .block_on(partition.flushed(partition.log_end_offset()))
        .expect("the flush succeeds");
}

/// Every value from `offset` on, with its offset, read in steps of `bytes_max`.
fn values_from(partition: &Partition, mut offset: i64, bytes_max: usize) -> Vec<(i64, String)> {
    let mut values = Vec::new();
    loop {
        let range = partition.read(offset, bytes_max).expect("in range");
        if range.is_empty() {
            return values;
        }
        let bytes = range.read().expect("readable");
        let mut batches = Batches::new(&bytes);
        for item in batches.by_ref() {
            let (header, batch) = item.expect("whole batches");
            header.verify_crc(batch).expect("sound");
            for record in &PlainRecords::read(header, batch, 1 << 20).expect("records") {
                let record = record.expect("a record");
                if record.offset >= offset {
                    let value = String::from_utf8(record.value.expect("a value").to_vec()).expect("text");
                    values.push((record.offset, value));
                }
            }
            offset = offset.max(header.last_offset() + 1);
        }
        assert!(batches.rest().is_empty(), "a read ends with a whole batch");
    }
}

fn expected(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|offset| (offset, format!("value {offset}"))).collect()
}

/// Appends batches of one to four records `value N` until the log ends at `end`.
fn fill(partition: &Arc<Partition>, end: i64) {
    while partition.log_end_offset() < end {
        let from = partition.log_end_offset();
        let count = (from % 4 + 1).min(end - from);
        let values: Vec<String> = (from..from + count).map(|offset| format!("value {offset}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let appended = partition.append(&batch_at(&values, Producer::NONE, NOW + from), NOW + from).expect("appended");
        assert_eq!(appended.base_offset, from);
    }
}

#[test]
fn what_is_appended_is_read_back_after_its_flush_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 2, config(&[("segment.bytes", "3000")])).expect("created");
    let partition = topic.partition(1).expect("there");
    fill(partition, 1000);
    flush(partition);
    assert_eq!(partition.high_watermark(), 1000);
    for (offset, bytes_max) in [(0, 1), (0, 500), (0, 1 << 20), (617, 300), (999, 1), (1000, 1)] {
        assert_eq!(values_from(partition, offset, bytes_max), expected(offset..1000), "from {offset} by {bytes_max}");
    }
    assert!(matches!(partition.read(1001, 1), Err(ReadError::OutOfRange { log_end: 1000, .. })));
    assert!(matches!(partition.read(-1, 1), Err(ReadError::OutOfRange { .. })));
    let segments = partition.segments().len();
    assert!(segments > 5, "rolled into {segments} segments");
    let id = topic.id;
    directory.close();

    let directory = open(folder.path());
    let topic = directory.topic("logs").expect("still there");
    assert_eq!((topic.id, topic.partition_count()), (id, 2));
    assert_eq!(topic.config().segment_bytes, 3000);
    let partition = topic.partition(1).expect("there");
    assert_eq!((partition.log_end_offset(), partition.high_watermark(), partition.leader_epoch()), (1000, 1000, 0));
    assert_eq!(values_from(partition, 333, 700), expected(333..1000));
    fill(partition, 1100);
    flush(partition);
    assert_eq!(values_from(partition, 990, 700), expected(990..1100));
    directory.close();
}

#[test]
fn a_round_flushes_all_its_partitions() {
    /// Some are flushed by threads of their own, some share one, and a round of all takes as many threads as there may be.
    const SIZES: [usize; 4] = [1, 3, 7, 40];
    const PATIENCE: Duration = Duration::from_secs(120);
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 40, TopicConfig::default()).expect("created");
    for (appended, size) in SIZES.into_iter().enumerate() {
        let ends = |count| topic.live_partitions().take(count).map(|partition| partition.log_end_offset()).sum::<i64>();
        let before = ends(40);
        for partition in topic.live_partitions().take(size) {
            partition.append(&batch(&["x"]), NOW).expect("appended");
        }
        assert_eq!(ends(40), before + size as i64);
        let begun = Instant::now();
        while topic.live_partitions().any(|partition| partition.high_watermark() < partition.log_end_offset()) {
            assert!(begun.elapsed() < PATIENCE, "round {appended} of {size} partitions does not end");
            std::thread::yield_now();
        }
    }
    assert_eq!(directory.flush_counts().1, SIZES.iter().sum::<usize>() as u64);
    directory.close();
    let directory = open(folder.path());
    let topic = directory.topic("logs").expect("there");
    let ends: i64 = topic.live_partitions().map(|partition| partition.high_watermark()).sum();
    assert_eq!(ends, SIZES.iter().sum::<usize>() as i64);
    directory.close();
}

#[test]
fn a_second_owner_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = open(folder.path());
    assert!(matches!(DataDirectory::open(folder.path(), DirectoryConfig::new(0)), Err(OpenError::Locked(_))));
    first.close();
    open(folder.path()).close();
}

#[test]
fn base_offset_and_epoch_are_all_that_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    fill(partition, 5);
    let sent = batch(&["a", "b"]);
    partition.append(&sent, NOW).expect("appended");
    flush(partition);
    let stored = partition.read(5, 1).expect("in range").read().expect("readable");
    assert_eq!(BatchHeader::read(&stored).expect("sound").base_offset, 5);
    assert_eq!(stored[8..12], sent[8..12]);
    assert_eq!(stored[16..], sent[16..]);
    directory.close();
}

#[test]
fn producers_are_known_before_and_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let check = |partition: &Arc<Partition>| {
        let again = |sequence| partition.append(&sequenced(9, 1, sequence, &["x", "y"]), NOW);
        for number in 2..7 {
            let appended = again(number * 2).expect("a duplicate is no error");
            assert!(appended.duplicate && appended.base_offset == i64::from(number) * 2, "{appended:?}");
        }
        assert!(matches!(again(0), Err(AppendError::OutOfOrder { want: 14, .. })));
        assert!(matches!(again(16), Err(AppendError::OutOfOrder { want: 14, .. })));
        let old = partition.append(&sequenced(9, 0, 14, &["x"]), NOW);
        assert!(matches!(old, Err(AppendError::OldEpoch { current: 1, .. })));
        assert_eq!(partition.log_end_offset(), 14, "nothing was appended");
    };
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    for number in 0..7 {
        partition.append(&sequenced(9, 1, number * 2, &["x", "y"]), NOW).expect("in order");
    }
    check(partition);
    directory.close();
    let directory = open(folder.path());
    check(directory.topic("logs").expect("there").partition(0).expect("there"));
    directory.close();
}

mod faults;
mod recovery;
mod retention;
mod room;
mod start;
mod times;
mod topics;
