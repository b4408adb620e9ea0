//! Random lines and random patterns: whatever comes, nothing panics and nothing hangs.

use pipelines::document::{Document, Origin};
use pipelines::library;
use pipelines::pipeline::{Context, Pipeline};

/// Runs per pipeline; the seed is printed when one of them panics.
const RUNS: u64 = 300;

/// A small generator (splitmix64), so that a seed gives the same run everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

fn context() -> Context {
    Context::at(i64::MIN, "2026-03-01T00:30:00Z".parse().unwrap())
}

fn seed() -> u64 {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| std::process::id().into());
    println!("SEED={seed}");
    seed
}

#[test]
fn damaged_lines_do_no_harm() {
    let mut random = Random(seed());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library");
    for name in library::names() {
        let pipeline = Pipeline::load(name).unwrap();
        let lines = std::fs::read(folder.join(name).join(format!("{name}.log"))).unwrap();
        let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
        for _ in 0..RUNS {
            let mut line = lines[random.below(lines.len())].to_vec();
            for _ in 0..random.below(6) {
                let place = random.below(line.len() + 1);
                match random.below(3) {
                    0 => line.truncate(place),
                    1 => line.insert(place, random.next() as u8),
                    _ if place < line.len() => line[place] = b"\"[]{}: \\0"[random.below(9)],
                    _ => {}
                }
            }
            let mut document = Document::from_line(&line, &Origin::default());
            pipeline.run(&mut document, &context());
            let mut json = Vec::new();
            document.write_json(&mut json);
            serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn random_patterns_do_no_harm() {
    const PIECES: &[&str] = &[
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "*",
        "+",
        "?",
        "|",
        "^",
        "$",
        "\\",
        ".",
        "-",
        "&&",
        "(?<a>",
        "(?=",
        "(?<!",
        "(?>",
        "(?m)",
        "(?i:",
        "\\h",
        "\\k<a>",
        "%{INT:n:int}",
        "%{DATA:d}",
        "%{",
        "{2,3}",
        "[[:alpha:]]",
        "a",
        "ü",
        "1",
        "\\p{Lu}",
        "\\x41",
        "\\Z",
        "[^a-z]",
        ":",
        "'",
    ];
    let mut random = Random(seed());
    for _ in 0..3 * RUNS {
        let pattern: String = (0..random.below(12)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        for processor in [
            serde_json::json!({"grok": {"field": "message", "patterns": [pattern]}}),
            serde_json::json!({"date": {"field": "message", "formats": [pattern]}}),
            serde_json::json!({"set": {"field": pattern, "value": format!("{{{{{pattern}}}}}")}}),
        ] {
            let text = serde_json::json!({"processors": [processor]}).to_string();
            let Ok(pipeline) = Pipeline::parse("p.json", &text) else { continue };
            for line in ["", "a1 üÜ(b) 22", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa1", "2024-01-01"] {
                let mut document = Document::from_line(line.as_bytes(), &Origin::default());
                pipeline.run(&mut document, &context());
            }
        }
    }
}

#[test]
fn a_line_of_a_mebibyte_is_a_line() {
    for name in library::names() {
        let pipeline = Pipeline::load(name).unwrap();
        for piece in ["a ", "\"", "[", "{\"a\":", "1.1.1.1 - - [", "\u{fffd}"] {
            let line = piece.repeat((1 << 20) / piece.len());
            let mut document = Document::from_line(line.as_bytes(), &Origin::default());
            pipeline.run(&mut document, &context());
            assert!(document.get("message").is_some(), "{name}: {piece:?}");
        }
    }
}
