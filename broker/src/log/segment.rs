//! One segment: a run of record batches in a file, with its two indexes.

use super::committer::FlushError;
use super::config::TopicConfig;
use super::disk::{Disk, DiskFile, read_exact_at};
use super::index::{OffsetEntry, SparseIndex, TimeEntry};
use super::names::{self, DOOMED_ENDING, LOG_ENDING, OFFSET_INDEX_ENDING, TIME_INDEX_ENDING};
use kafka_wire::batch::{BatchHeader, HEADER_BYTES, NO_TIMESTAMP};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a walk over batch headers reads at once: a header, and the small batches behind it.
const WALK_BYTES: usize = 4096;

/// Bytes for which blocks are taken at once, ahead of the end of a segment that has as many: the file system then finds them at each
/// write instead of taking one by one, and a small segment takes no more than it holds.
const RESERVED_BYTES: u64 = 16 << 20;

/// A segment of a partition's log. The partition's append lock makes its writer the only one; readers never wait for
/// a write, since `inner` is locked only around changes in memory.
pub(super) struct Segment {
    pub base_offset: i64,
    pub log: Arc<dyn DiskFile>,
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    /// End of the last whole batch; what lies behind it in the file is not part of the log.
    bytes: u64,
    /// Blocks are there up to this position, or nobody knows. Below `bytes`: nothing is reserved.
    reserved_until: u64,
    offsets: SparseIndex<OffsetEntry>,
    times: SparseIndex<TimeEntry>,
    bytes_since_index: u64,
    /// Largest timestamp so far, and the last offset of the batch that has it.
    max_timestamp: i64,
    max_timestamp_offset: i64,
    /// Wall clock of the first append; the age that `segment.ms` bounds.
    first_append_ms: Option<i64>,
    /// Wall clock of the last append: an upper bound for `max_timestamp` in retention.
    last_append_ms: i64,
    indexes_synced: bool,
}

/// Indexes as they are to be used for a segment that exists.
pub(super) struct Indexes {
    pub offsets: SparseIndex<OffsetEntry>,
    pub times: SparseIndex<TimeEntry>,
}

impl Indexes {
    pub fn empty(directory: &Path, base_offset: i64) -> Self {
        Self {
            offsets: SparseIndex::new(directory.join(names::offset_file(base_offset, OFFSET_INDEX_ENDING))),
            times: SparseIndex::new(directory.join(names::offset_file(base_offset, TIME_INDEX_ENDING))),
        }
    }
}

impl Segment {
    /// Makes the files of an empty segment. The caller syncs the directory before it claims anything.
    pub fn create(disk: Arc<dyn Disk>, directory: &Path, base_offset: i64) -> io::Result<Self> {
        let log = disk.create_segment(&directory.join(names::offset_file(base_offset, LOG_ENDING)))?;
        let mut indexes = Indexes::empty(directory, base_offset);
        indexes.offsets.write(&*disk, false)?;
        indexes.times.write(&*disk, false)?;
        let last_append_ms = log.modified_ms()?;
        Ok(Self::assemble(disk, directory, base_offset, log, 0, indexes, last_append_ms))
    }

