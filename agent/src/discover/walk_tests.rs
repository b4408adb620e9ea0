//! Trees of files, and what patterns find in them.

use super::*;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// Makes files; a name that ends in a slash is a directory, `a -> b` a link.
fn tree(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for name in names {
        let (name, target) = name.split_once(" -> ").map_or((*name, None), |(name, target)| (name, Some(target)));
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("has one")).expect("made");
        match target {
            Some(target) => symlink(target, &path).expect("linked"),
            None if name.ends_with('/') => fs::create_dir_all(&path).expect("made"),
            None => fs::write(&path, b"").expect("written"),
        }
    }
    folder
}

fn scope(folder: &TempDir, patterns: &[&str], exclude: &[&str], follow_symlinks: bool) -> Scope {
    let inside = |text: &str| folder.path().join(text).to_string_lossy().into_owned();
    let exclude_in = |text: &&str| Exclude::parse(&if text.contains('/') { inside(text) } else { (*text).to_owned() });
    Scope::new(vec![Reach {
        patterns: patterns.iter().map(|text| Pattern::parse(&inside(text)).expect("parses")).collect(),
        exclude: exclude.iter().map(|text| exclude_in(text).expect("parses")).collect(),
        follow_symlinks,
    }])
}

fn names(folder: &TempDir, walk: &Walk) -> Vec<String> {
    let name = |path: &Path| path.strip_prefix(folder.path()).expect("inside").to_string_lossy().into_owned();
    let mut names: Vec<_> = walk.found.iter().map(|found| name(&found.path)).collect();
    names.sort();
    names
}

/// Walks, and sees to it that single names are seen the same way.
fn check(files: &[&str], pattern: &str, exclude: &[&str], follow_symlinks: bool, expect: &[&str]) -> (TempDir, Walk) {
    let folder = tree(files);
    let scope = scope(&folder, &[pattern], exclude, follow_symlinks);
    let walk = scope.walk();
    assert_eq!(names(&folder, &walk), expect, "{pattern}");
    assert!(walk.directories.keys().all(|directory| directory.is_dir()));
    for found in &walk.found {
        assert_eq!(scope.input_of(&found.path), Some(0), "{:?}", found.path);
        assert!(matches!(scope.sight(&found.path), Sight::Here { .. } | Sight::Link { .. }), "{:?}", found.path);
    }
    (folder, walk)
}

#[test]
fn globs_reach_what_they_say() {
    let files = ["a.log", "b.txt", "x/c.log", "x/y/d.log", "x/y/e.log.1", "[z].log"];
    let check = |pattern, exclude: &[&str], expect: &[&str]| check(&files, pattern, exclude, false, expect);
    check("*.log", &[], &["[z].log", "a.log"]);
    check("**/*.log", &[], &["[z].log", "a.log", "x/c.log", "x/y/d.log"]);
    check("*/*.log", &[], &["x/c.log"]);
    check("x/y/*", &["**/*.1"], &["x/y/d.log"]);
    check("x/y/*", &["*.1"], &["x/y/d.log"]);
    check("{a,b}.*", &[], &["a.log", "b.txt"]);
    check("{x/y,none}/*.log", &[], &["x/y/d.log"]);
    check("a.log", &[], &["a.log"]);
    check("[z].log", &[], &["[z].log"]);
    check("missing/deep/*.log", &[], &[]);
    check("missing.log", &[], &[]);
}

#[test]
fn excluded_directories_are_not_walked_through() {
    let files = ["a.log", "old/b.log", "x/cache/c.log", "x/cache/y/d.log", "x/e.log"];
    for exclude in [&["old/**", "cache"][..], &["old", "**/cache"], &["old", "**/cache/**"]] {
        let (folder, walk) = check(&files, "**/*.log", exclude, false, &["a.log", "x/e.log"]);
        let watched: Vec<_> = walk.directories.keys().cloned().collect();
        assert_eq!(watched, [folder.path().to_owned(), folder.path().join("x")]);
        let scope = scope(&folder, &["**/*.log"], exclude, false);
        assert_eq!(scope.sight(&folder.path().join("x/cache/y/d.log")), Sight::Other);
        assert!(scope.walk_below(&folder.path().join("x/cache/y")).directories.is_empty());
        let left_out = |path: &str| scope.leaves_out(&folder.path().join(path));
        assert!(files.iter().all(|path| left_out(path) != ["a.log", "x/e.log"].contains(path)));
        assert!(!left_out("old/b.txt"), "no pattern means it");
    }
}

#[test]
fn a_new_directory_is_walked_through_alone() {
    let folder = tree(&["x/y/a.log", "x/b.log", "z/c.log"]);
    let check = |pattern, below: &str, expect: &[&str]| {
        let walk = scope(&folder, &[pattern], &[], false).walk_below(&folder.path().join(below));
        assert_eq!(names(&folder, &walk), expect, "{pattern} {below}");
    };
    check("**/*.log", "x", &["x/b.log", "x/y/a.log"]);
    check("**/*.log", "x/y", &["x/y/a.log"]);
    check("*/*.log", "x/y", &[]);
    check("x/y/*.log", "x", &["x/y/a.log"]);
    check("x/y/a.log", "x", &["x/y/a.log"]);
    check("x/y/*.log", "z", &[]);
}

#[test]
fn links_out_of_the_folder_are_followed_when_asked_and_loops_end() {
    let files = [
        "in/a.log",
        "in/inner.log -> ../in/sub/inner",
        "in/sub/inner",
        "in/far.log -> ../out/far",
        "in/gone.log -> ../out/gone",
        "in/folder -> ../out",
        "in/loop -> ../in",
        "in/self.log -> self.log",
        "out/far",
        "out/b.log",
        "out/back -> ../in",
    ];
    let (folder, walk) = check(&files, "in/**/*.log", &[], false, &["in/a.log", "in/inner.log", "in/self.log"]);
    let skipped: Vec<_> = walk.skipped.iter().map(|path| path.file_name().expect("has one").to_owned()).collect();
    assert_eq!(skipped, ["far.log", "gone.log"]);
    let closed = scope(&folder, &["in/**/*.log"], &[], false);
    assert_eq!(closed.sight(&folder.path().join("in/far.log")), Sight::Skipped);
    let expect = ["in/a.log", "in/far.log", "in/folder/b.log", "in/gone.log", "in/inner.log", "in/self.log"];
    let (folder, walk) = check(&files, "in/**/*.log", &[], true, &expect);
    assert!(walk.skipped.is_empty());
    assert!(walk.links.contains_key(&folder.path().join("out/far")));
    check(&files, "in/far.log", &[], false, &["in/far.log"]);
}

#[test]
fn what_is_not_there_is_waited_for_in_its_nearest_ancestor() {
    let folder = tree(&["x/"]);
    let walk = scope(&folder, &["x/y/z/*.log", "x/*.log", "none.log"], &[], false).walk();
    let expect = [(folder.path().to_owned(), Interest::Files), (folder.path().join("x"), Interest::Files)];
    assert_eq!(walk.directories.into_iter().collect::<Vec<_>>(), expect);
    let walk = scope(&folder, &["x/y/z/*.log"], &[], false).walk();
    assert_eq!(walk.directories.into_iter().collect::<Vec<_>>(), [(folder.path().join("x"), Interest::Names)]);
}

#[test]
fn names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tree(&[]);
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"\xff\xfe.log"));
    fs::write(&odd, b"").expect("written");
    let walk = scope(&folder, &["*.log"], &[], false).walk();
    assert_eq!(walk.found.iter().map(|found| &found.path).collect::<Vec<_>>(), [&odd]);
}
