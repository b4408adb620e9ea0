//! Where a file may be that is not under its name any more: in its directory, and in those that its input names for
//! rotated files.

use super::closed::leads_to;
use crate::config::CheckedInput;
use crate::discover::{Reach, Scope};
use crate::journal::FileRecord;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

/// The directories in which rotated files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    scope: Scope,
    /// Of each input; relative ones begin in the directory of the file.
    rotated: Vec<Vec<PathBuf>>,
}

impl Places {
    pub fn of(inputs: &[CheckedInput]) -> Self {
        let reaches: Vec<Reach> = inputs.iter().map(|input| input.reach.clone()).collect();
        let rotated = inputs.iter().map(|input| input.rotated_dirs.clone()).collect();
        Self { scope: Scope::new(reaches), rotated }
    }

    /// Where this file may be: first where it was seen last.
    pub fn directories(&self, record: &FileRecord) -> Vec<PathBuf> {
        let mut directories = vec![directory_of(&record.path_now).to_owned()];
        if self.rotated.iter().all(Vec::is_empty) || !record.path.is_absolute() {
            return directories;
        }
        let home = directory_of(&record.path);
        let rotated = self.scope.input_of(&record.path).and_then(|input| self.rotated.get(input));
        let others = rotated.into_iter().flatten().map(|directory| plain(&home.join(directory)));
        for directory in std::iter::once(home.to_owned()).chain(others) {
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        directories
    }

    /// Looks for a file under its last name, then under any name in its directories.
    ///
    /// `None` is proof that it is not there: the directories could be read, and the first is on the same device.
    pub fn find(&self, record: &FileRecord) -> io::Result<Option<PathBuf>> {
        Folders::default().find(self, record)
    }
}

/// Directories that were listed a moment ago, for searches after many files.
#[derive(Debug, Default)]
pub struct Folders(HashMap<PathBuf, HashMap<u64, Vec<PathBuf>>>);

impl Folders {
    /// As [`Places::find`], which lists the directories each time.
    pub fn find(&mut self, places: &Places, record: &FileRecord) -> io::Result<Option<PathBuf>> {
        if leads_to(&record.path_now, &record.key) {
            return Ok(Some(record.path_now.clone()));
        }
        let directories = places.directories(record);
        for (at, directory) in directories.iter().enumerate() {
            match self.find_in(directory, record) {
                Ok(None) => {}
                // Rotation makes it when it needs it.
                Err(error) if at > 0 && error.kind() == io::ErrorKind::NotFound => {}
                other => return other,
            }
        }
        let own = &directories[0];
        if fs::metadata(own)?.dev() != record.key.device {
            return Err(io::Error::other(format!("{own:?} is on another device than before")));
        }
        Ok(None)
    }

    fn find_in(&mut self, directory: &Path, record: &FileRecord) -> io::Result<Option<PathBuf>> {
        if !self.0.contains_key(directory) {
            let mut names: HashMap<u64, Vec<PathBuf>> = HashMap::new();
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                names.entry(entry.ino()).or_default().push(entry.path());
            }
            self.0.insert(directory.to_owned(), names);
        }
        let names = self.0.get(directory).and_then(|names| names.get(&record.key.inode));
        Ok(names.into_iter().flatten().find(|path| leads_to(path, &record.key)).cloned())
    }
}

/// Whether the directory of a file is gone itself, and not with a file system that was unmounted: the nearest directory
/// above it is on the file's device. It may still come back under its name, with what was in it.
pub fn directory_is_gone(record: &FileRecord) -> bool {
    let directory = directory_of(&record.path_now);
    let is_missing = fs::metadata(directory).err().is_some_and(|error| error.kind() == io::ErrorKind::NotFound);
    let above = directory.ancestors().find_map(|above| fs::metadata(above).ok());
    is_missing && above.is_some_and(|above| above.dev() == record.key.device)
}

/// Without `..`: names are compared as they stand.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}