    /// A segment over `log`, of which the first `bytes` are known to be whole batches, all covered by `indexes`
    /// except those that the caller then [`Segment::adopt`]s.
    pub fn assemble(
        disk: Arc<dyn Disk>,
        directory: &Path,
        base_offset: i64,
        log: Arc<dyn DiskFile>,
        bytes: u64,
        indexes: Indexes,
        modified_ms: i64,
    ) -> Self {
        let last = indexes.times.last();
        let inner = Inner {
            bytes,
            // What a process that was killed had reserved may still be there.
            reserved_until: if bytes < RESERVED_BYTES { 0 } else { bytes + RESERVED_BYTES },
            bytes_since_index: bytes - indexes.offsets.last().map_or(0, |entry| u64::from(entry.position)).min(bytes),
            max_timestamp: last.map_or(NO_TIMESTAMP, |entry| entry.timestamp),
            max_timestamp_offset: base_offset + last.map_or(0, |entry| i64::from(entry.relative_offset)),
            offsets: indexes.offsets,
            times: indexes.times,
            first_append_ms: None,
            last_append_ms: modified_ms,
            indexes_synced: false,
        };
        Self { base_offset, log, disk, directory: directory.to_owned(), inner: Mutex::new(inner) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds a segment's lock")
    }

    pub fn bytes(&self) -> u64 {
        self.inner().bytes
    }

    pub fn max_timestamp(&self) -> i64 {
        self.inner().max_timestamp
    }

    pub fn max_timestamp_offset(&self) -> i64 {
        self.inner().max_timestamp_offset
    }

    /// When the newest record counts as written: its timestamp, unless that lies in the future of its append.
    pub fn newest_ms(&self) -> i64 {
        let inner = self.inner();
        match inner.max_timestamp {
            NO_TIMESTAMP => inner.last_append_ms,
            timestamp => timestamp.min(inner.last_append_ms),
        }
    }

    /// Must the next batch, whose last offset and size these are, go into a new segment? One has at most `bytes_max` bytes,
    /// or one batch.
    pub fn is_full(
        &self,
        last_offset: i64,
        batch_bytes: u64,
        bytes_max: u64,
        config: &TopicConfig,
        now_ms: i64,
    ) -> bool {
        let inner = self.inner();
        let age_max_ms = config.segment_ms - self.jitter_ms(config.segment_jitter_ms.min(config.segment_ms));
        inner.bytes > 0
            && (inner.bytes + batch_bytes > bytes_max
                || inner.bytes > u64::from(u32::MAX)
                || last_offset - self.base_offset > i64::from(i32::MAX)
                || inner.offsets.bytes() >= config.segment_index_bytes
                || inner.first_append_ms.is_some_and(|first| now_ms.saturating_sub(first) > age_max_ms))
    }

    /// A time below `bound` that is this segment's for good, and another one for its neighbours.
    fn jitter_ms(&self, bound: i64) -> i64 {
        if bound <= 0 {
            return 0;
        }
        let mut hasher = std::hash::DefaultHasher::new();
        (&self.directory, self.base_offset).hash(&mut hasher);
        (hasher.finish() % bound.unsigned_abs()) as i64
    }

    /// Writes a batch behind the last one; `parts` are its bytes and `header` is what they say, offset included.
    /// After an error the segment is as before, whatever lies behind its end in the file.
    pub fn append(
        &self,
        parts: [&[u8]; 2],
        header: &BatchHeader,
        index_interval_bytes: u64,
        now_ms: i64,
    ) -> io::Result<()> {
        let position = self.end_with_room(parts.iter().map(|part| part.len() as u64).sum());
        self.log.write_at(parts, position)?;
        self.adopt(header, index_interval_bytes, now_ms);
        Ok(())
    }

    /// The end of the last batch. In a large segment there are blocks for `bytes` behind it, and for more; without them a write takes
    /// its own, or finds out that the disk is full.
    fn end_with_room(&self, bytes: u64) -> u64 {
        let mut inner = self.inner();
        let position = inner.bytes;
        if position < RESERVED_BYTES || position + bytes <= inner.reserved_until {
            return position;
        }
        let from = inner.reserved_until.max(position);
        inner.reserved_until = position + bytes + RESERVED_BYTES;
        let wanted = inner.reserved_until - from;
        drop(inner);
        if let Err(error) = self.log.reserve(from, wanted) {
            tracing::debug!(segment = %self.path().display(), %error, "no blocks are reserved");
        }
        position
    }

    /// Takes the batch that lies behind the last one into the segment.
    pub fn adopt(&self, header: &BatchHeader, index_interval_bytes: u64, now_ms: i64) {
        let mut inner = self.inner();
        let relative_offset = (header.last_offset() - self.base_offset) as u32;
        if header.max_timestamp > inner.max_timestamp {
            inner.max_timestamp = header.max_timestamp;
            inner.max_timestamp_offset = header.last_offset();
        }
        if inner.bytes_since_index > index_interval_bytes {
            let position = inner.bytes as u32;
            inner.offsets.push(OffsetEntry { relative_offset, position });
            inner.push_time(self.base_offset);
            inner.bytes_since_index = 0;
        }
        inner.bytes += header.batch_bytes as u64;
        inner.bytes_since_index += header.batch_bytes as u64;
        inner.first_append_ms.get_or_insert(now_ms);
        inner.last_append_ms = now_ms;
        inner.indexes_synced = false;
    }

    /// After a start the age counts from the first record, unless its timestamp is later than the file's.
    pub fn set_first_append(&self, first_timestamp: i64) {
        let mut inner = self.inner();
        inner.first_append_ms = Some(match first_timestamp {
            NO_TIMESTAMP => inner.last_append_ms,
            timestamp => timestamp.min(inner.last_append_ms),
        });
    }

    /// Brings the index entries to disk; `last` when no more batches follow (or the log is closed), so that the
    /// largest timestamp has an entry too.
    pub fn sync_indexes(&self, last: bool) -> io::Result<()> {
        let mut inner = self.inner();
        if last {
            inner.push_time(self.base_offset);
        }
        if inner.indexes_synced && !inner.times.has_pending() {
            return Ok(());
        }
        inner.offsets.write(&*self.disk, true)?;
        inner.times.write(&*self.disk, true)?;
        inner.indexes_synced = true;
        Ok(())
    }

    /// Returns when all that was written is on disk.
    pub fn flush(&self) -> Result<(), FlushError> {
        self.log.sync().map_err(|source| FlushError { path: self.path(), source })
    }

    /// Cuts off what lies behind the last whole batch, and gives back the blocks that were reserved there. No append follows.
    pub fn trim(&self) -> io::Result<()> {
        let (bytes, reserved_until) = {
            let inner = self.inner();
            (inner.bytes, inner.reserved_until)
        };
        if reserved_until > bytes || self.log.bytes()? > bytes { self.log.truncate(bytes) } else { Ok(()) }
    }

    /// The batches from the one that holds `offset` (or the first behind it) on, up to `end`.
    pub fn walk_from(&self, offset: i64, end: u64) -> io::Result<Walk<'_>> {
        let relative = offset.saturating_sub(self.base_offset);
        let matches = |entry: OffsetEntry| i64::from(entry.relative_offset) <= relative;
        let search = self.inner().offsets.search(matches);
        let mut walk = self.walk(0, end);
        if let Some(entry) = search.finish(&*self.disk, matches)?
            && u64::from(entry.position) < end
        {
            // An index is a hint: where it does not lead to the batch that it names, the walk begins at the front.
            let mut there = self.walk(u64::from(entry.position), end);
            match there.peek() {
                Ok(Some(header)) if header.last_offset() - self.base_offset == i64::from(entry.relative_offset) => {
                    walk = there;
                }
                _ => tracing::warn!(
                    segment = %self.path().display(),
                    "the offset index does not fit the segment: reading from its beginning"
                ),
            }
        }
        while let Some(header) = walk.peek()? {
            if header.last_offset() >= offset {
                break;
            }
            walk.skip(&header);
        }
        Ok(walk)
    }

