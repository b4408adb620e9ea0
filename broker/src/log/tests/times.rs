//! Timestamps: lookup, retention, segment age, log append time.

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

fn found(partition: &Partition, timestamp: i64) -> Option<(i64, i64)> {
    let found = partition.offset_for_timestamp(timestamp).expect("readable");
    found.map(|found| (found.offset, found.timestamp))
}

#[test]
fn the_first_record_at_or_after_a_timestamp_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 1, config(&[("segment.bytes", "20000")])).expect("created");
    let partition = topic.partition(0).expect("there");
    assert_eq!(partition.max_timestamp().expect("readable"), None);
    // `fill` gives the record at offset N the timestamp NOW + N.
    fill(partition, 2000);
    partition.append(&batch_at(&["late"], Producer::NONE, NOW + 500), NOW).expect("appended");
    flush(partition);
    let check = |partition: &Partition| {
        for offset in [0, 1, 2, 3, 777, 1500, 1999] {
            assert_eq!(found(partition, NOW + offset), Some((offset, NOW + offset)));
        }
        assert_eq!(found(partition, 0), Some((0, NOW)));
        assert_eq!(found(partition, NOW + 2000), None);
        let max = partition.max_timestamp().expect("readable").expect("there");
        assert_eq!((max.offset, max.timestamp), (1999, NOW + 1999));
    };
    check(partition);
    directory.close();
    let directory = open(folder.path());
    check(directory.topic("logs").expect("there").partition(0).expect("there"));
    directory.close();
}

#[test]
fn log_append_time_never_runs_backwards() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("message.timestamp.type", "LogAppendTime")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    let times: Vec<i64> = [NOW, NOW + 5, NOW + 2 - DAY]
        .map(|now| partition.append(&batch_at(&["x"], Producer::NONE, 3 * NOW), now).expect("appended").log_append_time)
        .into();
    assert_eq!(times, [NOW, NOW + 5, NOW + 5]);
    flush(partition);
    assert_eq!(found(partition, NOW + 1), Some((1, NOW + 5)));
    assert_eq!(values_from(partition, 0, 1 << 20).len(), 3, "with sound checksums");
    directory.close();
}

#[test]
fn retention_removes_whole_old_segments() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("segment.bytes", "4000"), ("retention.ms", "86400000")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    fill(partition, 500);
    // A timestamp of the far future must not keep its segment for ever.
    let mut future = config(&[("segment.bytes", "4000"), ("retention.ms", "86400000")]).overrides().clone();
    future.insert("message.timestamp.after.max.ms".to_owned(), i64::MAX.to_string());
    directory.set_topic_config("logs", TopicConfig::new(future).expect("sound")).expect("set");
    partition.append(&batch_at(&["future"], Producer::NONE, i64::MAX - 5), NOW + 500).expect("appended");
    flush(partition);
    directory.sweep(NOW + DAY - 10);
    assert_eq!(partition.log_start_offset(), 0);
    let reader = partition.read(0, 100).expect("in range");
    directory.sweep(NOW + DAY + 1000);
    assert_eq!((partition.log_start_offset(), partition.log_end_offset()), (501, 501));
    assert!(matches!(partition.read(0, 1), Err(ReadError::OutOfRange { log_start: 501, .. })));
    assert!(!reader.read().expect("an open file stays readable").is_empty());
    let files = std::fs::read_dir(folder.path().join("logs-0")).expect("readable");
    assert_eq!(files.filter(|f| f.as_ref().is_ok_and(|f| f.path().extension().is_some_and(|e| e == "log"))).count(), 1);
    directory.close();
    let directory = open(folder.path());
    let topic = directory.topic("logs").expect("there");
    let partition = topic.partition(0).expect("there");
    assert_eq!((partition.log_start_offset(), partition.log_end_offset()), (501, 501));
    directory.close();
}

#[test]
fn retention_by_size_and_segments_by_age() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("segment.ms", "1000"), ("retention.bytes", "500"), ("retention.ms", "-1")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    for second in 0..10 {
        partition
            .append(&batch_at(&["x".repeat(120).as_str()], Producer::NONE, NOW), NOW + second * 1001)
            .expect("appended");
    }
    flush(partition);
    assert_eq!(partition.segments().len(), 10);
    directory.sweep(NOW);
    let kept: u64 = partition.segments().iter().map(|segment| segment.bytes()).sum();
    assert!((500..700).contains(&kept), "{kept} bytes kept");
    assert!(directory.delete_records(partition, 9).expect("written"));
    assert!(!directory.delete_records(partition, 11).expect("refused"));
    assert_eq!(partition.log_start_offset(), 9);
    directory.close();
    let directory = open(folder.path());
    let topic = directory.topic("logs").expect("there");
    assert_eq!(topic.partition(0).expect("there").log_start_offset(), 9);
    directory.close();
}
