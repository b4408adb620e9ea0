//! Reads of a partition: whole batches by offset, offsets by timestamp. No lock is held while bytes are read.

use super::committer::LogEnd;
use super::disk::{DiskFile, read_exact_at};
use super::partition::Partition;
use super::segment::Segment;
use bytes::Bytes;
use kafka_wire::batch::{BatchHeader, NO_TIMESTAMP, PlainRecords};
use std::io;
use std::sync::Arc;

/// Largest plain form of a batch that is looked into for a timestamp; the answer for a larger one is its first offset.
const LOOKUP_PLAIN_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// OFFSET_OUT_OF_RANGE (1).
    #[error("offset {offset} is out of range: the log holds {log_start} to {log_end}")]
    OutOfRange { offset: i64, log_start: i64, log_end: i64 },
    /// CORRUPT_MESSAGE (2) or KAFKA_STORAGE_ERROR (56): the segment's bytes are not batches.
    #[error("the log is corrupt")]
    Corrupt(#[source] io::Error),
    /// KAFKA_STORAGE_ERROR (56).
    #[error("read the log")]
    Disk(#[source] io::Error),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Self::Corrupt(error),
            _ => Self::Disk(error),
        }
    }
}

/// Whole batches in a segment's file. It stays readable when retention removes the segment.
#[derive(Clone, Default)]
pub struct ReadRange {
    file: Option<Arc<dyn DiskFile>>,
    position: u64,
    bytes: usize,
}

impl ReadRange {
    /// Nothing to read yet.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Position in the file that [`ReadRange::file`] gives.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The file, for sendfile.
    pub fn file(&self) -> Option<&std::fs::File> {
        self.file.as_deref().and_then(DiskFile::as_file)
    }

    /// The same bytes in parts of at most `bytes_max`.
    pub fn parts(&self, bytes_max: usize) -> impl Iterator<Item = Self> + use<> {
        let (file, position, bytes) = (self.file.clone(), self.position, self.bytes);
        (0..bytes).step_by(bytes_max).map(move |at| Self {
            file: file.clone(),
            position: position + at as u64,
            bytes: bytes_max.min(bytes - at),
        })
    }

    /// Reads the batches into memory. This blocks: for a copy out of the page cache, as a rule, which is why it may be
    /// called from a task; a cold read waits for the disk.
    pub fn read(&self) -> Result<Bytes, ReadError> {
        let Some(file) = &self.file else { return Ok(Bytes::new()) };
        let mut bytes = vec![0; self.bytes];
        read_exact_at(&**file, &mut bytes, self.position)?;
        Ok(bytes.into())
    }
}

/// A record that was found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    pub timestamp: i64,
    pub offset: i64,
    pub leader_epoch: i32,
}

impl Partition {
    /// The batches from the one that holds `offset` on: at most `bytes_max` bytes of them, but at least one batch
    /// (KIP-74), and nothing at or behind the high watermark. Empty where there is nothing yet.
    pub fn read(&self, offset: i64, bytes_max: usize) -> Result<ReadRange, ReadError> {
        // Asked for anew: the log may begin later by the time that something is found missing.
        let out_of_range =
            || ReadError::OutOfRange { offset, log_start: self.log_start_offset(), log_end: self.log_end_offset() };
        if offset < self.log_start_offset() || offset > self.log_end_offset() {
            return Err(out_of_range());
        }
        let end = self.flushed_end();
        if offset >= end.offset {
            return Ok(ReadRange::default());
        }
        let segments = self.segments();
        // The segment may have gone since the log start was read.
        let first = segments
            .partition_point(|segment| segment.base_offset <= offset)
            .checked_sub(1)
            .ok_or_else(out_of_range)?;
        for segment in &segments[first..] {
            match range_in(segment, offset, bytes_max, readable_bytes(segment, end)) {
                Ok(None) => {}
                Ok(Some(range)) => return Ok(range),
                Err(ReadError::Disk(_)) if self.has_given_up(segment) => return Err(out_of_range()),
                Err(error) => return Err(error),
            }
        }
        Ok(ReadRange::default())
    }