    /// The last position at or below `position` that the index knows as a batch's beginning.
    pub fn boundary_before(&self, position: u64) -> io::Result<u64> {
        let matches = |entry: OffsetEntry| u64::from(entry.position) <= position;
        let search = self.inner().offsets.search(matches);
        Ok(search.finish(&*self.disk, matches)?.map_or(0, |entry| u64::from(entry.position)))
    }

    /// An offset at or before the first record whose timestamp is at least `timestamp`.
    pub fn offset_before_timestamp(&self, timestamp: i64) -> io::Result<i64> {
        let matches = |entry: TimeEntry| entry.timestamp <= timestamp;
        let search = self.inner().times.search(matches);
        let entry = search.finish(&*self.disk, matches)?;
        Ok(self.base_offset + entry.map_or(0, |entry| i64::from(entry.relative_offset)))
    }

    pub fn walk(&self, position: u64, end: u64) -> Walk<'_> {
        Walk { segment: self, position, last_offset: None, end, window: Vec::new(), window_at: 0 }
    }

    pub fn path(&self) -> PathBuf {
        self.directory.join(names::offset_file(self.base_offset, LOG_ENDING))
    }

    /// Renames the files out of the way, as Kafka does before it removes them; those who read them go on with the open
    /// descriptor. Gives the new paths.
    pub fn doom(&self) -> io::Result<Vec<PathBuf>> {
        let mut doomed = Vec::new();
        for ending in [LOG_ENDING, OFFSET_INDEX_ENDING, TIME_INDEX_ENDING] {
            let name = names::offset_file(self.base_offset, ending);
            let to = self.directory.join(format!("{name}{DOOMED_ENDING}"));
            match self.disk.rename(&self.directory.join(name), &to) {
                Ok(()) => doomed.push(to),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(doomed)
    }
}

impl Inner {
    fn push_time(&mut self, base_offset: i64) {
        if self.max_timestamp > NO_TIMESTAMP {
            let relative_offset = (self.max_timestamp_offset - base_offset) as u32;
            self.times.push(TimeEntry { timestamp: self.max_timestamp, relative_offset });
        }
    }
}

/// Steps over batch headers without reading the records.
pub(super) struct Walk<'a> {
    segment: &'a Segment,
    pub position: u64,
    /// Of the batch before `position`, when this walk has passed one.
    pub last_offset: Option<i64>,
    end: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl Walk<'_> {
    /// The header of the batch at `position`; `None` at the end.
    ///
    /// # Errors
    /// `InvalidData` when there is no batch header, or its batch does not end before the end of the walk.
    pub fn peek(&mut self) -> io::Result<Option<BatchHeader>> {
        if self.position >= self.end {
            return Ok(None);
        }
        let left = self.end - self.position;
        let invalid = |reason: String| {
            let path = self.segment.path();
            let message = format!("segment {} at position {}: {reason}", path.display(), self.position);
            io::Error::new(io::ErrorKind::InvalidData, message)
        };
        if left < HEADER_BYTES as u64 {
            return Err(invalid(format!("{left} bytes are no batch")));
        }
        let have = (self.window_at + self.window.len() as u64).saturating_sub(self.position);
        if self.position < self.window_at || have < HEADER_BYTES as u64 {
            self.window.resize((WALK_BYTES as u64).min(left) as usize, 0);
            read_exact_at(&*self.segment.log, &mut self.window, self.position)?;
            self.window_at = self.position;
        }
        let header = BatchHeader::read(&self.window[(self.position - self.window_at) as usize..])
            .map_err(|error| invalid(error.to_string()))?;
        if header.batch_bytes as u64 > left {
            return Err(invalid(format!("batch of {} bytes is cut off after {left}", header.batch_bytes)));
        }
        if header.base_offset < self.segment.base_offset || header.last_offset_delta < 0 {
            return Err(invalid(format!("base offset {} does not belong here", header.base_offset)));
        }
        Ok(Some(header))
    }

    pub fn skip(&mut self, header: &BatchHeader) {
        self.position += header.batch_bytes as u64;
        self.last_offset = Some(header.last_offset());
    }
}
