//! One path or glob: what it matches, and which directories can lead to a match.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
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
    /// What was named, as it was written.
    text: String,
    /// The directory below which everything lies that can match. It exists or not, and is not a glob.
    base: PathBuf,
    /// `None`: a literal path.
    glob: Option<Below>,
    whole: PathBuf,
}

/// What a glob says about paths relative to its base.
#[derive(Debug, Clone)]
struct Below {
    glob: GlobMatcher,
    /// Globs of the first directories, one each, as far as they can be told apart: up to `**`.
    steps: Vec<GlobMatcher>,
    /// Directories below the base that can lead to a match.
    depth_max: usize,
    /// For a glob that ends in `/**`: the directories of which everything matches.
    tree: Option<GlobMatcher>,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let mut base = match Path::new(text).is_absolute() {
            true => PathBuf::new(),
            false => std::env::current_dir().map_err(PatternError::WorkingDirectory)?,
        };
        let typed: Vec<Component<'_>> =
            Path::new(text).components().filter(|component| *component != Component::CurDir).collect();
        let mut literal = 0;
        for component in &typed {
            let is_glob = component.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[{".contains(byte));
            let next = base.join(component);
            // What really has such a name is meant literally.
            if is_glob && next.symlink_metadata().is_err() {
                break;
            }
            base = next;
            literal += 1;
        }
        let text = text.to_owned();
        let below = &typed[literal..];
        if below.is_empty() {
            let whole = base;
            let base = whole.parent().unwrap_or(Path::new("/")).to_owned();
            return Ok(Self { text, base, glob: None, whole });
        }
        let relative: PathBuf = below.iter().collect();
        let whole = base.join(&relative);
        let names: Vec<String> = below.iter().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
        Ok(Self { text, base, glob: Some(Below::parse(&names)?), whole })
    }

    /// What was named, as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn base(&self) -> &Path {
        &self.base
    }

    /// The path that is meant, when it is not a glob.
    pub fn literal(&self) -> Option<&Path> {
        self.glob.is_none().then_some(self.whole.as_path())
    }

    pub fn matches(&self, path: &Path) -> bool {
        match &self.glob {
            Some(below) => path_below(&self.base, path)
                .is_some_and(|rest| !rest.as_os_str().is_empty() && below.glob.is_match(rest)),
            None => path == self.whole,
        }
    }

    /// Whether everything below `directory` matches.
    pub fn matches_tree(&self, directory: &Path) -> bool {
        let tree = self.glob.as_ref().and_then(|below| below.tree.as_ref());
        tree.is_some_and(|tree| path_below(&self.base, directory).is_some_and(|rest| tree.is_match(rest)))
    }

    /// Whether something in `directory`, or below it, can match; only for the base and what is below it.
    pub fn reaches(&self, directory: &Path) -> bool {
        let Some(rest) = path_below(&self.base, directory) else { return false };
        let Some(below) = &self.glob else { return rest.as_os_str().is_empty() };
        let mut depth = 0;
        for component in rest.components() {
            if below.steps.get(depth).is_some_and(|step| !step.is_match(component.as_os_str())) {
                return false;
            }
            depth += 1;
        }
        depth <= below.depth_max
    }
}

fn path_below<'a>(base: &Path, path: &'a Path) -> Option<&'a Path> {
    path.strip_prefix(base).ok()
}

fn glob(text: &str) -> Result<GlobMatcher, PatternError> {
    Ok(GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build()?.compile_matcher())
}

impl Below {
    /// `names` are the components; the last one is for the file.
    fn parse(names: &[String]) -> Result<Self, PatternError> {
        let recursive = names.iter().position(|name| name.contains("**"));
        // A brace that holds a slash is torn by components: such a glob has no steps.
        let torn = names.iter().any(|name| name.matches('{').count() != name.matches('}').count());
        let directories = names.len() - 1;
        let stepwise = if torn { 0 } else { recursive.unwrap_or(directories).min(directories) };
        let tree = match names.split_last() {
            Some((last, before)) if last == "**" => Some(glob(&before.join("/"))?),
            _ => None,
        };
        Ok(Self {
            glob: glob(&names.join("/"))?,
            steps: names[..stepwise].iter().map(|name| glob(name)).collect::<Result<_, _>>()?,
            depth_max: if torn || recursive.is_some() { DEPTH_MAX } else { directories },
            tree,
        })
    }
}

/// A glob of what is left out: with a slash it means paths, without one names of files and directories anywhere.
#[derive(Debug, Clone)]
pub enum Exclude {
    Name(GlobMatcher),
    Path(Pattern),
}

impl Exclude {
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.contains('/') { Pattern::parse(text).map(Self::Path) } else { glob(text).map(Self::Name) }
    }

    pub fn leaves_out(&self, path: &Path) -> bool {
        match self {
            Self::Name(glob) => path.file_name().is_some_and(|name: &OsStr| glob.is_match(name)),
            Self::Path(pattern) => pattern.matches(path),
        }
    }

    /// Whether nothing in this directory, nor below, is wanted.
    pub fn leaves_out_directory(&self, path: &Path) -> bool {
        self.leaves_out(path) || matches!(self, Self::Path(pattern) if pattern.matches_tree(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_that_lead_to_a_match_are_reached() {
        let check = |pattern: &str, directory: &str, expect: bool| {
            let got = Pattern::parse(pattern).expect("parses").reaches(Path::new(directory));
            assert_eq!(got, expect, "{pattern} {directory}");
        };
        check("/none/*/app/*.log", "/none", true);
        check("/none/*/app/*.log", "/none/x", true);
        check("/none/*/app/*.log", "/none/x/app", true);
        check("/none/*/app/*.log", "/none/x/other", false);
        check("/none/*/app/*.log", "/none/x/app/y", false);
        check("/none/*.log", "/none/x", false);
        check("/none/a*/**/*.log", "/none/b", false);
        check("/none/a*/**/*.log", "/none/ab/c/d", true);
        check("/none/{a/b,c}/*.log", "/none/a/b", true);
        check("/none/a.log", "/none", true);
        check("/none/a.log", "/", false);
    }

    #[test]
    fn a_directory_with_a_glob_in_its_name_is_meant_literally_when_it_is_there() {
        let folder = tempfile::tempdir().expect("folder");
        let odd = folder.path().join("[x]");
        std::fs::create_dir(&odd).expect("made");
        let pattern = Pattern::parse(&odd.join("*.log").to_string_lossy()).expect("parses");
        assert!(pattern.matches(&odd.join("a.log")));
        assert!(!pattern.matches(&folder.path().join("x/a.log")));
    }

    #[test]
    fn excludes_mean_names_or_paths() {
        let check = |exclude: &str, path: &str, file: bool, directory: bool| {
            let exclude = Exclude::parse(exclude).expect("parses");
            let path = Path::new(path);
            assert_eq!((exclude.leaves_out(path), exclude.leaves_out_directory(path)), (file, directory), "{path:?}");
        };
        check("*.gz", "/none/a/b.gz", true, true);
        check("*.gz", "/none/a/b.log", false, false);
        check("/none/old/**", "/none/old", false, true);
        check("/none/old/**", "/none/old/a.log", true, true);
        check("/none/old", "/none/old", true, true);
        check("/none/**/cache/**", "/none/x/cache", false, true);
    }
}