    /// Timestamp of the batch that holds `offset`, that of its first record, in milliseconds since the epoch. `None`: there
    /// is nothing below the high watermark from `offset` on, or the batch has none.
    pub fn timestamp_at(&self, offset: i64) -> Result<Option<i64>, ReadError> {
        let end = self.flushed_end();
        let segments = self.segments();
        let first = segments.partition_point(|segment| segment.base_offset <= offset).saturating_sub(1);
        for segment in segments.iter().skip(first) {
            let found = segment.walk_from(offset, readable_bytes(segment, end)).and_then(|mut walk| walk.peek());
            match found {
                Ok(None) => {}
                Ok(Some(header)) => {
                    let timestamp =
                        if header.is_log_append_time() { header.max_timestamp } else { header.base_timestamp };
                    return Ok(Some(timestamp).filter(|timestamp| *timestamp != NO_TIMESTAMP));
                }
                Err(_) if self.has_given_up(segment) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Retention has taken the segment out of the log meanwhile: where its file was closed, it is no longer under its name.
    fn has_given_up(&self, segment: &Segment) -> bool {
        self.segments().first().is_none_or(|first| segment.base_offset < first.base_offset)
    }

    /// The first record below the high watermark whose timestamp is at least `timestamp`.
    pub fn offset_for_timestamp(&self, timestamp: i64) -> Result<Option<TimestampOffset>, ReadError> {
        let end = self.flushed_end();
        for segment in self.segments().iter().filter(|segment| segment.max_timestamp() >= timestamp) {
            match self.timestamp_in(segment, timestamp, readable_bytes(segment, end)) {
                Ok(None) => {}
                Err(ReadError::Disk(_)) if self.has_given_up(segment) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    fn timestamp_in(&self, segment: &Segment, timestamp: i64, end: u64) -> Result<Option<TimestampOffset>, ReadError> {
        let from = segment.offset_before_timestamp(timestamp)?;
        let mut walk = segment.walk_from(from.max(self.log_start_offset()), end)?;
        while let Some(header) = walk.peek()? {
            if header.max_timestamp >= timestamp
                && let Some(found) = self.record_in(segment, walk.position, &header, timestamp)?
            {
                return Ok(Some(found));
            }
            walk.skip(&header);
        }
        Ok(None)
    }

    /// The first record with the largest timestamp below the high watermark; `None` in an empty log.
    pub fn max_timestamp(&self) -> Result<Option<TimestampOffset>, ReadError> {
        let end = self.flushed_end();
        let mut largest = NO_TIMESTAMP;
        for segment in self.segments().iter() {
            if segment.base_offset > end.segment {
                break;
            }
            if segment.max_timestamp_offset() < end.offset {
                largest = largest.max(segment.max_timestamp());
                continue;
            }
            // The largest one is not on disk yet: look for the largest that is. Rare, and bounded by one segment.
            let mut walk = segment.walk(0, readable_bytes(segment, end));
            while let Some(header) = walk.peek()? {
                largest = largest.max(header.max_timestamp);
                walk.skip(&header);
            }
        }
        if largest == NO_TIMESTAMP { Ok(None) } else { self.offset_for_timestamp(largest) }
    }

    /// The first record of one batch that is not older than `timestamp`, and not below the log start.
    fn record_in(
        &self,
        segment: &Segment,
        position: u64,
        header: &BatchHeader,
        timestamp: i64,
    ) -> Result<Option<TimestampOffset>, ReadError> {
        let log_start = self.log_start_offset();
        let found = |offset, timestamp| TimestampOffset {
            timestamp,
            offset,
            leader_epoch: self.leader_epochs().epoch_of(offset),
        };
        if header.is_log_append_time() {
            return Ok(Some(found(header.base_offset.max(log_start), header.max_timestamp)));
        }
        let mut batch = vec![0; header.batch_bytes];
        read_exact_at(&*segment.log, &mut batch, position)?;
        let records = match PlainRecords::read(*header, &batch, LOOKUP_PLAIN_BYTES_MAX) {
            Ok(records) => records,
            // Its records are the producer's business. An answer that is early is right, if not exact.
            Err(_) => return Ok(Some(found(header.base_offset.max(log_start), header.max_timestamp))),
        };
        let record = records
            .iter()
            .map_while(Result::ok)
            .find(|record| record.timestamp >= timestamp && record.offset >= log_start);
        Ok(record.map(|record| found(record.offset, record.timestamp)))
    }
}

/// How far a segment may be read.
fn readable_bytes(segment: &Segment, end: LogEnd) -> u64 {
    match segment.base_offset.cmp(&end.segment) {
        std::cmp::Ordering::Less => segment.bytes(),
        std::cmp::Ordering::Equal => end.position,
        std::cmp::Ordering::Greater => 0,
    }
}

/// `None`: all of the segment's batches lie before `offset`.
fn range_in(segment: &Segment, offset: i64, bytes_max: usize, end: u64) -> Result<Option<ReadRange>, ReadError> {
    let mut walk = segment.walk_from(offset, end)?;
    let Some(header) = walk.peek()? else { return Ok(None) };
    let start = walk.position;
    let first_end = start + header.batch_bytes as u64;
    let wanted_end = start.saturating_add(bytes_max as u64).clamp(first_end, end);
    let mut range_end = first_end;
    if wanted_end == end {
        range_end = end;
    } else if wanted_end > first_end {
        let mut walk = segment.walk(segment.boundary_before(wanted_end)?.max(first_end), end);
        while let Some(header) = walk.peek()? {
            if walk.position + header.batch_bytes as u64 > wanted_end {
                break;
            }
            walk.skip(&header);
        }
        range_end = range_end.max(walk.position.min(wanted_end));
    }
    let bytes = usize::try_from(range_end - start).unwrap_or(usize::MAX);
    Ok(Some(ReadRange { file: Some(Arc::clone(&segment.log).held()?), position: start, bytes }))
}
