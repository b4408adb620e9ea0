//! A faulty disk driven by a seed, and what the committer does while flushes wait or fail.

use super::super::fake_disk::{Chance, FakeDisk, Faults};
use super::super::names::CLEAN_SHUTDOWN;
use super::*;
use crate::config::Durability;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

const ROOT: &str = "/data";

/// Lives of a partition in every run, and with `SLUICE_SOAK=full`.
const SEEDS: u64 = 150;
const SEEDS_FULL: u64 = 10_000;

fn on(disk: &Arc<FakeDisk>, threads: bool) -> DirectoryConfig {
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    DirectoryConfig { disk, threads, on_flush_failure: Arc::new(|_| {}), ..DirectoryConfig::new(0) }
}

/// What one idempotent producer has sent and does not know to be on disk.
struct Sender {
    id: i64,
    next_sequence: i32,
    unacknowledged: Vec<(i32, String)>,
}

impl Sender {
    fn send(&mut self, partition: &Arc<Partition>, name: &mut u64) -> Result<(), AppendError> {
        let value = format!("value {name}");
        *name += 1;
        self.unacknowledged.push((self.next_sequence, value.clone()));
        self.next_sequence += 1;
        self.append(partition, self.next_sequence - 1, &value).map(drop)
    }

    fn append(&self, partition: &Arc<Partition>, sequence: i32, value: &str) -> Result<Appended, AppendError> {
        // Sizes around a sector, so that a crash tears batches too.
        let padding = "x".repeat((sequence as usize * 131) % 1500);
        let batch = sequenced(self.id, 0, sequence, &[value, &padding]);
        // The second record is there for its size; sequences count records.
        let mut batch = batch;
        let first = i32::from_be_bytes(batch[53..57].try_into().expect("4 bytes")) * 2;
        batch[53..57].copy_from_slice(&first.to_be_bytes());
        let crc = crc32c::crc32c(&batch[21..]).to_be_bytes();
        batch[17..21].copy_from_slice(&crc);
        partition.append(&batch, NOW)
    }
}

