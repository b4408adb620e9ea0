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
    directory.delete_topic("logs").expect("deleted");
    assert_eq!(directory.bytes(), 0);
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
