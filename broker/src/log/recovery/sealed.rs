//! Segments that nobody writes to any more: opening them with their indexes, and what they say of producers.

use super::{RecoverError, Recovery, RecoveryReport};
use crate::log::index::{OffsetEntry, SparseIndex};
use crate::log::names::{LOG_ENDING, OFFSET_INDEX_ENDING, TIME_INDEX_ENDING};
use crate::log::producers::Producers;
use crate::log::segment::{Indexes, Segment};
use std::io;
use std::sync::Arc;

impl Recovery<'_> {
    /// A segment that was sealed, or closed cleanly. Its indexes are rebuilt when they are missing or do not fit.
    pub(super) fn open_segment(&self, base: i64, report: &mut RecoveryReport) -> Result<Arc<Segment>, RecoverError> {
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
        let offsets = SparseIndex::<OffsetEntry>::open(&**self.disk, self.path(base, OFFSET_INDEX_ENDING))?;
        let times = SparseIndex::open(&**self.disk, self.path(base, TIME_INDEX_ENDING))?;
        let segment = match (offsets, times) {
            (Some(offsets), Some(times))
                if offsets.last().is_none_or(|last| u64::from(last.position) < bytes)
                    && (offsets.last().is_some() || bytes <= self.index_interval_bytes * 2 + 65_536) =>
            {
                assemble(bytes, Indexes { offsets, times })
            }
            _ => {
                report.indexes_rebuilt += 1;
                tracing::warn!(segment = %self.path(base, LOG_ENDING).display(), "rebuilding the indexes");
                let source = assemble(bytes, Indexes::empty(self.directory, base));
                let segment = assemble(0, Indexes::empty(self.directory, base));
                let mut walk = source.walk(0, bytes);
                while let Some(header) = walk.peek().map_err(|error| self.corrupt(error.to_string()))? {
                    segment.adopt(&header, self.index_interval_bytes, modified_ms);
                    walk.skip(&header);
                }
                segment.sync_indexes(true)?;
                segment
            }
        };
        if let Ok(Some(first)) = segment.walk(0, bytes).peek() {
            segment.set_first_append(first.max_timestamp);
        }
        Ok(Arc::new(segment))
    }

    /// Feeds the headers from `from` to `until` to the producer state; all in sealed segments.
    pub(super) fn replay(
        &self,
        segments: &[Arc<Segment>],
        producers: &mut Producers,
        from: i64,
        until: i64,
    ) -> Result<(), RecoverError> {
        let first = segments.partition_point(|segment| segment.base_offset <= from).max(1) - 1;
        for segment in segments.get(first..).unwrap_or_default() {
            if from >= until {
                break;
            }
            let invalid = |error: io::Error| match error.kind() {
                io::ErrorKind::InvalidData => self.corrupt(error.to_string()),
                _ => error.into(),
            };
            let mut walk = segment.walk_from(from, segment.bytes()).map_err(invalid)?;
            while let Some(header) = walk.peek().map_err(invalid)? {
                producers.record(&header, self.now_ms);
                walk.skip(&header);
            }
        }
        Ok(())
    }
}