/// One life of a partition over several power cuts: nothing acknowledged is missing, nothing is there twice or in
/// another order, and a producer can always go on.
fn survive(seed: u64) {
    let mut chance = Chance(seed);
    let mut disk = Arc::new(FakeDisk::default());
    let mut name = 0;
    {
        let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
        directory.create_topic("logs", 1, config(&[("segment.bytes", "6000")])).expect("created");
    }
    let mut senders: Vec<Sender> =
        (0..3).map(|id| Sender { id, next_sequence: 0, unacknowledged: Vec::new() }).collect();
    // Values that were acknowledged, in the order of their acknowledgement.
    let mut acknowledged: Vec<String> = Vec::new();
    for _ in 0..6 {
        let cut_after = chance.below(120);
        let calm = chance.below(4) == 0;
        disk.set(|faults| faults.operations_left = (!calm).then_some(cut_after));
        if let Ok(directory) = DataDirectory::open(Path::new(ROOT), on(&disk, false)) {
            work(&disk, &directory, &mut senders, &mut acknowledged, &mut name, &mut chance);
        }
        disk.set(|faults| *faults = Faults::default());
        match chance.below(3) {
            // The process ends and the machine does not: the page cache stays, with what a failed flush left in it.
            0 => drop(DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens after a kill")),
            _ => disk = Arc::new(disk.crash(&mut chance)),
        }
        intact(&Arc::new(disk.crash(&mut chance)), &senders, &acknowledged, &format!("seed {seed}"));
    }
    let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
    let partition = Arc::clone(directory.topic("logs").expect("there").partition(0).expect("serves"));
    for sender in &mut senders {
        repeat(sender, &partition).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        let own: Vec<String> = values_of(&partition, sender.id);
        assert_eq!(own.len() as i32, sender.next_sequence, "seed {seed}: producer {}", sender.id);
    }
    directory.close();
}

/// What is on the disk after a power cut: no gap, nothing twice, in each producer's order, and all that was acknowledged.
fn intact(disk: &Arc<FakeDisk>, senders: &[Sender], acknowledged: &[String], case: &str) {
    let directory = DataDirectory::open(Path::new(ROOT), on(disk, false)).expect("opens after a crash");
    assert_eq!(directory.problems(), Vec::<String>::new(), "{case}");
    let topic = directory.topic("logs").expect("an acknowledged topic stays");
    let partition = topic.partition(0).expect("serves");
    let values = values_from(partition, 0, 1 << 20);
    assert!(values.iter().enumerate().all(|(at, (offset, _))| at as i64 == *offset), "{case}: a gap");
    let mut kept: Vec<&str> =
        values.iter().map(|(_, value)| value.as_str()).filter(|value| value.starts_with("value")).collect();
    for value in acknowledged {
        assert!(kept.contains(&value.as_str()), "{case}: {value:?} was acknowledged and is missing");
    }
    kept.sort_unstable();
    let count = kept.len();
    kept.dedup();
    assert_eq!(kept.len(), count, "{case}: a value is there twice");
    for sender in senders {
        let numbers = values_of(partition, sender.id).into_iter();
        let numbers: Vec<u64> =
            numbers.map(|value| value.trim_start_matches("value ").parse().expect("a number")).collect();
        assert!(numbers.is_sorted(), "{case}: the records of producer {} are in another order", sender.id);
    }
}

/// Sends again what may have been lost, as a producer does.
fn repeat(sender: &mut Sender, partition: &Arc<Partition>) -> Result<(), AppendError> {
    for (sequence, value) in &sender.unacknowledged {
        sender.append(partition, *sequence, value)?;
    }
    Ok(())
}

fn values_of(partition: &Arc<Partition>, producer: i64) -> Vec<String> {
    partition.committer_for_tests().flush_and_wait(partition).expect("flushed");
    let mut values = Vec::new();
    let mut offset = 0;
    while offset < partition.high_watermark() {
        let bytes = partition.read(offset, 1 << 20).expect("in range").read().expect("readable");
        for item in Batches::new(&bytes) {
            let (header, batch) = item.expect("whole");
            offset = header.last_offset() + 1;
            if header.producer_id == producer {
                let records = PlainRecords::read(header, batch, 1 << 20).expect("records");
                let first = records.iter().next().expect("one").expect("sound");
                values.push(String::from_utf8_lossy(first.value.expect("a value")).into_owned());
            }
        }
    }
    values
}

fn work(
    disk: &FakeDisk,
    directory: &Arc<DataDirectory>,
    senders: &mut [Sender],
    acknowledged: &mut Vec<String>,
    name: &mut u64,
    chance: &mut Chance,
) {
    let Some(topic) = directory.topic("logs") else { return };
    let Ok(partition) = topic.partition(0) else { return };
    for sender in senders.iter_mut() {
        if repeat(sender, partition).is_err() {
            return;
        }
    }
    for _ in 0..chance.below(60) {
        match chance.below(10) {
            0 => directory.checkpoint(),
            1..=3 => {
                if partition.committer_for_tests().flush_and_wait(partition).is_err() {
                    return;
                }
                for sender in senders.iter_mut() {
                    acknowledged.extend(sender.unacknowledged.drain(..).map(|(_, value)| value));
                }
            }
            4 if chance.below(10) == 0 => return directory.close(),
            5 if chance.below(8) == 0 => disk.set(|faults| faults.sync_fails = true),
            6 if chance.below(4) == 0 => {
                disk.set(|faults| faults.full = true);
                let sender = &mut senders[chance.below(3) as usize];
                if sender.unacknowledged.len() < 5 {
                    let sent = sender.send(partition, name);
                    assert!(matches!(sent, Err(AppendError::Disk(_) | AppendError::Stopped)), "{sent:?}");
                }
                if chance.below(2) == 0 {
                    directory.checkpoint();
                }
                disk.set(|faults| faults.full = false);
                if repeat(sender, partition).is_err() {
                    return;
                }
            }
            _ => {
                let sender = &mut senders[chance.below(3) as usize];
                // Five in flight, as a producer has them: more would not be recognised.
                if sender.unacknowledged.len() < 5 && sender.send(partition, name).is_err() {
                    return;
                }
            }
        }
    }
}

#[test]
fn the_flushed_prefix_survives_every_power_cut() {
    let given = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok());
    let first = given
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_micros() as u64));
    let full = std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full");
    let count = match (given, full) {
        (Some(_), _) => 1,
        (None, true) => SEEDS_FULL,
        (None, false) => SEEDS,
    };
    println!("seeds {first} to {}; SLUICE_SEED=N runs one", first + count - 1);
    for seed in first..first + count {
        println!("seed {seed}");
        survive(seed);
    }
}

