//! The walk through the directories that patterns reach, over all of them or below a new one.

use super::pattern::{Exclude, Pattern};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the files of an input are.
#[derive(Debug, Clone, Default)]
pub struct Reach {
    pub patterns: Vec<Pattern>,
    pub exclude: Vec<Exclude>,
    /// Symbolic links are followed also where they lead out of the named folder, and those to directories.
    pub follow_symlinks: bool,
}

impl Reach {
    /// The pattern by which this path belongs to the input.
    fn takes(&self, path: &Path) -> Option<&Pattern> {
        let left_out = |pattern: &Pattern| {
            self.exclude.iter().any(|exclude| exclude.leaves_out(path)) || self.is_pruned(path.parent(), pattern)
        };
        self.patterns.iter().find(|pattern| pattern.matches(path) && !left_out(pattern))
    }

    /// Whether an exclude leaves out this directory or one between it and the pattern's base.
    fn is_pruned(&self, directory: Option<&Path>, pattern: &Pattern) -> bool {
        let below = directory.into_iter().flat_map(Path::ancestors).take_while(|path| *path != pattern.base());
        !self.exclude.is_empty()
            && below
                .filter(|path| path.starts_with(pattern.base()))
                .any(|path| self.exclude.iter().any(|exclude| exclude.leaves_out_directory(path)))
    }
}

/// What a name in a directory stands for, as far as the patterns are concerned.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight {
    /// A regular file, or something else that has to be looked at to say what is wrong with it.
    Here { input: usize, regular: bool },
    /// A symbolic link that is followed: changes are reported under the name that it leads to.
    Link { input: usize, target: PathBuf },
    /// A symbolic link that is not followed.
    Skipped,
    /// The name matches, but there is nothing any more.
    Missing,
    /// No pattern means it.
    Other,
}

/// Where the files of all inputs are; the first input that takes a path has it.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    reaches: Vec<Reach>,
}

impl Scope {
    pub fn new(reaches: Vec<Reach>) -> Self {
        Self { reaches }
    }

    /// The input that a path belongs to.
    pub fn input_of(&self, path: &Path) -> Option<usize> {
        self.reaches.iter().position(|reach| reach.takes(path).is_some())
    }

    /// Whether only excludes keep a path from belonging to an input.
    pub fn leaves_out(&self, path: &Path) -> bool {
        let mut patterns = self.reaches.iter().flat_map(|reach| &reach.patterns);
        self.input_of(path).is_none() && patterns.any(|pattern| pattern.matches(path))
    }

    /// Looks at one name.
    pub fn sight(&self, path: &Path) -> Sight {
        for (input, reach) in self.reaches.iter().enumerate() {
            let Some(pattern) = reach.takes(path) else { continue };
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_symlink() => match link(path, reach, pattern) {
                    Some(target) => return Sight::Link { input, target },
                    // Another input may have asked for it.
                    None => continue,
                },
                Ok(metadata) => return Sight::Here { input, regular: metadata.is_file() },
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Sight::Missing,
                Err(_) => return Sight::Here { input, regular: false },
            }
        }
        if path.is_symlink() && self.input_of(path).is_some() { Sight::Skipped } else { Sight::Other }
    }

    /// Walks through everything.
    pub fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        for (input, reach) in self.reaches.iter().enumerate() {
            for pattern in &reach.patterns {
                walk.hit = false;
                walk.add(input, reach, pattern, pattern.base());
                if !walk.hit {
                    walk.unmatched.push(pattern.text().to_owned());
                }
            }
        }
        walk
    }

    /// Walks through a directory that is new, or readable since now.
    pub fn walk_below(&self, directory: &Path) -> Walk {
        let mut walk = Walk::default();
        for (input, reach) in self.reaches.iter().enumerate() {
            for pattern in &reach.patterns {
                if pattern.base().starts_with(directory) {
                    walk.add(input, reach, pattern, pattern.base());
                } else if pattern.reaches(directory) && !reach.is_pruned(Some(directory), pattern) {
                    walk.add(input, reach, pattern, directory);
                }
            }
        }
        walk
    }
}

/// What a symbolic link leads to, when it is followed: it was named in full, it was asked for, or it stays inside.
/// A link that leads to nothing now may do so later.
fn link(path: &Path, reach: &Reach, pattern: &Pattern) -> Option<PathBuf> {
    let target = fs::canonicalize(path).or_else(|_| dangling(path)).ok()?;
    let asked = reach.follow_symlinks || pattern.literal().is_some();
    let inside = || fs::canonicalize(pattern.base()).is_ok_and(|base| target.starts_with(base));
    (asked || inside()).then_some(target)
}

