//! Leader epochs of a partition: one more after every start that had to cut the log, so that consumers notice (KIP-101).

use super::disk::{Disk, Unsynced, read_file, replace_file, write_file};
use super::names::LEADER_EPOCHS;
use super::text::{format_checkpoint, parse_checkpoint};
use std::io;
use std::path::Path;

/// Epochs with their start offsets, both rising. They change only while the log is recovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<(i32, i64)>,
}

impl LeaderEpochs {
    /// A new log begins with epoch 0.
    pub(super) fn new(log_start: i64) -> Self {
        Self { entries: vec![(0, log_start)] }
    }

    /// `None`: there is no file, or it is not readable as one.
    pub(super) fn read(disk: &dyn Disk, directory: &Path) -> io::Result<Option<Self>> {
        let Some(contents) = read_file(disk, &directory.join(LEADER_EPOCHS))? else { return Ok(None) };
        let entries = parse_checkpoint(&contents, |line| {
            let (epoch, offset) = line.split_once(' ')?;
            Some((epoch.parse().ok()?, offset.parse().ok()?))
        });
        Ok(entries
            .ok()
            .filter(|entries| !entries.is_empty() && entries.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1))
            .map(|entries| Self { entries }))
    }

    /// Durable on return.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        replace_file(disk, &directory.join(LEADER_EPOCHS), self.format().as_bytes())
    }

    /// Into a folder that has no such file.
    pub(super) fn write_new(&self, disk: &dyn Disk, directory: &Path, unsynced: &mut Unsynced) -> io::Result<()> {
        write_file(disk, directory.join(LEADER_EPOCHS), self.format().as_bytes(), unsynced)
    }

    fn format(&self) -> String {
        let lines: Vec<String> = self.entries.iter().map(|(epoch, offset)| format!("{epoch} {offset}")).collect();
        format_checkpoint(&lines)
    }

    /// The log was cut at `log_end`: what comes there next belongs to a new epoch.
    pub(super) fn bump(&mut self, log_end: i64) {
        let next = self.current() + 1;
        self.entries.retain(|&(_, start)| start < log_end);
        self.entries.push((next, log_end));
    }

    /// The epoch that is written into batches now.
    pub fn current(&self) -> i32 {
        self.entries.last().map_or(0, |&(epoch, _)| epoch)
    }

    /// Kafka's answer to OffsetForLeaderEpoch: the largest epoch up to `epoch`, and the offset at which it ended
    /// (`log_end` for the current one). `None` where nothing is known.
    pub fn end_offset(&self, epoch: i32, log_end: i64) -> Option<(i32, i64)> {
        if epoch == self.current() {
            return Some((epoch, log_end));
        }
        let behind = self.entries.partition_point(|&(known, _)| known <= epoch);
        let &(_, end) = self.entries.get(behind)?;
        Some(match behind.checked_sub(1) {
            Some(at) => (self.entries[at].0, end),
            None => (epoch, end),
        })
    }

    /// The epoch that an offset was written in.
    pub fn epoch_of(&self, offset: i64) -> i32 {
        let behind = self.entries.partition_point(|&(_, start)| start <= offset);
        behind.checked_sub(1).map_or(0, |at| self.entries[at].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs() {
        let mut epochs = LeaderEpochs::new(0);
        epochs.bump(10);
        epochs.bump(20);
        assert_eq!(epochs.current(), 2);
        assert_eq!(epochs.end_offset(0, 30), Some((0, 10)));
        assert_eq!(epochs.end_offset(1, 30), Some((1, 20)));
        assert_eq!(epochs.end_offset(2, 30), Some((2, 30)));
        assert_eq!(epochs.end_offset(3, 30), None);
        assert_eq!((epochs.epoch_of(9), epochs.epoch_of(10), epochs.epoch_of(25)), (0, 1, 2));
        // Nothing was written in epoch 2: it gives way.
        epochs.bump(20);
        assert_eq!(epochs.entries, [(0, 0), (1, 10), (3, 20)]);
    }
}
