//! Random patterns over random lines: grok, dissect, kv, csv, dates and conditions, from pieces of their languages and from sample
//! lines that were damaged.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::{Value, json};

use super::{of_one, run};

/// How long each target runs when `FUZZ_MS` does not say it.
const TARGET_MS: u64 = 2000;
/// Pieces of one pattern, damages of one line.
const PIECES_MAX: usize = 14;
const DAMAGES_MAX: usize = 6;

const GROK: &[&str] = &[
    "%{IP:a}",
    "%{NUMBER:n:float}",
    "%{INT:i:long}",
    "%{DATA:d}",
    "%{GREEDYDATA:g}",
    "%{PATH:p}",
    "%{QS:q}",
    "%{WORD:w}",
    "%{HTTPDATE:t}",
    "%{TIMESTAMP_ISO8601:t}",
    "%{SYSLOGTIMESTAMP:t}",
    "%{URI:u}",
    "%{HOSTNAME:h}",
    "%{NOTSPACE}",
    "%{NOPE}",
    "(?<x>",
    "(?:",
    "(?=",
    "(?!",
    "(?<=",
    "(?>",
    ")",
    ")*",
    ")+?",
    "){0,3}",
    "|",
    "*",
    "+",
    "??",
    "{2,}",
    "^",
    "$",
    "\\A",
    "\\z",
    "\\b",
    "\\h",
    "\\d",
    "\\S",
    ".",
    ".*",
    ".*?",
    "[^ ]",
    "[[:alpha:]-]",
    "[a&&b]",
    " ",
    "-",
    ":",
    "\"",
    "\\[",
    "\\]",
    "(?m)",
    "(?i)",
    "\\k<x>",
    "é",
    "%{",
    "}",
    "\\",
];
const DISSECT: &[&str] = &[
    "%{a}", "%{b}", "%{+a}", "%{+a/2}", "%{+a/1}", "%{a->}", "%{?s}", "%{*k}", "%{&k}", "%{}", "%{->}", " ", ",", "[",
    "]", "\"", "::", "é", "%{", "}", "%", "%{a.b}", "%{a[0]}",
];
const REGEX: &[&str] = &[
    " ",
    "=",
    ":",
    ",",
    "\\s+",
    "[=:]",
    "(?=[a-z]+=)",
    "(?<!x) ",
    "|",
    ".",
    ".*",
    "(a|b)*",
    "\\|",
    "é",
    "(",
    "[",
    "\\",
    "$",
    "^",
    "{1,2}",
    "\\p{L}",
];
const DATE: &[&str] = &[
    "yyyy",
    "yy",
    "uuuu",
    "MM",
    "MMM",
    "M",
    "dd",
    "d",
    "HH",
    "H",
    "hh",
    "h",
    "mm",
    "ss",
    "SSS",
    "SSSSSS",
    "a",
    "E",
    "EEE",
    "Z",
    "X",
    "XXX",
    "z",
    "zzz",
    "VV",
    "D",
    "DDD",
    "w",
    "e",
    "'T'",
    "'",
    "''",
    "-",
    "/",
    ":",
    " ",
    ".",
    ",",
    "[",
    "]",
    "Q",
    "G",
    "n",
    "A",
    "ISO8601",
    "UNIX",
    "UNIX_MS",
    "TAI64N",
    "strict_date_optional_time",
    "epoch_millis",
    "||",
    "é",
    "p",
    "{",
];
const CONDITION: &[&str] = &[
    "ctx",
    ".message",
    "?.a",
    ".a",
    "['a']",
    "[0]",
    "ctx.message",
    "null",
    "true",
    "1",
    "2L",
    "3.5",
    "'x'",
    "\"y\"",
    "==",
    "!=",
    "===",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    "(",
    ")",
    "?",
    ":",
    "?:",
    "+",
    "-",
    "*",
    "/",
    "%",
    "=~",
    "==~",
    "/a.*b/",
    "/(a+)+b/i",
    ".contains('a')",
    ".startsWith(\"b\")",
    ".length()",
    ".size()",
    ".isEmpty()",
    ".toLowerCase()",
    ".substring(1)",
    " instanceof ",
    "String",
    "Map",
    "['a', 'b']",
    ".contains(ctx.message)",
    "(int)",
    "(String)",
    "'\\\\'",
    "/",
    "'",
    "9999999999999",
    "-",
    "1e400",
];

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    seed
}

fn pattern(random: &mut Rng, pieces: &[&str]) -> String {
    (0..random.usize(1..PIECES_MAX)).map(|_| pieces[random.usize(..pieces.len())]).collect()
}

/// Lines of every ready-made pipeline.
fn samples() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    let mut lines = Vec::new();
    for kind in fs::read_dir(folder).unwrap().flatten() {
        for file in fs::read_dir(kind.path()).unwrap().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "log") {
                lines.extend(fs::read_to_string(file.path()).unwrap().lines().map(str::to_owned));
            }
        }
    }
    assert!(lines.len() > 150, "only {} lines were found", lines.len());
    lines.sort();
    lines
}

