//! Starts after a crash or with damaged files, on a real disk.

use super::*;
use std::fs;

/// A copy of a data directory, as a crash leaves it: without the marker of a clean stop.
fn crashed_copy(from: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for folder in fs::read_dir(from).expect("readable") {
        let folder = folder.expect("an entry");
        let to = copy.path().join(folder.file_name());
        if folder.path().is_dir() {
            fs::create_dir(&to).expect("made");
            for file in fs::read_dir(folder.path()).expect("readable") {
                let file = file.expect("an entry");
                fs::copy(file.path(), to.join(file.file_name())).expect("copied");
            }
        } else if folder.file_name() != ".kafka_cleanshutdown" {
            fs::copy(folder.path(), to).expect("copied");
        }
    }
    copy
}

fn partition_0(directory: &DataDirectory) -> Arc<Partition> {
    Arc::clone(directory.topic("logs").expect("there").partition(0).expect("serves"))
}

/// A log of 100 records that are known to be on disk, and behind them two batches of an idempotent producer.
fn crashed_log() -> (tempfile::TempDir, u64, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let topic = directory.create_topic("logs", 2, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    fill(partition, 100);
    fill(topic.partition(1).expect("there"), 10);
    directory.checkpoint();
    partition.append(&sequenced(7, 0, 0, &["a", "b"]), NOW).expect("appended");
    let file = folder.path().join("logs-0/00000000000000000000.log");
    let last_batch = fs::metadata(&file).expect("there").len();
    partition.append(&sequenced(7, 0, 2, &["c"]), NOW).expect("appended");
    flush(partition);
    let end = fs::metadata(&file).expect("there").len();
    let crashed = crashed_copy(folder.path());
    directory.close();
    (crashed, last_batch, end)
}

#[test]
fn a_log_cut_at_every_byte_of_its_last_batch_goes_on_before_it() {
    let (crashed, last_batch, end) = crashed_log();
    for cut in last_batch..=end {
        let copy = crashed_copy(crashed.path());
        let file = copy.path().join("logs-0/00000000000000000000.log");
        fs::File::options().write(true).open(&file).and_then(|file| file.set_len(cut)).expect("cut");
        let directory = open(copy.path());
        let partition = partition_0(&directory);
        let whole = cut == end;
        let torn = cut != last_batch && !whole;
        assert_eq!(partition.log_end_offset(), if whole { 103 } else { 102 }, "cut at {cut}");
        assert_eq!(partition.high_watermark(), partition.log_end_offset());
        assert_eq!(partition.leader_epoch(), i32::from(torn), "cut at {cut}");
        assert_eq!(values_from(&partition, 0, 1000)[..100], expected(0..100));
        // What was sent before and was lost is accepted, what is there is a duplicate.
        let again = partition.append(&sequenced(7, 0, 2, &["c"]), NOW).expect("the producer goes on");
        assert_eq!((again.base_offset, again.duplicate), (102, whole), "cut at {cut}");
        let first = partition.append(&sequenced(7, 0, 0, &["a", "b"]), NOW).expect("known");
        assert_eq!((first.base_offset, first.duplicate), (100, true));
        directory.close();
    }
}

#[test]
fn garbage_and_zeros_behind_the_last_batch_are_cut_off() {
    let (crashed, _, end) = crashed_log();
    for tail in [vec![0; 5000], vec![0xff; 7], b"garbage ".repeat(50)] {
        let copy = crashed_copy(crashed.path());
        let file = copy.path().join("logs-0/00000000000000000000.log");
        let mut bytes = fs::read(&file).expect("readable");
        bytes.extend(&tail);
        fs::write(&file, bytes).expect("written");
        let directory = open(copy.path());
        let partition = partition_0(&directory);
        assert_eq!((partition.log_end_offset(), partition.leader_epoch()), (103, 1));
        assert_eq!(fs::metadata(&file).expect("there").len(), end);
        directory.close();
        // The cut is not made twice.
        let directory = open(copy.path());
        assert_eq!(partition_0(&directory).leader_epoch(), 1);
        directory.close();
    }
}

#[test]
fn damage_below_the_recovery_point_stops_that_partition_and_no_other() {
    let (crashed, ..) = crashed_log();
    for position in [16usize, 100, 3000] {
        let copy = crashed_copy(crashed.path());
        let file = copy.path().join("logs-0/00000000000000000000.log");
        let mut bytes = fs::read(&file).expect("readable");
        bytes[position] ^= 0x10;
        fs::write(&file, &bytes).expect("written");
        let directory = open(copy.path());
        let topic = directory.topic("logs").expect("there");
        let Err(PartitionError::Offline(reason)) = topic.partition(0) else { panic!("position {position} serves") };
        assert!(reason.contains("hint: ") && reason.contains("logs-0"), "{reason}");
        assert_eq!(directory.problems().len(), 1);
        assert_eq!(topic.partition(1).expect("serves").log_end_offset(), 10);
        assert_eq!(fs::read(&file).expect("readable"), bytes, "nothing was cut");
        directory.close();
        // Nor at the next start, which finds the marker of a clean stop.
        let directory = open(copy.path());
        assert_eq!(directory.problems().len(), 1, "position {position}: {:?}", directory.problems());
        directory.close();
    }
}

#[test]
fn a_log_that_lost_what_was_on_disk_is_not_served() {
    let (crashed, ..) = crashed_log();
    fs::write(crashed.path().join("logs-0/00000000000000000000.log"), b"").expect("emptied");
    let directory = open(crashed.path());
    assert!(directory.problems()[0].contains("was on disk up to 100"), "{:?}", directory.problems());
    directory.close();
}

#[test]
fn indexes_that_are_missing_or_wrong_are_made_again() {
    for clean in [true, false] {
        let folder = tempfile::tempdir().expect("a folder");
        let directory = open(folder.path());
        let topic = directory.create_topic("logs", 1, config(&[("segment.bytes", "60000")])).expect("created");
        let partition = topic.partition(0).expect("there");
        fill(partition, 4000);
        directory.checkpoint();
        let crashed = crashed_copy(folder.path());
        directory.close();
        let folder = if clean { folder } else { crashed };
        let indexes = |folder: &Path| -> Vec<_> {
            let mut files: Vec<_> = fs::read_dir(folder.join("logs-0"))
                .expect("readable")
                .map(|entry| entry.expect("an entry").path())
                .filter(|path| path.extension().is_some_and(|ending| ending.to_string_lossy().ends_with("index")))
                .collect();
            files.sort();
            files
        };
        let files = indexes(folder.path());
        assert!(files.len() >= 6, "{files:?}");
        let bytes = fs::read(&files[0]).expect("readable");
        for damage in 0..4 {
            let copy = crashed_copy(folder.path());
            if clean {
                fs::copy(folder.path().join(".kafka_cleanshutdown"), copy.path().join(".kafka_cleanshutdown"))
                    .expect("copied");
            }
            for file in indexes(copy.path()) {
                let mut bytes = fs::read(&file).expect("readable");
                match damage {
                    0 => fs::remove_file(&file).expect("removed"),
                    1 => fs::write(&file, &bytes[..bytes.len() / 2 + 1]).expect("cut"),
                    2 => fs::write(&file, vec![0; 8 * 12 * 100]).expect("zeros"),
                    _ => {
                        bytes.reverse();
                        fs::write(&file, bytes).expect("garbled");
                    }
                }
            }
            let directory = open(copy.path());
            let partition = partition_0(&directory);
            for offset in [0, 1, 1777, 3999] {
                assert_eq!(
                    values_from(&partition, offset, 5000),
                    expected(offset..4000),
                    "clean {clean} damage {damage}"
                );
            }
            if damage < 3 {
                assert_eq!(
                    fs::read(&indexes(copy.path())[0]).expect("readable"),
                    bytes,
                    "clean {clean} damage {damage}"
                );
            }
            directory.close();
        }
    }
}

#[test]
fn checkpoints_that_are_missing_or_garbled_cost_a_scan_and_nothing_else() {
    for name in ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "logs-0/leader-epoch-checkpoint"] {
        for garbled in [false, true] {
            let (crashed, ..) = crashed_log();
            let file = crashed.path().join(name);
            match garbled {
                true => fs::write(&file, b"0\nx\n").expect("garbled"),
                false => fs::remove_file(&file).expect("removed"),
            }
            let directory = open(crashed.path());
            let partition = partition_0(&directory);
            assert_eq!((partition.log_end_offset(), partition.log_start_offset()), (103, 0), "{name}");
            directory.close();
        }
    }
}

