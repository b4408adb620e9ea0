//! The house rules that a program can check: who imports whom, how long a file is, how it begins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file longer than this has two subjects.
const FILE_LINES_MAX: usize = 450;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What ARCHITECTURE.md's table allows: crate -> crates of this repository that it may use.
fn allowed() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let names = |cell: &str| -> BTreeSet<String> {
        cell.split('`').skip(1).step_by(2).map(str::to_owned).filter(|name| !name.is_empty()).collect()
    };
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let crates: BTreeSet<String> = rows.iter().flat_map(|row| names(row[1])).collect();
    rows.iter()
        .map(|row| {
            let name = names(row[1]).pop_first().expect("every row names a crate");
            let may_use = match row[3] {
                "all of them" => crates.clone(),
                cell => names(cell),
            };
            (name, may_use)
        })
        .collect()
}

#[test]
fn imports_flow_one_way() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    let allowed = allowed();
    let mut seen = BTreeSet::new();
    for package in packages {
        let name = package["name"].as_str().expect("a package has a name");
        let Some(may_use) = allowed.get(name) else {
            assert!(
                package["manifest_path"].as_str().is_some_and(|path| path.contains("/tests/")),
                "crate {name} is not in ARCHITECTURE.md's table"
            );
            continue;
        };
        seen.insert(name.to_owned());
        for dependency in package["dependencies"].as_array().expect("a package lists dependencies") {
            let uses = dependency["name"].as_str().expect("a dependency has a name");
            let is_test = dependency["kind"].as_str() == Some("dev");
            if allowed.contains_key(uses) && !is_test {
                assert!(may_use.contains(uses), "{name} may not use {uses}: ARCHITECTURE.md does not allow it");
            }
        }
    }
    assert_eq!(seen, allowed.keys().cloned().collect(), "ARCHITECTURE.md names crates that do not exist");
}

#[test]
fn files_say_what_they_are_and_have_one_subject() {
    let mut faults = Vec::new();
    for path in rust_files(root()) {
        let text = std::fs::read_to_string(&path).expect("sources are text");
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        if !text.starts_with("//! ") {
            faults.push(format!("{shown} does not begin with a sentence that says what it is"));
        }
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{shown} has {lines} lines; at most {FILE_LINES_MAX}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("the tree is readable").flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "sluice-data" {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
