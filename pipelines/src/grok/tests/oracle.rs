//! The matcher beside the crates `regex` and `fancy-regex`: same patterns, same texts, same captures.

use super::super::definitions::built_in;
use super::super::oracle::Oracle;
use super::super::*;
use super::sample::{self, Random};

/// Texts for each built-in pattern; the comparison with Elasticsearch has more.
const TEXTS_PER_PATTERN: usize = 8;
/// Patterns made at random, and texts for each.
const RANDOM_PATTERNS: usize = 300;
const TEXTS_PER_RANDOM_PATTERN: usize = 20;

fn check(patterns: &[String], compatibility: Compatibility, texts: usize, random: &mut Random) -> usize {
    let definitions = Definitions::new(Vec::new(), compatibility);
    let Ok((nodes, names, _)) = parse(patterns, &definitions) else { return 0 };
    let Ok(oracle) = Oracle::compile(nodes.clone(), names.len()) else { return 0 };
    let grok = Grok::compile(patterns, &definitions).unwrap_or_else(|error| panic!("{patterns:?}: {error}"));
    let mut compared = 0;
    for number in 0..texts {
        let text = sample::text(&nodes[number % nodes.len()], number, random);
        // Behind a newline at the very end a line begins for the crates, and none for Ruby.
        if text.ends_with('\n') {
            continue;
        }
        let Ok(expect) = oracle.find(&text) else { continue };
        let found = grok.find(&text).unwrap_or_else(|error| panic!("{patterns:?} on {text:?}: {error}"));
        let places = found.map(|found| (0..names.len()).map(|capture| found.capture(capture)).collect::<Vec<_>>());
        assert_eq!(places, expect, "{patterns:?} on {text:?}");
        compared += 1;
    }
    compared
}

#[test]
fn built_in_patterns_match_as_the_crates_match_them() {
    let mut random = Random::new("built-in");
    let names = built_in(Compatibility::EcsV1).keys().filter(|name| !super::REFUSED.contains(name));
    let mut names: Vec<_> = names.filter(|name| !name.starts_with("CISCO") && !name.starts_with("NAGIOS")).collect();
    names.sort_unstable();
    let compared: usize = names
        .iter()
        .map(|name| check(&[format!("%{{{name}:it}}")], Compatibility::EcsV1, TEXTS_PER_PATTERN, &mut random))
        .sum();
    assert!(compared > names.len() * TEXTS_PER_PATTERN * 9 / 10, "{compared}");
}

#[test]
fn random_patterns_match_as_the_crates_match_them() {
    let seed = std::env::var("SLUICE_SEED").unwrap_or_else(|_| fastrand::u64(..).to_string());
    println!("SLUICE_SEED={seed}");
    let mut random = Random::new(&seed);
    let mut compared = 0;
    for _ in 0..RANDOM_PATTERNS {
        let count = 1 + random.below(3);
        let patterns: Vec<String> = (0..count).map(|_| pattern(&mut random, 2, false)).collect();
        compared += check(&patterns, Compatibility::Disabled, TEXTS_PER_RANDOM_PATTERN, &mut random);
    }
    assert!(compared > RANDOM_PATTERNS, "{compared}");
}

/// A pattern over few characters, so that its parts get in each other's way.
pub(super) fn pattern(random: &mut Random, depth: usize, looks: bool) -> String {
    /// What both crates know, and what only a backtracking engine has.
    const ATOMS: [&str; 19] = [
        "a",
        "b",
        "ab",
        "ä",
        " ",
        "[ab]",
        "[^a]",
        "[a-cä]",
        ".",
        r"\d",
        r"\w",
        r"\S",
        r"\b",
        "^",
        "$",
        "%{INT}",
        "%{WORD:w}",
        "%{DATA:d}",
        "é|b",
    ];
    const LOOKING: [&str; 9] =
        ["(?!a)", "(?<=b)", "%{NUMBER:n}", "(?=ab)", "(?<!ab)", "(?>a|ab)", "(?>a*b?)", "[ab]++", "(?i:aB)"];
    const SIGNS: [&str; 12] = ["", "", "", "*", "+", "?", "*?", "+?", "{1,2}", "{2}", "??", "{0,3}"];
    let mut text = String::new();
    for part in 0..1 + random.below(4) {
        let atom = match random.below(4) {
            0 if depth > 0 => format!("({})", pattern(random, depth - 1, looks)),
            1 if depth > 0 => format!("(?<n{depth}{part}>{})", pattern(random, depth - 1, looks)),
            2 if depth > 0 => {
                format!("(?:{}|{})", pattern(random, depth - 1, looks), pattern(random, depth - 1, looks))
            }
            3 if looks && random.below(2) == 0 => LOOKING[random.below(LOOKING.len())].to_owned(),
            _ => ATOMS[random.below(ATOMS.len())].to_owned(),
        };
        let sign = SIGNS[random.below(SIGNS.len())];
        // A loop over what can be empty is left in different ways.
        let definitions = Definitions::new(Vec::new(), Compatibility::Disabled);
        let can_be_empty = parse(std::slice::from_ref(&atom), &definitions)
            .map_or(true, |(nodes, ..)| shape::first(&nodes[0], false).1);
        text.push_str(&atom);
        if !can_be_empty && (atom.starts_with('(') || !atom.contains('|')) {
            text.push_str(sign);
        }
    }
    text
}
