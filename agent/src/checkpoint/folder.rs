//! The files in the folder of the checkpoints, and the newest sound state in them.

use super::State;
use crate::journal::{replay, take_frame};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

pub const CHECKPOINT: &str = "checkpoint.";
pub const JOURNAL: &str = "journal.";

pub fn file(folder: &Path, prefix: &str, generation: u64) -> PathBuf {
    folder.join(format!("{prefix}{generation}"))
}

/// The generations of which there is a file, ascending.
pub fn generations(folder: &Path, prefix: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        found.extend(name.to_str().and_then(|name| name.strip_prefix(prefix)).and_then(|n| n.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

/// Flushes the names in a folder.
pub fn flush_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what is older than the generation before the newest checkpoint: one more is kept than is needed, with the
/// journals that lead on from it.
pub fn prune(folder: &Path) -> io::Result<()> {
    let kept_from = generations(folder, CHECKPOINT)?.iter().rev().nth(1).copied().unwrap_or(0);
    for prefix in [CHECKPOINT, JOURNAL] {
        for old in generations(folder, prefix)?.into_iter().filter(|&old| old < kept_from) {
            fs::remove_file(file(folder, prefix, old))?;
        }
    }
    Ok(())
}

/// The state of the newest sound checkpoint, moved on by the journals since, and the generation of that checkpoint. A
/// journal that is torn is the last one that counts.
pub fn read_newest(folder: &Path, checkpoints: &[u64], journals: &[u64]) -> io::Result<Option<(State, u64)>> {
    let mut start = None;
    for &generation in checkpoints.iter().rev() {
        let bytes = fs::read(file(folder, CHECKPOINT, generation))?;
        let mut rest = bytes.as_slice();
        match take_frame::<State>(&mut rest) {
            Some(state) if rest.is_empty() => {
                start = Some((generation, state));
                break;
            }
            _ => tracing::warn!(folder = ?folder, generation, "checkpoint is damaged; the one before it is used"),
        }
    }
    // The first generation began with nothing, and its journal says all.
    let start = start.or_else(|| journals.contains(&1).then(|| (1, State::default())));
    let Some((first, mut state)) = start else { return Ok(None) };
    for &generation in journals.iter().filter(|&&generation| generation >= first) {
        let path = file(folder, JOURNAL, generation);
        let bytes = fs::read(&path)?;
        let replayed = replay(&bytes);
        replayed.entries.into_iter().for_each(|entry| state.apply(entry));
        if replayed.torn_bytes > 0 {
            tracing::warn!(path = ?path, bytes = replayed.torn_bytes, "journal ends torn; its tail is cut off");
            // What comes next builds on this state, so the journals have to end here for every later reading too.
            OpenOptions::new().write(true).open(&path)?.set_len((bytes.len() - replayed.torn_bytes) as u64)?;
            for &later in journals.iter().filter(|&&later| later > generation) {
                tracing::warn!(generation = later, "journal begins with what is torn off, and is left out");
                OpenOptions::new().write(true).open(file(folder, JOURNAL, later))?.set_len(0)?;
            }
            break;
        }
    }
    Ok((!state.agent.is_empty()).then_some((state, first)))
}
