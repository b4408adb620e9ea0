//! How long a start takes: after a clean stop with much on disk, and after a crash with many partitions.

use super::super::disk::{DirectoryEntry, DirectoryLock, DiskFile};
use super::*;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A hundred of the usual segments.
const SEGMENTS: i64 = 100;
const SEGMENT_BYTES: u64 = 1 << 30;
/// The target is a second, in a release build.
const CLEAN_START_MAX: Duration = Duration::from_secs(10);

/// Partitions in every run, and with `SLUICE_SOAK=full`.
const PARTITIONS: i32 = 1_000;
const PARTITIONS_FULL: i32 = 10_000;
const RECOVERY_MAX: Duration = Duration::from_secs(180);

#[test]
fn a_hundred_gigabytes_of_clean_log_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let directory = open(folder.path());
    let settings = config(&[("segment.ms", "1"), ("index.interval.bytes", "1")]);
    let topic = directory.create_topic("logs", 1, settings).expect("created");
    let partition = topic.partition(0).expect("there");
    for segment in 0..SEGMENTS {
        for _ in 0..3 {
            partition.append(&batch(&["x"]), NOW + segment * 10).expect("appended");
        }
    }
    assert_eq!(partition.segments().len() as i64, SEGMENTS);
    directory.close();
    // All but the last one as large as they usually are, and with the index entry of a batch at their end.
    for segment in 0..SEGMENTS - 1 {
        let path = |ending| folder.path().join("logs-0").join(format!("{:020}.{ending}", segment * 3));
        let write = |ending| OpenOptions::new().write(true).open(path(ending)).expect("a segment's file");
        write("log").set_len(SEGMENT_BYTES).expect("a sparse file");
        let index = write("index");
        let entry = [2u32.to_be_bytes(), (SEGMENT_BYTES as u32 - 100).to_be_bytes()].concat();
        index.write_all_at(&entry, 0).expect("written");
        index.set_len(8).expect("one entry");
    }
    let begun = Instant::now();
    let directory = open(folder.path());
    let took = begun.elapsed();
    println!("{SEGMENTS} segments of {SEGMENT_BYTES} bytes: {took:?}");
    assert_eq!(directory.problems(), Vec::<String>::new());
    let topic = directory.topic("logs").expect("there");
    let partition = topic.partition(0).expect("serves");
    assert_eq!(partition.log_end_offset(), SEGMENTS * 3);
    assert!(partition.bytes() > 99 * SEGMENT_BYTES);
    assert!(took < CLEAN_START_MAX, "{took:?}");
}

/// The system's disk without flushes: to make many partitions in little time. What is measured comes after.
struct Unflushed(SystemDisk);

struct UnflushedFile(Arc<dyn DiskFile>);

impl Disk for Unflushed {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }
    fn entries(&self, path: &Path) -> io::Result<Vec<DirectoryEntry>> {
        self.0.entries(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(UnflushedFile(self.0.open(path)?)))
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(UnflushedFile(self.0.create(path)?)))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }
    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.0.remove_directory(path)
    }
    fn sync_directory(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn lock(&self, path: &Path) -> io::Result<Option<DirectoryLock>> {
        self.0.lock(path)
    }
}

impl DiskFile for UnflushedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }
    fn modified_ms(&self) -> io::Result<i64> {
        self.0.modified_ms()
    }
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buffer, position)
    }
    fn write_at(&self, parts: [&[u8]; 2], position: u64) -> io::Result<()> {
        self.0.write_at(parts, position)
    }
    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
    fn as_file(&self) -> Option<&std::fs::File> {
        self.0.as_file()
    }
    fn held(self: Arc<Self>) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self)
    }
}

/// With [`Unflushed`] every partition holds an open file; a system that allows fewer gets fewer.
fn partitions() -> i32 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("up to the hard limit");
    let allowed = maximum.map_or(i32::MAX, |maximum| i32::try_from(maximum).unwrap_or(i32::MAX));
    let wanted = match std::env::var("SLUICE_SOAK").is_ok_and(|value| value == "full") {
        true => PARTITIONS_FULL,
        false => PARTITIONS,
    };
    let count = wanted.min(allowed - 1_000);
    if count < wanted {
        println!("{allowed} open files: only {count} partitions");
    }
    count
}

