//! Broken configs, and what is said about each: tests/check/broken/NAME.yaml and NAME.expected.
//!
//! `SLUICE_UPDATE=1` writes what is said now as what is expected.

use super::{check, report};
use std::fs;
use std::path::PathBuf;

/// The broken configs with their names.
fn cases() -> Vec<(String, PathBuf)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/check/broken");
    let mut cases: Vec<(String, PathBuf)> = fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_name().expect("a file").to_string_lossy().into_owned(), path))
        .collect();
    cases.sort();
    cases
}

#[tokio::test]
async fn broken_configs_are_explained() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for (name, path) in cases {
        let checked = check(&name, &fs::read_to_string(&path).expect("it can be read"));
        let mut said = Vec::new();
        for problem in &checked.problems {
            report::write_problem(&mut said, problem).expect("memory can be written");
        }
        let said = String::from_utf8(said).expect("text");
        assert!(!said.contains("s3cret"), "{name} shows a secret:\n{said}");
        assert!(!checked.problems.is_empty(), "nothing is said about {name}");
        for problem in &checked.problems {
            let place = problem.place.unwrap_or_else(|| panic!("{name}: no line is named:\n{said}"));
            let shown = problem.to_string();
            assert!(shown.starts_with(&format!("{name}:{}:{}: ", place.line, place.column)), "{shown}");
            assert!(!problem.cause.is_empty() && !problem.hint.is_empty(), "{name}:\n{said}");
        }
        let expected = path.with_extension("expected");
        if std::env::var_os("SLUICE_UPDATE").is_some() {
            fs::write(&expected, &said).expect("it can be written");
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        if said != wanted {
            wrong.push(format!("{name}: got\n{said}want\n{wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_commented_file_and_nothing_are_right() {
    let none = check("sluice.yaml", "");
    assert!(none.problems.is_empty(), "{:?}", none.problems);
    // It names files that are not on this machine, and nothing else is wrong with it.
    let commented = check("sluice.yaml", include_str!("../../../docs/sluice.yaml"));
    let of_files = |problem: &&crate::config::Problem| !problem.cause.contains("/etc/sluice/");
    let others: Vec<_> = commented.problems.iter().filter(of_files).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// The examples in the documentation: README.md and docs/*.md.
#[tokio::test]
async fn documented_examples_are_right() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).expect("docs/ is there").flatten().map(|entry| entry.path());
    let pages = docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let mut examples = 0;
    for page in pages {
        let text = fs::read_to_string(&page).expect("it can be read");
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let sections = ["agent:", "broker:", "worker:", "search:"];
        for block in blocks.filter(|block| sections.iter().any(|section| block.starts_with(section))) {
            examples += 1;
            let checked = check("sluice.yaml", block);
            // They name files and variables that this machine does not have.
            let elsewhere = ["/etc/sluice/", "./shop.yml", "SLUICE_API_KEY"];
            let is_of_example = |problem: &&crate::config::Problem| {
                let said = format!("{problem} {}", problem.cause);
                !elsewhere.iter().any(|name| said.contains(name))
            };
            let wrong: Vec<String> = checked.problems.iter().filter(is_of_example).map(ToString::to_string).collect();
            assert!(wrong.is_empty(), "{}: {wrong:?} in\n{block}", page.display());
        }
    }
    assert!(examples >= 4, "only {examples} examples were found");
}
