//! The check of what lies behind the recovery point: batch by batch, up to the first that is not whole.

use super::{RecoverError, Recovery, RecoveryReport};
use crate::log::disk::read_exact_at;
use crate::log::index::{OffsetEntry, SparseIndex, TimeEntry};
use crate::log::names::{LOG_ENDING, OFFSET_INDEX_ENDING, TIME_INDEX_ENDING};
use crate::log::producers::Producers;
use crate::log::segment::{Indexes, Segment};
use kafka_wire::batch::{BatchHeader, HEADER_BYTES};
use std::io;
use std::sync::Arc;

impl Recovery<'_> {
    /// Reads a segment that reaches behind the recovery point, and cuts it at the first batch that is not sound.
    pub(super) fn scan_segment(&self, base: i64, scan: &mut Scan<'_>) -> Result<Scanned, RecoverError> {
        let log = self.disk.open_segment(&self.path(base, LOG_ENDING))?;
        let (bytes, modified_ms) = (log.bytes()?, log.modified_ms()?);
        let assemble = |bytes, indexes| {
            Segment::assemble(
                Arc::clone(self.disk),
                self.directory,
                base,
                Arc::clone(&log),
                bytes,
                indexes,
                modified_ms,
            )
        };
        // Entries up to the recovery point were synced with it; those behind may tell of batches that were lost.
        let keep = scan.point - base;
        let offsets =
            SparseIndex::open_checked(&**self.disk, self.path(base, OFFSET_INDEX_ENDING), |entry: OffsetEntry| {
                i64::from(entry.relative_offset) < keep && u64::from(entry.position) < bytes
            })?;
        let last = offsets.as_ref().and_then(SparseIndex::last);
        let times = SparseIndex::open_checked(&**self.disk, self.path(base, TIME_INDEX_ENDING), |entry: TimeEntry| {
            last.is_some_and(|last| entry.relative_offset <= last.relative_offset)
        })?;
        let trusted = match (offsets, last, times) {
            (Some(offsets), Some(last), Some(times)) => {
                let start = u64::from(last.position);
                let source = assemble(bytes, Indexes::empty(self.directory, base));
                let fits = source
                    .walk(start, bytes)
                    .peek()
                    .ok()
                    .flatten()
                    .is_some_and(|header| header.last_offset() - base == i64::from(last.relative_offset));
                fits.then(|| (start, assemble(start, Indexes { offsets, times })))
            }
            _ => None,
        };
        let (start, segment) = trusted.unwrap_or_else(|| (0, assemble(0, Indexes::empty(self.directory, base))));
        // Producer state before the trusted entry: headers only.
        let source = assemble(bytes, Indexes::empty(self.directory, base));
        let mut walk = source.walk(0, start);
        if scan.replay_from < scan.point {
            while let Some(header) = walk.peek().map_err(|error| self.corrupt(error.to_string()))? {
                if header.base_offset >= scan.replay_from {
                    scan.producers.record(&header, self.now_ms);
                }
                walk.skip(&header);
            }
        }
        if let Ok(Some(first)) = source.walk(0, bytes).peek() {
            segment.set_first_append(first.max_timestamp);
        }

        let mut position = start;
        let mut batch = Vec::new();
        let mut fault = None;
        while position < bytes {
            match read_batch(&source, position, bytes, scan, &mut batch) {
                Ok(header) => {
                    if header.last_offset() >= scan.point {
                        log.write_at([&batch, &[]], position)?;
                    }
                    if header.base_offset >= scan.replay_from {
                        scan.producers.record(&header, self.now_ms);
                    }
                    segment.adopt(&header, self.index_interval_bytes, modified_ms);
                    scan.next_offset = header.last_offset() + 1;
                    scan.report.scanned_bytes += header.batch_bytes as u64;
                    position += header.batch_bytes as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    fault = Some(error);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(error) = &fault {
            if scan.next_offset < scan.point {
                return Err(self.corrupt(error.to_string()));
            }
            tracing::warn!(
                offset = scan.next_offset,
                lost_bytes = bytes - position,
                "cutting the log at its first batch that is not whole, which nobody was told to be there: {error}"
            );
            log.truncate(position)?;
        }
        Ok(Scanned { segment: Arc::new(segment), torn: fault.is_some() })
    }
}

/// The state of a scan, carried from segment to segment.
pub(super) struct Scan<'a> {
    pub point: i64,
    /// Producer state is known before this offset.
    pub replay_from: i64,
    pub next_offset: i64,
    pub producers: &'a mut Producers,
    pub report: &'a mut RecoveryReport,
}

pub(super) struct Scanned {
    pub segment: Arc<Segment>,
    pub torn: bool,
}

/// Reads and checks one batch whole.
fn read_batch(
    segment: &Segment,
    position: u64,
    bytes: u64,
    scan: &Scan<'_>,
    batch: &mut Vec<u8>,
) -> io::Result<BatchHeader> {
    let invalid = |reason: String| {
        let message = format!("segment {} at position {position}: {reason}", segment.path().display());
        io::Error::new(io::ErrorKind::InvalidData, message)
    };
    let header = segment.walk(position, bytes).peek()?.ok_or_else(|| invalid("no batch".to_owned()))?;
    // Below the recovery point Kafka's compaction may have left gaps; behind it a gap is a batch that got lost.
    let want = scan.next_offset;
    if header.base_offset < want || header.base_offset > want.max(scan.point) {
        return Err(invalid(format!("base offset {}, want {want}", header.base_offset)));
    }
    debug_assert!(header.batch_bytes >= HEADER_BYTES);
    batch.resize(header.batch_bytes, 0);
    read_exact_at(&*segment.log, batch, position)?;
    header.verify_crc(batch).map_err(|error| invalid(error.to_string()))?;
    Ok(header)
}
