//! One partition's log: appends behind one lock, readers on snapshots, and the high watermark that flushes move.

use super::check::{AppendError, Origin, check};
use super::committer::{Committer, Flushed, LogEnd};
use super::config::{TimestampType, TopicConfig};
use super::disk::Disk;
use super::epochs::LeaderEpochs;
use super::producers::{Producers, Verdict};
use super::recompress::recompress;
use super::room::Room;
use super::segment::Segment;
use super::snapshot;
use kafka_wire::batch::{BatchHeader, HEADER_BYTES, assign_offset};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use tokio::sync::watch;

/// The topic's config as all its partitions see it; replaced as a whole.
pub(super) type SharedConfig = Arc<RwLock<Arc<TopicConfig>>>;

/// Segments by base offset, at least one; the last one is written to.
pub(super) type Segments = Arc<Vec<Arc<Segment>>>;

const LOCK: &str = "nothing panics while it holds this lock";

/// The log of one partition.
///
/// Lock order: `tail`, then `segments`, then a segment's own. None is held across an await or while a flush runs.
pub struct Partition {
    pub(super) topic: Arc<str>,
    pub(super) number: i32,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    config: SharedConfig,
    epochs: LeaderEpochs,
    tail: Mutex<Tail>,
    segments: RwLock<Segments>,
    pub(super) log_start: AtomicI64,
    log_end: AtomicI64,
    pub(super) flushed: watch::Sender<Flushed>,
    pub(super) committer: Arc<Committer>,
    room: Arc<Room>,
    /// In the committer's queue, so that it is there once.
    pub(super) queued: AtomicBool,
    deleted: AtomicBool,
    /// Everything below is on disk with its index entries and producer state: where a recovery begins.
    pub(super) recovery_point: AtomicI64,
}

/// What the partitions of a data directory share.
#[derive(Clone)]
pub(super) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub committer: Arc<Committer>,
    pub room: Arc<Room>,
}

/// What appends change, all under one lock.
pub(super) struct Tail {
    pub active: Arc<Segment>,
    pub next_offset: i64,
    pub producers: Producers,
    /// Segments with bytes that no flush has covered yet.
    pub unflushed: Vec<Arc<Segment>>,
    pub unflushed_batches: u64,
    /// Log append times never run backwards, whatever the clock does.
    pub last_append_ms: i64,
}

/// Where a batch went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: i64,
    /// Offset behind the batch: what [`Partition::flushed`] has to be asked for. For a duplicate, that of the original.
    pub next_offset: i64,
    /// Milliseconds since the epoch; -1 unless the topic stamps records itself.
    pub log_append_time: i64,
    /// The batch had been appended before, at `base_offset`.
    pub duplicate: bool,
}

/// A log that has been read from disk.
pub(super) struct OpenedLog {
    pub segments: Vec<Arc<Segment>>,
    pub producers: Producers,
    pub epochs: LeaderEpochs,
    pub log_start: i64,
    pub recovery_point: i64,
    pub flushed: Flushed,
}

impl Partition {
    pub(super) fn new(
        topic: Arc<str>,
        number: i32,
        shared: Shared,
        directory: PathBuf,
        config: SharedConfig,
        log: OpenedLog,
    ) -> Self {
        let Shared { disk, committer, room } = shared;
        let next_offset = log.flushed.offset();
        let active = Arc::clone(log.segments.last().expect("an opened log has a segment"));
        Self {
            topic,
            number,
            disk,
            directory,
            config,
            epochs: log.epochs,
            tail: Mutex::new(Tail {
                active,
                next_offset,
                producers: log.producers,
                unflushed: Vec::new(),
                unflushed_batches: 0,
                last_append_ms: 0,
            }),
            segments: RwLock::new(Arc::new(log.segments)),
            log_start: AtomicI64::new(log.log_start),
            log_end: AtomicI64::new(next_offset),
            flushed: watch::Sender::new(log.flushed),
            committer,
            room,
            queued: AtomicBool::new(false),
            deleted: AtomicBool::new(false),
            recovery_point: AtomicI64::new(log.recovery_point),
        }
    }

    pub fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub fn number(&self) -> i32 {
        self.number
    }

