//! Retention while others read and write: what it may remove, and what a reader sees of it.

use super::super::fake_disk::Chance;
use super::*;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

const DAY: i64 = 24 * 60 * 60 * 1000;
/// Records that a writer appends while segments go behind it.
const RECORDS: i64 = 4_000;

/// What a reader met.
#[derive(Default)]
struct Seen {
    records: i64,
    gaps: Vec<(i64, i64)>,
}

/// Reads up to [`RECORDS`] from the beginning; where the log begins later meanwhile, it goes on there, as a consumer with
/// `auto.offset.reset=earliest` does. `committed` follows.
fn read_all(partition: &Partition, committed: &AtomicI64) -> Seen {
    let mut seen = Seen::default();
    let mut offset = 0;
    while offset < RECORDS {
        match partition.read(offset, 2_000) {
            Ok(range) => {
                // Nothing there yet is an empty range. What retention removes meanwhile stays readable.
                let bytes = range.read().expect("an open file stays readable");
                for item in Batches::new(&bytes) {
                    let (header, batch) = item.expect("whole batches");
                    header.verify_crc(batch).expect("sound");
                    for record in &PlainRecords::read(header, batch, 1 << 20).expect("records") {
                        let record = record.expect("a record");
                        if record.offset >= offset {
                            assert_eq!(record.offset, offset, "no offset is left out, none comes twice");
                            assert_eq!(record.value, Some(format!("value {offset}").as_bytes()));
                            offset += 1;
                            seen.records += 1;
                        }
                    }
                }
                if bytes.is_empty() {
                    std::thread::yield_now();
                }
            }
            Err(ReadError::OutOfRange { log_start, .. }) => {
                assert!(log_start > offset, "out of range at {offset}, although the log begins at {log_start}");
                seen.gaps.push((offset, log_start));
                offset = log_start;
            }
            Err(error) => panic!("{error}"),
        }
        committed.store(offset, Ordering::Release);
    }
    seen
}

/// A writer, a sweeper that keeps next to nothing, and a reader that `delays` now and then.
fn race(guarded: bool) -> Seen {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("segment.bytes", "2000"), ("retention.bytes", "1"), ("file.delete.delay.ms", "0")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    let committed = Arc::new(AtomicI64::new(0));
    if guarded {
        let committed = Arc::clone(&committed);
        directory.set_guard(Box::new(move |topic, partition| {
            assert_eq!((topic, partition), ("logs", 0));
            Some(committed.load(Ordering::Acquire))
        }));
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                directory.sweep(NOW);
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            let mut chance = Chance(7);
            let mut end = 0;
            while end < RECORDS {
                end = (end + 1 + chance.below(30) as i64).min(RECORDS);
                fill(partition, end);
                flush(partition);
            }
        });
        if !guarded {
            // Begins when something is gone.
            while partition.log_start_offset() == 0 {
                std::thread::yield_now();
            }
        }
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read_all(partition, &committed)));
        done.store(true, Ordering::Relaxed);
        seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[test]
fn a_reader_that_is_overtaken_is_told_and_goes_on_without_another_gap() {
    let seen = race(false);
    assert!(!seen.gaps.is_empty(), "it began behind the start of the log");
    let lost: i64 = seen.gaps.iter().map(|(from, to)| to - from).sum();
    assert_eq!(seen.records + lost, RECORDS, "{:?}", seen.gaps);
}

#[test]
fn a_guarded_reader_is_never_overtaken() {
    let seen = race(true);
    assert_eq!((seen.records, seen.gaps), (RECORDS, Vec::new()));
}

#[test]
fn what_was_committed_goes_and_what_was_not_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("segment.bytes", "2000"), ("retention.ms", "1000")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    fill(partition, 500);
    flush(partition);
    let committed = Arc::new(AtomicI64::new(0));
    let guard = Arc::clone(&committed);
    directory.set_guard(Box::new(move |_, _| Some(guard.load(Ordering::Acquire))));
    directory.sweep(NOW + DAY);
    assert_eq!(partition.log_start_offset(), 0, "nothing is committed");
    committed.store(250, Ordering::Release);
    directory.sweep(NOW + DAY);
    let start = partition.log_start_offset();
    assert!((150..=250).contains(&start), "whole segments below 250 go: the log begins at {start}");
    assert!(directory.delete_records(partition, 400).expect("written"), "who asks for it may delete more");
    directory.sweep(NOW + DAY);
    assert!(partition.segments()[0].base_offset > 250, "and those files go too");
    committed.store(500, Ordering::Release);
    directory.sweep(NOW + DAY);
    assert_eq!(partition.log_start_offset(), 500);
    directory.close();
}

#[test]
fn a_clock_that_jumps_a_day_removes_nothing_early_and_keeps_nothing_for_ever() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[
        ("segment.ms", "3600000"),
        ("retention.ms", "86400000"),
        ("message.timestamp.type", "LogAppendTime"),
        ("file.delete.delay.ms", "0"),
    ]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    let append = |now: i64| partition.append(&batch(&["x"]), now).expect("appended").log_append_time;
    // Right, a day ahead, right again, a day behind, right again.
    let times: Vec<i64> = [0, 1, DAY, DAY + 1, 2, -DAY, 3].map(|at| append(NOW + at)).into();
    assert_eq!(times, [0, 1, DAY, DAY + 1, DAY + 1, DAY + 1, DAY + 1].map(|at| NOW + at), "never backwards");
    flush(partition);
    assert_eq!(partition.segments().len(), 2, "rolled by age, once");
    for at in [-DAY, 0, DAY - 1] {
        directory.sweep(NOW + at);
        assert_eq!(partition.log_start_offset(), 0, "nothing is a day old at {at}");
    }
    directory.sweep(NOW + DAY + 2);
    assert_eq!(partition.log_start_offset(), 2, "what came before the jump is a day old");
    directory.sweep(NOW + 2 * DAY + 2);
    assert_eq!((partition.log_start_offset(), partition.log_end_offset()), (7, 7), "the rest goes a day later");
    directory.close();
}
