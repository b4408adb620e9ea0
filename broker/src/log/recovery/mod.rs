//! Opens a partition's folder: trusts it after a clean stop, else checks everything behind the recovery point.
//!
//! Below the recovery point the log is known to have been on disk, so a fault there is damage, and the partition refuses
//! to serve. Behind it a batch may be torn, because nobody was told that it is there: the log is cut at the first one
//! that is not whole, and what remains is written again and flushed before anybody reads it, since the page cache may
//! hold bytes whose flush failed.

mod scan;
mod sealed;

use super::committer::{CleanStop, FlushError, Flushed, LogEnd, Unflushed};
use super::disk::{Disk, Unsynced};
use super::epochs::LeaderEpochs;
use super::names::{self, DOOMED_ENDING, LOG_ENDING, OFFSET_INDEX_ENDING, TEMPORARY_ENDING, TIME_INDEX_ENDING};
use super::partition::OpenedLog;
use super::producers::Producers;
use super::segment::Segment;
use super::snapshot;
use scan::Scan;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the checkpoints of the data directory say about a partition.
#[derive(Debug, Clone, Copy)]
pub(super) struct KnownOffsets {
    /// `None`: the checkpoint file is missing, so nothing is known.
    pub recovery_point: Option<i64>,
    pub log_start: i64,
}

/// Why a partition cannot be served; the others can.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecoverError {
    #[error("{reason}; hint: this was on disk and has changed since: check the disk, then restore the folder {} from a \
             backup, or move it away to begin this partition anew", directory.display())]
    Corrupt { directory: PathBuf, reason: String },
    #[error(transparent)]
    Disk(#[from] io::Error),
    #[error(transparent)]
    Flush(#[from] FlushError),
}

/// What recovery had to do, for the log line and for tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RecoveryReport {
    pub scanned_bytes: u64,
    /// The log was cut at its end.
    pub cut: bool,
    pub indexes_rebuilt: u32,
}

pub(super) struct Recovery<'a> {
    pub disk: &'a Arc<dyn Disk>,
    pub directory: &'a Path,
    pub index_interval_bytes: u64,
    pub now_ms: i64,
}