/// One short life that is the same each time, with the power gone after every single step of it.
#[test]
fn a_crash_after_every_step() {
    for cut_after in 0.. {
        let disk = Arc::new(FakeDisk::default());
        let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
        directory.create_topic("logs", 1, config(&[("segment.bytes", "3000")])).expect("created");
        drop(directory);
        let mut sender = Sender { id: 0, next_sequence: 0, unacknowledged: Vec::new() };
        let (mut acknowledged, mut name, mut whole) = (Vec::new(), 0, false);
        disk.set(|faults| faults.operations_left = Some(cut_after));
        if let Ok(directory) = DataDirectory::open(Path::new(ROOT), on(&disk, false)) {
            let partition = Arc::clone(directory.topic("logs").expect("there").partition(0).expect("serves"));
            whole = (0..12).all(|step| {
                let sent = sender.send(&partition, &mut name).is_ok();
                if step == 8 {
                    directory.checkpoint();
                }
                let flushed = step % 3 != 2 || partition.committer_for_tests().flush_and_wait(&partition).is_ok();
                if sent && flushed && step % 3 == 2 {
                    acknowledged.extend(sender.unacknowledged.drain(..).map(|(_, value)| value));
                }
                sent && flushed
            });
            directory.close();
            whole &= disk.entries(Path::new(ROOT)).is_ok_and(|all| all.iter().any(|one| one.name == CLEAN_SHUTDOWN));
        }
        for seed in 0..4 {
            let crashed = Arc::new(disk.crash(&mut Chance(seed)));
            intact(&crashed, std::slice::from_ref(&sender), &acknowledged, &format!("cut after {cut_after}, {seed}"));
        }
        if whole {
            assert!(cut_after > 40, "only {cut_after} steps");
            return;
        }
    }
}

#[test]
fn one_flush_serves_all_that_wait() {
    let disk = Arc::new(FakeDisk::default());
    let directory = DataDirectory::open(Path::new(ROOT), on(&disk, true)).expect("opens");
    let topic = directory.create_topic("logs", 2, TopicConfig::default()).expect("created");
    let partitions = [topic.partition(0).expect("there"), topic.partition(1).expect("there")];
    let syncs = disk.syncs();
    disk.set(|faults| faults.hold_syncs = true);
    let waiting: Vec<_> = (0..100)
        .map(|number| {
            let partition = partitions[number % 2];
            partition.flushed(partition.append(&batch(&["x"]), NOW).expect("appended").next_offset)
        })
        .collect();
    assert_eq!((partitions[0].high_watermark(), partitions[0].log_end_offset()), (0, 50), "nothing is claimed early");
    assert!(partitions[0].read(0, 1000).expect("in range").is_empty(), "and nothing is read early");
    disk.set(|faults| faults.hold_syncs = false);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for flushed in waiting {
        runtime.block_on(flushed).expect("flushed");
    }
    // At most the round that had begun with the first appends, one more for the rest, for two files.
    let (rounds, batches) = directory.flush_counts();
    assert!(disk.syncs() - syncs <= 6 && rounds <= 4, "{} syncs in {rounds} rounds", disk.syncs() - syncs);
    assert_eq!(batches, 100);
    directory.close();
}

#[test]
fn partitions_of_a_round_are_flushed_at_the_same_time() {
    const PARTITIONS: i32 = 4;
    let disk = Arc::new(FakeDisk::default());
    let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
    let topic = directory.create_topic("logs", PARTITIONS, TopicConfig::default()).expect("created");
    for partition in topic.live_partitions() {
        partition.append(&batch(&["x"]), NOW).expect("appended");
    }
    disk.set(|faults| faults.hold_syncs = true);
    let first = Arc::clone(topic.partition(0).expect("there"));
    let round = std::thread::spawn(move || first.committer_for_tests().flush_and_wait(&first));
    let begun = Instant::now();
    while disk.syncs_held() < PARTITIONS as u64 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::yield_now();
    }
    let held = disk.syncs_held();
    disk.set(|faults| faults.hold_syncs = false);
    round.join().expect("no panic").expect("flushed");
    assert_eq!(held, PARTITIONS as u64, "syncs at the same time");
    assert!(topic.live_partitions().all(|partition| partition.high_watermark() == 1));
    directory.close();
}

