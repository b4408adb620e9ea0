//! One path or glob, and the walk through the directories that it reaches.

use globset::{GlobBuilder, GlobMatcher};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Directories below each other that `**` follows: real trees are flatter, and a loop of mounts ends there.
const DEPTH_MAX: usize = 64;

/// Why a glob cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    #[error(transparent)]
    Glob(#[from] globset::Error),
    #[error("find the working directory")]
    WorkingDirectory(#[source] io::Error),
}

/// One path or glob.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The directory below which everything lies that can match.
    base: PathBuf,
    /// `None`: a literal path.
    glob: Option<GlobMatcher>,
    /// Directories below `base` that can lead to a match.
    depth_max: usize,
    whole: PathBuf,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let whole = absolute(Path::new(text)).map_err(PatternError::WorkingDirectory)?;
        let components: Vec<_> = whole.components().collect();
        let is_glob = |component: &Component<'_>| {
            component.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte))
        };
        // A file that really has such a name is meant literally.
        let first_glob = if whole.exists() { None } else { components.iter().position(is_glob) };
        let Some(first_glob) = first_glob else {
            let base = whole.parent().unwrap_or(Path::new("/")).to_owned();
            return Ok(Self { base, glob: None, depth_max: 0, whole });
        };
        let base: PathBuf = components[..first_glob].iter().collect();
        let below = &components[first_glob..];
        let recursive = below.iter().any(|component| component.as_os_str().as_encoded_bytes().starts_with(b"**"));
        let glob = GlobBuilder::new(&whole.to_string_lossy()).literal_separator(true).backslash_escape(true).build()?;
        let depth_max = if recursive { DEPTH_MAX } else { below.len() - 1 };
        Ok(Self { base, glob: Some(glob.compile_matcher()), depth_max, whole })
    }

    pub fn matches(&self, path: &Path) -> bool {
        match &self.glob {
            Some(glob) => glob.is_match(path),
            None => path == self.whole,
        }
    }
}

fn absolute(path: &Path) -> io::Result<PathBuf> {
    let mut out = if path.is_absolute() { PathBuf::new() } else { std::env::current_dir()? };
    for component in path.components() {
        match component {
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    Ok(out)
}

/// What a walk came upon.
#[derive(Debug)]
pub struct Found {
    pub path: PathBuf,
    /// Which input it belongs to: the first one that matches.
    pub input: usize,
}

/// The result of looking through all directories.
#[derive(Debug, Default)]
pub struct Walk {
    pub found: Vec<Found>,
    /// Directories in which something can appear that matches; for one that does not exist, its nearest ancestor.
    pub directories: BTreeSet<PathBuf>,
    /// Directories that could not be read, and why.
    pub unreadable: BTreeMap<PathBuf, String>,
    seen: BTreeSet<PathBuf>,
}

impl Walk {
    /// Adds what `pattern` of `input` means and `exclude` leaves.
    pub fn add(&mut self, input: usize, pattern: &Pattern, exclude: &[Pattern]) {
        self.descend(input, pattern, exclude, &pattern.base, 0);
    }

    fn descend(&mut self, input: usize, pattern: &Pattern, exclude: &[Pattern], directory: &Path, depth: usize) {
        if pattern.glob.is_none() {
            // The directory need not be readable for a file that is named in full.
            self.watch(directory);
            if pattern.whole.symlink_metadata().is_ok() {
                self.take(input, pattern.whole.clone(), exclude);
            }
            return;
        }
        self.watch(directory);
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.unreadable.insert(directory.to_owned(), error.to_string());
                return;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            // Symbolic links to directories are not followed: they make loops, and lead out of what was named.
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory {
                if depth < pattern.depth_max {
                    self.descend(input, pattern, exclude, &path, depth + 1);
                }
            } else if pattern.matches(&path) {
                self.take(input, path, exclude);
            }
        }
    }

    fn take(&mut self, input: usize, path: PathBuf, exclude: &[Pattern]) {
        if exclude.iter().any(|pattern| pattern.matches(&path)) || !self.seen.insert(path.clone()) {
            return;
        }
        // What a link points to changes in another directory.
        if path.is_symlink()
            && let Some(directory) = fs::canonicalize(&path).ok().as_deref().and_then(Path::parent)
        {
            self.watch(directory);
        }
        self.found.push(Found { path, input });
    }

    fn watch(&mut self, directory: &Path) {
        let existing = directory.ancestors().find(|ancestor| ancestor.is_dir());
        self.directories.extend(existing.map(Path::to_owned));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], pattern: &str, exclude: &[&str], expect: &[&str]) {
        let folder = tempfile::tempdir().expect("folder");
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("has one")).expect("made");
            fs::write(path, b"").expect("written");
        }
        let parse = |text: &str| Pattern::parse(&folder.path().join(text).to_string_lossy()).expect("parses");
        let exclude: Vec<_> = exclude.iter().map(|text| parse(text)).collect();
        let mut walk = Walk::default();
        walk.add(0, &parse(pattern), &exclude);
        walk.add(1, &parse(pattern), &exclude);
        let mut got: Vec<_> = walk
            .found
            .iter()
            .map(|found| found.path.strip_prefix(folder.path()).expect("inside").to_string_lossy().into_owned())
            .collect();
        got.sort();
        assert_eq!(got, expect, "{pattern}");
        assert!(walk.directories.iter().all(|directory| directory.is_dir()));
    }

    #[test]
    fn globs_reach_what_they_say() {
        let tree = ["a.log", "b.txt", "x/c.log", "x/y/d.log", "x/y/e.log.1", "[z].log"];
        check(&tree, "*.log", &[], &["[z].log", "a.log"]);
        check(&tree, "**/*.log", &[], &["[z].log", "a.log", "x/c.log", "x/y/d.log"]);
        check(&tree, "*/*.log", &[], &["x/c.log"]);
        check(&tree, "x/y/*", &["**/*.1"], &["x/y/d.log"]);
        check(&tree, "{a,b}.*", &[], &["a.log", "b.txt"]);
        check(&tree, "a.log", &[], &["a.log"]);
        check(&tree, "[z].log", &[], &["[z].log"]);
        check(&tree, "missing/deep/*.log", &[], &[]);
        check(&tree, "missing.log", &[], &[]);
    }
}