#[test]
fn many_partitions_recover() {
    let count = partitions();
    let folder = tempfile::tempdir().expect("a folder");
    let unflushed =
        DirectoryConfig { disk: Arc::new(Unflushed(SystemDisk::default())), threads: false, ..DirectoryConfig::new(0) };
    let directory = DataDirectory::open(folder.path(), unflushed).expect("opens");
    let topic = directory.create_topic("logs", count, TopicConfig::default()).expect("created");
    for partition in topic.live_partitions() {
        partition.append(&batch(&["kept", "too"]), NOW).expect("appended");
        if partition.number() % 3 == 0 {
            partition.append(&sequenced(9, 0, 0, &["of a producer"]), NOW).expect("appended");
        }
    }
    let any = topic.partition(0).expect("there");
    any.committer_for_tests().flush_and_wait(any).expect("nobody waits in the queue, which would keep all files open");
    // Without a clean stop: a crash. Some batches are torn.
    drop((topic, directory));
    let torn = |number: i32| number % 7 == 0;
    for number in (0..count).filter(|&number| torn(number)) {
        let path: PathBuf = folder.path().join(format!("logs-{number}")).join("00000000000000000000.log");
        let file = OpenOptions::new().append(true).open(&path).expect("a segment");
        io::Write::write_all(&mut &file, &batch(&["torn"])[..50]).expect("written");
    }
    let begun = Instant::now();
    let directory = open(folder.path());
    let took = begun.elapsed();
    println!("{count} partitions recovered in {took:?}");
    assert_eq!(directory.problems(), Vec::<String>::new());
    let topic = directory.topic("logs").expect("there");
    for partition in topic.live_partitions() {
        let number = partition.number();
        let more = i64::from(number % 3 == 0);
        assert_eq!(partition.high_watermark(), 2 + more, "partition {number}");
        assert_eq!(partition.producers().len() as i64, more, "partition {number}");
        assert_eq!(partition.leader_epoch(), i32::from(torn(number)), "partition {number}");
    }
    assert!(took < RECOVERY_MAX, "{took:?}");
}

/// Open files below a folder.
fn open_files(folder: &Path) -> usize {
    let all = std::fs::read_dir("/proc/self/fd").expect("Linux").filter_map(Result::ok);
    all.filter(|one| std::fs::read_link(one.path()).is_ok_and(|to| to.starts_with(folder))).count()
}

#[test]
fn thousands_of_segments_share_few_open_files() {
    const OPEN_MAX: usize = 16;
    /// Beside them: the lock, and what the upkeep may be writing.
    const OPEN_OTHERS: usize = 4;
    const SEGMENTS: i64 = 2_000;
    partitions();
    let folder = tempfile::tempdir().expect("a folder");
    let unflushed = DirectoryConfig { disk: Arc::new(Unflushed(SystemDisk::default())), ..DirectoryConfig::new(0) };
    let directory = DataDirectory::open(folder.path(), unflushed).expect("opens");
    let topic = directory.create_topic("logs", 2, config(&[("segment.ms", "1")])).expect("created");
    for number in 0..SEGMENTS {
        let partition = topic.partition((number % 2) as i32).expect("there");
        partition.append(&batch(&[&format!("value {}", number / 2)]), NOW + number * 10).expect("appended");
    }
    directory.close();
    drop((topic, directory));

    let few = DirectoryConfig { disk: Arc::new(SystemDisk::new(OPEN_MAX)), ..DirectoryConfig::new(0) };
    let directory = DataDirectory::open(folder.path(), few).expect("opens");
    let topic = directory.topic("logs").expect("there");
    assert_eq!(topic.live_partitions().map(|partition| partition.segments().len() as i64).sum::<i64>(), SEGMENTS);
    assert!(
        open_files(folder.path()) <= OPEN_MAX + OPEN_OTHERS,
        "{} open files after the start",
        open_files(folder.path())
    );
    std::thread::scope(|scope| {
        for partition in topic.live_partitions() {
            scope.spawn(move || {
                for round in 0..2 {
                    assert_eq!(values_from(partition, 0, 1), expected(0..SEGMENTS / 2), "round {round}");
                }
            });
        }
    });
    assert!(
        open_files(folder.path()) <= OPEN_MAX + OPEN_OTHERS,
        "{} open files after reading",
        open_files(folder.path())
    );
    // A range that is being read has its file, whatever happens to its segment.
    let partition = topic.partition(0).expect("there");
    let range = partition.read(3, 1).expect("in range");
    assert!(directory.delete_records(partition, SEGMENTS / 4).expect("written"));
    directory.sweep(NOW);
    directory.remove_doomed(i64::MAX);
    assert_eq!(BatchHeader::read(&range.read().expect("still there")).expect("sound").base_offset, 3);
    assert!(matches!(partition.read(3, 1), Err(ReadError::OutOfRange { .. })));
    // What is appended and not flushed stays open, and goes on.
    for number in 0..50 {
        let value = format!("value {}", SEGMENTS / 2 + number);
        partition.append(&batch(&[&value]), NOW + (SEGMENTS + number) * 10).expect("appended");
        flush(partition);
    }
    assert_eq!(values_from(partition, SEGMENTS / 4, 1), expected(SEGMENTS / 4..SEGMENTS / 2 + 50));
    assert!(open_files(folder.path()) <= OPEN_MAX + OPEN_OTHERS, "{} open files at the end", open_files(folder.path()));
    directory.close();
}