#[test]
fn a_failed_flush_is_told_once_and_ends_all_appends() {
    let disk = Arc::new(FakeDisk::default());
    let told = Arc::new(AtomicUsize::new(0));
    let teller = Arc::clone(&told);
    let mut config = on(&disk, false);
    config.on_flush_failure = Arc::new(move |error| {
        assert!(error.path.ends_with("logs-0/00000000000000000000.log"));
        teller.fetch_add(1, Ordering::Relaxed);
    });
    let directory = DataDirectory::open(Path::new(ROOT), config).expect("opens");
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    disk.set(|faults| faults.sync_fails = true);
    partition.append(&batch(&["x"]), NOW).expect("appended");
    assert_eq!(partition.committer_for_tests().flush_and_wait(partition), Err(LogStopped));
    disk.set(|faults| faults.sync_fails = false);
    assert!(matches!(partition.append(&batch(&["x"]), NOW), Err(AppendError::Stopped)));
    assert_eq!(partition.committer_for_tests().flush_and_wait(partition), Err(LogStopped));
    assert_eq!((told.load(Ordering::Relaxed), partition.high_watermark()), (1, 0));
    directory.close();
    assert!(!disk.entries(Path::new(ROOT)).expect("readable").iter().any(|entry| entry.name == ".kafka_cleanshutdown"));
}

#[test]
fn a_full_disk_refuses_appends_and_recovers() {
    let disk = Arc::new(FakeDisk::default());
    let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
    let topic = directory.create_topic("logs", 1, config(&[("segment.bytes", "2000")])).expect("created");
    let partition = topic.partition(0).expect("there");
    for round in 1..20 {
        fill(partition, round * 10);
        disk.set(|faults| faults.full = true);
        assert!(matches!(partition.append(&batch(&["lost"]), NOW), Err(AppendError::Disk(_))));
        assert!(directory.problems()[0].starts_with("cannot write to logs-0: "), "{:?}", directory.problems());
        disk.set(|faults| faults.full = false);
        partition.committer_for_tests().flush_and_wait(partition).expect("flushed");
        assert_eq!(values_from(partition, 0, 700), expected(0..round * 10));
    }
    directory.close();
    let directory = DataDirectory::open(Path::new(ROOT), on(&disk, false)).expect("opens");
    assert_eq!(directory.problems(), Vec::<String>::new());
    assert_eq!(directory.topic("logs").expect("there").partition(0).expect("serves").log_end_offset(), 190);
}

#[test]
fn with_the_page_cache_nobody_waits_for_the_disk() {
    let disk = Arc::new(FakeDisk::default());
    let mut config = on(&disk, true);
    config.durability = Durability::PageCache;
    let directory = DataDirectory::open(Path::new(ROOT), config.clone()).expect("opens");
    let topic = directory.create_topic("logs", 1, TopicConfig::default()).expect("created");
    let partition = topic.partition(0).expect("there");
    let syncs = disk.syncs();
    disk.set(|faults| faults.hold_syncs = true);
    fill(partition, 20);
    flush(partition);
    assert_eq!((partition.high_watermark(), disk.syncs()), (20, syncs), "acknowledged without a flush");
    assert_eq!(values_from(partition, 0, 700), expected(0..20), "and readable");
    disk.set(|faults| faults.hold_syncs = false);
    drop((topic, directory));
    // The process may end; a power cut may take some, and leaves no gap.
    let directory = DataDirectory::open(Path::new(ROOT), config.clone()).expect("opens");
    assert_eq!(directory.topic("logs").expect("there").partition(0).expect("serves").log_end_offset(), 20);
    drop(directory);
    for seed in 0..20 {
        let crashed = DirectoryConfig { disk: Arc::new(disk.crash(&mut Chance(seed))), ..config.clone() };
        let directory = DataDirectory::open(Path::new(ROOT), crashed).expect("opens");
        let topic = directory.topic("logs").expect("there");
        let partition = topic.partition(0).expect("serves");
        assert_eq!(values_from(partition, 0, 700), expected(0..partition.log_end_offset()), "seed {seed}");
    }
}
