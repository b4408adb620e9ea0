//! Looking around: which names there are now, and what has become of the files that are followed.

use super::Engine;
use crate::content::Content;
use crate::discover::{Changes, Opened, Sight};
use crate::fingerprint::{FileId, FileKey};
use crate::tail::Name;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Links that are said to be skipped, one by one; a folder of more has its reasons.
const SKIPPED_SAID_MAX: usize = 1024;
/// Least time between two messages about files that were missed.
const MISSED_INTERVAL: Duration = Duration::from_secs(10);

/// What is said of directories and sockets that a glob names: there is nothing in them to read.
pub(super) const NOT_A_FILE: &str = "not a regular file";

impl Engine {
    /// Looks at everything, in case that a watch missed something, and tries again what did not work.
    pub(super) fn rescan(&mut self, now: Instant) {
        self.rescan_at = now + self.config.rescan;
        self.overflowed_at = self.overflowed_at.filter(|&at| now < at + self.config.rescan);
        self.walk(false);
        self.find_renamed();
        self.hunt(false);
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
        // Far away: the next walk comes when something was missed, or with the rescan.
        self.walk_at = Instant::now() + self.config.rescan;
        let walk = self.watches.walk(&self.scope);
        if initial {
            for named in &walk.unmatched {
                tracing::warn!("no file matches {named:?} yet; those that appear are followed");
            }
        }
        let before = std::mem::take(&mut self.path_problems);
        self.path_problems =
            walk.unreadable.iter().map(|(path, why)| (path.clone(), format!("cannot be read: {why}"))).collect();
        let mut seen = BTreeSet::new();
        self.files.by_path.clear();
        for found in &walk.found {
            seen.extend(self.look_at(&found.path, found.input, initial, None));
        }
        self.say_problems(&before);
        self.say_skipped(&walk.skipped);
        self.lost_names(&seen, &walk);
        self.lost_closed_names(&seen, &walk);
        self.open_waiting();
        self.check_caught_up();
    }

    /// Does what the watches tell.
    pub(super) fn changed(&mut self, mut changes: Changes) {
        self.count_missed(changes.files_missed, changes.missed_path.take());
        self.say_skipped(&changes.skipped);
        let before = self.path_problems.clone();
        for path in &changes.readable {
            self.path_problems.remove(path);
        }
        let unreadable = std::mem::take(&mut changes.unreadable);
        self.path_problems.extend(unreadable.into_iter().map(|(path, why)| (path, format!("cannot be read: {why}"))));

        let mut touched = std::mem::take(&mut changes.names);
        touched.extend(changes.unopened.iter().cloned());
        if !changes.gone_directories.is_empty() {
            let gone = |path: &Path| path.ancestors().any(|above| changes.gone_directories.contains(above));
            touched.extend(self.files.by_path.keys().filter(|path| gone(path)).cloned());
            self.path_problems.retain(|path, _| !gone(path));
        }
        let opened = changes.opened.iter().map(|opened| &opened.path);
        let had: Vec<(PathBuf, FileId)> = touched
            .iter()
            .chain(opened)
            .filter_map(|path| Some((path.clone(), *self.files.by_path.get(path)?)))
            .collect();
        let mut seen = BTreeSet::new();
        for Opened { path, input, content, metadata } in changes.opened {
            seen.extend(self.look_at(&path, input, false, Some((content, metadata))));
        }
        for path in &touched {
            match self.scope.sight(path) {
                Sight::Here { input, .. } | Sight::Link { input, .. } => {
                    seen.extend(self.look_at(path, input, false, None));
                }
                sight => {
                    if sight == Sight::Missing && changes.unopened.contains(path) {
                        self.count_missed(1, Some(path.clone()));
                    }
                    self.files.by_path.remove(path);
                    self.path_problems.remove(path);
                }
            }
        }
        self.lost_paths(had, &seen);
        self.settle(seen.into_iter().collect());
        for path in changes.written {
            match self.files.by_path.get(&path) {
                Some(&id) if self.files.closed.contains_key(&id) => self.open_when_possible(id),
                Some(&id) => {
                    self.written.insert(id);
                    self.schedule(id);
                }
                // Left alone until now, because it had not changed for long, or could not be read.
                None => {
                    if let Sight::Here { input, .. } | Sight::Link { input, .. } = self.scope.sight(&path) {
                        self.look_at(&path, input, false, None);
                    }
                }
            }
        }
        self.open_waiting();
        self.say_problems(&before);
        if changes.missed {
            self.walk(false);
            if changes.overflowed {
                self.overflowed_at = Some(Instant::now());
                self.view_at = Instant::now();
            }
        }
    }

