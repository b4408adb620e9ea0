//! Looking around: which names there are now, and what has become of the files that are followed.

use super::Engine;
use crate::discover::Walk;
use crate::fingerprint::{FileId, FileKey};
use crate::tail::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is said of directories and sockets that a glob names: there is nothing in them to read.
pub(super) const NOT_A_FILE: &str = "not a regular file";

impl Engine {
    /// Looks at everything, in case that a watch missed something, and tries again what did not work.
    pub(super) fn rescan(&mut self, now: Instant) {
        self.rescan_at = now + self.config.rescan;
        self.walk(false);
        self.recover();
        let held: Vec<FileId> =
            self.files.tails.values().filter(|tail| tail.held.is_some()).map(|tail| tail.id).collect();
        for id in held {
            if let Some(tail) = self.files.tails.get_mut(&id) {
                tail.held = None;
            }
        }
        self.queue.unpark();
        self.forget_gone();
    }

    /// Walks through the directories. `initial`: what is there was there before the agent.
    pub(super) fn walk(&mut self, initial: bool) {
        // Far away: the next walk comes when names change, or with the rescan.
        self.walk_at = Instant::now() + self.config.rescan;
        let mut walk = self.look_around();
        if self.watches.set(&walk.directories) {
            walk = self.look_around();
        }
        let mut problems: BTreeMap<PathBuf, String> =
            walk.unreadable.iter().map(|(path, why)| (path.clone(), format!("cannot be read: {why}"))).collect();
        let mut seen = BTreeSet::new();
        self.files.by_path.clear();
        for found in &walk.found {
            match self.look_at(&found.path, found.input, initial) {
                Ok(Some(id)) => {
                    seen.insert(id);
                    self.files.by_path.insert(found.path.clone(), id);
                    if let Ok(real) = fs::canonicalize(&found.path) {
                        self.files.by_path.insert(real, id);
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    problems.insert(found.path.clone(), format!("cannot be followed: {error}"));
                }
            }
        }
        for (path, problem) in &problems {
            if self.path_problems.get(path) != Some(problem) {
                tracing::warn!(path = ?path, "{problem}");
            }
        }
        self.path_problems = problems;
        self.lost_names(&seen, &walk);
        self.metrics.files_followed.set(self.files.tails.len() as i64);
        self.check_caught_up();
    }

    fn look_around(&self) -> Walk {
        let mut walk = Walk::default();
        for (index, input) in self.inputs.iter().enumerate() {
            for pattern in &input.patterns {
                walk.add(index, pattern, &input.exclude);
            }
        }
        walk
    }

    /// Sees to it that the file under this name is followed; `None` when there is nothing to follow.
    fn look_at(&mut self, path: &Path, input: usize, initial: bool) -> io::Result<Option<FileId>> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            let hint = if metadata.is_dir() { "; name the files in it, such as DIR/*.log" } else { "" };
            return Err(io::Error::other(format!("{NOT_A_FILE}{hint}")));
        }
        let key = FileKey::of(&metadata);
        let Some(id) = self.files.by_key(&key) else {
            return self.follow(path, input, initial).map(Some);
        };
        if let Some(tail) = self.files.tails.get_mut(&id) {
            let another_name = tail.path != path;
            if another_name
                && tail.name == Name::Here
                && fs::metadata(&tail.path).is_ok_and(|at| FileKey::of(&at) == key)
            {
                // A link: one reader per file.
            } else {
                tail.name = Name::Here;
                tail.finished = false;
                if another_name {
                    tail.path = path.to_owned();
                    self.note_name(id, path);
                }
            }
            let tail = &self.files.tails[&id];
            if metadata.len() != tail.position {
                self.schedule(id);
            }
        }
        Ok(Some(id))
    }
}