    pub fn config(&self) -> Arc<TopicConfig> {
        Arc::clone(&self.config.read().expect(LOCK))
    }

    /// First offset that is kept.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start.load(Ordering::Acquire)
    }

    /// Offset of the next record.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end.load(Ordering::Acquire)
    }

    /// First offset that a consumer may not read: the end of what is on disk.
    pub fn high_watermark(&self) -> i64 {
        self.flushed.borrow().offset()
    }

    /// Follows the high watermark, for fetches that wait.
    pub fn watch(&self) -> watch::Receiver<Flushed> {
        self.flushed.subscribe()
    }

    pub fn leader_epochs(&self) -> &LeaderEpochs {
        &self.epochs
    }

    pub fn leader_epoch(&self) -> i32 {
        self.epochs.current()
    }

    /// Appends one batch of a client. `now_ms` is the wall clock in milliseconds.
    pub fn append(self: &Arc<Self>, batch: &[u8], now_ms: i64) -> Result<Appended, AppendError> {
        self.append_from(Origin::Client, batch, now_ms)
    }

    /// Appends one batch that the broker made itself (a group's offsets): same checks, but the limits that the topic
    /// sets to its clients.
    pub fn append_own(self: &Arc<Self>, batch: &[u8], now_ms: i64) -> Result<Appended, AppendError> {
        self.append_from(Origin::Broker, batch, now_ms)
    }

    fn append_from(self: &Arc<Self>, origin: Origin, batch: &[u8], now_ms: i64) -> Result<Appended, AppendError> {
        if self.deleted.load(Ordering::Acquire) {
            return Err(AppendError::Deleted);
        }
        if self.committer.has_failed() {
            return Err(AppendError::Stopped);
        }
        let config = self.config();
        let mut header = check(batch, &config, origin, now_ms)?;
        let recompressed;
        let mut batch = batch;
        if let Some(codec) = config.compression
            && origin == Origin::Client
            && header.compression() != Ok(codec)
        {
            recompressed = recompress(&header, batch, codec)?;
            batch = &recompressed;
            header = BatchHeader::read(batch).expect("a sound batch stays one with another codec");
        }

        let mut tail = self.tail();
        if header.producer_id >= 0 {
            let producer_id = header.producer_id;
            match tail.producers.judge(&header, now_ms) {
                Verdict::Append => {}
                Verdict::Duplicate(stored) => {
                    return Ok(Appended {
                        base_offset: stored.base_offset(),
                        next_offset: stored.last_offset + 1,
                        log_append_time: match config.timestamp_type {
                            TimestampType::CreateTime => -1,
                            TimestampType::LogAppendTime => stored.timestamp,
                        },
                        duplicate: true,
                    });
                }
                Verdict::OutOfOrder { want } => {
                    return Err(AppendError::OutOfOrder { producer_id, got: header.base_sequence, want });
                }
                Verdict::OldEpoch { current } => {
                    return Err(AppendError::OldEpoch { producer_id, got: header.producer_epoch, current });
                }
            }
        }

        if origin == Origin::Client {
            // A repeated batch is not written again, and the broker's own must be: without groups' offsets nothing
            // would be read, and then nothing removed.
            self.room.admit(batch.len())?;
        }
        let base_offset = tail.next_offset;
        let last_offset = base_offset
            .checked_add(i64::from(header.last_offset_delta))
            .filter(|&last| last < i64::MAX)
            .ok_or_else(|| AppendError::Invalid("offsets are used up".to_owned()))?;
        let append_ms = now_ms.max(tail.last_append_ms);
        let bytes_max = self.room.segment_bytes_max(config.segment_bytes);
        if tail.active.is_full(last_offset, batch.len() as u64, bytes_max, &config, append_ms) {
            self.roll(&mut tail).map_err(|error| self.not_written(error))?;
        }

        let (front, records) = batch.split_at(HEADER_BYTES);
        let mut front: [u8; HEADER_BYTES] = front.try_into().expect("split at this length");
        assign_offset(&mut front, base_offset, self.leader_epoch());
        let mut log_append_time = -1;
        if config.timestamp_type == TimestampType::LogAppendTime {
            log_append_time = append_ms;
            stamp(&mut front, records, append_ms);
        }
        let header = BatchHeader::read(&front).expect("a checked header with other fields in place");
        tail.active
            .append([&front, records], &header, config.index_interval_bytes, append_ms)
            .map_err(|error| self.not_written(error))?;

        // Nothing fails from here on: file, index, producer state and end change together.
        self.room.took(batch.len());
        tail.producers.record(&header, append_ms);
        tail.next_offset = last_offset + 1;
        tail.last_append_ms = append_ms;
        tail.unflushed_batches += 1;
        let active = Arc::clone(&tail.active);
        if !tail.unflushed.iter().any(|segment| Arc::ptr_eq(segment, &active)) {
            tail.unflushed.push(active);
        }
        self.log_end.store(tail.next_offset, Ordering::Release);
        if let Some(enough) = self.committer.page_cache() {
            // The segment stays among the unflushed ones until the next checkpoint.
            let end =
                LogEnd { offset: tail.next_offset, segment: tail.active.base_offset, position: tail.active.bytes() };
            self.publish(Flushed::by_page_cache(end, enough));
        }
        drop(tail);

        if self.committer.page_cache().is_none() && !self.queued.swap(true, Ordering::AcqRel) {
            self.committer.add(Arc::clone(self));
        }
        Ok(Appended { base_offset, next_offset: last_offset + 1, log_append_time, duplicate: false })
    }

    fn not_written(&self, error: io::Error) -> AppendError {
        self.room.write_failed(&self.topic, self.number, &error);
        AppendError::Disk(error)
    }

    /// Begins a new segment at the end of the log.
    pub(super) fn roll(&self, tail: &mut Tail) -> io::Result<()> {
        let base_offset = tail.next_offset;
        tail.active.trim()?;
        tail.active.sync_indexes(true)?;
        snapshot::write(&*self.disk, &self.directory, base_offset, &tail.producers)?;
        let next = Arc::new(Segment::create(Arc::clone(&self.disk), &self.directory, base_offset)?);
        // Its name has to last before anything in it is acknowledged.
        self.disk.sync_directory(&self.directory)?;
        let mut segments = self.segments.write().expect(LOCK);
        *segments = Arc::new(segments.iter().chain([&next]).cloned().collect());
        drop(segments);
        tail.active = next;
        Ok(())
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().expect(LOCK)
    }

    pub(super) fn segments(&self) -> Segments {
        Arc::clone(&self.segments.read().expect(LOCK))
    }

    /// Takes the first `count` segments out of the log, which then begins at the next one's base offset.
    pub(super) fn drop_segments(&self, count: usize) {
        let mut segments = self.segments.write().expect(LOCK);
        *segments = Arc::new(segments[count..].to_vec());
        let log_start = self.log_start_offset().max(segments[0].base_offset);
        self.log_start.store(log_start, Ordering::Release);
    }

    pub(super) fn flushed_end(&self) -> LogEnd {
        self.flushed.borrow().end()
    }

    #[cfg(test)]
    pub(super) fn committer_for_tests(&self) -> &Committer {
        &self.committer
    }

    /// Idempotent producers that are remembered: id, epoch, last sequence, and timestamp of the last batch.
    pub fn producers(&self) -> Vec<(i64, i16, i32, i64)> {
        let tail = self.tail();
        let entries = tail.producers.sorted().into_iter();
        entries
            .filter_map(|(id, entry)| {
                let last = entry.batches.last()?;
                Some((id, entry.epoch, last.last_sequence, last.timestamp))
            })
            .collect()
    }

    /// Bytes of all segments.
    pub fn bytes(&self) -> u64 {
        self.segments().iter().map(|segment| segment.bytes()).sum()
    }

    pub(super) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }

    pub(super) fn recovery_point(&self) -> i64 {
        self.recovery_point.load(Ordering::Acquire)
    }
}

/// Sets the log append time in a header that was split from its records (KIP-32).
fn stamp(front: &mut [u8; HEADER_BYTES], records: &[u8], append_ms: i64) {
    front[22] |= 1 << 3;
    front[35..43].copy_from_slice(&append_ms.to_be_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&front[21..]), records);
    front[17..21].copy_from_slice(&crc.to_be_bytes());
}
