//! Every `sluice` command in the documentation is one that the command line takes.

#[path = "../../tests/system/harness/documentation.rs"]
mod documentation;

use super::Cli;
use clap::Parser;
use documentation::{pages, shell_lines};
use std::fs;
use std::path::Path;

/// The words of each `sluice` command in a line: quotes are taken off, what stands behind `|`, `<`, `>`, `&&` and `#` is not of it.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut is_word) = (String::new(), None, false);
    let mut letters = line.chars().peekable();
    let mut redirected = false;
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some(_), letter) => word.push(letter),
            (None, '\'' | '"') => (quote, is_word) = (Some(letter), true),
            (None, '#') if !is_word => break,
            (None, ' ' | '|' | '<' | '>' | '&' | ';') => {
                if is_word && !redirected {
                    commands.last_mut().expect("there is one").push(std::mem::take(&mut word));
                }
                if is_word {
                    redirected = false;
                }
                word.clear();
                is_word = false;
                match letter {
                    '<' | '>' => redirected = true,
                    '|' | '&' | ';' => {
                        letters.next_if_eq(&letter);
                        commands.push(Vec::new());
                    }
                    _ => {}
                }
            }
            (None, letter) => {
                word.push(letter);
                is_word = true;
            }
        }
    }
    if is_word && !redirected {
        commands.last_mut().expect("there is one").push(word);
    }
    let is_ours = |words: &Vec<String>| {
        // `cargo run --release -- up` and `sudo sluice`.
        words.first().is_some_and(|first| matches!(first.as_str(), "sluice" | "./sluice" | "sudo" | "cargo"))
    };
    let ours = commands.into_iter().filter(is_ours).filter_map(|words| {
        let at = match words[0].as_str() {
            "cargo" if words.get(1).is_some_and(|word| word == "run") => words.iter().position(|word| word == "--")?,
            "cargo" => return None,
            "sudo" => words.iter().position(|word| word == "sluice")?,
            _ => 0,
        };
        Some([vec!["sluice".to_owned()], words[at + 1..].to_vec()].concat())
    });
    ours.collect()
}

#[test]
fn documented_commands_are_taken() {
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("docs/ is there") {
        let text = fs::read_to_string(&page).expect("the page can be read");
        for line in shell_lines(&text) {
            for words in commands(&line) {
                count += 1;
                if let Err(error) = Cli::try_parse_from(&words)
                    && error.use_stderr()
                {
                    wrong.push(format!("{}: {line}\n{error}", page.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 30, "only {count} commands were found");
}

#[test]
fn lines_are_taken_apart() {
    let check = |line: &str, want: &[&str]| {
        let got: Vec<String> = commands(line).iter().map(|words| words.join("|")).collect();
        assert_eq!(got, want, "{line}");
    };
    check("sluice search 'a b' --last 1h   # --json", &["sluice|search|a b|--last|1h"]);
    check("sluice pipeline run x < app.log", &["sluice|pipeline|run|x"]);
    check("sluice config schema > schema.json && sluice check", &["sluice|config|schema", "sluice|check"]);
    check("cat a | sluice agent -", &["sluice|agent|-"]);
    check("cargo run --release -- up /var/log/*.log", &["sluice|up|/var/log/*.log"]);
    check("cargo test", &[]);
    check("kcat -b 127.0.0.1:9092 -L  # sluice", &[]);
}
