//! The scene of one test: a folder, its processes' logs, its random numbers.

use super::process::{self, Process};
use super::random::{self, Random};
use anyhow::{Context, anyhow, ensure};
use std::any::Any;
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// Lines of each log that a failure shows; the whole stays in the folder.
const LOG_LINES_SHOWN: usize = 30;
/// Characters of a line that a failure shows: documents on standard output are long.
const LOG_CHARACTERS_SHOWN: usize = 240;

/// A test cannot run here, for want of something that it needs.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Skipped {
    pub reason: String,
}

/// What one test has to itself. The folder is only for its owner (0700) and goes with the scene, unless the test fails.
pub struct Scene {
    folder: TempDir,
    seed: u64,
    logs: RefCell<Vec<PathBuf>>,
}

/// Runs `test` in a scene; a failure shows the end of every log and keeps the folder.
pub fn run(name: &str, test: fn(&Scene) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new().prefix("sluice-").tempdir().context("make a temporary folder")?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).context("close the temporary folder")?;
    let mut scene = Scene { folder, seed: random::seed()?, logs: RefCell::default() };
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| test(&scene)))
        .unwrap_or_else(|panic| Err(anyhow!("panicked: {}", message(panic.as_ref()))))
        .and_then(|()| scene.check_for_panics());
    outcome.map_err(|error| match error.is::<Skipped>() {
        true => error,
        false => {
            scene.folder.disable_cleanup(true);
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            let logs: String = scene.logs.borrow().iter().map(|log| end_of(log)).collect();
            let seed = scene.seed;
            anyhow!("{}\nSLUICE_SEED={seed} {name}, in {:?}{logs}", causes.join(": "), scene.folder.path())
        }
    })
}

impl Scene {
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a directory below the folder.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("the scene's folder can be written");
        path
    }

    /// Writes a file below the folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).expect("the scene's folder can be written");
        path
    }

    /// A name that no other test has, for topics, groups and indices on shared servers.
    pub fn own_name(&self, name: &str) -> String {
        format!("{name}-{}", self.seed)
    }

    /// The seed of this run's random numbers, for the test to print and use.
    pub fn random(&self, name: &str) -> Random {
        eprintln!("{name}: SLUICE_SEED={}", self.seed);
        Random::new(self.seed)
    }

    /// Whatever a test looks at: no process may panic, in no thread.
    fn check_for_panics(&self) -> anyhow::Result<()> {
        for log in self.logs.borrow().iter() {
            let text = fs::read(log).unwrap_or_default();
            ensure!(!String::from_utf8_lossy(&text).contains("panicked at"), "a panic in {}", log.display());
        }
        Ok(())
    }

    /// Starts `command` in the folder, its output in the files `name.out` and `name.err` there.
    pub fn start(&self, name: &str, mut command: Command) -> Process {
        command.current_dir(self.folder());
        let process = process::start(command, &self.path(name)).unwrap_or_else(|error| panic!("start {name}: {error}"));
        for log in [process.stdout_path(), process.stderr_path()] {
            if !self.logs.borrow().contains(log) {
                self.logs.borrow_mut().push(log.clone());
            }
        }
        process
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}

fn end_of(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return String::new();
    }
    let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].iter();
    let shown: Vec<String> = shown.map(|line| line.chars().take(LOG_CHARACTERS_SHOWN).collect()).collect();
    let shown = shown.join("\n");
    format!("\n--- {} ({} lines)\n{shown}", log.display(), lines.len())
}
