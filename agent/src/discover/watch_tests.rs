//! Real directories, and what the watches tell of them.

use super::*;
use crate::discover::{Pattern, Reach};
use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Far beyond what an event takes.
const DEADLINE: Duration = Duration::from_secs(20);

struct Scene {
    folder: tempfile::TempDir,
    scope: Scope,
    watches: Watches,
    woken: Receiver<()>,
}

fn scene(pattern: &str, watches_max: usize) -> Scene {
    let folder = tempfile::tempdir().expect("folder");
    let pattern = Pattern::parse(&folder.path().join(pattern).to_string_lossy()).expect("parses");
    let scope = Scope::new(vec![Reach { patterns: vec![pattern], ..Reach::default() }]);
    let (wake, woken) = channel();
    let watches = Watches::new(scope.clone(), watches_max, move || {
        // Who is not there any more needs not be woken.
        let _ = wake.send(());
    });
    Scene { folder, scope, watches, woken }
}

impl Scene {
    /// Gathers changes until there are these.
    fn until(&self, mut done: impl FnMut(&Changes) -> bool) -> Changes {
        let deadline = Instant::now() + DEADLINE;
        let mut all = Changes::default();
        while !done(&all) {
            let left = deadline.checked_duration_since(Instant::now()).expect("the change is told");
            self.woken.recv_timeout(left).expect("the change is told");
            all.merge(self.watches.take());
        }
        all
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn a_new_file_comes_open_and_can_be_read_after_its_deletion() {
    let scene = scene("*.log", 100);
    scene.watches.walk(&scene.scope);
    fs::write(scene.path("a.log"), "one\n").expect("written");
    fs::write(scene.path("a.txt"), "other\n").expect("written");
    let mut changes = scene.until(|changes| !changes.opened.is_empty() && !changes.written.is_empty());
    fs::remove_file(scene.path("a.log")).expect("removed");
    let opened = changes.opened.first_mut().expect("opened");
    assert_eq!((&opened.path, opened.input), (&scene.path("a.log"), 0));
    assert_eq!(opened.content.head().expect("read"), b"one\n");
    let changes = scene.until(|changes| !changes.names.is_empty());
    assert_eq!(changes.names.into_iter().collect::<Vec<_>>(), [scene.path("a.log")]);
    assert!(changes.written.is_empty() && !changes.missed);
}

#[test]
fn new_directories_are_watched_and_gone_ones_are_not() {
    let scene = scene("**/*.log", 100);
    scene.watches.walk(&scene.scope);
    fs::create_dir_all(scene.path("x/y")).expect("made");
    fs::write(scene.path("x/y/a.log"), "").expect("written");
    let is_watched = |name: &str| scene.watches.shared.as_ref().expect("runs").is_watched(&scene.path(name));
    scene.until(|changes| !changes.opened.is_empty());
    assert!(is_watched("x/y"));
    // The kernel tells of an open file for as long as it is known: only the names count here.
    fs::rename(scene.path("x"), scene.path("z")).expect("renamed");
    scene.until(|changes| changes.opened.iter().any(|opened| opened.path == scene.path("z/y/a.log")));
    assert!(is_watched("z/y") && !is_watched("x/y") && !is_watched("x"));
    fs::remove_dir_all(scene.path("z")).expect("removed");
    scene.until(|changes| changes.gone_directories.contains(&scene.path("z")));
    assert!(!is_watched("z/y") && is_watched(""));
}

#[test]
fn a_walk_leaves_what_is_newer_than_it() {
    let scene = scene("**/*.log", 100);
    let shared = scene.watches.shared.as_ref().expect("runs");
    fs::create_dir(scene.path("old")).expect("made");
    scene.watches.walk(&scene.scope);
    assert!(shared.is_watched(&scene.path("old")));
    fs::remove_dir(scene.path("old")).expect("removed");
    fs::create_dir(scene.path("new")).expect("made");
    scene.until(|changes| changes.readable.contains(&scene.path("new")));
    scene.watches.walk(&scene.scope);
    assert!(shared.is_watched(&scene.path("new")) && !shared.is_watched(&scene.path("old")));
}

#[test]
fn directories_beyond_the_limit_are_a_problem_until_there_is_room() {
    let scene = scene("**/*.log", 2);
    for name in ["a", "b", "c", "d", "e", "f"] {
        fs::create_dir(scene.path(name)).expect("made");
    }
    scene.watches.walk(&scene.scope);
    let problems = scene.watches.problems();
    assert_eq!(problems.len(), NAMED_MAX + 1, "{problems:?}");
    assert_eq!(problems[NAMED_MAX], "2 more directories cannot be watched");
    for name in ["b", "c", "d", "e", "f"] {
        fs::remove_dir(scene.path(name)).expect("removed");
    }
    scene.watches.walk(&scene.scope);
    assert!(scene.watches.problems().is_empty());
}
