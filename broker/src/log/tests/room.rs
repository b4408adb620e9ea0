//! The bytes that the log may take of the disk: what clients append beyond is refused, until something is removed.

use super::*;

const BYTES_MAX: u64 = 10_000;

/// Nothing runs by itself: every count and sweep is the test's.
fn limited(path: &Path) -> Arc<DataDirectory> {
    let config = DirectoryConfig { disk_bytes_max: Some(BYTES_MAX), threads: false, ..DirectoryConfig::new(0) };
    DataDirectory::open(path, config).expect("opens")
}

fn append_until_refused(partition: &Arc<Partition>) {
    loop {
        match partition.append(&batch(&["some record that takes room"]), NOW) {
            Ok(_) => {}
            Err(AppendError::NoRoom { used, max: BYTES_MAX }) => {
                assert!((BYTES_MAX - 200..=BYTES_MAX).contains(&used), "{used}");
                return;
            }
            Err(error) => panic!("{error}"),
        }
        partition.committer_for_tests().flush_and_wait(partition).expect("flushed");
    }
}

#[test]
fn beyond_the_limit_appends_are_refused_until_something_is_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = limited(folder.path());
    let topic = directory.create_topic("logs", 2, config(&[("segment.bytes", "2000")])).expect("created");
    let (partition, other) = (topic.partition(0).expect("there"), topic.partition(1).expect("there"));
    append_until_refused(partition);
    assert!(matches!(other.append(&batch(&["x"]), NOW), Err(AppendError::NoRoom { .. })), "of all partitions together");
    assert!(directory.problems()[0].contains("produce is refused"), "{:?}", directory.problems());
    // Groups go on, or nothing would ever be removed.
    other.append_own(&batch(&["the offsets of a group"]), NOW).expect("the broker's own");
    let end = partition.log_end_offset();
    assert_eq!(values_from(partition, 0, 700).len() as i64, end, "and so do readers");

    let used = directory.bytes();
    assert!(directory.delete_records(partition, end).expect("written"));
    directory.sweep(NOW);
    assert_eq!(directory.bytes(), used, "files that wait for file.delete.delay.ms take room, too");
    directory.remove_doomed(i64::MAX);
    assert!(directory.bytes() < used / 2, "{} of {used}", directory.bytes());
    partition.append(&batch(&["x"]), NOW).expect("there is room again");
    assert!(!directory.problems().is_empty(), "a problem lasts until nobody was refused for a while");
    directory.checkpoint();
    directory.checkpoint();
    assert_eq!(directory.problems(), Vec::<String>::new());

    append_until_refused(partition);
    directory.close();
    let directory = limited(folder.path());
    assert!(directory.bytes() > BYTES_MAX - 200, "counted at the start: {}", directory.bytes());
    let used = directory.bytes();
    directory.delete_topic("logs").expect("deleted");
    assert!(directory.topics().is_empty());
    let folders = || {
        let entries = std::fs::read_dir(folder.path()).expect("readable").map(|entry| entry.expect("readable").path());
        entries.filter(|path| path.is_dir()).collect::<Vec<_>>()
    };
    directory.remove_doomed(crate::clock::now_ms());
    assert_eq!(directory.bytes(), used, "so do the folders of a topic");
    assert!(folders().len() == 2 && folders().iter().all(|path| path.to_string_lossy().ends_with("-delete")));
    directory.remove_doomed(i64::MAX);
    assert_eq!((directory.bytes(), folders().len()), (0, 0));
    directory.close();
}

#[test]
fn a_batch_that_is_there_is_not_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = limited(folder.path());
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    partition.append(&sequenced(7, 0, 0, &["once"]), NOW).expect("the first");
    append_until_refused(partition);
    let repeated = partition.append(&sequenced(7, 0, 0, &["once"]), NOW).expect("no room is needed");
    assert!(repeated.duplicate);
    directory.close();
}

#[test]
fn blocks_that_a_large_segment_has_ahead_of_its_end_are_given_back() {
    use std::os::unix::fs::MetadataExt;
    const BATCH_BYTES: u64 = 1 << 20;
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    let ahead = || {
        let log = std::fs::metadata(folder.path().join("logs-0/00000000000000000000.log")).expect("there");
        (log.blocks() * 512).saturating_sub(log.len())
    };
    let value = "x".repeat(BATCH_BYTES as usize - 200);
    let append = |count| {
        for _ in 0..count {
            partition.append(&batch(&[&value]), NOW).expect("appended");
        }
        flush(partition);
    };
    append(10);
    assert!(ahead() < BATCH_BYTES, "nothing is taken for a small segment: {}", ahead());
    append(10);
    let probe = std::fs::File::create(folder.path().join("probe")).expect("created");
    match rustix::fs::fallocate(&probe, rustix::fs::FallocateFlags::KEEP_SIZE, 0, BATCH_BYTES) {
        Ok(()) => assert!((BATCH_BYTES..20 * BATCH_BYTES).contains(&ahead()), "blocks are taken: {}", ahead()),
        Err(error) => eprintln!("no blocks can be taken in {}: {error}", folder.path().display()),
    }
    assert_eq!(values_from(partition, 0, 8 << 20).len(), 20);
    directory.close();
    assert!(ahead() < BATCH_BYTES, "a log that is closed keeps what it holds: {}", ahead());
    let directory = open(folder.path());
    assert_eq!(directory.topic("logs").expect("there").partition(0).expect("there").log_end_offset(), 20);
    directory.close();
}