#[test]
fn a_topic_that_was_deleted_or_never_finished_does_not_come_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    for name in ["gone", "half", "stays"] {
        directory.create_topic(name, 3, TopicConfig::default()).expect("created");
    }
    let partition = Arc::clone(directory.topic("gone").expect("there").partition(0).expect("there"));
    let crashed = crashed_copy(folder.path());
    directory.delete_topic("gone").expect("deleted");
    assert!(matches!(partition.append(&batch(&["x"]), NOW), Err(AppendError::Deleted)));
    assert!(matches!(directory.delete_topic("gone"), Err(DeleteTopicError::Unknown(_))));
    assert!(!folder.path().join("gone-0").exists());
    directory.close();

    // Crashes in the middle: marked but not renamed; created without the file that is written last.
    fs::write(crashed.path().join("gone-0/topic.properties"), "sluice.deleted=true\n").expect("written");
    fs::remove_dir_all(crashed.path().join("half-0")).expect("removed");
    fs::create_dir(crashed.path().join("old-0.123-delete")).expect("made");
    let directory = open(crashed.path());
    assert_eq!(directory.topics().keys().map(|name| &**name).collect::<Vec<_>>(), ["stays"]);
    let folders = || {
        let entries = fs::read_dir(crashed.path()).expect("readable").map(|entry| entry.expect("readable").path());
        let (doomed, kept): (Vec<_>, Vec<_>) =
            entries.filter(|path| path.is_dir()).partition(|path| path.to_string_lossy().ends_with("-delete"));
        (kept.len(), doomed.len())
    };
    assert_eq!(folders().0, 3);
    directory.remove_doomed(0);
    // The thread that does so by itself may be at it.
    let begun = Instant::now();
    while folders().1 > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", folders());
        std::thread::yield_now();
    }
    let again = directory.create_topic("gone", 1, TopicConfig::default()).expect("created anew");
    assert_eq!(again.partition(0).expect("there").log_end_offset(), 0);
    directory.close();
}
