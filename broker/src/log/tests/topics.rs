//! Topics of one request: made, extended and deleted together, with a crash after every step, and on a real disk.

use super::super::fake_disk::{Chance, FakeDisk};
use super::*;
use std::time::{Duration, Instant};

const ROOT: &str = "/data";
/// Topics of a request on a real disk, and the time that a slow one may need: a second or so is wanted.
const TOPICS: usize = 1_000;
const REQUEST_MAX: Duration = Duration::from_secs(60);

fn on(disk: &Arc<FakeDisk>) -> Arc<DataDirectory> {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    DataDirectory::open(Path::new(ROOT), DirectoryConfig { disk, threads: false, ..DirectoryConfig::new(0) })
        .expect("opens")
}

fn asked(names: &[&str], partitions: i32) -> Vec<NewTopic> {
    let config = config(&[("segment.bytes", "3000")]);
    names.iter().map(|name| NewTopic { name: name.to_string(), partitions, config: config.clone() }).collect()
}

/// What there is after a crash: name, partitions, and whether the config is its own.
fn found(disk: &Arc<FakeDisk>, case: &str) -> Vec<(String, i32)> {
    let directory = on(disk);
    assert_eq!(directory.problems(), Vec::<String>::new(), "{case}");
    let topics = directory.topics();
    for topic in topics.values() {
        assert_eq!(topic.config().segment_bytes, 3000, "{case}: {}", topic.name);
        assert_eq!(topic.live_partitions().count() as i32, topic.partition_count(), "{case}: {}", topic.name);
    }
    topics.values().map(|topic| (topic.name.to_string(), topic.partition_count())).collect()
}

/// Runs `work` with the power gone after each of its steps; `expect` looks at what is found, and at whether `work` was done.
fn cut(
    prepare: impl Fn(&DataDirectory),
    work: impl Fn(&DataDirectory) -> bool,
    expect: impl Fn(&[(String, i32)], bool),
) {
    for cut_after in 0.. {
        let disk = Arc::new(FakeDisk::default());
        let directory = on(&disk);
        prepare(&directory);
        disk.set(|faults| faults.operations_left = Some(cut_after));
        let done = work(&directory);
        for seed in 0..8 {
            let crashed = Arc::new(disk.crash(&mut Chance(seed)));
            let case = format!("cut after {cut_after}, seed {seed}");
            let topics = found(&crashed, &case);
            println!("{case}: done {done}: {topics:?}");
            expect(&topics, done);
        }
        if done {
            assert!(cut_after > 5, "only {cut_after} steps");
            return;
        }
    }
}

fn partitions_of(topics: &[(String, i32)], name: &str) -> Option<i32> {
    topics.iter().find(|(found, _)| found == name).map(|(_, partitions)| *partitions)
}

#[test]
fn topics_are_whole_or_not_there() {
    cut(
        |_| (),
        |directory| directory.create_topics(asked(&["a", "b", "c"], 2)).iter().all(Result::is_ok),
        |topics, done| {
            assert!(topics.iter().all(|(_, partitions)| *partitions == 2));
            assert!(!done || topics.len() == 3);
        },
    );
    cut(
        |directory| drop(directory.create_topics(asked(&["a", "b"], 1))),
        |directory| directory.add_partitions(vec![("a".into(), 3), ("b".into(), 4)]).iter().all(Result::is_ok),
        |topics, done| {
            for (name, more) in [("a", 3), ("b", 4)] {
                let partitions = partitions_of(topics, name).expect("it stays");
                assert!(partitions == more || (partitions == 1 && !done));
            }
        },
    );
    cut(
        |directory| drop(directory.create_topics(asked(&["a", "b", "c"], 2))),
        |directory| directory.delete_topics(&["a", "b"]).iter().all(Result::is_ok),
        |topics, done| {
            assert_eq!(partitions_of(topics, "c"), Some(2));
            assert!(topics.iter().all(|(_, partitions)| *partitions == 2));
            assert!(!done || topics.len() == 1);
        },
    );
}

#[test]
fn each_topic_has_its_own_outcome() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    directory.create_topic("there", 1, TopicConfig::default()).expect("created");
    let mut wanted = asked(&["a", "there", "../b", "a", "c"], 2);
    wanted[4].partitions = 0;
    let made = directory.create_topics(wanted);
    assert!(matches!(
        &made[..],
        [
            Ok(_),
            Err(CreateTopicError::Exists(_)),
            Err(CreateTopicError::Name(_)),
            Err(CreateTopicError::Exists(_)),
            Err(CreateTopicError::Partitions(0))
        ]
    ));
    let added = directory.add_partitions(vec![("a".into(), 2), ("a".into(), 3), ("nowhere".into(), 3)]);
    assert!(matches!(&added[..], [Err(_), Ok(_), Err(_)]));
    let deleted = directory.delete_topics(&["nowhere", "a", "a"]);
    assert!(matches!(&deleted[..], [Err(DeleteTopicError::Unknown(_)), Ok(()), Err(DeleteTopicError::Unknown(_))]));
    assert_eq!(directory.topics().keys().map(|name| &**name).collect::<Vec<_>>(), ["there"]);
    directory.close();
}

#[test]
fn a_thousand_topics_wait_for_a_few_flushes() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let names: Vec<String> = (0..TOPICS).map(|number| format!("topic-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let timed = |what: &str, work: &dyn Fn() -> bool| {
        let begun = Instant::now();
        assert!(work(), "{what}");
        println!("{TOPICS} topics {what} in {:?}", begun.elapsed());
        assert!(begun.elapsed() < REQUEST_MAX, "{what}");
    };
    timed("created", &|| directory.create_topics(asked(&names, 1)).iter().all(Result::is_ok));
    timed("extended", &|| {
        let more = names.iter().map(|name| (name.to_string(), 2)).collect();
        directory.add_partitions(more).iter().all(Result::is_ok)
    });
    timed("deleted", &|| directory.delete_topics(&names).iter().all(Result::is_ok));
    let begun = Instant::now();
    for name in &names[..20] {
        directory.create_topic(name, 1, TopicConfig::default()).expect("created");
    }
    println!("one after the other: {:?} each", begun.elapsed() / 20);
    directory.close();
    assert_eq!(open(folder.path()).topics().len(), 20);
}