/// A sample line, with some characters left out, doubled, replaced or put in.
fn line(random: &mut Rng, samples: &[String]) -> String {
    const CHARS: &[char] = &[
        ' ',
        '"',
        '\\',
        '=',
        ':',
        '[',
        ']',
        '{',
        '}',
        '%',
        '\n',
        '\r',
        '\t',
        '\0',
        '0',
        '9',
        'a',
        'é',
        '\u{1f600}',
        ',',
    ];
    let mut line: Vec<char> = samples[random.usize(..samples.len())].chars().collect();
    for _ in 0..random.usize(..DAMAGES_MAX) {
        let place = random.usize(..=line.len());
        match random.usize(..4) {
            0 => line.truncate(place),
            1 => line.insert(place, CHARS[random.usize(..CHARS.len())]),
            2 if place < line.len() => line[place] = CHARS[random.usize(..CHARS.len())],
            _ => {
                let part: Vec<char> = line[place..].iter().take(random.usize(..40)).copied().collect();
                line.extend(part);
            }
        }
    }
    line.into_iter().collect()
}

/// Makes processors until the time is over, and runs each that loads over some lines.
fn target(make: impl Fn(&mut Rng) -> Value) {
    let mut random = Rng::with_seed(seed());
    let ms = std::env::var("FUZZ_MS").ok().and_then(|text| text.parse().ok()).unwrap_or(TARGET_MS);
    let end = Instant::now() + Duration::from_millis(ms);
    let samples = samples();
    let (mut made, mut loaded) = (0, 0);
    while Instant::now() < end {
        let processor = make(&mut random);
        made += 1;
        let Some(pipeline) = of_one(&processor) else { continue };
        loaded += 1;
        for _ in 0..4 {
            run(&pipeline, &line(&mut random, &samples), &processor.to_string());
        }
        run(&pipeline, "", &processor.to_string());
    }
    println!("{loaded} of {made} were loaded");
    let last = json!({"processors": [make(&mut random)]}).to_string();
    assert!(loaded > 0, "nothing could be loaded: {:?}", pipelines::pipeline::Pipeline::parse("p.json", &last).err());
}

#[test]
fn grok() {
    target(|random| {
        let definitions = json!({"NOPE": pattern(random, &GROK[20..])});
        json!({"grok": {"field": "message", "patterns": [pattern(random, GROK), pattern(random, &GROK[..20])],
            "pattern_definitions": definitions, "trace_match": random.bool()}})
    });
}

#[test]
fn dissect() {
    target(|random| {
        let separator = if random.bool() { "" } else { "é " };
        json!({"dissect": {"field": "message", "pattern": pattern(random, DISSECT), "append_separator": separator}})
    });
}

#[test]
fn kv() {
    target(|random| {
        let (field, value) = (pattern(random, &REGEX[..8]), pattern(random, &REGEX[..6]));
        let regex = pattern(random, REGEX);
        json!({"kv": {"field": "message", "field_split": if random.bool() { &field } else { &regex }, "value_split": value,
            "trim_key": " \"", "trim_value": "\"'", "strip_brackets": random.bool(), "prefix": "p.", "target_field": "t"}})
    });
}

#[test]
fn csv() {
    target(|random| {
        let separators = [",", ";", "\t", "é", " ", "\""];
        let quotes = ["\"", "'", "é", ","];
        json!({"csv": {"field": "message", "target_fields": ["a", "b.c", "d", "b.e"], "trim": random.bool(), "empty_value": "-",
            "separator": separators[random.usize(..separators.len())], "quote": quotes[random.usize(..quotes.len())]}})
    });
}

#[test]
fn date() {
    target(|random| {
        let zones = ["UTC", "Europe/Berlin", "+01:00", "{{{message}}}"];
        let output = if random.bool() { "yyyy-MM-dd'T'HH:mm:ss.SSSXXX".to_owned() } else { pattern(random, DATE) };
        json!({"date": {"field": "message", "formats": [pattern(random, DATE), pattern(random, DATE)],
            "timezone": zones[random.usize(..zones.len())], "output_format": output}})
    });
}

#[test]
fn conditions() {
    target(|random| json!({"set": {"field": "a", "value": 1, "if": pattern(random, CONDITION)}}));
}

#[test]
fn ready_made_pipelines() {
    /// Damaged lines for each; those of other kinds are among them.
    const LINES: usize = 100;
    let mut random = Rng::with_seed(seed());
    let samples = samples();
    for name in pipelines::library::names() {
        let pipeline = pipelines::pipeline::Pipeline::load(name).unwrap();
        for _ in 0..LINES {
            run(&pipeline, &line(&mut random, &samples), name);
        }
    }
}