impl Recovery<'_> {
    /// Makes the files of a new partition, which begins at `log_start`. They count when the caller has synced them, and
    /// the folder's parent.
    pub fn create(&self, log_start: i64, unsynced: &mut Unsynced) -> io::Result<OpenedLog> {
        // Empty files are nothing but names.
        let segment = Arc::new(Segment::create(Arc::clone(self.disk), self.directory, log_start)?);
        let epochs = LeaderEpochs::new(log_start);
        epochs.write_new(&**self.disk, self.directory, unsynced)?;
        unsynced.directories.push(self.directory.to_owned());
        let segments = vec![segment];
        Ok(OpenedLog {
            segments,
            producers: Producers::default(),
            epochs,
            log_start,
            recovery_point: log_start,
            flushed: Flushed::nothing(log_start),
        })
    }

    /// Opens what is there.
    pub fn open(
        &self,
        known: KnownOffsets,
        clean: Option<&CleanStop>,
    ) -> Result<(OpenedLog, RecoveryReport), RecoverError> {
        let bases = self.segment_bases()?;
        if bases.is_empty() {
            return match known.recovery_point {
                Some(point) if point > known.log_start => {
                    Err(self.corrupt(format!("all segments are missing, of offsets up to {point}")))
                }
                _ => {
                    let mut unsynced = Unsynced::default();
                    let opened = self.create(known.log_start, &mut unsynced)?;
                    self.disk.sync_all(&unsynced)?;
                    Ok((opened, RecoveryReport::default()))
                }
            };
        }
        if let (Some(clean), Some(point)) = (clean, known.recovery_point)
            && let Some(opened) = self.open_clean(&bases, known.log_start, point, clean)?
        {
            return Ok((opened, RecoveryReport::default()));
        }
        self.open_unclean(&bases, known)
    }

    fn corrupt(&self, reason: String) -> RecoverError {
        RecoverError::Corrupt { directory: self.directory.to_owned(), reason }
    }

    /// `None` when something does not fit a clean stop after all.
    fn open_clean(
        &self,
        bases: &[i64],
        log_start: i64,
        log_end: i64,
        clean: &CleanStop,
    ) -> Result<Option<OpenedLog>, RecoverError> {
        let mut report = RecoveryReport::default();
        let mut segments = Vec::with_capacity(bases.len());
        for &base in bases {
            segments.push(self.open_segment(base, &mut report)?);
        }
        let active = segments.last().expect("the caller has found a segment");
        if self.end_of(active)? != Some(log_end) {
            return Ok(None);
        }
        let Some((at, producers)) = snapshot::read(&**self.disk, self.directory, log_end)? else { return Ok(None) };
        let Some(epochs) = LeaderEpochs::read(&**self.disk, self.directory)? else { return Ok(None) };
        if at != log_end {
            return Ok(None);
        }
        let end = LogEnd { offset: log_end, segment: active.base_offset, position: active.bytes() };
        let flushed = Flushed::by_clean_stop(end, clean);
        let log_start = log_start.max(segments[0].base_offset);
        Ok(Some(OpenedLog { segments, producers, epochs, log_start, recovery_point: log_end, flushed }))
    }

    /// Next offset behind a segment; `None` when its bytes are not whole batches to the end.
    fn end_of(&self, segment: &Segment) -> Result<Option<i64>, RecoverError> {
        // No batch holds this offset, so the walk passes them all.
        let walk = match segment.walk_from(i64::MAX, segment.bytes()) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
            walk => walk?,
        };
        Ok(Some(walk.last_offset.map_or(segment.base_offset, |last| last + 1)))
    }

    fn open_unclean(&self, bases: &[i64], known: KnownOffsets) -> Result<(OpenedLog, RecoveryReport), RecoverError> {
        let mut report = RecoveryReport::default();
        let point = known.recovery_point.unwrap_or(bases[0]).max(bases[0]);
        let scan_from = bases.partition_point(|&base| base <= point).max(1) - 1;
        let mut segments = Vec::with_capacity(bases.len());
        for &base in &bases[..scan_from] {
            segments.push(self.open_segment(base, &mut report)?);
        }
        let (mut producers, mut replay_from) = match snapshot::read(&**self.disk, self.directory, point)? {
            Some((at, producers)) => (producers, at),
            None => (Producers::default(), bases[0]),
        };
        let replay_until = bases[scan_from];
        self.replay(&segments, &mut producers, replay_from, replay_until)?;
        replay_from = replay_from.max(replay_until);

        let mut next_offset = None;
        let mut kept = scan_from;
        for (number, &base) in bases.iter().enumerate().skip(scan_from) {
            if next_offset.is_some_and(|next| next != base) {
                // The end of the segment before never reached the disk, so nobody was told of what came behind it.
                report.cut = true;
                break;
            }
            let mut scan =
                Scan { point, replay_from, next_offset: base, producers: &mut producers, report: &mut report };
            let whole = self.scan_segment(base, &mut scan)?;
            let next = scan.next_offset;
            if next < point {
                return Err(self.corrupt(format!("the log ends at offset {next}, but was on disk up to {point}")));
            }
            next_offset = Some(next);
            if number + 1 < bases.len() {
                // What was written again stays open until it is flushed: of a thousand segments not all at once.
                whole.segment.flush()?;
            }
            segments.push(whole.segment);
            kept = number + 1;
            if whole.torn {
                report.cut = true;
                break;
            }
        }
        let next_offset = next_offset.expect("at least one segment was scanned");
        for &base in &bases[kept..] {
            self.remove_segment(base)?;
            report.cut = true;
        }
        snapshot::remove(&**self.disk, self.directory, |offset| offset > next_offset)?;

        let active = segments.last().expect("a segment was scanned");
        let end = LogEnd { offset: next_offset, segment: active.base_offset, position: active.bytes() };
        // All before it were flushed as they were scanned.
        let flushed = Unflushed { segments: vec![Arc::clone(active)], end }.flush()?;
        for segment in &segments[scan_from..] {
            segment.sync_indexes(!Arc::ptr_eq(segment, active))?;
        }
        // Of ten thousand partitions most have nothing behind their recovery point, and the state there is on disk.
        if report.cut || next_offset != point || !snapshot::is_at(&**self.disk, self.directory, next_offset)? {
            snapshot::write(&**self.disk, self.directory, next_offset, &producers)?;
        }
        // Also for the name of an active segment that is empty: what is flushed into it is lost with its name.
        self.disk.sync_directory(self.directory)?;
        let found = LeaderEpochs::read(&**self.disk, self.directory)?;
        let mut epochs = found.clone().unwrap_or_else(|| LeaderEpochs::new(bases[0]));
        if report.cut {
            epochs.bump(next_offset);
        }
        if found.as_ref() != Some(&epochs) {
            epochs.write(&**self.disk, self.directory)?;
        }
        let log_start = known.log_start.max(bases[0]).min(next_offset);
        Ok((OpenedLog { segments, producers, epochs, log_start, recovery_point: next_offset, flushed }, report))
    }

    fn path(&self, base: i64, ending: &str) -> PathBuf {
        self.directory.join(names::offset_file(base, ending))
    }

    /// Base offsets in order. Files that never got their name, and those that retention has given up, are removed.
    fn segment_bases(&self) -> io::Result<Vec<i64>> {
        let mut bases = Vec::new();
        for entry in self.disk.entries(self.directory)? {
            if entry.name.ends_with(TEMPORARY_ENDING) || entry.name.ends_with(DOOMED_ENDING) {
                self.disk.remove_file(&self.directory.join(&entry.name))?;
            } else if let Some(base) = names::parse_offset_file(&entry.name, LOG_ENDING) {
                bases.push(base);
            }
        }
        bases.sort_unstable();
        Ok(bases)
    }

    fn remove_segment(&self, base: i64) -> io::Result<()> {
        for ending in [LOG_ENDING, OFFSET_INDEX_ENDING, TIME_INDEX_ENDING] {
            match self.disk.remove_file(&self.path(base, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