    /// Sees to it that the file under this name is followed; `None` when there is nothing to follow. `opened` is what
    /// the name led to when it appeared.
    fn look_at(
        &mut self,
        path: &Path,
        input: usize,
        initial: bool,
        opened: Option<(Content, Metadata)>,
    ) -> Option<FileId> {
        match self.try_to_follow(path, input, initial, opened) {
            Ok(id) => {
                self.path_problems.remove(path);
                if let Some(id) = id {
                    self.files.by_path.insert(path.to_owned(), id);
                }
                id
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.path_problems.remove(path);
                None
            }
            Err(error) => {
                self.path_problems.insert(path.to_owned(), format!("cannot be followed: {error}"));
                None
            }
        }
    }

    fn try_to_follow(
        &mut self,
        path: &Path,
        input: usize,
        initial: bool,
        opened: Option<(Content, Metadata)>,
    ) -> io::Result<Option<FileId>> {
        let metadata = match &opened {
            Some((_, metadata)) => metadata.clone(),
            None => fs::metadata(path)?,
        };
        if !metadata.is_file() {
            let hint = if metadata.is_dir() { "; name the files in it, such as DIR/*.log" } else { "" };
            return Err(io::Error::other(format!("{NOT_A_FILE}{hint}")));
        }
        let key = FileKey::of(&metadata);
        let Some(id) = self.files.by_key(&key) else {
            if self.is_left_alone(input, &key, &metadata) {
                return Ok(None);
            }
            let (mut content, metadata) = match opened {
                Some(opened) => opened,
                None => Content::open(path)?,
            };
            self.adopt_moved(path, &key, &mut content)?;
            let id = self.follow(path, input, initial, content, &metadata)?;
            self.put_off(id, &metadata);
            return Ok(Some(id));
        };
        self.look_at_closed(id, path, &metadata);
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

    /// Whether a file is too old to be read for the first time.
    fn is_left_alone(&self, input: usize, key: &FileKey, metadata: &Metadata) -> bool {
        let Some(ignore_older) = self.inputs[input].ignore_older else { return false };
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        let now = Duration::from_millis(u64::try_from(self.clock.now_millis()).unwrap_or(0));
        now.saturating_sub(modified) > ignore_older && self.delivery.state().by_key(key).is_none()
    }

    /// Traces the problems that are new.
    fn say_problems(&self, before: &BTreeMap<PathBuf, String>) {
        for (path, problem) in &self.path_problems {
            if before.get(path) != Some(problem) {
                tracing::warn!(path = ?path, "{problem}");
            }
        }
    }

    fn say_skipped(&mut self, links: &BTreeSet<PathBuf>) {
        for link in links {
            if self.skipped_said.len() < SKIPPED_SAID_MAX && self.skipped_said.insert(link.clone()) {
                tracing::info!(path = ?link, "is a link out of the folder that was named, and is not followed");
            }
        }
    }

    /// Counts files that had gone before they could be opened.
    fn count_missed(&mut self, files: u64, last: Option<PathBuf>) {
        if files == 0 {
            return;
        }
        self.metrics.files_missed.inc_by(files);
        self.missed_unsaid += files;
        let now = Instant::now();
        if self.missed_said_at.is_none_or(|at| now >= at + MISSED_INTERVAL) {
            tracing::warn!(files = self.missed_unsaid, last = ?last, "files had gone before they could be opened");
            self.missed_said_at = Some(now);
            self.missed_unsaid = 0;
        }
    }
}