/// What a link says whose target is not there.
fn dangling(path: &Path) -> io::Result<PathBuf> {
    let target = parent(path).join(fs::read_link(path)?);
    let name = target.file_name().unwrap_or_default();
    Ok(fs::canonicalize(parent(&target))?.join(name))
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

/// What a watch on a directory is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// A directory that is not there yet may appear in it.
    Names,
    /// Its files are followed.
    Files,
}

/// A file that a walk came upon.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    pub input: usize,
}

/// The result of looking through directories.
#[derive(Debug, Default)]
pub struct Walk {
    pub found: Vec<Found>,
    /// Directories in which something can appear that matches; for one that does not exist, its nearest ancestor.
    pub directories: BTreeMap<PathBuf, Interest>,
    /// Directories that could not be read, and why.
    pub unreadable: BTreeMap<PathBuf, String>,
    /// By the path that a symbolic link leads to: the links.
    pub links: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Symbolic links that are not followed.
    pub skipped: BTreeSet<PathBuf>,
    /// What was named and led to nothing, as it was written.
    pub unmatched: Vec<String>,
    seen: HashSet<PathBuf>,
    /// The pattern at hand has led to something.
    hit: bool,
}

impl Walk {
    fn add(&mut self, input: usize, reach: &Reach, pattern: &Pattern, from: &Path) {
        let Some(whole) = pattern.literal() else {
            let mut visited = HashSet::new();
            if reach.follow_symlinks {
                // A link to an ancestor leads nowhere new.
                let above = from.ancestors().skip(1).take_while(|path| path.starts_with(pattern.base()));
                visited.extend(above.filter_map(identity));
            }
            return self.descend(input, reach, pattern, from, &mut visited);
        };
        // The directory need not be readable for a file that is named in full.
        self.watch(pattern.base(), Interest::Files);
        match whole.symlink_metadata() {
            Ok(metadata) => self.take(input, reach, pattern, whole.to_owned(), metadata.is_symlink()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.cannot_read(whole, &error),
        }
    }

    fn descend(
        &mut self,
        input: usize,
        reach: &Reach,
        pattern: &Pattern,
        directory: &Path,
        visited: &mut HashSet<(u64, u64)>,
    ) {
        if reach.follow_symlinks && identity(directory).is_some_and(|identity| !visited.insert(identity)) {
            return;
        }
        self.watch(directory, Interest::Files);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.cannot_read(directory, &error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                // What is left of the directory is not known: that is not an empty rest.
                Err(error) => return self.cannot_read(directory, &error),
            };
            let path = entry.path();
            let kind = entry.file_type().ok();
            let is_link = kind.is_some_and(|kind| kind.is_symlink());
            // Unless asked for, links to directories are not followed: they lead out of what was named, or to what is
            // walked through anyway.
            let is_directory = match is_link {
                true => reach.follow_symlinks && path.is_dir(),
                false => kind.is_some_and(|kind| kind.is_dir()),
            };
            if is_directory {
                let left_out = reach.exclude.iter().any(|exclude| exclude.leaves_out_directory(&path));
                if pattern.reaches(&path) && !left_out {
                    self.descend(input, reach, pattern, &path, visited);
                }
            } else if pattern.matches(&path) {
                self.take(input, reach, pattern, path, is_link);
            }
        }
    }

    fn take(&mut self, input: usize, reach: &Reach, pattern: &Pattern, path: PathBuf, is_link: bool) {
        if reach.exclude.iter().any(|exclude| exclude.leaves_out(&path)) {
            return;
        }
        self.hit = true;
        if self.seen.contains(&path) {
            return;
        }
        if is_link {
            let Some(target) = link(&path, reach, pattern) else {
                // Links to directories are not said: a folder without them is the usual wish.
                if !path.is_dir() {
                    self.skipped.insert(path);
                }
                return;
            };
            self.skipped.remove(&path);
            self.link(path.clone(), target);
        }
        self.seen.insert(path.clone());
        self.found.push(Found { path, input });
    }

    /// What there is to watch because of a link.
    pub fn of_link(path: PathBuf, target: PathBuf) -> Self {
        let mut walk = Self::default();
        walk.link(path, target);
        walk
    }

    /// What a link leads to changes in another directory.
    fn link(&mut self, path: PathBuf, target: PathBuf) {
        self.watch(parent(&target), Interest::Files);
        self.links.entry(target).or_default().insert(path);
    }

    fn cannot_read(&mut self, directory: &Path, error: &io::Error) {
        self.unreadable.insert(directory.to_owned(), error.to_string());
    }

    fn watch(&mut self, directory: &Path, interest: Interest) {
        let Some(existing) = directory.ancestors().find(|ancestor| ancestor.is_dir()) else { return };
        let interest = if existing == directory { interest } else { Interest::Names };
        let known = self.directories.entry(existing.to_owned()).or_insert(interest);
        *known = interest.max(*known);
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
